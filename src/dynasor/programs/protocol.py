"""What a reasoning program is, and what it is given to work with. docs/write-a-program.md shows how."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, Self, TypeVar

from dynasor.certainty import ChosenBy
from dynasor.vocabulary import (
    Answer,
    Branch,
    Certaindex,
    Completion,
    Delta,
    Message,
    Question,
    RequestKind,
    Sampling,
    StopReason,
    TreeNode,
)

if TYPE_CHECKING:
    from dynasor.programs.votes import RewardForm, Votes
    from dynasor.scheduling import Allocator

Result = TypeVar("Result")
Produced = TypeVar("Produced", covariant=True)


@dataclass(frozen=True, slots=True)
class ReadAnswer:
    """An answer as it stands in a text, and the key that equal answers share."""

    text: str
    key: str


class Branches(Protocol[Produced]):
    """Parallel units of the knob, granted by the allocator as the program goes.

    An async context manager and an async iterator over what the units bring, in the order they finish. The
    allocator is asked before every wait; when it says stop the iteration ends. Leaving the block cancels
    what still runs, in the engine too.
    """

    @property
    def cap(self) -> int:
        """The most units this program may have in all."""
        ...

    def observe(
        self,
        certaindex: Certaindex,
        answer: str | None = None,
        solution: str = "",
        branches: Sequence[Branch] = (),
    ) -> None:
        """As ``Session.observe``. Reported by a unit while it works, the allocator is asked again at once."""
        ...

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None: ...

    def __aiter__(self) -> AsyncIterator[Produced]: ...

    async def __anext__(self) -> Produced: ...


class TextStream(Protocol):
    """A completion while it is written: an async context manager and an async iterator over its deltas.

    Leaving the block before the last delta aborts the request in the engine.
    """

    @property
    def text(self) -> str:
        """All text so far, reasoning not included."""
        ...

    @property
    def reasoning(self) -> str:
        """All reasoning so far, where the engine tells it apart from the text."""
        ...

    @property
    def num_tokens(self) -> int: ...

    @property
    def completion(self) -> Completion | None:
        """The whole, once it ran to its end."""
        ...

    def keep(self, num_tokens: int) -> None:
        """Of a stream that is left early, so many tokens were of use; the others count as cancelled."""
        ...

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None: ...

    def __aiter__(self) -> AsyncIterator[Delta]: ...

    async def __anext__(self) -> Delta: ...


class Session(Protocol):
    """A program's view of the world: its question, its requests, its random numbers."""

    @property
    def question(self) -> Question: ...

    @property
    def rng(self) -> random.Random:
        """Seeded by the run and the question: the same run draws the same numbers."""
        ...

    @property
    def cap(self) -> int:
        """The most units of its knob this program may spend in all."""
        ...

    @property
    def sampling(self) -> Sampling:
        """How this run samples where a request does not say; its ``seed`` is None."""
        ...

    def branches(
        self, prompt: tuple[Message, ...] | str | None = None, *, sampling: Sampling | None = None
    ) -> Branches[Completion]:
        """Samples of ``prompt`` (the question, if None), one unit of the knob each."""
        ...

    def parallel(self, work: Callable[[Session], Awaitable[Result]]) -> Branches[Result]:
        """Any work as a unit of the knob: ``work`` runs once a unit, with a session to send its requests by."""
        ...

    def grow(self, *nodes: TreeNode) -> None:
        """Tell those who watch of steps of a search tree, new or seen in a new light. Inside a unit nothing is told."""
        ...

    def grant(self, most: int | None = None) -> int:
        """How many more units of the knob may be spent now, at most ``most``; 0: stop.

        For programs whose units follow one another. All units granted before count as finished, so report
        what they brought with ``observe`` first.
        """
        ...

    def observe(
        self,
        certaindex: Certaindex,
        answer: str | None = None,
        solution: str = "",
        branches: Sequence[Branch] = (),
    ) -> None:
        """Report how settled the program is now; the allocator's next word builds on it.

        ``answer``, with a worked ``solution`` and the ``branches`` behind it where the program has them, is the best so
        far: what the program says if it is ended here, by its deadline or because somebody stops it.
        """
        ...

    def show(self, text: str = "", reasoning: str = "") -> None:
        """Let the user read on while the program works: more of the answer's text, or of the thinking before it.
        Inside a unit nothing is shown."""
        ...

    @property
    def stop_reason(self) -> StopReason:
        """Why the allocator's last word was to stop; ``PROGRAM`` if that was not its word."""
        ...

    def inner(self, allocator: Allocator | None, cap: int, *, certaindex: Certaindex | None = None) -> Session:
        """A session for a program inside this one, with a knob of its own under the same allocator (None) or another;
        what it spends is counted here. ``certaindex`` is what the allocator knows at the beginning. Inside a unit
        nothing that is observed is reported to listeners."""
        ...

    def votes(self, *, by: ChosenBy = "majority", reward_form: RewardForm = "mean") -> Votes:
        """An empty count of votes, which measures agreement as this run's profile learned it."""
        ...

    async def generate(
        self,
        prompt: tuple[Message, ...] | str,
        *,
        kind: RequestKind = RequestKind.MAIN,
        sampling: Sampling | None = None,
    ) -> Completion:
        """One request outside the allocator's count, waiting its turn with the scheduler."""
        ...

    def stream(
        self,
        prompt: tuple[Message, ...] | str,
        *,
        kind: RequestKind = RequestKind.MAIN,
        sampling: Sampling | None = None,
        is_beside: bool = False,
    ) -> TextStream:
        """As ``generate``, to be read while it is written. One that ``is_beside`` accompanies a stream of this program
        that is open, as a probe does: it starts at once and takes no place of its own."""
        ...

    def count_scored(self, num_tokens: int) -> None:
        """Book tokens that a reward read elsewhere than in a request of this session (``Usage.score_prompt``)."""
        ...

    async def render(self, *, thinking: bool | None = None) -> str:
        """The question as the raw text that the model continues: its chat template applied.

        Raises EngineError where the engine cannot tell.
        """
        ...

    async def read_answer(self, completion: Completion) -> ReadAnswer | None:
        """The answer in ``completion``; None if it has none or was cut off before it could give one."""
        ...

    async def read_text(self, text: str) -> ReadAnswer | None:
        """The answer in a text that is complete; None if it has none."""
        ...

    async def read_as_answer(self, answer: str) -> ReadAnswer:
        """A text that is an answer and nothing else (the inside of a closed box), with its key."""
        ...


class Program(Protocol):
    """One reasoning algorithm. ``execute`` reads like it; everything else is the runtime's work."""

    async def execute(self, session: Session) -> Answer:
        """Work on ``session.question``; what was spent is filled into the answer afterwards."""
        ...
