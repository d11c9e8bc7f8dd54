"""What every engine that renders must do, tested against real ones: subclass it beside an ``engine`` fixture."""

from __future__ import annotations

import pytest

from dynasor.engines.counters import engine_counters
from dynasor.engines.embedded import EmbeddedEngine
from dynasor.engines.openai import OpenAIEngine
from dynasor.models.formats import ASSISTANT, BEGIN, END, THINK, USER
from dynasor.vocabulary import Message, Sampling
from tests.engines.reading import CHAT, Heard, ask, hear

CONVERSATIONS = {
    "a question": CHAT,
    "several turns": (Message("user", "1+1?"), Message("assistant", " 2."), Message("user", "And 2+2?")),
    "odd letters": (Message("user", '  π ≠ 3 🙂 "\n\\ <|x|> the \u00a0e\u0301 \t'),),
    "text that looks like the template": (Message("user", f"say {BEGIN} or {USER}, not {THINK}\n"),),
}


class RenderContract:
    @pytest.mark.parametrize("messages", CONVERSATIONS.values(), ids=CONVERSATIONS)
    async def test_the_rendered_text_goes_on_as_the_chat_does(
        self, engine: EmbeddedEngine | OpenAIEngine, messages: tuple[Message, ...]
    ) -> None:
        """The same count of prompt tokens, and the same greedy text after it. Asked once before, for an engine
        rounds a little differently over a prompt that it has cached."""
        for thinking in (None, False, True):
            greedy = Sampling(temperature=0.0, max_tokens=48, thinking=thinking)
            await hear(engine, ask(messages, greedy))
            chat = await hear(engine, ask(messages, greedy))
            raw = await hear(engine, ask(await engine.render(messages, thinking=thinking), greedy))
            assert told(raw) == told(chat), thinking

    async def test_the_text_is_the_template_applied(self, engine: EmbeddedEngine | OpenAIEngine) -> None:
        """But for the begin token: an engine whose tokenizer always writes it leaves it out of the text."""
        rendered = await engine.render(CONVERSATIONS["several turns"], thinking=True)
        turns = f"{USER}1+1?{ASSISTANT} 2.{END}{USER}And 2+2?{ASSISTANT}{THINK}\n"
        assert rendered.removeprefix(BEGIN) == turns

    async def test_rendering_produces_no_tokens(self, engine: EmbeddedEngine | OpenAIEngine) -> None:
        before = await engine_counters(engine.base_url)
        await engine.render(CHAT)
        assert await engine_counters(engine.base_url) == before


def told(heard: Heard) -> tuple[int | None, int, str]:
    return heard.prompt_tokens, heard.num_tokens, heard.reasoning + heard.text
