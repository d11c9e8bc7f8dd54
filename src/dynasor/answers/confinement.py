"""The child's side of a worker process (process.py is the parent's): JSON lines in, JSON lines out, confined.

It first writes ``{"ready": true}``, then one line for each line it reads. It ends when its input ends, so it
does not outlive its parent. It may not grow past its memory limit, and once it is ready it cannot write files.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
from collections.abc import Callable

from dynasor.vocabulary import JSON

MAX_MEMORY_BYTES = 2 * 1024**3


def serve(prepare: Callable[[], Callable[[JSON], JSON]]) -> None:
    """Answer questions with what ``prepare`` returns until there are no more. What it prints is no reply."""
    replies = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    reply = prepare()
    _confine()
    print(json.dumps({"ready": True}), file=replies, flush=True)
    for line in sys.stdin:
        print(json.dumps(reply(json.loads(line))), file=replies, flush=True)


def _confine() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY_BYTES, MAX_MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
