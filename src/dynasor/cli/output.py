"""What verbs write: files, JSON, and at a terminal tables and bars; plain lines where there is no terminal."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Self

import orjson
import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from dynasor.errors import InputError

PLAIN_WIDTH = 10_000
"""Columns where there is no terminal: a line is as long as what it says."""
LINE_EVERY_S = 10.0
NOTHING_TAKEN: Mapping[str, Path] = MappingProxyType({})


def open_console(*, stderr: bool = False) -> Console:
    """Where a verb tells people; as wide as the terminal, if there is one."""
    console = Console(stderr=stderr, highlight=False)
    return console if console.is_terminal else Console(stderr=stderr, highlight=False, width=PLAIN_WIDTH)


def show_table(console: Console, table: Table) -> None:
    """``table``; where there is no terminal as plain columns, its title and caption as lines."""
    if console.is_terminal:
        console.print(table)
        return
    title, caption = table.title, table.caption
    table.title = table.caption = table.box = None
    table.pad_edge = False
    for each in (title, table, caption):
        if each:
            console.print(each)


def print_json(value: object, *, indented: bool = True) -> None:
    typer.echo(orjson.dumps(value, option=orjson.OPT_INDENT_2 if indented else 0))


def check_can_be_written(path: Path, taken: Mapping[str, Path]) -> None:
    """InputError if ``path`` is no place for a file, or is that of something else."""
    if path.is_dir() or not path.name:
        raise InputError(f"{path} is a folder; a file to write was expected")
    if not path.parent.is_dir():
        raise InputError(f"{path.parent}: there is no such folder to write {path.name} into")
    for what, other in taken.items():
        if path.resolve() == other.resolve():
            raise InputError(f"{path} is {what} already; choose another file")


def check_all_can_be_written(paths: Mapping[str, Path | None], taken: Mapping[str, Path] = NOTHING_TAKEN) -> None:
    """The same for several files by the names of their options, which must not be each other's either."""
    others = dict(taken)
    for name, path in paths.items():
        if path is not None:
            check_can_be_written(path, others)
            others[name] = path


def write_whole(path: Path, content: bytes) -> None:
    """All of the file or nothing: a kill leaves the old one or the new one."""
    partial = path.with_name(path.name + ".partial")
    partial.write_bytes(content)
    partial.replace(path)


class Steps:
    """How far several pieces of work are, on standard error: a bar for each at a terminal, else a line now and then."""

    def __init__(self) -> None:
        self.console = open_console(stderr=True)
        self._bars = Progress(console=self.console, disable=not self.console.is_terminal, transient=True)
        self._last_line = time.monotonic()

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._bars.stop()

    def add(self, name: str, total: int) -> Callable[[], None]:
        """A piece of work of ``total`` steps; what comes back is called after each of them."""
        task = self._bars.add_task(name, total=total)
        numbers = itertools.count(1)

        def advance() -> None:
            self._bars.advance(task)
            self._tell(f"{name}  {next(numbers)}/{total}")

        return advance

    def _tell(self, line: str) -> None:
        if self._bars.disable and time.monotonic() - self._last_line >= LINE_EVERY_S:
            self._last_line = time.monotonic()
            self.console.print(line, markup=False)
