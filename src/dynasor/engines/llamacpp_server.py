"""llama.cpp's server as a process of its own: prints its address as a line of JSON, and ends when stdin does.

Run by ``EmbeddedEngine``. It imports nothing of ours, so that it starts fast and can be run as a plain file.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import signal
import sys
import threading
from collections.abc import Sequence
from typing import Any, TextIO

LOOPBACK = "127.0.0.1"
ERRORS_ONLY = 1
PR_SET_PDEATHSIG = 1
CONNECTIONS_PER_SLOT = 4
"""Every open connection takes a thread of the server, also one that waits for a slot or only idles."""


def main(arguments: Sequence[str] | None = None) -> None:
    options = read_options(arguments)
    die_with_parent()
    ready = take_stdout()
    try:
        server = start(options)
    except Exception as error:  # the library names no type of its own
        sys.exit(f"{type(error).__name__}: {error}")
    print(json.dumps({"address": server.listening_address}), file=ready, flush=True)
    threading.Event().wait()


def read_options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Serve a GGUF model on a free loopback port until stdin ends.")
    parser.add_argument("--model", required=True, metavar="PATH")
    parser.add_argument("--alias", required=True, metavar="NAME", help="the name the model is served under")
    parser.add_argument("--parallel", type=int, required=True, metavar="N", help="requests worked on at once")
    parser.add_argument("--context", type=int, required=True, metavar="C", help="tokens of all slots together")
    parser.add_argument("--threads", type=int, required=True, metavar="T", help="threads that compute")
    return parser.parse_args(arguments)


def die_with_parent() -> None:
    """End when stdin does, which the kernel closes however the parent dies; on Linux also by its signal, which
    comes even while a library call holds the interpreter."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    threading.Thread(target=end_with_stdin, daemon=True).start()


def end_with_stdin() -> None:
    while os.read(0, 4096):
        pass
    os._exit(0)


def take_stdout() -> TextIO:
    """Our own handle on stdout; whatever the library prints there goes to stderr from now on."""
    ready = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    return ready


def start(options: argparse.Namespace) -> Any:
    """A running server; it lives as long as the object does."""
    import xllamacpp

    parameters = xllamacpp.CommonParams()
    parameters.model.path = options.model
    parameters.model_alias = {options.alias}
    parameters.hostnames = [LOOPBACK]
    parameters.port = 0
    parameters.cors_origins = ""
    parameters.n_parallel = options.parallel
    parameters.n_ctx = options.context
    parameters.kv_unified = False  # with one shared cache every slot attends over the cells of all the others
    parameters.cpuparams.n_threads = options.threads
    parameters.cpuparams_batch.n_threads = options.threads
    parameters.n_threads_http = CONNECTIONS_PER_SLOT * options.parallel + 8
    parameters.cache_ram_mib = 0  # copies of idle slots' caches, 8 GiB of them by default
    parameters.endpoint_metrics = True
    parameters.ui = False
    parameters.verbosity = ERRORS_ONLY
    return xllamacpp.Server(parameters)


if __name__ == "__main__":
    main()
