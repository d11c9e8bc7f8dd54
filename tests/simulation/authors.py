"""Completions for tests of the simulator."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from dynasor.simulation import CostModel, EngineProfile, Piece, Reply, Segment
from dynasor.vocabulary import Request


@dataclass(slots=True)
class Writes:
    """Answers every request of a program with as many tokens as ``lengths`` says for it; the prompt is one segment of
    the question's."""

    lengths: Mapping[str, int]
    answer: str = "7"
    prompt_tokens: int = 1
    requests: list[Request] = field(default_factory=list)

    def reply(self, request: Request) -> Reply:
        self.requests.append(request)
        prompt = (Segment(request.prompt, self.prompt_tokens),)
        return Reply(prompt, (Piece(f"\\boxed{{{self.answer}}}", self.lengths[request.program_id]),))


def one_millisecond(kv_tokens: int = 10_000, max_running: int = 100) -> EngineProfile:
    """An engine whose iterations all take a millisecond."""
    return EngineProfile("test", "none", CostModel(overhead_s=0.001), kv_tokens, max_running, max_prefill=1000)
