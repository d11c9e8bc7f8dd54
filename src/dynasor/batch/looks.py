"""Looks: what an allocator saw of a program on its way, for calibration to learn from (``replay.runs`` reads them)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from dynasor.answers import AnswerReader
from dynasor.events import CertaindexMeasured, Event
from dynasor.vocabulary import JSON, Answer

DIGITS = 6


class Looks:
    """Listens to one program."""

    def __init__(self) -> None:
        self._measured: list[tuple[int, float, str | None]] = []
        """Units finished, certaindex and answer. Whole events would keep the branches behind each, too."""

    def hear(self, event: Event) -> None:
        if isinstance(event, CertaindexMeasured):
            self._measured.append((event.finished, event.certaindex.value, event.answer))

    def begin_again(self) -> None:
        self._measured.clear()

    async def record(
        self, answer: Answer, reader: AnswerReader, is_right: Callable[[str | None], Awaitable[bool]] | None
    ) -> list[JSON]:
        """All looks in their order; the last is the end, with the answer that the program gave. ``is_right`` judges
        an answer, where there is a reference."""
        units = max([answer.num_samples, *(finished for finished, _, _ in self._measured)])
        seen = [look for look in self._measured if look[0] < units]
        return [
            {
                "units": finished,
                "agreement": round(agreement, DIGITS),
                "answer": None if found is None else await reader.key(found),
                **({} if is_right is None else {"correct": await is_right(found)}),
            }
            for finished, agreement, found in [*seen, (units, 1.0, answer.text)]
        ]
