"""Where a conversation is read from and shown: what both of its places have in common, and the one without a
terminal."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol, TextIO

from dynasor.chat.harmless import harmless, one_line
from dynasor.chat.sources import News, Report, Tell
from dynasor.chat.turns import Turn
from dynasor.vocabulary import JSON


class Screen(Protocol):
    """Shows text that others wrote, and never obeys it."""

    @property
    def is_interactive(self) -> bool:
        """Whether somebody sits before it, who goes on after stopping an answer."""
        ...

    def ask(self) -> str | None:
        """The user's next line, without its end; None if there is none."""
        ...

    def answering(self) -> AbstractContextManager[Tell]:
        """Shows what is told within the block."""
        ...

    def close(self, turn: Turn) -> None:
        """Show what is left to say of an answer."""
        ...

    def toggle_thinking(self, latest: str) -> None:
        """Show thinking in full, beginning with the ``latest``, or folded again."""
        ...

    def note(self, text: str) -> None: ...

    def complain(self, error: Exception) -> None:
        """Tell of an error in one line."""
        ...


class PlainScreen:
    """Questions from one stream, a line each, and answers to another. All else goes to a third."""

    is_interactive = False

    def __init__(
        self, questions: TextIO | None = None, answers: TextIO | None = None, remarks: TextIO | None = None
    ) -> None:
        self._questions = questions or sys.stdin
        self._answers = answers or sys.stdout
        self._remarks = remarks or sys.stderr

    def ask(self) -> str | None:
        line = self._questions.readline()
        return line.rstrip("\r\n") if line else None

    @contextmanager
    def answering(self) -> Iterator[Tell]:
        yield pass_over

    def close(self, turn: Turn) -> None:
        """An answer is printed when it is over, so that none which an error cut off is taken for one."""
        if turn.error is None:
            print(harmless(turn.text).strip(), file=self._answers, flush=True)
            self.note(described(turn))

    def toggle_thinking(self, latest: str) -> None:
        self.note("thinking is shown on a terminal only")

    def note(self, text: str) -> None:
        print(harmless(text), file=self._remarks, flush=True)

    def complain(self, error: Exception) -> None:
        self.note(f"dynasor: {one_line(str(error))}")


class JsonScreen(PlainScreen):
    """The same for a program that reads: every answer is a line of JSON, also one that failed."""

    def close(self, turn: Turn) -> None:
        """In ASCII: what the model wrote neither steers a terminal nor is lost in a stream that cannot encode it."""
        print(json.dumps(as_json(turn)), file=self._answers, flush=True)


def as_json(turn: Turn) -> JSON:
    """What is not known is null."""
    report = report_on(turn)
    return {
        "content": turn.text.strip(),
        "reasoning_content": turn.reasoning or None,
        "certaindex": report.certaindex,
        "stop_reason": report.stop_reason,
        "samples": report.num_samples,
        "tokens": report.num_tokens,
        "saved_tokens": report.num_saved,
        "duration_s": turn.duration_s,
        "error": None if turn.error is None else str(turn.error),
    }


def report_on(turn: Turn) -> Report:
    return turn.report or Report(stop_reason="stopped" if turn.is_stopped else None)


def pass_over(news: News) -> None:
    """Shows nothing."""


def described(turn: Turn) -> str:
    """A turn in one line: how sure, why it ended, and what it took."""
    report = report_on(turn)
    parts = [
        None if report.certaindex is None else f"certaindex {report.certaindex:.3f}",
        None if report.stop_reason is None else f"stopped: {report.stop_reason}",
        None if report.num_samples is None else counted(report.num_samples, "sample"),
        None if report.num_tokens is None else counted(report.num_tokens, "token"),
        f"about {report.num_saved} saved" if report.num_saved else None,
        f"{turn.duration_s:.1f} s",
    ]
    return one_line(", ".join(part for part in parts if part is not None))


def counted(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
