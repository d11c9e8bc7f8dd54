"""The object that programs share: what is the answer in this text, and which answers are the same?"""

from __future__ import annotations

from types import TracebackType
from typing import Protocol, Self

from dynasor.answers.algebraist import Algebraist
from dynasor.answers.clusters import Clusters
from dynasor.answers.embedder import Embedder, check_installed
from dynasor.answers.extraction import AnswerStyle, extract
from dynasor.answers.keys import quick_key, written_key
from dynasor.answers.spelling import bare
from dynasor.answers.statements import Wording, read_statement
from dynasor.errors import InputError


class Grouping(Protocol):
    """The answers that one program has seen, by sameness."""

    async def key(self, answer: str) -> str:
        """A key: of two answers given to one grouping, equal if and only if it takes them for the same. An
        answer's key never changes."""
        ...


class AnswerReader:
    """Reads the answer out of a text and tells which answers are the same.

    For every style but ``semantic`` sameness is equality of canonical keys, hence an equivalence. Most keys come
    from the text alone, at once; formulas go to a worker process, started when first needed. Which free texts
    are the same depends on the other answers to the question: see ``grouping``. Their embeddings come from a
    worker process, too. Leaving the reader ends the workers, so use it as ``async with AnswerReader() as
    reader``; one reader serves any number of programs of one event loop.
    """

    def __init__(self, style: AnswerStyle = AnswerStyle.MATH, *, timeout_s: float = 2.0) -> None:
        """``timeout_s`` bounds the algebra on one answer. An answer that takes longer equals only answers
        that are written the same way.

        Raises InputError if ``style`` is semantic and the extra ``semantic`` is not installed.
        """
        if style is AnswerStyle.SEMANTIC:
            check_installed()
        self.style = style
        self._algebraist = Algebraist(timeout_s)
        self._embedder = Embedder()

    def __repr__(self) -> str:
        worker = self._embedder if self.style is AnswerStyle.SEMANTIC else self._algebraist
        return f"<AnswerReader {self.style} {worker!r}>"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._algebraist.close()
        await self._embedder.close()

    def extract(self, text: str) -> str | None:
        """The answer in ``text``, as it is written there; None if there is none."""
        return extract(text, self.style)

    def grouping(self) -> Grouping:
        """What a program asks for the keys of its answers. Each program needs its own; programs inside it share it."""
        return SemanticGrouping(self._embedder) if self.style is AnswerStyle.SEMANTIC else self

    async def key(self, answer: str) -> str:
        """The canonical key of an answer: equal for answers that are the same, and only for them.

        Touches neither the event loop nor the worker unless it takes algebra. Raises InputError for the style
        ``semantic``, whose answers have keys only within a ``grouping``.
        """
        if self.style is AnswerStyle.SEMANTIC:
            raise InputError("answers of style 'semantic' have no canonical key; ask a grouping() of the reader")
        key = quick_key(answer, self.style)
        if key is None:
            key = await self._algebraist.key(bare(answer)) or written_key(answer)
        return key

    async def same(self, first: str, second: str) -> bool:
        """Whether two answers are the same. Symmetric; for the style ``semantic`` not transitive."""
        grouping = self.grouping()
        return await grouping.key(first) == await grouping.key(second)


class SemanticGrouping:
    """The free-text answers of one program, by meaning."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self._clusters = Clusters()

    def __repr__(self) -> str:
        return f"<SemanticGrouping {self._clusters!r}>"

    async def key(self, answer: str) -> str:
        """The key of the cluster that the answer is in, placed there now unless it was before.

        Answers are placed in the order in which their embeddings come back, which is the order of asking.
        A text that was placed before, a number and code need none, and do not wait.
        """
        statement = read_statement(answer)
        if key := self._clusters.key_of(statement):
            return key
        is_prose = statement.wording is Wording.PROSE
        return self._clusters.place(statement, await self._embedder.vector(statement.text) if is_prose else ())
