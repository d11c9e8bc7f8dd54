"""A completion in the making, and how it is gone on with where its engine broke off."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from dynasor.vocabulary import Completion, Delta, FinishReason, Request, TokenLogprob


@dataclass(slots=True)
class Transcript:
    """What came so far. ``num_tokens_before`` of it came before the part that is being written now, which goes on where
    another broke off."""

    text: list[str] = field(default_factory=list)
    reasoning: list[str] = field(default_factory=list)
    logprobs: list[TokenLogprob] = field(default_factory=list)
    num_tokens: int = 0
    prompt_tokens: int = 0
    finish_reason: FinishReason | None = None
    num_tokens_before: int = 0

    def add(self, delta: Delta) -> Delta:
        """Take what the engine streamed; the same as a part of the whole."""
        if self.num_tokens_before:
            delta = as_continued(delta, self.num_tokens_before)
        self.text.append(delta.text)
        self.reasoning.append(delta.reasoning)
        self.logprobs.extend(delta.logprobs)
        self.num_tokens = delta.num_tokens
        self.prompt_tokens = delta.prompt_tokens or self.prompt_tokens
        self.finish_reason = delta.finish_reason or self.finish_reason
        return delta

    @property
    def is_blank(self) -> bool:
        """Nothing of it was written that could be read."""
        return not any(self.text) and not any(self.reasoning)

    def completion(self, request: Request) -> Completion:
        assert self.finish_reason is not None, "an engine's last delta has a finish reason"
        return Completion(
            request_id=request.id,
            text="".join(self.text),
            finish_reason=self.finish_reason,
            num_tokens=self.num_tokens,
            prompt_tokens=self.prompt_tokens,
            reasoning="".join(self.reasoning),
            logprobs=tuple(self.logprobs),
            number=request.number,
        )


def as_continued(delta: Delta, num_tokens_before: int) -> Delta:
    """What an engine streamed that was given ``num_tokens_before`` tokens as a part of its prompt."""
    prompt_tokens = None if delta.prompt_tokens is None else max(0, delta.prompt_tokens - num_tokens_before)
    return replace(delta, num_tokens=delta.num_tokens + num_tokens_before, prompt_tokens=prompt_tokens)


def continued(request: Request, prompt: str, transcript: Transcript) -> Request:
    """``request``, whose prompt as raw text is ``prompt``, from where ``transcript`` has come to."""
    limit = request.sampling.max_tokens
    sampling = request.sampling
    if limit is not None:
        sampling = replace(sampling, max_tokens=max(1, limit - transcript.num_tokens))
    return replace(request, prompt=prompt + "".join(transcript.text), sampling=sampling)
