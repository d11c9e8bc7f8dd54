"""Chromium, as it is installed: where it is, how it is started, which process it is."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from benchmarks.processes import descends

ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)


def chromium() -> str:
    """Its path: DYNASOR_CHROMIUM, or wherever it is installed. Raises RuntimeError where it is not."""
    path = os.environ.get("DYNASOR_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        raise RuntimeError("there is no Chromium; install the package chromium, or name its path in DYNASOR_CHROMIUM")
    return path


def browser_process() -> int:
    """The first process of the Chromium that this process started: the one that is of no type."""
    parents: dict[int, int] = {}
    browsers: list[int] = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0")
            parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
        is_typed = any(word.startswith(b"--type=") for word in words)
        if b"chrom" in words[0] and b"--no-first-run" in words and not is_typed:
            browsers.append(int(entry.name))
    ours = [each for each in browsers if descends(each, os.getpid(), parents)]
    if not ours:
        raise RuntimeError("no process of Chromium was found")
    return min(ours)
