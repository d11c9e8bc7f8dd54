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

LABEL = re.compile(r'(\w+)="([^"]*)"')
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


@dataclass(frozen=True, slots=True)
class CacheLayout:
    """How an engine keeps its KV cache: how many tokens it holds, in blocks of so many, and whether what was read once
    is kept for requests that begin the same."""

    num_tokens: int
    block_tokens: int
    has_prefix_cache: bool


LAYOUT = "vllm:cache_config_info"


def parse_cache_layout(text: str) -> CacheLayout | None:
    """What vLLM's exposition says of its cache; None if it says nothing."""
    line = next((line for line in text.splitlines() if line.startswith(LAYOUT)), "")
    labels = dict(LABEL.findall(line))
    try:
        block_tokens = int(labels["block_size"])
        num_tokens = block_tokens * int(labels["num_gpu_blocks"])
    except (KeyError, ValueError):
        return None
    return CacheLayout(num_tokens, block_tokens, labels.get("enable_prefix_caching") == "True")


async def cache_layout(base_url: str, *, timeout_s: float = 10.0) -> CacheLayout | None:
    """The cache of the engine at ``base_url``, from its ``/metrics``; None if they do not tell. Errors are those of
    ``engine_counters``."""
    _, _, content = await metrics_of(base_url, timeout_s)
    return parse_cache_layout(content)


async def engine_counters(base_url: str, *, timeout_s: float = 10.0) -> EngineCounters:
    """The counters of the engine at ``base_url`` (as ``OpenAIEngine`` takes it), from its ``/metrics``.

    Raises:
        InputError: the address cannot be used.
        EngineError: the engine cannot be reached, or keeps no such metrics.
    """
    url, status, content = await metrics_of(base_url, timeout_s)
    counters = parse_counters(content) if status == 200 else None
    if counters is None:
        raise EngineFailed(f"{url} has no metrics of vLLM, SGLang or llama.cpp (HTTP {status})")
    return counters


async def metrics_of(base_url: str, timeout_s: float) -> tuple[str, int, str]:
    """Where an engine's metrics are, the HTTP status, and what came."""
    address = parse_address(base_url)
    url = f"{address.server}/metrics"
    timeout = aiohttp.ClientTimeout(sock_connect=timeout_s, sock_read=timeout_s)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout, trust_env=not address.is_loopback) as session,
            session.get(url) as response,
        ):
            return url, response.status, await response.text()
    except TRANSPORT_ERRORS as error:
        raise Blame(url, timeout_s, timeout_s).of_transport(error).error from error
