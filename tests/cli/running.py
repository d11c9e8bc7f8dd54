"""Runs the command as a user does: in a process of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

from dynasor.vocabulary import JSON

COMMAND = [sys.executable, "-m", "dynasor"]
NO_TERMINAL = {**os.environ, "COLUMNS": "200", "NO_COLOR": "1", "TERM": "dumb"}


def dynasor(
    *arguments: str | Path, timeout: float = 100.0, stdin: str | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *map(str, arguments)],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=timeout,
        env=NO_TERMINAL,
        check=False,
    )


def start(*arguments: str | Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [*COMMAND, *map(str, arguments)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env=NO_TERMINAL,
        preexec_fn=hear_interrupts,
    )


def hear_interrupts() -> None:
    """A shell that runs the tests in the background has its children ignore Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def lines_of(path: Path) -> list[JSON]:
    return [json.loads(line) for line in path.read_text().splitlines()]
