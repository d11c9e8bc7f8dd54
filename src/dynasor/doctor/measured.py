"""Checks that measure: whether a prompt is read from the cache the second time, and whether leaving aborts."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from statistics import median
from typing import Any
from uuid import uuid4

from dynasor.doctor.finding import Finding
from dynasor.doctor.patient import Patient, pieces_of
from dynasor.engines.counters import EngineCounters, engine_counters
from dynasor.errors import EngineError, EngineFailed, EngineRejected

TRIES = 3
LONGEST_PROMPT_WORDS = 1500
"""Enough that reading it takes longer than a request does otherwise."""
TOKENS_PER_WORD = 4
"""No tokenizer of ours or theirs needs more for the words of the prompt."""
FASTER = 0.6
"""A second prompt that takes at most this share of the first one's time was not read again."""
SLOWEST_S = 0.05
"""Where the first takes less, times say nothing."""
LONG_ANSWER_TOKENS = 400
ABORT_WITHIN_S = 5.0
POLL_S = 0.1
CACHING_FLAGS = {
    "vllm": "start vLLM without --no-enable-prefix-caching",
    "sglang": "start SGLang without --disable-radix-cache",
    "llamacpp": "start llama.cpp without --no-cache-prompt",
}
TELLING_FLAGS = {
    "vllm": "start vLLM with --enable-prompt-tokens-details, and it tells how much it had cached",
    "sglang": "start SGLang with --enable-cache-report, and it tells how much it had cached",
}
METRICS_FLAGS = {"sglang": "start SGLang with --enable-metrics", "llamacpp": "start llama.cpp with --metrics"}


@dataclass(frozen=True, slots=True)
class Reading:
    """How long a prompt took, and how many of its tokens were cached (None: not told)."""

    seconds: float
    prompt_tokens: int
    cached_tokens: int | None


async def check_prefix_cache(patient: Patient) -> Finding:
    """Three prompts that nobody has sent before, each twice."""
    pairs = []
    for _ in range(TRIES):
        prompt = new_prompt(patient.info.max_model_len)
        pairs.append((await read_prompt(patient, prompt), await read_prompt(patient, prompt)))
    return judge_caching(patient, pairs)


def judge_caching(patient: Patient, pairs: list[tuple[Reading, Reading]]) -> Finding:
    name, means = "prefix caching", "the samples of a question share its prompt, and a probe shares its whole chain"
    first, second = (median(pair[place].seconds for pair in pairs) for place in (0, 1))
    times = f"{1000 * first:.0f} ms, then {1000 * second:.0f} ms for the same prompt"
    latest = pairs[-1][1]
    if latest.cached_tokens:
        found = f"{latest.cached_tokens} of {latest.prompt_tokens} tokens cached; {times}"
        return Finding.ok(name, found, f"{means}: they are read once")
    if latest.cached_tokens == 0:
        return Finding.warning(
            name, f"no token cached; {times}", f"{means}: they are read again each time", patient.advice(CACHING_FLAGS)
        )
    if first >= SLOWEST_S and second <= FASTER * first:
        return Finding.ok(name, times, f"{means}: they are read once")
    return Finding.warning(
        name,
        f"cannot be seen: {times}",
        f"{means}: perhaps they are read again each time",
        patient.advice(TELLING_FLAGS),
    )


def new_prompt(max_model_len: int | None) -> str:
    """A text that begins like none before, at most half of what the model can read."""
    words = LONGEST_PROMPT_WORDS if max_model_len is None else max_model_len // 2 // TOKENS_PER_WORD
    numbers = " ".join(str(number % 10) for number in range(min(words, LONGEST_PROMPT_WORDS)))
    return f"{uuid4().hex} {numbers}"


async def read_prompt(patient: Patient, prompt: str) -> Reading:
    began = time.monotonic()
    answer = await patient.post("completions", {"prompt": prompt, "max_tokens": 1, "temperature": 0})
    return Reading(time.monotonic() - began, *usage_of(answer))


def usage_of(answer: Any) -> tuple[int, int | None]:
    """The prompt's tokens, and those of them that were cached. EngineFailed for an answer that does not tell."""
    try:
        usage = answer["usage"]
        details = usage.get("prompt_tokens_details") or {}
        return int(usage["prompt_tokens"]), details.get("cached_tokens")
    except (TypeError, LookupError, AttributeError):
        raise EngineFailed("the engine's answer has no usage, so nobody can tell what it read") from None


async def check_aborts(patient: Patient) -> Finding:
    """A long answer is left after its first piece; by its own counters the engine must stop writing it."""
    name = "leaving aborts"
    try:
        before = await counters_of(patient)
    except EngineError as error:
        return Finding.warning(
            name,
            f"cannot be seen: {error}",
            "what is cancelled may still be written in the engine, and paid for",
            patient.advice(METRICS_FLAGS),
        )
    if before.running:
        found = f"not tried: the engine works on {before.running} requests of others"
        return Finding.warning(
            name, found, "whether cancelled work ends there is not known", "ask again when it is idle"
        )
    try:
        await begin_and_leave(patient)
    except EngineRejected as error:
        return Finding.warning(name, f"not tried: {error}", "whether cancelled work ends there is not known")
    after = await settled_counters(patient)
    written = after.generated_tokens - before.generated_tokens
    found = f"{written} of {LONG_ANSWER_TOKENS} tokens were written after a client that left"
    if after.running == 0 and written < LONG_ANSWER_TOKENS // 2:
        return Finding.ok(name, found, "samples that are cancelled cost nothing more")
    return Finding.failed(
        name,
        found,
        "samples that are cancelled are written to their end: stopping early saves nothing",
        "let the proxy before the engine close its connection when the client's closes",
    )


async def counters_of(patient: Patient) -> EngineCounters:
    return await engine_counters(patient.engine.base_url)


async def begin_and_leave(patient: Patient) -> None:
    body = {"prompt": "1, 2, 3,", "max_tokens": LONG_ANSWER_TOKENS, "ignore_eos": True, "stream": True}
    async with patient.forwarded("completions", body) as answer:
        if answer.status != 200:
            raise EngineRejected(f"a long answer is refused with HTTP {answer.status}")
        async for _ in pieces_of(answer):
            return


async def settled_counters(patient: Patient) -> EngineCounters:
    """Once nothing runs any more, or after ``ABORT_WITHIN_S``."""
    deadline = time.monotonic() + ABORT_WITHIN_S
    while True:
        await asyncio.sleep(POLL_S)
        counters = await counters_of(patient)
        if not counters.running or time.monotonic() >= deadline:
            return counters
