"""Servers of benchmarks end with what started them, however that ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

STARTER = """
import sys, time
from pathlib import Path
from benchmarks.processes import free_port, server_process

port = free_port()
command = [sys.executable, "-m", "http.server", "--bind", "127.0.0.1", str(port)]
with server_process("a server", command, f"http://127.0.0.1:{port}/", Path(sys.argv[1])) as process_id:
    print(process_id, flush=True)
    time.sleep(60)
"""


def test_a_server_ends_with_a_benchmark_that_is_told_to_end(tmp_path: Path) -> None:
    command = [sys.executable, "-c", STARTER, str(tmp_path / "log")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as starter:
        assert starter.stdout is not None
        server = int(starter.stdout.readline())
        assert is_there(server)
        starter.terminate()
        assert starter.wait(timeout=30) == 128 + signal.SIGTERM
    until = time.monotonic() + 5
    while is_there(server) and time.monotonic() < until:
        time.sleep(0.05)
    assert not is_there(server)


def is_there(process_id: int) -> bool:
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    return True
