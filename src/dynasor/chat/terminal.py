"""A conversation on a terminal: a prompt with a history, answers as they are written, thinking folded to a line."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from rich.cells import cell_len
from rich.console import Console
from rich.live import Live
from rich.segment import Segment, Segments
from rich.style import Style
from rich.text import Text

from dynasor.chat.harmless import harmless, one_line
from dynasor.chat.screens import counted, described
from dynasor.chat.sources import News, Progress, Tell, Written
from dynasor.chat.turns import Turn

PROMPT = "> "
QUIET, ERROR, PLAIN = Style(dim=True), Style(color="red"), Style()
REFRESH_EVERY_S = 0.1
LETTERS_PER_TOKEN = 4
"""Of English text, roughly."""


class TerminalScreen:
    """See ``Screen``. Text is written as it is; rich sees none of it as markup."""

    is_interactive = True

    def __init__(self, console: Console) -> None:
        self._console = console
        self._shows_thinking = False
        with suppress(ImportError):
            import readline  # noqa: F401  # gives `input` a history and keys to edit with

    def ask(self) -> str | None:
        try:
            return input(PROMPT)
        except EOFError:
            self._console.print()
            return None
        except KeyboardInterrupt:
            self._console.print()
            self.note("Ctrl-D ends the chat")
            return ""

    @contextmanager
    def answering(self) -> Iterator[Tell]:
        showing = Showing(self._console, shows_thinking=self._shows_thinking)
        showing.begin()
        try:
            yield showing.tell
        finally:
            showing.end()

    def close(self, turn: Turn) -> None:
        if turn.error is None:
            if not turn.text.strip():
                self.note("no answer" if turn.report else "no answer yet")
            self.note(described(turn))

    def toggle_thinking(self, latest: str) -> None:
        self._shows_thinking = not self._shows_thinking
        if self._shows_thinking and latest.strip():
            self.note(latest.strip())
        self.note("thinking is shown in full" if self._shows_thinking else "thinking is folded")

    def note(self, text: str) -> None:
        write(self._console, harmless(text) + "\n", QUIET)

    def complain(self, error: Exception) -> None:
        write(self._console, one_line(str(error)) + "\n", ERROR)


class Showing:
    """One answer on the screen: a line that changes until there is text, then the text."""

    def __init__(self, console: Console, *, shows_thinking: bool) -> None:
        self._console = console
        self._shows_thinking = shows_thinking
        self._fold = Fold(console)
        self._is_at_line_start = True
        self._has_text = False

    def tell(self, news: News) -> None:
        if isinstance(news, Progress):
            self._fold_open().measured(news)
            return
        if news.reasoning:
            if self._shows_thinking:
                self._write(harmless(news.reasoning), QUIET)
            else:
                self._fold_open().add(news)
        if news.text:
            self._show(news.text)

    def begin(self) -> None:
        self._fold.open()

    def end(self) -> None:
        self._fold.close()
        self._end_line()

    def _show(self, text: str) -> None:
        if not self._has_text:
            text = text.lstrip()
            if not text:
                return
            self._fold.close()
            self._end_line()
            self._has_text = True
        self._write(harmless(text), PLAIN)

    def _fold_open(self) -> Fold:
        """The changing line, which stands below all that was written."""
        if not self._has_text and not self._shows_thinking:
            self._end_line()
            self._fold.open()
        return self._fold

    def _write(self, text: str, style: Style) -> None:
        self._fold.close()
        write(self._console, text, style)
        self._is_at_line_start = text.endswith("\n")

    def _end_line(self) -> None:
        if not self._is_at_line_start:
            write(self._console, "\n")
            self._is_at_line_start = True


class Fold:
    """A dim line that tells of thinking: how much there is, how settled the answer is, and the latest words."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live: Live | None = None
        self._num_pieces = 0
        self._num_letters = 0
        self._latest = ""
        self._progress: Progress | None = None
        self._refresh_time = 0.0

    @property
    def num_tokens(self) -> int:
        """About how many were thought: no server tells before the end."""
        return max(self._num_pieces, round(self._num_letters / LETTERS_PER_TOKEN))

    def open(self) -> None:
        if self._live is None:
            self._live = Live(
                console=self._console,
                auto_refresh=False,
                transient=True,
                redirect_stdout=False,
                redirect_stderr=False,
            )
            self._live.start()
            self._show()

    def close(self) -> None:
        """Leave a line that stays of what was thought."""
        live, self._live = self._live, None
        if live is not None:
            live.stop()
            if self._num_pieces:
                text = f"thought for about {counted(self.num_tokens, 'token')}; /thinking shows it\n"
                write(self._console, text, QUIET)

    def add(self, written: Written) -> None:
        self._num_pieces += 1
        self._num_letters += len(written.reasoning)
        self._latest = (self._latest + written.reasoning)[-4 * self._console.width :]
        self._refresh()

    def measured(self, progress: Progress) -> None:
        self._progress = progress
        self._refresh()

    def line(self) -> str:
        """What the line says, no wider than the console."""
        head = self._head()
        room = self._console.width - cell_len(head) - 1
        return head + tail(one_line(self._latest), room) if room > 0 else tail(head, self._console.width - 1)

    def _head(self) -> str:
        parts = [f"thinking, about {counted(self.num_tokens, 'token')}"] if self._num_pieces else []
        if self._progress is not None:
            if not self._num_pieces:
                parts.append(counted(self._progress.num_samples, "sample"))
            parts.append(f"certaindex {self._progress.certaindex:.2f}")
            parts.append(f"answer so far: {tail(one_line(self._progress.answer or 'none'), 40)}")
        return (", ".join(parts) or "waiting") + "  "

    def _refresh(self) -> None:
        now = time.monotonic()
        if self._live is not None and now - self._refresh_time >= REFRESH_EVERY_S:
            self._refresh_time = now
            self._show()

    def _show(self) -> None:
        assert self._live is not None, "the line is shown while it is open"
        self._live.update(Text(self.line(), style=QUIET, no_wrap=True, overflow="crop"), refresh=True)


def write(console: Console, text: str, style: Style = PLAIN) -> None:
    """``text`` as it is, neither wrapped nor cropped nor read as markup, however it was cut into pieces."""
    console.print(Segments([Segment(text, style)]), end="", crop=False, no_wrap=True, overflow="ignore")


def tail(text: str, room: int) -> str:
    """The end of ``text`` that fits into ``room`` cells of a terminal."""
    text = text[-room:] if room > 0 else ""
    while cell_len(text) > room:
        text = text[1:]
    return text
