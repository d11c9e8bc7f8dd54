"""What an engine has counted by itself, read from its Prometheus metrics."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import aiohttp

from dynasor.engines.address import parse_address
from dynasor.engines.failures import TRANSPORT_ERRORS, Blame
from dynasor.errors import EngineFailed

RUNNING = ("vllm:num_requests_running", "sglang:num_running_reqs", "llamacpp:requests_processing")
WAITING = ("vllm:num_requests_waiting", "sglang:num_queue_reqs", "llamacpp:requests_deferred")
GENERATED = ("vllm:generation_tokens_total", "sglang:generation_tokens_total", "llamacpp:tokens_predicted_total")

SAMPLE = re.compile(r"^([a-zA-Z_:][\w:]*)(?:\{.*\})? (\S+)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class EngineCounters:
    """Requests the engine is working on, requests it makes wait, and tokens it has produced since its start."""

    running: int
    waiting: int
    generated_tokens: int


def parse_counters(text: str) -> EngineCounters | None:
    """Read a Prometheus exposition of vLLM, SGLang or llama.cpp, summed over labels; None if it is of none of them."""
    totals: dict[str, float] = {}
    for name, value in SAMPLE.findall(text):
        totals[name] = totals.get(name, 0.0) + float(value)
    running, waiting, generated = (first_of(totals, names) for names in (RUNNING, WAITING, GENERATED))
    if running is None or generated is None:
        return None
    return EngineCounters(int(running), int(waiting or 0), int(generated))


def largest_of(text: str, name: str) -> float | None:
    """The largest value of this name in a Prometheus exposition, over labels; None if it is not there."""
    return max((float(value) for found, value in SAMPLE.findall(text) if found == name), default=None)


def first_of(totals: Mapping[str, float], names: tuple[str, ...]) -> float | None:
    return next((totals[name] for name in names if name in totals), None)


async def engine_counters(base_url: str, *, timeout_s: float = 10.0) -> EngineCounters:
    """The counters of the engine at ``base_url`` (as ``OpenAIEngine`` takes it), from its ``/metrics``.

    Raises:
        InputError: the address cannot be used.
        EngineError: the engine cannot be reached, or keeps no such metrics.
    """
    address = parse_address(base_url)
    url = f"{address.server}/metrics"
    timeout = aiohttp.ClientTimeout(sock_connect=timeout_s, sock_read=timeout_s)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout, trust_env=not address.is_loopback) as session,
            session.get(url) as response,
        ):
            content = await response.text()
    except TRANSPORT_ERRORS as error:
        raise Blame(url, timeout_s, timeout_s).of_transport(error).error from error
    counters = parse_counters(content) if response.status == 200 else None
    if counters is None:
        raise EngineFailed(f"{url} has no metrics of vLLM, SGLang or llama.cpp (HTTP {response.status})")
    return counters
