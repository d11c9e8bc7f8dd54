"""A reward that says what a test wrote down."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

from dynasor.programs import Session
from dynasor.rewards import Solution


@dataclass(slots=True)
class ScriptedReward:
    """Scores a solution by the first of ``scores`` that is in its text, after ``takes_s`` seconds."""

    scores: Mapping[str, float]
    needs_logprobs: bool = False
    needs_prompt: bool = False
    takes_s: float = 0.0
    scored: list[Solution] = field(default_factory=list)

    async def score(self, session: Session, solution: Solution) -> float:
        self.scored.append(solution)
        await asyncio.sleep(self.takes_s)
        return next(score for part, score in self.scores.items() if part in solution.text)
