"""Scripted solutions for programs that search in trees: an engine that goes on from wherever a path stands, and a
reward that looks scores up."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from dynasor import AnswerReader, Options, Question, Runtime
from dynasor.events import Event, Listener, TreeGrown, ignore
from dynasor.programs import Program, Session
from dynasor.rewards import Solution
from dynasor.runtime import Recovery
from dynasor.scheduling import Allocator
from dynasor.vocabulary import Answer, FinishReason, Request, Sampling, TreeNode
from tests.in_process_engine import InProcessEngine, Reply, Script

QUESTION = Question.of_text("How many?", "q")
PROMPT = "<user>How many?<assistant>"


def words(text: str) -> tuple[str, ...]:
    """Every word, space and line break as a token."""
    pieces: list[str] = []
    for character in text:
        if pieces and character.isalnum() and pieces[-1].isalnum():
            pieces[-1] += character
        else:
            pieces.append(character)
    return tuple(pieces)


def tells(*chains: str) -> Script:
    """A path is continued as the chains that begin with it go on, which take turns at each place.

    A chain that ends in ``...`` goes on and on. The limit on tokens is kept.
    """
    turns: dict[str, int] = {}

    def script(request: Request) -> Reply:
        assert isinstance(request.prompt, str) and request.prompt.startswith(PROMPT)
        written = request.prompt.removeprefix(PROMPT)
        fitting = [chain for chain in chains if chain.startswith(written)]
        assert fitting, f"no chain begins with {written!r}"
        turns[written] = turns.get(written, -1) + 1
        chain = fitting[turns[written] % len(fitting)]
        whole = words(chain[len(written) :]) if not chain.endswith("...") else words(chain[len(written) :] + "." * 300)
        limit = request.sampling.max_tokens or len(whole)
        reason = FinishReason.LENGTH if limit < len(whole) else FinishReason.STOP
        return Reply(pieces=whole[:limit] or ("",), num_tokens=max(1, limit), finish_reason=reason)

    return script


@dataclass(slots=True)
class Scores:
    """A reward that gives a text the score of the longest of its beginnings in ``table``, or else a half."""

    table: Mapping[str, float] = field(default_factory=dict)
    needs_logprobs: bool = False
    needs_prompt: bool = True
    scored: list[Solution] = field(default_factory=list)

    async def score(self, session: Session, solution: Solution) -> float:
        self.scored.append(solution)
        known = [beginning for beginning in self.table if solution.text.startswith(beginning)]
        return self.table[max(known, key=len)] if known else 0.5


async def solve(
    program: Program,
    script: Script,
    allocator: Allocator,
    *,
    cap: int = 4,
    max_tokens: int | None = None,
    listener: Listener = ignore,
) -> tuple[Answer, InProcessEngine]:
    """Run ``program``; afterwards nothing is left in scheduler or engine, and both agree on what was produced."""
    async with InProcessEngine(script) as engine, AnswerReader() as reader:
        runtime = Runtime(engine, reader, recovery=Recovery(max_tries=1), listener=listener)
        options = Options(max_samples=cap, sampling=Sampling(temperature=0.7, max_tokens=max_tokens))
        answer = await runtime.run(QUESTION, program, allocator, options)
        assert not runtime.dispatcher.scheduler.waiting
        assert not runtime.dispatcher.scheduler.running
        assert answer.usage.produced == engine.produced
        return answer, engine


@dataclass(slots=True)
class Watcher:
    """Keeps the tree as those who watch see it, and looks that a step comes after its parent."""

    nodes: dict[int, TreeNode] = field(default_factory=dict)

    def hear(self, event: Event) -> None:
        if isinstance(event, TreeGrown):
            for node in event.nodes:
                assert node.parent == 0 or node.parent in self.nodes
                self.nodes[node.node] = node

    def path(self, node: TreeNode) -> str:
        return (self.path(self.nodes[node.parent]) if node.parent else "") + node.text

    @property
    def paths(self) -> dict[str, float | None]:
        """What the search thinks of each path."""
        return {self.path(node): node.reward for node in self.nodes.values()}


def paths_asked(engine: InProcessEngine) -> list[str]:
    """What had been written when each request was sent, in their order."""
    return [str(request.prompt).removeprefix(PROMPT) for request in engine.requests]


def counted(paths: Iterable[str]) -> dict[str, int]:
    paths = list(paths)
    return {path: paths.count(path) for path in dict.fromkeys(paths)}
