from __future__ import annotations

import pytest

from dynasor.engines.counters import (
    CacheLayout,
    EngineCounters,
    engine_counters,
    largest_of,
    parse_cache_layout,
    parse_counters,
)
from dynasor.engines.openai import OpenAIEngine
from dynasor.errors import EngineFailed, EngineUnreachable
from tests.engines.scripted import Reply, ScriptedServer, status

VLLM = """# HELP vllm:num_requests_running Number of requests in model execution batches.
# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{engine="0",model_name="m"} 3.0
vllm:num_requests_running{engine="1",model_name="m"} 1.0
vllm:num_requests_waiting{engine="0",model_name="m"} 2.0
vllm:generation_tokens_total{engine="0",model_name="m"} 1.5e+03
vllm:generation_tokens_total{engine="1",model_name="m"} 1.0
"""
LLAMACPP = "llamacpp:tokens_predicted_total 11\nllamacpp:requests_processing 1\nllamacpp:requests_deferred 4\n"


def test_vllm_summed_over_its_engines() -> None:
    assert parse_counters(VLLM) == EngineCounters(running=4, waiting=2, generated_tokens=1501)


def test_llama_cpp() -> None:
    assert parse_counters(LLAMACPP) == EngineCounters(running=1, waiting=4, generated_tokens=11)


def test_vllm_tells_how_its_cache_is_laid_out() -> None:
    labels = 'block_size="128",enable_prefix_caching="True",num_gpu_blocks="1092",num_cpu_blocks="None"'
    text = f"# TYPE vllm:cache_config_info gauge\nvllm:cache_config_info{{{labels}}} 1.0\n"
    assert parse_cache_layout(text) == CacheLayout(128 * 1092, 128, True)
    assert parse_cache_layout(VLLM) is None


def test_other_metrics_are_none_of_ours() -> None:
    assert parse_counters("process_cpu_seconds_total 1.0\n") is None


def test_the_fullest_of_several_caches_counts() -> None:
    text = 'vllm:kv_cache_usage_perc{engine="0"} 0.25\nvllm:kv_cache_usage_perc{engine="1"} 0.95\nother 1.0\n'
    assert largest_of(text, "vllm:kv_cache_usage_perc") == 0.95
    assert largest_of(text, "sglang:token_usage") is None


async def told_usage(server: ScriptedServer, kind: str, page: Reply) -> float | None:
    server.models = [{"id": "m", "owned_by": kind}]
    server.pages = page
    async with OpenAIEngine(server.url) as engine:
        return await engine.cache_usage()


@pytest.mark.parametrize(
    ("kind", "page", "usage"),
    [
        ("vllm", status(200, 'vllm:kv_cache_usage_perc{engine="0",model_name="m"} 0.5\n'), 0.5),
        ("sglang", status(200, 'sglang:token_usage{model_name="m"} 0.75\n'), 0.75),
        ("sglang", status(404, {}), None),
        ("llamacpp", status(200, LLAMACPP), None),
        ("openai", status(500, {}), None),
    ],
)
async def test_how_full_the_cache_is(server: ScriptedServer, kind: str, page: Reply, usage: float | None) -> None:
    assert await told_usage(server, kind, page) == usage


async def test_an_engine_that_fails_to_tell_is_told_from_one_that_cannot(server: ScriptedServer) -> None:
    with pytest.raises(EngineFailed, match="out of order"):
        await told_usage(server, "vllm", status(500, "out of order"))


async def test_a_server_without_metrics_is_told(server: ScriptedServer) -> None:
    expected = f"http://127.0.0.1:{server.port}/metrics has no metrics of vLLM, SGLang or llama.cpp (HTTP 404)"
    with pytest.raises(EngineFailed) as raised:
        await engine_counters(server.url)
    assert str(raised.value) == expected


async def test_no_server_is_told(server: ScriptedServer) -> None:
    url = server.url
    await server.stop_listening()
    with pytest.raises(EngineUnreachable, match=r"^cannot connect to .*/metrics: Connection refused; check that"):
        await engine_counters(url)
