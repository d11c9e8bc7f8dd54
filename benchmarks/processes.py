"""Servers as processes of their own: started, waited for, ended with all their children, their CPU time read."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

START_TIMEOUT_S = 400.0
END_TIMEOUT_S = 20.0


@contextmanager
def server_process(
    name: str, command: Sequence[str], health_url: str, log: Path, environment: Mapping[str, str] | None = None
) -> Iterator[int]:
    """``command``, once ``health_url`` answers; its process id. Its whole process group ends with the block, also where
    that is ended by SIGTERM.

    ``environment`` is added to ours. What it prints goes to ``log``, whose end is in the RuntimeError if it does not
    come up.
    """
    with sigterm_as_exit(), ending_group(command, log, environment or {}) as process:
        wait_until_healthy(name, process, health_url, log)
        yield process.pid


@contextmanager
def sigterm_as_exit() -> Iterator[None]:
    """SIGTERM leaves the block as ``sys.exit`` does; not off the main thread, nor where somebody listens already."""
    is_ours = (
        threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    )
    if not is_ours:
        yield
        return

    def leave(number: int, frame: FrameType | None) -> None:
        sys.exit(128 + number)

    signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


@contextmanager
def ending_group(
    command: Sequence[str], log: Path, environment: Mapping[str, str]
) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, env={**os.environ, **environment}, stdout=output, stderr=output, start_new_session=True
        )
    try:
        yield process
    finally:
        signal_group(process.pid, signal.SIGTERM)
        try:
            process.wait(timeout=END_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            pass
        finally:
            signal_group(process.pid, signal.SIGKILL)
            process.wait()


def signal_group(group: int, which: signal.Signals) -> None:
    """Tell what is left of a process group."""
    try:
        os.killpg(group, which)
    except ProcessLookupError:
        return


def wait_until_healthy(name: str, process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.5)
    raise RuntimeError(f"{name} did not start:\n{log.read_text(errors='replace')[-3000:]}")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def cpu_s(process_id: int) -> float:
    """The CPU time, in seconds, that a process and its living descendants have used; Linux counts in steps of 10 ms."""
    parents: dict[int, int] = {}
    used: dict[int, float] = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        parents[int(entry.name)] = int(fields[1])
        used[int(entry.name)] = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return sum(spent for each, spent in used.items() if descends(each, process_id, parents))


def descends(process_id: int, ancestor: int, parents: Mapping[int, int]) -> bool:
    while process_id in parents and process_id != ancestor:
        process_id = parents[process_id]
    return process_id == ancestor
