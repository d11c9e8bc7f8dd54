"""Whether an engine would take the priorities of requests, as far as it tells how it was started.

vLLM (0.33) passes over a priority in silence unless started with ``--scheduling-policy priority``, and tells its policy
only in development mode. SGLang (0.5) needs ``--enable-priority-scheduling`` and one of two policies, and tells both.
llama.cpp has a single line, and hosted services promise nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from dynasor.errors import EngineError

if TYPE_CHECKING:
    from dynasor.engines.protocol import Engine

LOGGER = logging.getLogger(__name__)
VLLM_NEEDS = "vLLM takes priorities only when it was started with --scheduling-policy priority"
SGLANG_POLICIES = ("fcfs", "lof")


@dataclass(frozen=True, slots=True)
class PriorityCheck:
    """Where under its root a server tells how it was started, and what that says of priorities. ``read`` is given the
    JSON of the answer, None if there is none; it gives back why priorities may be ignored, None if they are taken."""

    path: str
    read: Callable[[Any], str | None]


@runtime_checkable
class TakesPriorities(Protocol):
    """What some engines can tell."""

    async def why_priorities_are_ignored(self) -> str | None:
        """Why the engine may pass over the priorities of requests; None: it takes them. Raises ``EngineError``."""
        ...


async def warn_if_priorities_are_ignored(engine: Engine, name: str | None = None) -> bool:
    """Log a warning if the priorities of requests to ``engine``, which was entered, may be of no effect there; ``name``
    is what whoever reads it knows it by."""
    why = await why_they_are_ignored(engine)
    if why is None:
        return False
    where = name or repr(engine)
    LOGGER.warning("priorities may have no effect in %s: %s; they still order what waits here", where, why)
    return True


async def why_they_are_ignored(engine: Engine) -> str | None:
    """Why priorities may be of no effect in ``engine``. One that cannot say so now may still answer requests."""
    if not isinstance(engine, TakesPriorities):
        return f"engines of kind {engine.info.kind!r} do not tell"
    try:
        return await engine.why_priorities_are_ignored()
    except EngineError as error:
        return f"it could not be asked ({error})"


def read_vllm(info: Any) -> str | None:
    policy = value_of(info, "scheduler_config", "policy")
    if policy == "priority":
        return None
    return f"{VLLM_NEEDS}, and it does not tell" if policy is None else f"{VLLM_NEEDS}; its policy is {policy!r}"


def read_sglang(info: Any) -> str | None:
    is_enabled, policy = value_of(info, "enable_priority_scheduling"), value_of(info, "schedule_policy")
    if is_enabled is not True:
        return "SGLang takes priorities only when it was started with --enable-priority-scheduling"
    if policy not in SGLANG_POLICIES:
        return f"SGLang takes priorities under the policies {' and '.join(SGLANG_POLICIES)}; its policy is {policy!r}"
    return None


def value_of(info: Any, *path: str) -> Any:
    """What stands under ``path`` somewhere in nested JSON objects; None if nothing does."""
    if not isinstance(info, dict):
        return None
    inner: Any = info
    for name in path:
        inner = inner.get(name) if isinstance(inner, dict) else None
    if inner is not None:
        return inner
    return next((found for each in info.values() if (found := value_of(each, *path)) is not None), None)


VLLM_CHECK = PriorityCheck("server_info?config_format=json", read_vllm)
SGLANG_CHECK = PriorityCheck("get_server_info", read_sglang)
