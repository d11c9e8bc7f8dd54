"""What every engine must do, tested against real ones: subclass it beside an ``engine`` fixture.

The engine runs the tiny random model (it writes until ``max_tokens``), has a context of 2048 tokens, and works
for nobody else meanwhile.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import replace

import pytest

from dynasor.engines.counters import EngineCounters, engine_counters
from dynasor.engines.embedded import EmbeddedEngine
from dynasor.engines.openai import OpenAIEngine
from dynasor.errors import EngineRejected
from dynasor.vocabulary import FinishReason, Message, Sampling
from tests.engines.reading import CHAT, RAW, Prompt, ask, hear, hear_in_pieces, hear_some

RealEngine = EmbeddedEngine | OpenAIEngine

GREEDY = Sampling(temperature=0.0, max_tokens=24)
LONG = Sampling(temperature=0.0, max_tokens=1500)
"""Greedy, for at temperature 1 one request in about 1,200 would end by itself within 20 tokens."""
both_prompts = pytest.mark.parametrize("prompt", [CHAT, RAW], ids=["chat", "completions"])


async def comes_true(condition: Callable[[EngineCounters], bool], base_url: str, within_s: float) -> bool:
    """Whether the engine's counters fulfil ``condition`` within the time."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + within_s
    while True:
        asked_at = loop.time()
        if condition(await engine_counters(base_url)):
            return asked_at <= deadline
        if loop.time() > deadline:
            return False
        await asyncio.sleep(0.02)


async def is_idle_within(engine: RealEngine, seconds: float) -> bool:
    return await comes_true(lambda now: now.running == now.waiting == 0, engine.base_url, seconds)


async def tokens_unseen_when_cancelled(engine: RealEngine) -> int:
    """How many tokens more than we saw the engine has counted, once idle, for one request whose stream we closed."""
    before = (await engine_counters(engine.base_url)).generated_tokens
    seen = await hear_some(engine, ask(RAW, LONG), 20)
    assert await is_idle_within(engine, 10.0)
    return (await engine_counters(engine.base_url)).generated_tokens - before - seen


class EngineContract:
    max_tokens_unseen_when_cancelled: int
    """How many tokens the engine may have produced and not yet told, when a stream is closed."""
    idle_within_s = 1.0
    """How soon an engine does nothing more after streams were closed; by themselves they would take far longer."""
    attempts_at_pieces = 2
    """How often an answer is asked for until one comes in more than one piece."""

    @both_prompts
    async def test_a_request_runs_to_its_limit(self, engine: RealEngine, prompt: Prompt) -> None:
        heard = await hear(engine, ask(prompt, GREEDY))
        assert heard.text
        assert heard.finish_reason is FinishReason.LENGTH
        assert heard.num_tokens == 24
        assert heard.prompt_tokens is not None and heard.prompt_tokens >= 5
        assert engine.info.max_model_len == 2048

    @both_prompts
    async def test_text_streams_with_a_growing_token_count(self, engine: RealEngine, prompt: Prompt) -> None:
        request = ask(prompt, Sampling(temperature=1.0, max_tokens=200))
        deltas = (await hear_in_pieces(engine, request, self.attempts_at_pieces)).deltas
        counts = [delta.num_tokens for delta in deltas]
        assert counts == sorted(counts), counts
        assert counts[0] < counts[-1] <= 200, counts
        assert [delta.finish_reason for delta in deltas[:-1]] == [None] * (len(deltas) - 1)

    @both_prompts
    async def test_a_seed_gives_the_same_text_again(self, engine: RealEngine, prompt: Prompt) -> None:
        texts = [
            (await hear(engine, ask(prompt, Sampling(temperature=1.0, max_tokens=40, seed=seed)))).text
            for seed in (1, 1, 2)
        ]
        assert texts[0] == texts[1] != texts[2]

    @both_prompts
    async def test_whoever_draws_from_one_token_draws_the_likeliest(self, engine: RealEngine, prompt: Prompt) -> None:
        greedy = (await hear(engine, ask(prompt, GREEDY))).text
        for narrow in (Sampling(top_k=1), Sampling(min_p=1.0)):
            sampling = replace(narrow, temperature=1.0, max_tokens=24, seed=5)
            assert (await hear(engine, ask(prompt, sampling))).text == greedy

    @both_prompts
    async def test_what_was_there_before_can_be_made_unlikely(self, engine: RealEngine, prompt: Prompt) -> None:
        """Greedily: another text than without, by each of the penalties."""
        plain = (await hear(engine, ask(prompt, GREEDY))).text
        for penalty in (
            Sampling(repetition_penalty=2.0),
            Sampling(frequency_penalty=2.0),
            Sampling(presence_penalty=2.0),
        ):
            sampling = replace(penalty, temperature=0.0, max_tokens=24)
            assert (await hear(engine, ask(prompt, sampling))).text != plain, penalty

    @both_prompts
    async def test_a_stop_string_ends_the_text_before_it(self, engine: RealEngine, prompt: Prompt) -> None:
        whole = (await hear(engine, ask(prompt, GREEDY))).text
        stop = whole[10:12]
        heard = await hear(engine, ask(prompt, Sampling(temperature=0.0, max_tokens=24, stop=(stop,))))
        assert heard.text == whole[: whole.index(stop)]
        assert heard.finish_reason is FinishReason.STOP

    @both_prompts
    async def test_log_probabilities_come_with_every_token(self, engine: RealEngine, prompt: Prompt) -> None:
        heard = await hear(engine, ask(prompt, Sampling(temperature=0.0, max_tokens=24, top_logprobs=3)))
        assert len(heard.logprobs) == heard.num_tokens == 24
        assert "".join(logprob.token for logprob in heard.logprobs) == heard.text
        for drawn in heard.logprobs:
            assert len(drawn.top) >= 3
            assert drawn.logprob == max(drawn.top.values()) <= 0.0

    @both_prompts
    async def test_log_probabilities_of_the_drawn_tokens_alone(self, engine: RealEngine, prompt: Prompt) -> None:
        heard = await hear(engine, ask(prompt, Sampling(max_tokens=8, top_logprobs=0)))
        assert [len(logprob.top) for logprob in heard.logprobs] == [0] * 8

    @both_prompts
    async def test_no_log_probabilities_unless_asked(self, engine: RealEngine, prompt: Prompt) -> None:
        assert (await hear(engine, ask(prompt, GREEDY))).logprobs == []

    async def test_thinking_reaches_the_chat_template(self, engine: RealEngine) -> None:
        short, long, default = [
            (await hear(engine, ask(CHAT, Sampling(max_tokens=2, thinking=thinking)))).prompt_tokens
            for thinking in (False, True, None)
        ]
        assert short is not None and long is not None
        assert long > short == default

    async def test_any_text_can_be_asked(self, engine: RealEngine) -> None:
        heard = await hear(engine, ask((Message("user", 'π ≠ 3 🙂 "\n\\ <|x|>'),), GREEDY))
        assert heard.num_tokens == 24

    @both_prompts
    async def test_a_prompt_that_is_too_long_is_rejected(self, engine: RealEngine, prompt: Prompt) -> None:
        long = "x" * 5000
        with pytest.raises(EngineRejected, match=r"rejects the request \(HTTP 400\).*2048 tokens"):
            await hear(engine, ask(long if isinstance(prompt, str) else (Message("user", long),), GREEDY))

    @both_prompts
    async def test_a_closed_stream_ends_its_work(self, engine: RealEngine, prompt: Prompt) -> None:
        await asyncio.gather(*(hear_some(engine, ask(prompt, LONG), 5) for _ in range(8)))
        assert await is_idle_within(engine, self.idle_within_s)

    async def test_a_cancelled_task_ends_its_work_at_whatever_instant(self, engine: RealEngine) -> None:
        rng = random.Random(7)

        async def cancel_somewhen() -> None:
            reading = asyncio.create_task(hear(engine, ask(RAW, LONG)))
            await asyncio.sleep(rng.random() ** 3 * 0.2)
            reading.cancel()
            with pytest.raises(asyncio.CancelledError):
                await reading

        for _ in range(5):
            await asyncio.gather(*(cancel_somewhen() for _ in range(8)))
        assert await is_idle_within(engine, 5.0)
        assert (await hear(engine, ask(RAW, GREEDY))).num_tokens == 24

    async def test_the_engine_counts_the_same_tokens(self, engine: RealEngine) -> None:
        before = (await engine_counters(engine.base_url)).generated_tokens
        prompts: list[Prompt] = [RAW, CHAT] * 10
        requests = [ask(prompt, Sampling(max_tokens=10 + 3 * i)) for i, prompt in enumerate(prompts)]
        heard = await asyncio.gather(*(hear(engine, request) for request in requests))
        total = before + sum(one.num_tokens for one in heard)
        assert await comes_true(lambda now: now.generated_tokens == total, engine.base_url, within_s=3.0)

    async def test_the_engine_counts_about_the_same_tokens_of_cancelled_requests(self, engine: RealEngine) -> None:
        """It never counts fewer than were seen. How many more depends on how far a busy machine lets it run ahead
        of what it tells (1,500 tokens of vLLM came before it heard of the end), and lag only ever adds, so the
        closest quarter of the requests shows what cancelling costs; without it they would all run to their limit."""
        unseen = sorted([await tokens_unseen_when_cancelled(engine) for _ in range(12)])
        assert unseen[0] >= 0
        assert unseen[2] <= self.max_tokens_unseen_when_cancelled, unseen
