"""The object that programs share: what is the answer in this text, and which answers are the same?"""

from __future__ import annotations

from types import TracebackType
from typing import Self

from dynasor.answers.algebraist import Algebraist
from dynasor.answers.extraction import AnswerStyle, extract
from dynasor.answers.keys import quick_key, written_key
from dynasor.answers.spelling import bare


class AnswerReader:
    """Reads the answer out of a text and tells which answers are the same.

    Sameness is equality of canonical keys, hence an equivalence. Most keys come from the text alone, at once;
    formulas go to a worker process, started when first needed. Leaving the reader ends the worker, so use it
    as ``async with AnswerReader() as reader``; one reader serves any number of programs of one event loop.
    """

    def __init__(self, style: AnswerStyle = AnswerStyle.MATH, *, timeout_s: float = 2.0) -> None:
        """``timeout_s`` bounds the algebra on one answer. An answer that takes longer equals only answers
        that are written the same way."""
        self.style = style
        self._algebraist = Algebraist(timeout_s)

    def __repr__(self) -> str:
        return f"<AnswerReader {self.style} {self._algebraist!r}>"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._algebraist.close()

    def extract(self, text: str) -> str | None:
        """The answer in ``text``, as it is written there; None if there is none."""
        return extract(text, self.style)

    async def key(self, answer: str) -> str:
        """The canonical key of an answer: equal for answers that are the same, and only for them.

        Touches neither the event loop nor the worker unless it takes algebra.
        """
        key = quick_key(answer, self.style)
        if key is None:
            key = await self._algebraist.key(bare(answer)) or written_key(answer)
        return key

    async def same(self, first: str, second: str) -> bool:
        return await self.key(first) == await self.key(second)
