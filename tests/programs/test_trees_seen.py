"""What those who watch see of the trees that programs search."""

from __future__ import annotations

from dynasor import Fixed
from dynasor.programs.mcts import MCTS
from dynasor.programs.rebase import Rebase
from tests.programs.tree_world import Scores, Watcher, solve, tells

GOOD, POOR = "good\nThe answer is \\boxed{1}.", "poor\nThe answer is \\boxed{2}."


async def test_the_tree_of_rebase_with_what_each_step_is_worth() -> None:
    watcher = Watcher()
    scores = Scores({"good": 0.9, "poor": 0.1, GOOD: 1.0})
    await solve(Rebase(scores), tells(GOOD, POOR), Fixed(), cap=2, listener=watcher.hear)
    assert watcher.paths == {"good\n": 0.9, "poor\n": 0.1, GOOD: 1.0}
    leaves = [node for node in watcher.nodes.values() if node.is_leaf]
    assert [node.answer for node in leaves] == ["1", "1"], "the poor step has no child: it was pruned"
    assert len({node.parent for node in leaves}) == 1


async def test_the_tree_of_mcts_changes_its_mind() -> None:
    watcher = Watcher()
    scores = Scores({GOOD: 1.0, POOR: 0.2})
    await solve(MCTS(scores), tells(GOOD, POOR), Fixed(), cap=4, listener=watcher.hear)
    assert watcher.paths["good\n"] == 1.0
    assert watcher.paths["poor\n"] == 0.2
    whole = next(node for node in watcher.nodes.values() if watcher.path(node) == GOOD)
    assert (whole.is_leaf, whole.answer) == (True, "1")
    roots = [node for node in watcher.nodes.values() if not node.parent]
    assert sum(node.visits for node in roots) == 4, "each rollout is counted where it began"
