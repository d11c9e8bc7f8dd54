"""What each decider makes of a workload."""

from __future__ import annotations

from dynasor.bench.workloads import WORKLOADS
from dynasor.programs.chain_of_thought import ChainOfThought


def test_chains_under_the_papers_rule_have_the_pace_of_its_authors_servers() -> None:
    chains = WORKLOADS["chain-of-thought"]
    paper, ours = chains.make_program(None, "paper"), chains.make_program(None, "ours")
    assert isinstance(paper, ChainOfThought) and isinstance(ours, ChainOfThought)
    assert (paper.window, paper.probe_interval, paper.min_confidence) == (2, 32, 0.0)
    assert ours == chains.make_program(None, "fixed") == ChainOfThought()
