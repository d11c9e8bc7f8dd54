"""How long an engine takes for an iteration, and how much it can hold: what a profile of hardware and model says."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

from dynasor.errors import InputError


@dataclass(frozen=True, slots=True)
class CostModel:
    """Seconds of one iteration of continuous batching, in which every running sequence writes one token and
    ``prefill`` tokens of prompts are read::

        overhead_s + max(weights_s, token_s * (running + prefill)) + sequence_s * running + context_s * context
            + request_s * begun

    The maximum is the roofline: an iteration reads all weights once, which is what a small batch waits for, or
    computes every token with them, which is what a large one or a long prompt waits for. Reading the KV cache comes on
    top, for every token that a running sequence looks back on (``context``). Not in it: that attention over a long
    prompt grows with its square.

    Args:
        overhead_s: of any iteration: launching it, choosing tokens, the engine's own bookkeeping.
        weights_s: to read the weights.
        token_s: to compute one token.
        sequence_s: for each running sequence: what the engine does for it, whatever its length.
        context_s: to read what the KV cache holds for one token.
        request_s: for each request that is begun in it (``begun``): what it costs once, while everyone else waits, such
            as taking it in and reporting its end on the core that the engine runs on.
    """

    overhead_s: float = 0.0
    weights_s: float = 0.0
    token_s: float = 0.0
    sequence_s: float = 0.0
    context_s: float = 0.0
    request_s: float = 0.0

    def __post_init__(self) -> None:
        for each in fields(self):
            if not 0 <= getattr(self, each.name) < math.inf:
                raise InputError(
                    f"{each.name} is {getattr(self, each.name)}; a number of seconds from 0 up was expected"
                )
        if not self.iteration_s(1, 0, 0) > 0:
            raise InputError(
                "an iteration takes no time; overhead_s, weights_s, token_s or sequence_s above 0 was expected"
            )

    def iteration_s(self, running: int, context: float, prefill: int, begun: int = 0) -> float:
        """One iteration."""
        return self.fixed_s(running, prefill) + self.context_s * context + self.request_s * begun

    def fixed_s(self, running: int, prefill: int) -> float:
        """The part that does not grow with the context."""
        compute_s = self.token_s * (running + prefill)
        return self.overhead_s + max(self.weights_s, compute_s) + self.sequence_s * running

    def span_s(self, iterations: int, running: int, context: float) -> float:
        """So many iterations in a row without prefill, through which ``context`` grows by ``running`` each time."""
        mean_context = context + running * (iterations - 1) / 2
        return iterations * (self.fixed_s(running, 0) + self.context_s * mean_context)

    def iterations_within(self, duration_s: float, running: int, context: float) -> float:
        """How many of such iterations take ``duration_s``, in fractions: ``span_s`` the other way round."""
        growth = self.context_s * running / 2
        first = self.fixed_s(running, 0) + self.context_s * context - growth
        return 2 * duration_s / (first + math.sqrt(first * first + 4 * growth * duration_s))


@dataclass(frozen=True, slots=True)
class EngineProfile:
    """An engine on its hardware.

    Args:
        name: what it is called in reports.
        model: that it serves.
        cost: of an iteration.
        kv_tokens: what its KV cache holds.
        max_running: sequences at once; more wait inside the engine.
        max_prefill: tokens of one iteration, read and written together (chunked prefill).
        has_prefix_cache: whether it keeps what it has read for requests that begin the same.
        block_tokens: in blocks of how many tokens it keeps that: what fills no block is read again.
        delay_s: from sending a request until the engine sees it, beside everything else that it does.
    """

    name: str
    model: str
    cost: CostModel
    kv_tokens: int
    max_running: int = 256
    max_prefill: int = 2048
    has_prefix_cache: bool = True
    block_tokens: int = 1
    delay_s: float = 0.0

    def __post_init__(self) -> None:
        for name in ("kv_tokens", "max_running", "max_prefill", "block_tokens"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} is {getattr(self, name)}; at least 1 was expected")
        if not 0 <= self.delay_s < math.inf:
            raise InputError(f"delay_s is {self.delay_s}; a number of seconds from 0 up was expected")
        if self.max_prefill <= self.max_running:
            raise InputError(
                f"max_prefill is {self.max_prefill}, and each of {self.max_running} running sequences takes a token of "
                f"it; more than {self.max_running} was expected"
            )
