"""What a client gets, in OpenAI's words and with our ``dynasor`` block. Pure: an answer in, JSON values out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from dynasor.events import CertaindexMeasured, TextShown
from dynasor.vocabulary import JSON, Answer, StopReason, Usage

CUT_SHORT = frozenset({StopReason.CAP, StopReason.DEADLINE, StopReason.STOPPED})


@dataclass(frozen=True, slots=True)
class Heading:
    """What all parts of one response share. ``created`` is Unix time in whole seconds."""

    id: str
    created: int
    model: str
    program_id: str
    program: str
    is_chat: bool

    def whole(self, content: str, reasoning: str, finish_reason: str, usage: JSON, block: JSON) -> JSON:
        """The response of a request without a stream."""
        if self.is_chat:
            message: JSON = {"role": "assistant", "content": content, "refusal": None}
            if reasoning:
                message |= as_reasoning(reasoning)
            choice: JSON = {"index": 0, "message": message, "logprobs": None, "finish_reason": finish_reason}
        else:
            choice = {"index": 0, "text": content, "logprobs": None, "finish_reason": finish_reason}
        kind = "chat.completion" if self.is_chat else "text_completion"
        return {**self._top(kind), "choices": [choice], "usage": usage, "dynasor": block}

    def opening(self) -> JSON:
        """The first chunk of a stream, which says who speaks."""
        return self._chunk({"role": "assistant", "content": ""})

    def piece(self, text: str = "", reasoning: str = "") -> JSON:
        delta = as_reasoning(reasoning) if reasoning else {}
        return self._chunk(delta | ({"content": text} if text or not reasoning else {}))

    def progress(self, measured: CertaindexMeasured) -> JSON:
        """A chunk with nothing to read: its delta is empty, so that a plain client passes over it."""
        return {**self._chunk({}), "dynasor": progress_block(self, measured)}

    def closing(self, finish_reason: str, block: JSON) -> JSON:
        return {**self._chunk({}, finish_reason), "dynasor": block}

    def usage(self, usage: JSON) -> JSON:
        """The extra chunk that ``stream_options.include_usage`` asks for."""
        return {**self._top(self._chunk_kind), "choices": [], "usage": usage}

    @property
    def _chunk_kind(self) -> str:
        return "chat.completion.chunk" if self.is_chat else "text_completion"

    def _chunk(self, delta: Mapping[str, Any], finish_reason: str | None = None) -> JSON:
        said: JSON = {"delta": delta} if self.is_chat else {"text": delta.get("content", "")}
        choice = {"index": 0, **said, "logprobs": None, "finish_reason": finish_reason}
        return {**self._top(self._chunk_kind), "choices": [choice]}

    def _top(self, kind: str) -> JSON:
        return {"id": self.id, "object": kind, "created": self.created, "model": self.model}


def as_reasoning(reasoning: str) -> JSON:
    """Under both names in use: vLLM's, and that of DeepSeek, SGLang and llama.cpp."""
    return {"reasoning": reasoning, "reasoning_content": reasoning}


@dataclass(slots=True)
class Shown:
    """What a client has read so far while the program works."""

    text: list[str] = field(default_factory=list)
    reasoning: list[str] = field(default_factory=list)

    def add(self, event: TextShown) -> None:
        self.text.append(event.text)
        self.reasoning.append(event.reasoning)

    @property
    def num_reasoning_chars(self) -> int:
        return sum(map(len, self.reasoning))


def content_of(answer: Answer) -> str:
    """What the user reads: the worked solution where there is one, else the bare answer in a box."""
    return answer.solution or boxed(answer)


def boxed(answer: Answer) -> str:
    return "" if answer.text is None else f"\\boxed{{{answer.text}}}"


def rest_of(content: str, answer: Answer, shown: str) -> str:
    """What a stream that has ``shown`` some text still owes: the rest of ``content``, or where the text went on
    beyond the point from which the program answers, the answer on a line of its own."""
    shown = shown.lstrip()
    if content.startswith(shown):
        return content[len(shown) :]
    return f"\n\n{boxed(answer)}" if answer.text is not None else ""


def finish_reason_of(answer: Answer) -> str:
    """``length`` where the program was cut short before it had anything to say, else ``stop``."""
    return "length" if not content_of(answer) and answer.stop_reason in CUT_SHORT else "stop"


def usage_of(answer: Answer, num_reasoning_chars: int) -> JSON:
    """OpenAI's usage: ``completion_tokens`` are all that were produced; ``reasoning_tokens`` those of them that are not
    of the shown answer."""
    usage = answer.usage
    reasoning = usage.produced - shown_tokens(answer, num_reasoning_chars)
    prompt = usage.prompt + usage.score_prompt
    return {
        "prompt_tokens": prompt,
        "completion_tokens": usage.produced,
        "total_tokens": prompt + usage.produced,
        "completion_tokens_details": {"reasoning_tokens": reasoning},
    }


def shown_tokens(answer: Answer, num_reasoning_chars: int) -> int:
    """How many of the tokens are the answer that the user reads: those of the sample it stands in, of which thinking
    that was shown, ``num_reasoning_chars`` characters of it, takes its share."""
    sample = next((each for each in answer.branches if each.answer == answer.text), None)
    num_chars = len(content_of(answer))
    if sample is None or not num_chars:
        return 0
    share = num_chars / (num_chars + num_reasoning_chars)
    return min(round(sample.num_tokens * share), answer.usage.produced)


def saved_tokens(answer: Answer, max_samples: int) -> int | None:
    """An estimate of what the cap would have cost beyond what was spent: ``max_samples`` samples as long as those that
    were finished. None: no ground for one, as for a single chain, of which nobody knows how long it would have gone
    on."""
    if not answer.branches or answer.num_samples <= 1:
        return None
    mean = sum(branch.num_tokens for branch in answer.branches) / len(answer.branches)
    return max(0, round(mean * max_samples) - answer.usage.produced)


def tokens_by_kind(usage: Usage) -> JSON:
    return {name: getattr(usage, name) for name in Usage.__slots__}


def final_block(heading: Heading, answer: Answer, saved: int | None) -> JSON:
    """The ``dynasor`` block of an answer; docs/api.md has every member."""
    return {
        "program_id": heading.program_id,
        "program": heading.program,
        "answer": answer.text,
        "certaindex": answer.certaindex.value,
        "signals": dict(answer.certaindex.signals),
        "stop_reason": answer.stop_reason.value,
        "samples": answer.num_samples,
        "tokens": tokens_by_kind(answer.usage),
        "tokens_saved_estimate": saved,
        "queue_s": round(answer.queue_s, 6),
        "run_s": round(answer.duration_s - answer.queue_s, 6),
    }


def progress_block(heading: Heading, measured: CertaindexMeasured) -> JSON:
    return {
        "program_id": heading.program_id,
        "program": heading.program,
        "answer": measured.answer,
        "certaindex": measured.certaindex.value,
        "signals": dict(measured.certaindex.signals),
        "samples": measured.finished,
    }


def model_list(model: str, created: int, max_model_len: int | None) -> JSON:
    described: JSON = {"id": model, "object": "model", "created": created, "owned_by": "dynasor"}
    if max_model_len is not None:
        described["max_model_len"] = max_model_len
    return {"object": "list", "data": [described]}
