"""The fenced blocks of a page, and the commands of a shell block."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
FENCE = re.compile(
    r"^(?P<indent> *)(?P<ticks>```+)(?P<info>[^\n`]*)\n(?P<text>.*?)^(?P=indent)(?P=ticks) *$", re.M | re.S
)
TITLE = re.compile(r'title="([^"]+)"')
LIKE = re.compile(r'like="([^"]+)"')


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block: what stands in it, what kind it says it is, and the file that it is the content of, if one."""

    page: str
    line: int
    info: str
    text: str

    @property
    def language(self) -> str:
        return self.info.split(" ", 1)[0]

    @property
    def is_fragment(self) -> bool:
        return "fragment" in self.info.split()

    @property
    def title(self) -> str | None:
        match = TITLE.search(self.info)
        return match[1] if match else None

    @property
    def like(self) -> str | None:
        """The file whose first line has the same members as this JSON object."""
        match = LIKE.search(self.info)
        return match[1] if match else None

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def pages() -> list[str]:
    """The pages whose blocks are run, by their paths in the repository."""
    return ["README.md", *sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").rglob("*.md"))]


def blocks_of(page: str) -> Iterator[Block]:
    text = (ROOT / page).read_text()
    for match in FENCE.finditer(text):
        line = text.count("\n", 0, match.start()) + 1
        indent = len(match["indent"])
        body = "\n".join(each[indent:] for each in match["text"].splitlines())
        yield Block(page, line, match["info"].strip(), f"{body}\n")


def commands_of(text: str) -> Iterator[str]:
    """The commands of a shell block: lines, joined while a quote is open or the line goes on."""
    command = ""
    for line in text.splitlines():
        command = f"{command}\n{line}" if command else line
        try:
            words = shlex.split(command, comments=True)
        except ValueError:
            continue
        if line.endswith("\\"):
            continue
        if words:
            yield command.strip()
        command = ""
    assert not command, f"this command does not end: {command}"
