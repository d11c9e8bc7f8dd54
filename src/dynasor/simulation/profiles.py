"""Engine profiles as small JSON files: a roofline from published numbers, or a cost model fitted to a live engine.

A *roofline* file has numbers of a GPU and a model, each as an object with its ``value`` and its ``source``. Reading all
weights from memory and computing a token at the published peak takes the time that bounds an iteration from below, so
what such a profile predicts no real engine exceeds; how far one falls short of it, only a fit tells.

A *fitted* file has the ``cost`` itself, with the ``evidence`` that it was fitted to (see ``fit``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import orjson

from dynasor.errors import InputError
from dynasor.simulation.cost import CostModel, EngineProfile
from dynasor.vocabulary import JSON

VERSION = 1
FOLDER = Path(__file__).parent / "engine_profiles"
LIMITS = ("max_running", "max_prefill", "has_prefix_cache", "block_tokens", "delay_s")


def shipped_profiles() -> list[str]:
    """The names of the profiles that ship."""
    return sorted(path.stem for path in FOLDER.glob("*.json"))


def load_engine_profile(name: str) -> EngineProfile:
    """The profile that ships under ``name``, or is in the file of that name. InputError if there is neither, or it
    cannot be read."""
    path = Path(name)
    if name in shipped_profiles():
        path = FOLDER / f"{name}.json"
    elif not path.is_file():
        raise InputError(f"there is no engine profile {name!r}; choose {', '.join(shipped_profiles())}, or a file")
    try:
        stored = orjson.loads(path.read_bytes())
        if not isinstance(stored, dict) or stored.get("dynasor_engine_profile") != VERSION:
            raise InputError(f'{path} is no engine profile: "dynasor_engine_profile": {VERSION} was expected in it')
        return profile_of(stored)
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path} is no engine profile: {error!r}") from None


def profile_of(stored: JSON) -> EngineProfile:
    """What a file says. KeyError, TypeError or ValueError where something is missing or not what it should be."""
    limits: dict[str, Any] = {name: stored["limits"][name]["value"] for name in LIMITS if name in stored["limits"]}
    name, model = str(stored["name"]), str(stored["model"]["name"])
    if stored["kind"] == "roofline":
        return EngineProfile(name, model, roofline(stored), kv_tokens(stored), **limits)
    if stored["kind"] == "fitted":
        return EngineProfile(name, model, CostModel(**stored["cost"]), int(stored["kv_tokens"]), **limits)
    raise ValueError(f"its kind is {stored['kind']!r}; roofline or fitted was expected")


def roofline(stored: JSON) -> CostModel:
    """Times at the published peaks of all GPUs together; what they take to talk to each other is not in it."""
    gpu, model, num_gpus = stored["gpu"], stored["model"], int(stored["num_gpus"])
    bandwidth = num_gpus * number(gpu, "bandwidth_bytes_per_s")
    return CostModel(
        overhead_s=number(stored["limits"], "overhead_s"),
        weights_s=weight_bytes(model) / bandwidth,
        token_s=2 * number(model, "parameters") / (num_gpus * number(gpu, "flops_per_s")),
        context_s=kv_bytes_per_token(model) / bandwidth,
    )


def kv_tokens(stored: JSON) -> int:
    """What fits beside the weights."""
    model = stored["model"]
    usable = int(stored["num_gpus"]) * number(stored["gpu"], "memory_bytes") * number(stored["limits"], "memory_share")
    left = usable - weight_bytes(model)
    if left <= 0:
        raise ValueError(f"weights of {weight_bytes(model):.3g} bytes do not fit into {usable:.3g} bytes of memory")
    return int(left / kv_bytes_per_token(model))


def weight_bytes(model: JSON) -> float:
    return number(model, "parameters") * number(model, "bytes_per_parameter")


def kv_bytes_per_token(model: JSON) -> float:
    """Keys and values of all layers."""
    heads = number(model, "kv_heads") * number(model, "head_size")
    return 2 * number(model, "layers") * heads * number(model, "bytes_per_kv_value")


def number(values: JSON, name: str) -> float:
    """A number that stands with its source."""
    if not values[name]["source"]:
        raise ValueError(f"{name} has no source")
    return float(values[name]["value"])


GIVEN = "given with the measurements"
NO_SOURCES: Mapping[str, str] = {}


def fitted_json(profile: EngineProfile, evidence: JSON, sources: Mapping[str, str] = NO_SOURCES) -> JSON:
    """A fitted profile as a file has it; ``sources`` say of its limits where they come from."""
    return {
        "dynasor_engine_profile": VERSION,
        "kind": "fitted",
        "name": profile.name,
        "model": {"name": profile.model},
        "cost": asdict(profile.cost),
        "kv_tokens": profile.kv_tokens,
        "limits": {name: {"value": getattr(profile, name), "source": sources.get(name, GIVEN)} for name in LIMITS},
        "evidence": evidence,
    }
