"""The part of a session that rewards see, with its answers written down beforehand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import cast

from dynasor.programs import Session
from dynasor.vocabulary import Completion, FinishReason, Message, RequestKind, Sampling, TokenLogprob


@dataclass(slots=True)
class Asked:
    """What a reward asked the engine."""

    prompt: tuple[Message, ...] | str
    kind: RequestKind
    sampling: Sampling | None


@dataclass(slots=True)
class ScriptedSession:
    """Answers every request with one token, whose probabilities are ``tops``; without them with none reported."""

    tops: Mapping[str, float] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    scored: int = 0

    @property
    def as_session(self) -> Session:
        return cast(Session, self)

    async def generate(
        self,
        prompt: tuple[Message, ...] | str,
        *,
        kind: RequestKind = RequestKind.MAIN,
        sampling: Sampling | None = None,
    ) -> Completion:
        self.asked.append(Asked(prompt, kind, sampling))
        likeliest = max(self.tops, key=lambda token: self.tops[token], default="")
        told = (TokenLogprob(likeliest, self.tops[likeliest], self.tops),) if self.tops else ()
        return Completion("r", likeliest, FinishReason.LENGTH, 1, logprobs=told)

    def count_scored(self, num_tokens: int) -> None:
        self.scored += num_tokens
