"""The chunks of a streamed answer, read into deltas."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from types import MappingProxyType
from typing import Any

import orjson

from dynasor.vocabulary import JSON, Delta, FinishReason, TokenLogprob

FINISH_REASONS = {"stop": FinishReason.STOP, "length": FinishReason.LENGTH}
DONE = b"[DONE]"
NO_ALTERNATIVES: MappingProxyType[str, float] = MappingProxyType({})


class UnreadableChunk(Exception):
    """A chunk that is not JSON, or not shaped like a chunk."""


class ErrorChunk(Exception):
    """The engine reports an error in the middle of its stream."""

    def __init__(self, content: JSON) -> None:
        super().__init__(content)
        self.content = content


class ChunkReader:
    """Follows one answer: how many tokens it has so far, and whether it is finished.

    The token count is the engine's own where a chunk tells it (``usage``, llama.cpp's ``timings``). Where
    none does, a chunk counts for as many tokens as it has log-probabilities, or for one if it has text,
    until the last chunk's ``usage`` puts it right.
    """

    def __init__(self, top_logprobs: int | None = None) -> None:
        self._top_logprobs = top_logprobs
        self.num_tokens = 0
        self.prompt_tokens: int | None = None
        self.finish_reason: FinishReason | None = None
        self.completion_id: str | None = None
        """The engine's name for this answer, once a chunk told it."""
        self._failure: UnreadableChunk | ErrorChunk | None = None

    def read(self, events: Iterable[bytes]) -> Delta | None:
        """One delta for all ``events`` together; None if they bring nothing new.

        What came before a failure in the same events is returned first, for its tokens count; the failure is
        raised by the next call.

        Raises:
            UnreadableChunk: an event is not a chunk.
            ErrorChunk: an event reports an error.
        """
        before = self.num_tokens
        text, reasoning = "", ""
        logprobs: list[TokenLogprob] = []
        for event in events:
            if event == DONE:
                continue
            try:
                piece = self._read_chunk(orjson.loads(event))
            except ErrorChunk as error:
                self._failure = error
                break
            except (ValueError, TypeError, AttributeError, LookupError):
                self._failure = UnreadableChunk(event[:200].decode(errors="replace"))
                break
            text += piece.text
            reasoning += piece.reasoning
            logprobs.extend(piece.logprobs)
        if not (text or reasoning or logprobs or self.num_tokens != before):
            if self._failure is not None:
                raise self._failure
            return None
        return Delta(text, reasoning, self.num_tokens, tuple(logprobs), prompt_tokens=self.prompt_tokens)

    def last(self) -> Delta:
        """What closes a finished answer."""
        return Delta(num_tokens=self.num_tokens, finish_reason=self.finish_reason, prompt_tokens=self.prompt_tokens)

    def _read_chunk(self, chunk: JSON) -> Delta:
        if chunk.get("error"):
            raise ErrorChunk(chunk)
        self.completion_id = self.completion_id or chunk.get("id")
        choices = chunk.get("choices")
        text, reasoning, logprobs = self._read_choice(choices[0]) if choices else ("", "", ())
        self._count(chunk, len(logprobs) or int(bool(text or reasoning)))
        return Delta(text, reasoning, logprobs=logprobs)

    def _read_choice(self, choice: JSON) -> tuple[str, str, tuple[TokenLogprob, ...]]:
        if reason := choice.get("finish_reason"):
            self.finish_reason = FINISH_REASONS.get(reason, FinishReason.OTHER)
        delta = choice.get("delta") or {}
        text = str(delta.get("content") or choice.get("text") or "")
        reasoning = str(delta.get("reasoning") or delta.get("reasoning_content") or "")
        told = choice.get("logprobs") if self._top_logprobs is not None else None
        return text, reasoning, tuple(self._read_logprobs(told)) if told else ()

    def _count(self, chunk: JSON, pieces: int) -> None:
        usage = chunk.get("usage") or {}
        if (prompt_tokens := usage.get("prompt_tokens")) is not None:
            self.prompt_tokens = int(prompt_tokens)
        if (produced := usage.get("completion_tokens")) is not None:
            self.num_tokens = int(produced)
        elif timings := chunk.get("timings"):
            self.num_tokens = int(timings["predicted_n"])
            if "prompt_n" in timings:
                self.prompt_tokens = int(timings["prompt_n"]) + int(timings.get("cache_n", 0))
        else:
            self.num_tokens += pieces

    def _read_logprobs(self, told: JSON) -> Iterator[TokenLogprob]:
        """Both shapes: a list of entries (chat; llama.cpp everywhere) and parallel lists (completions)."""
        keep = bool(self._top_logprobs)
        if "tokens" in told:
            tops = told.get("top_logprobs") or [None] * len(told["tokens"])
            for token, logprob, top in zip(told["tokens"], told["token_logprobs"], tops, strict=True):
                pairs = top.items() if top and keep else ()
                yield TokenLogprob(token, as_logprob(logprob), alternatives(pairs))
            return
        for entry in told.get("content") or ():
            pairs = ((top["token"], top["logprob"]) for top in entry.get("top_logprobs") or ()) if keep else ()
            yield TokenLogprob(entry["token"], as_logprob(entry["logprob"]), alternatives(pairs))


def alternatives(pairs: Iterable[tuple[str, Any]]) -> MappingProxyType[str, float]:
    """Alternatives by token, most likely first kept where two tokens look alike."""
    top: dict[str, float] = {}
    for token, logprob in pairs:
        top.setdefault(token, as_logprob(logprob))
    return MappingProxyType(top) if top else NO_ALTERNATIVES


def as_logprob(value: float | None) -> float:
    """Engines write a probability of zero as null or as a large negative number."""
    return float("-inf") if value is None else float(value)
