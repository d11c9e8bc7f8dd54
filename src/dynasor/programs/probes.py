"""Probes: what does a chain of thought take for the answer now?

A probe continues the chain so far with a text that ends in an open box, greedily, and is read up to the brace that
closes it. It is its own request; the chain never sees it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from dynasor.answers import read_prefix
from dynasor.certainty import mean_probability
from dynasor.errors import EngineRejected
from dynasor.programs.protocol import ReadAnswer, Session
from dynasor.vocabulary import RequestKind, Sampling, TokenLogprob

_TEXT = re.compile(r"\\(?:text|textbf|mathrm|mathbf)\s?\{([^{}]*)\}")
_PLACEHOLDER = re.compile(r"(?:[\s?.…_{}]|\\[lc]?dots|\\boxed)*")
_BARE_ANSWERS = frozenset({"no"})
"""A word of doubt that is an answer where it stands alone."""


@dataclass(frozen=True, slots=True)
class Probe:
    """What a probe of the first ``num_tokens`` tokens of a chain found.

    ``answer`` is None if it closed no box, or put nothing into it; ``text`` is what it wrote, the answer in its box.
    ``is_sure`` says whether the answer counts as evidence. ``cost`` is how many tokens it took.
    """

    num_tokens: int
    answer: ReadAnswer | None = None
    text: str = ""
    is_sure: bool = False
    confidence: float | None = None
    cost: int = 0

    @property
    def key(self) -> str | None:
        """The answer as evidence; None where the chain does not commit itself to one."""
        return self.answer.key if self.answer and self.is_sure else None


@dataclass(frozen=True, slots=True)
class Boxed:
    """The inside of a probe's box, None if it has none, with the probability of its tokens if that is known."""

    text: str | None
    confidence: float | None
    num_tokens: int


async def fill_box(session: Session, prompt: str, max_tokens: int, *, is_beside: bool) -> Boxed:
    """Let the model go on from ``prompt``, which ends in an open brace, until it closes that, and no further, beside a
    stream that is open or by itself.

    Where the engine refuses, as it does when prompt and answer do not fit into its context, nothing is found.
    """
    sampling = Sampling(temperature=0.0, max_tokens=max_tokens, top_logprobs=0)
    logprobs: tuple[TokenLogprob, ...] = ()
    try:
        async with session.stream(prompt, kind=RequestKind.PROBE, sampling=sampling, is_beside=is_beside) as stream:
            async for delta in stream:
                logprobs += delta.logprobs
                if read_prefix(stream.text) is not None:
                    stream.keep(stream.num_tokens)
                    break
    except EngineRejected:
        return Boxed(None, None, 0)
    return Boxed(read_prefix(stream.text), mean_probability(logprobs_in_box(logprobs)), stream.num_tokens)


def logprobs_in_box(tokens: Iterable[TokenLogprob]) -> Iterator[float]:
    """The log-probabilities of the tokens up to the one that closes the box."""
    text = ""
    for token in tokens:
        text += token.token
        yield token.logprob
        if read_prefix(text) is not None:
            return


def hesitates(answer: str, words: tuple[str, ...]) -> bool:
    """Whether one of ``words`` stands in the answer, as a whole word in any case.

    A bare "no" answers a question of yes or no.
    """
    plain = _TEXT.sub(r"\1", answer).strip(" .!").lower()
    if not words or plain in _BARE_ANSWERS:
        return False
    alternatives = "|".join(re.escape(word) for word in words)
    return re.search(rf"(?<![\w\\])(?:{alternatives})(?!\w)", answer, re.IGNORECASE) is not None


def is_placeholder(answer: str) -> bool:
    """Whether the box is empty, or holds only dots, question marks and the like."""
    return _PLACEHOLDER.fullmatch(answer) is not None
