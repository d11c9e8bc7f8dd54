"""From what a user writes to an engine."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from dynasor.engines.address import is_host_and_port
from dynasor.errors import InputError

if TYPE_CHECKING:
    from dynasor.engines.protocol import Engine

EMBEDDED = "embedded"
MEBIBYTE = 1 << 20


def is_local(spec: str) -> bool:
    """Whether ``spec`` names a model that we run ourselves, and not an engine at a URL.

    Raises:
        InputError: it is neither.
    """
    if spec == EMBEDDED or spec.endswith(".gguf"):
        return True
    if spec.lower().startswith(("http://", "https://")) or is_host_and_port(spec):
        return False
    raise InputError(f"engine {spec!r} is unknown; expected 'embedded', a path ending in .gguf, or an http(s) URL")


def model_digest(spec: str) -> str | None:
    """A digest of the model file that ``spec`` names: its size and its first and last mebibyte. None for a URL."""
    if not is_local(spec):
        return None
    from dynasor.engines.embedded import checked_model

    path = checked_model(None if spec == EMBEDDED else spec)
    size = path.stat().st_size
    digest = hashlib.sha256(str(size).encode())
    with path.open("rb") as file:
        digest.update(file.read(MEBIBYTE))
        file.seek(max(0, size - MEBIBYTE))
        digest.update(file.read())
    return digest.hexdigest()


def open_engine(
    spec: str,
    *,
    model: str | None = None,
    api_key: str | None = None,
    slots: int = 32,
    has_peers: bool = False,
) -> Engine:
    """The engine that ``spec`` names; enter it to start it or to connect.

    Args:
        spec: ``embedded`` (the model that ships with us), a path ending in ``.gguf``, or an http(s) URL.
        model: for a URL, which of its models; a file is a model by itself.
        api_key: for a URL, its key.
        slots: for a model that we run ourselves, how many requests it works on at once.
        has_peers: it is one of several replicas. A request that it refuses for now is not tried again there, for it can
            go to another at once.

    Raises:
        InputError: ``spec`` is none of the three, or an option does not go with it.
    """
    if not is_local(spec):
        from dynasor.engines.openai import MAX_ATTEMPTS, OpenAIEngine

        return OpenAIEngine(spec, model=model, api_key=api_key, max_attempts=1 if has_peers else MAX_ATTEMPTS)
    if model is not None or api_key is not None:
        name = "model" if model is not None else "api_key"
        raise InputError(f"{name} goes with an http(s) URL only, not with engine {spec!r}")
    from dynasor.engines.embedded import MAX_ATTEMPTS, EmbeddedEngine

    return EmbeddedEngine(
        None if spec == EMBEDDED else spec, slots=slots, max_attempts=1 if has_peers else MAX_ATTEMPTS
    )
