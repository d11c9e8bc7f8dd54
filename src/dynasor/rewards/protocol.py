"""What a reward is: a number in [0, 1] for a solution, whole or half-written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from dynasor.vocabulary import Question, TokenLogprob

if TYPE_CHECKING:
    from dynasor.programs.protocol import Session


@dataclass(frozen=True, slots=True)
class Solution:
    """What is scored: the steps written so far for a question. Joined as they are they are the text that the
    engine continued ``prompt`` with (None: a chat request, whose raw prompt nobody asked for)."""

    question: Question
    steps: tuple[str, ...]
    prompt: str | None = None
    logprobs: tuple[TokenLogprob, ...] = ()
    """Of all tokens of all steps, if the reward ``needs_logprobs``."""
    is_finished: bool = True

    @property
    def text(self) -> str:
        return "".join(self.steps)


class Reward(Protocol):
    """Scores solutions. Higher is better; scores of one question are compared with each other."""

    @property
    def needs_logprobs(self) -> bool:
        """Whether it reads ``Solution.logprobs``: the requests that write solutions must ask for them then
        (``top_logprobs=0``)."""
        ...

    @property
    def needs_prompt(self) -> bool:
        """Whether it reads ``Solution.prompt``: solutions must be written as the continuation of a raw text then
        (``Session.render``)."""
        ...

    async def score(self, session: Session, solution: Solution) -> float:
        """The reward of ``solution``, in [0, 1]. Requests go through ``session`` as ``RequestKind.SCORE``.

        Raises EngineError when the source of the reward cannot be reached or answers no number.
        """
        ...
