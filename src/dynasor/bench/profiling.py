"""From a live engine to a fitted engine profile."""

from __future__ import annotations

import platform
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version

from dynasor.bench.flows import Flow, Plan, measure_flows
from dynasor.engines.counters import cache_layout
from dynasor.engines.protocol import Engine, EngineInfo
from dynasor.errors import EngineError
from dynasor.simulation.cost import EngineProfile
from dynasor.simulation.fit import Fit, fit_cost
from dynasor.simulation.profiles import fitted_json
from dynasor.vocabulary import JSON

DEFAULT_LENGTH = 2048
"""Tokens of a request at most, where the engine does not say."""
DEFAULT_PREFILL = 2048
TOLD = "told by the engine"
ASSUMED = "assumed: the engine does not tell"


@dataclass(frozen=True, slots=True)
class Limits:
    """What an engine holds, and where each number comes from."""

    kv_tokens: int
    block_tokens: int
    has_prefix_cache: bool
    sources: dict[str, str]


@dataclass(frozen=True, slots=True)
class Profiled:
    """A profile with the flows that it was fitted to."""

    profile: EngineProfile
    fit: Fit
    flows: Sequence[Flow]
    limits: Limits

    @property
    def errors(self) -> list[float]:
        """Of each flow: predicted time over measured, less 1."""
        measured = [flow.measured for flow in self.flows]
        return [self.fit.seconds_of(each) / each.seconds - 1 for each in measured]

    def to_json(self) -> JSON:
        """As a profile file."""
        evidence = {
            **self.fit.to_json(),
            "how": "least relative squares over steady flows of requests (dynasor bench profile)",
            "kv_tokens": self.limits.sources["kv_tokens"],
            "machine": {"processor": platform.machine(), "python": platform.python_version()},
            "dynasor": version("dynasor-llm"),
            "flows": [flow.to_json() for flow in self.flows],
        }
        return fitted_json(self.profile, evidence, self.limits.sources)


async def limits_of(engine: Engine, spec: str, capacity: int, kv_tokens: int | None) -> Limits:
    """What the engine tells of its cache, and for the rest what is taken for likely."""
    layout = None
    if spec.lower().startswith(("http://", "https://")):
        try:
            layout = await cache_layout(spec)
        except EngineError:
            layout = None
    sources = {
        "max_running": "the capacity that was measured",
        "max_prefill": ASSUMED,
        "has_prefix_cache": TOLD if layout else ASSUMED,
        "block_tokens": TOLD if layout else ASSUMED,
        "delay_s": "fitted",
        "kv_tokens": "given" if kv_tokens else TOLD if layout else "assumed: full length for each of its requests",
    }
    length = engine.info.max_model_len or DEFAULT_LENGTH
    return Limits(
        kv_tokens=kv_tokens or (layout.num_tokens if layout else capacity * length),
        block_tokens=layout.block_tokens if layout else 1,
        has_prefix_cache=layout.has_prefix_cache if layout else True,
        sources=sources,
    )


async def profile_engine(
    engine: Engine,
    spec: str,
    plan: Plan,
    *,
    name: str | None = None,
    kv_tokens: int | None = None,
    seed: int = 0,
    advance: Callable[[], None] = lambda: None,
) -> Profiled:
    """Measure ``engine``, which is entered and was opened by ``spec``, and fit a profile to it.

    Args:
        name: what the profile is called; None: after the engine and its model.
        kv_tokens: what its KV cache holds; None: as it tells, or the full length for each request.
        advance: is called after each of the plan's flows.
    """
    capacity = max(plan.concurrencies)
    limits = await limits_of(engine, spec, capacity, kv_tokens)
    flows = await measure_flows(engine, plan, seed, advance)
    return profiled_by(flows, engine.info, limits, capacity, name)


def profiled_by(
    flows: Sequence[Flow], info: EngineInfo, limits: Limits, capacity: int, name: str | None = None
) -> Profiled:
    """The profile that fits ``flows``, which were measured with up to ``capacity`` requests at once."""
    fit = fit_cost([flow.measured for flow in flows])
    profile = EngineProfile(
        name=name or f"{info.kind}-{info.model}",
        model=info.model,
        cost=fit.cost,
        kv_tokens=limits.kv_tokens,
        max_running=capacity,
        max_prefill=max(DEFAULT_PREFILL, 2 * capacity),
        has_prefix_cache=limits.has_prefix_cache,
        block_tokens=limits.block_tokens,
        delay_s=fit.delay_s,
    )
    return Profiled(profile, fit, flows, limits)
