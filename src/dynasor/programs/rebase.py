"""Rebase (Wu et al., arXiv 2408.00724): a tree as wide as the knob, whose best branches get the most of the width."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from dynasor.errors import InputError
from dynasor.programs.all_of import all_of
from dynasor.programs.paths import Leaf, Path, PathWriter, checked_delimiter
from dynasor.programs.protocol import Session
from dynasor.rewards import Reward
from dynasor.vocabulary import Answer


@dataclass(frozen=True, slots=True)
class Rebase:
    """Write steps side by side, score them, and let the next ones branch from each in proportion to its reward.

    A unit of the knob is a branch: a tree of width n writes n steps at each depth and brings n leaves, each a vote
    that weighs its reward. Every grant grows a tree of its own. So what an allocator grants after it looked at the
    first tree starts a second one, whose votes add up with those before (the paper leaves this open). Rewards are
    compared only within a tree and a depth.

    Args:
        reward: scores every step in the light of all before it.
        step_end: where steps end.
        softmax_temperature: how sharply the width follows the reward; the smaller, the sharper.
        max_depth: how many steps a path may have. One that goes on is given up, and is a vote without an answer.
        max_step_tokens: how long a step may be. A longer one is scored as it is, and goes on.
    """

    reward: Reward
    step_end: str = "\n"
    softmax_temperature: float = 0.2
    max_depth: int = 25
    max_step_tokens: int = 256

    def __post_init__(self) -> None:
        checked_delimiter(self.step_end)
        if not 0 < self.softmax_temperature < math.inf:
            raise InputError(f"softmax_temperature is {self.softmax_temperature}; a number above 0 was expected")
        for name in ("max_depth", "max_step_tokens"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} is {getattr(self, name)}; at least 1 was expected")

    async def execute(self, session: Session) -> Answer:
        writer = PathWriter(session, await session.render(), self.reward, self.step_end)
        votes = session.votes(by="weighted", reward_form="max")
        numbers = itertools.count(1)
        while width := session.grant():
            for leaf in await self.grow_tree(session, writer, width, numbers):
                votes.add(leaf.answer, leaf.path, leaf.reward)
            votes.report(session)
        return votes.answer()

    async def grow_tree(self, session: Session, writer: PathWriter, width: int, numbers: Iterator[int]) -> list[Leaf]:
        """``width`` leaves. All steps of a depth are written before the first is scored: so what is drawn does not
        depend on which of them was the fastest."""
        leaves: list[Leaf] = []
        to_grow = [Path()] * width
        for depth in range(1, self.max_depth + 1):
            written = await all_of(writer.write_step(path, self.max_step_tokens) for path in to_grow)
            if depth == self.max_depth:
                written = [path if path.end else path.given_up() for path in written]
            written = [replace(path, node=next(numbers)) for path in written]
            parents = {path.node: parent.node for path, parent in zip(written, to_grow, strict=True)}
            ended = await all_of(writer.leaf(path) for path in written if path.end)
            going_on = [path for path in written if not path.end]
            scores = await all_of(writer.score(path) for path in going_on)
            session.grow(
                *(leaf.path.as_node(parents[leaf.path.node], leaf.reward, leaf.answer) for leaf in ended),
                *(path.as_node(parents[path.node], score) for path, score in zip(going_on, scores, strict=True)),
            )
            leaves += ended
            to_grow = list(self._branch(going_on, scores))
        return leaves

    def _branch(self, paths: Sequence[Path], scores: Sequence[float]) -> Iterator[Path]:
        """Every path as often as it has children: as many in all as there are paths, for each that ended has taken
        its share of the width along."""
        for path, width in zip(paths, shares(scores, len(paths), self.softmax_temperature), strict=True):
            yield from [path] * width


def shares(scores: Sequence[float], width: int, temperature: float) -> tuple[int, ...]:
    """How many of ``width`` children the path with each of these scores gets; they sum to ``width``.

    In proportion to ``exp(score / temperature)``, from the highest score down: each takes its part of what is left,
    rounded up (Wu et al., section 3.2 and their code). So a higher score never gets fewer, and the lowest may get
    none. Of equal scores the earlier one is the higher.
    """
    order = sorted(range(len(scores)), key=lambda index: scores[index], reverse=True)
    weights = [math.exp((scores[index] - scores[order[0]]) / temperature) for index in order]
    given = [0] * len(scores)
    for place, index in enumerate(order):
        part = width * weights[place] / (math.fsum(weights[place:]) or 1.0)
        given[index] = math.ceil(part - ROUNDING)
        width -= given[index]
    return tuple(given)


ROUNDING = 1e-9
"""Keeps a part that should be whole from being rounded up for its last bit."""
