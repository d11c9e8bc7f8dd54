"""Who answers at an address, read from its list of models."""

from __future__ import annotations

from typing import Any

import orjson

from dynasor.engines.dialects import DIALECTS
from dynasor.engines.protocol import EngineInfo
from dynasor.errors import EngineFailed, InputError
from dynasor.vocabulary import JSON

MOST_NAMED = 20


def read_models(content: bytes, api: str) -> list[JSON]:
    """The models in an answer to ``GET /v1/models``.

    Raises:
        EngineFailed: it is no such answer.
    """
    try:
        models: list[JSON] = orjson.loads(content)["data"]
        if all(isinstance(model["id"], str) for model in models):
            return models
    except (ValueError, TypeError, LookupError):
        pass
    start = content[:80].decode(errors="replace")
    raise EngineFailed(f"{api}/models did not answer with a list of models but with {start!r}")


def choose_model(models: list[JSON], wanted: str | None, api: str) -> EngineInfo:
    """The model called ``wanted``, or the only one there is.

    Raises:
        InputError: it is not served, or none is wanted and there are several.
    """
    if wanted is None and len(models) == 1:
        return describe(models[0], models[0]["id"])
    for model in models:
        if wanted is not None and (model["id"] == wanted or wanted in (model.get("aliases") or ())):
            return describe(model, wanted)
    names = ", ".join(sorted(model["id"] for model in models)[:MOST_NAMED]) or "none"
    more = f" and {len(models) - MOST_NAMED} more" if len(models) > MOST_NAMED else ""
    if wanted is not None:
        raise InputError(f"model {wanted!r} is not served at {api}; served: {names}{more}")
    raise InputError(f"name a model: {api} serves {len(models)}: {names}{more}")


def describe(model: dict[str, Any], name: str) -> EngineInfo:
    owner = str(model.get("owned_by"))
    length = model.get("max_model_len") or (model.get("meta") or {}).get("n_ctx")
    return EngineInfo(
        kind=owner if owner in DIALECTS else "openai",
        model=name,
        max_model_len=int(length) if length else None,
    )
