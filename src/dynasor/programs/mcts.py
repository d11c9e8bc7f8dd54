"""Monte Carlo tree search over the steps of solutions: one rollout at a time, from where a better one may begin."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from dynasor.certainty import ChosenBy
from dynasor.errors import InputError
from dynasor.programs.paths import Path, PathWriter, checked_delimiter
from dynasor.programs.protocol import ReadAnswer, Session
from dynasor.rewards import Reward
from dynasor.vocabulary import Answer, TreeNode


@dataclass(slots=True)
class Node:
    """A step in the tree, with the path that it ends.

    A *draw* is a step that the model wrote next after this one; equal ones are one child. A *visit* is a rollout
    through this node, whether it began here, further up or further down.
    """

    path: Path = field(default_factory=Path)
    is_last: bool = False
    """The solution ends with this step."""
    children: dict[tuple[str, bool], Node] = field(default_factory=dict)
    """By the text of their step, and whether it is the last."""
    num_draws: int = 0
    num_visits: int = 0
    total_reward: float = 0.0
    number: int = 0
    """By which those who watch know it; 0: the root, or nobody knows it yet."""

    @property
    def depth(self) -> int:
        return len(self.path.steps)

    @property
    def mean_reward(self) -> float:
        return self.total_reward / self.num_visits


@dataclass(frozen=True, slots=True)
class MCTS:
    """Search a tree of steps: roll out a whole solution, score it, and go back to the most promising step.

    A unit of the knob is an iteration, and an iteration is one request: it begins at a node of the tree, writes on to
    the end of a solution, and turns all that it wrote into nodes. So nothing is written that is not used: the steps of
    a rollout are the first children that are tried later (expansion and simulation in one). Every solution is a vote,
    and the reward it ends with is backed up along its path.

    Nodes are picked by UCT. How many steps may be drawn after a node grows with the root of its visits (progressive
    widening), so that a tree is neither all root nor a single chain. Steps that the model draws twice are one node.
    No rollout begins below a node of which all continuations were drawn as often as they may.

    Args:
        reward: scores whole solutions.
        step_end: where steps end.
        exploration: the weight of curiosity against reward in UCT. Rewards are in [0, 1].
        widening: how fast a node gets new children: ``1 + widening * sqrt(visits)`` draws.
        max_depth: how many steps deep a rollout may begin at most.
        aggregate: how the answer is chosen. ``weighted`` (a vote weighs its reward) also stands a poor reward;
            ``best`` is the paper's, and right for a reward that can be trusted; ``majority`` counts heads.
    """

    reward: Reward
    step_end: str = "\n"
    exploration: float = 1.0
    widening: float = 1.0
    max_depth: int = 25
    aggregate: ChosenBy = "weighted"

    def __post_init__(self) -> None:
        checked_delimiter(self.step_end)
        for name in ("exploration", "widening"):
            if not 0 <= getattr(self, name) < math.inf:
                raise InputError(f"{name} is {getattr(self, name)}; a number of at least 0 was expected")
        if self.max_depth < 1:
            raise InputError(f"max_depth is {self.max_depth}; at least 1 was expected")

    async def execute(self, session: Session) -> Answer:
        writer = PathWriter(session, await session.render(), self.reward, self.step_end)
        votes = session.votes(by=self.aggregate, reward_form="mean")
        root = Node()
        numbers = itertools.count(1)
        while session.grant(most=1):
            trail = self.select(root)
            leaf = await writer.leaf(await writer.write_to_end(trail[-1].path))
            trail += graft(trail[-1], leaf.path)
            back_up(trail, leaf.reward)
            session.grow(*seen(trail, numbers, leaf.answer))
            votes.add(leaf.answer, leaf.path, leaf.reward)
            votes.report(session)
        return votes.answer()

    def select(self, root: Node) -> list[Node]:
        """The nodes from ``root`` down to where the next rollout begins: the first that may draw another step, or
        whose best child is explored. (A second-best child instead would be a step that the model rarely writes, sought
        for no better reason than that.)"""
        trail = [root]
        while not self.may_draw(trail[-1]) and trail[-1].children:
            best = max(trail[-1].children.values(), key=lambda child: upper_bound(trail[-1], child, self.exploration))
            if self.is_explored(best):
                break
            trail.append(best)
        return trail

    def may_draw(self, node: Node) -> bool:
        return node.num_draws < 1 + math.floor(self.widening * math.sqrt(node.num_visits))

    def is_explored(self, node: Node) -> bool:
        """No rollout shall begin at this node or below."""
        if node.is_last or node.depth > self.max_depth:
            return True
        return not self.may_draw(node) and all(map(self.is_explored, node.children.values()))


def upper_bound(parent: Node, child: Node, exploration: float) -> float:
    """UCT (Kocsis & Szepesvari 2006): ``mean reward + exploration * sqrt(ln(visits of parent) / visits)``."""
    return child.mean_reward + exploration * math.sqrt(math.log(parent.num_visits) / child.num_visits)


def graft(node: Node, path: Path) -> list[Node]:
    """Make ``path``, which goes on from ``node``, a part of the tree: the nodes of its further steps, old or new.

    The step that a dead path was cut off in is none to go on from. It counts as a draw, and so does writing nothing.
    """
    nodes = []
    further = path.steps[node.depth :]
    for number, step in enumerate(further, 1):
        node.num_draws += 1
        is_last = number == len(further)
        if is_last and path.is_dead:
            break
        node = node.children.setdefault((step.text, is_last), Node(node.path.then(step), is_last))
        nodes.append(node)
    if not further:
        node.num_draws += 1
    return nodes


def seen(trail: Sequence[Node], numbers: Iterator[int], answer: ReadAnswer | None) -> Iterator[TreeNode]:
    """The nodes of ``trail`` as those who watch see them after a rollout; new ones are given a number."""
    for parent, node in itertools.pairwise(trail):
        node.number = node.number or next(numbers)
        step = node.path.steps[-1]
        yield TreeNode(
            node.number,
            parent.number,
            step.text,
            step.num_tokens,
            node.mean_reward,
            node.num_visits,
            node.is_last,
            answer.text if node.is_last and answer else None,
        )


def back_up(trail: Sequence[Node], reward: float) -> None:
    """Count a rollout through all nodes of ``trail``, which brought ``reward``."""
    for node in trail:
        node.num_visits += 1
        node.total_reward += reward
