"""Continuous batching as vLLM and SGLang do it, in simulated time. Pure: ``now`` is an argument.

Every iteration, each running sequence writes one token; what is left of ``max_prefill`` reads prompts of sequences that
were admitted, first come, first served, and whoever's prompt is read writes a first token in that iteration. When the
KV cache is full, the sequence that was admitted last gives its place away and reads everything again later.

While nothing changes, iterations are not gone through one by one: a *span* is as many of them as there are until a
sequence has something to tell, the cache is full, or a prompt is read. A sequence knows the iteration at which it was
to have written its first token, so its count of tokens is a difference, and a span costs the same however many run.
"""

from __future__ import annotations

import heapq
import itertools
import math
from collections import deque
from collections.abc import Hashable
from collections.abc import Sequence as Ordered
from dataclasses import dataclass, field

from dynasor.simulation.cost import CostModel, EngineProfile
from dynasor.simulation.memory import KVMemory, Prefix, Segment


@dataclass(slots=True, eq=False)
class Sequence:
    """A request in the engine: its prompt, and the counts of tokens at which it has something to tell, the last of
    which is its end."""

    id: str
    prompt: tuple[Segment, ...]
    tells_at: tuple[int, ...]
    serial: int = 0
    prompt_tokens: int = 0
    num_beside: int = 0
    """Of the prompt's tokens, those that another sequence holds."""
    keys: tuple[Hashable, ...] = ()
    """Under which what it writes up to each of ``tells_at`` is kept, as far as they go."""
    num_told: int = 0
    written_before: int = 0
    """When it gave its place away, to be read again."""
    to_read: int = 0
    began_at: int | None = None
    """The iteration before the one that wrote its first token, had it never paused; None while it writes nothing."""
    prefix: Prefix | None = None
    was_admitted: bool = False
    left_with: int | None = None
    """How many tokens were written when it was given up; its place is free after the iteration that runs then."""

    @property
    def length(self) -> int:
        return self.tells_at[-1]


@dataclass(slots=True)
class Counters:
    """What the engine has done so far. ``read`` are prompt tokens computed, those read again after a preemption
    included; ``cached`` those that it did not have to. ``written`` counts every token once, ``dropped`` are those that
    were being written when their request was aborted, which nobody got."""

    iterations: int = 0
    busy_s: float = 0.0
    sequence_s: float = 0.0
    """Sum over time of the sequences that ran: over busy_s, how many did on average."""
    written: int = 0
    dropped: int = 0
    read: int = 0
    cached: int = 0
    preemptions: int = 0
    most_running: int = 0


@dataclass(slots=True)
class Span:
    """Iterations in a row in which the same sequences run."""

    began: float
    iterations: int
    num_running: int
    context: float
    prefill: int
    ended: float


@dataclass(slots=True)
class Batch:
    """The engine's state: what waits, what reads its prompt, what writes."""

    profile: EngineProfile
    memory: KVMemory = field(init=False)
    counters: Counters = field(default_factory=Counters)
    span: Span | None = None
    waiting: deque[Sequence] = field(default_factory=deque)
    reading: dict[Sequence, None] = field(default_factory=dict)
    writing: dict[Sequence, None] = field(default_factory=dict)
    context: int = 0
    """Tokens that those that write look back on."""
    _iteration: int = 0
    _serial: int = 0
    _next_tells: list[tuple[int, int, Sequence]] = field(default_factory=list)
    _reads: list[tuple[Sequence, int]] = field(default_factory=list)
    """What the present span reads of which prompt."""
    _leaving: list[Sequence] = field(default_factory=list)
    _num_begun: int = 0
    """Sequences that were admitted for the first time since the last span."""

    def __post_init__(self) -> None:
        self.memory = KVMemory(self.profile.kv_tokens, keeps_prefixes=self.profile.has_prefix_cache)

    @property
    def cost(self) -> CostModel:
        return self.profile.cost

    @property
    def num_running(self) -> int:
        return len(self.reading) + len(self.writing)

    @property
    def left_over(self) -> tuple[int, int, int]:
        """Tokens held and shared in the cache, and looked back on: none where nothing runs."""
        return self.memory.held, self.memory.shared, self.context

    def fits(self, prompt_tokens: int, length: int) -> bool:
        """Whether such a sequence could ever run, alone."""
        return prompt_tokens + length <= self.profile.kv_tokens

    def submit(
        self,
        id: str,
        prompt: Ordered[Segment],
        tells_at: Ordered[int],
        now: float,
        *,
        num_beside: int = 0,
        keys: tuple[Hashable, ...] = (),
    ) -> Sequence:
        """A request comes. It may be admitted with the iteration that begins next."""
        self._serial += 1
        if num_beside and not self.profile.has_prefix_cache:  # what another holds is of no use then
            prompt, num_beside = (*prompt, Segment("beside", num_beside)), 0
        prompt_tokens = num_beside + sum(segment.num_tokens for segment in prompt)
        assert prompt_tokens and tells_at and tells_at[0], "a sequence reads at least one token and writes one"
        sequence = Sequence(id, tuple(prompt), tuple(tells_at), self._serial, prompt_tokens, num_beside, keys)
        self.waiting.append(sequence)
        if len(self.waiting) == 1 and self.num_running < self.profile.max_running:
            self._cut(now)
        return sequence

    def written(self, sequence: Sequence, now: float) -> int:
        """Tokens of the sequence that are written by ``now``."""
        if sequence.began_at is None:
            return sequence.written_before
        return self._iteration + self._iterations_done(now) - sequence.began_at

    def abort(self, sequence: Sequence, now: float) -> int:
        """The request is given up; how many tokens it has written. The iteration that runs computes one more."""
        written = self.written(sequence, now)
        self.counters.written += written
        if sequence in self.writing or sequence in self.reading:
            sequence.left_with = written
            self._leaving.append(sequence)
            self._cut(now)
            if self.span is None:
                self._let_leave()
        else:
            self.waiting.remove(sequence)
            self._cut(now)
        return written

    def begin(self, now: float) -> float | None:
        """Begin a span, unless one runs or there is nothing to do; when it ends, if one runs."""
        if self.span is None:
            self._let_leave()
            self._make_room()
            self._admit()
            prefill = self._plan_reading()
            running = len(self.writing)
            if not prefill and not running:
                return None
            iterations = 1 if prefill else self._iterations_ahead()
            seconds = self._seconds(iterations, running, self.context, prefill)
            self._num_begun = 0
            self.span = Span(now, iterations, running, self.context, prefill, now + seconds)
            self.counters.most_running = max(self.counters.most_running, self.num_running)
        return self.span.ended

    def end(self) -> list[tuple[Sequence, int]]:
        """The span is over: which sequences have something to tell, with the number of tokens they have written. Those
        that come to their end leave."""
        span = self.span
        assert span is not None, "a span ends that has begun"
        self.span = None
        self._count(span)
        self._iteration += span.iterations
        grown = span.iterations * len(self.writing)
        self.context += grown
        self.memory.hold(grown)
        self._read_on()
        return self._told()

    def _told(self) -> list[tuple[Sequence, int]]:
        told = []
        while self._next_tells and self._next_tells[0][0] <= self._iteration:
            _, _, sequence = heapq.heappop(self._next_tells)
            if sequence.left_with is not None or sequence.began_at is None:
                continue
            written = self._iteration - sequence.began_at
            if written != sequence.tells_at[sequence.num_told]:
                continue
            sequence.num_told += 1
            told.append((sequence, written))
            if written == sequence.length:
                self.counters.written += written
                self._keep(sequence, written)
                self._remove(sequence)
            else:
                self._tell_later(sequence)
        return told

    def _count(self, span: Span) -> None:
        counters, seconds = self.counters, span.ended - span.began
        counters.iterations += span.iterations
        counters.busy_s += seconds
        counters.sequence_s += seconds * (span.num_running + len(self._reads))
        counters.read += span.prefill

    def _seconds(self, iterations: int, running: int, context: float, prefill: int) -> float:
        if prefill:
            return self.cost.iteration_s(running, context, prefill, self._num_begun)
        return self.cost.span_s(iterations, running, context)

    def _iterations_done(self, now: float) -> int:
        """Of the span that runs."""
        span = self.span
        if span is None:
            return 0
        if now >= span.ended:
            return span.iterations
        if span.iterations == 1:
            return 0
        within = self.cost.iterations_within(now - span.began, span.num_running, span.context)
        return min(span.iterations, math.floor(within + TOLERANCE))

    def _cut(self, now: float) -> None:
        """Something changes: the span ends with the iteration that runs, or now if one has just ended."""
        span = self.span
        if span is None or span.iterations == 1 or now >= span.ended:
            return
        within = self.cost.iterations_within(now - span.began, span.num_running, span.context)
        iterations = max(1, math.ceil(within - TOLERANCE))
        if iterations < span.iterations:
            span.iterations = iterations
            seconds = self.cost.span_s(iterations, span.num_running, span.context)
            span.ended = max(now, span.began + seconds)

    def _let_leave(self) -> None:
        for sequence in self._leaving:
            written = sequence.written_before if sequence.began_at is None else self._iteration - sequence.began_at
            assert sequence.left_with is not None
            self.counters.dropped += written - sequence.left_with
            if sequence.began_at is not None:
                self._keep(sequence, written)
            self._remove(sequence)
        self._leaving.clear()

    def _make_room(self) -> None:
        """Have room for a token of everyone who runs."""
        while self.num_running > self.memory.room:
            self._preempt()

    def _preempt(self) -> None:
        """The sequence that was admitted last goes back to the head of those that wait."""
        last = next(reversed(self.reading or self.writing))
        written = last.written_before if last.began_at is None else self._iteration - last.began_at
        self._remove(last)
        last.written_before, last.began_at = written, None
        self.waiting.appendleft(last)
        self.counters.preemptions += 1

    def _admit(self) -> None:
        """Admit those that wait as long as there is room for what they have to read and a token that they write."""
        budget = self.profile.max_prefill - len(self.writing) - sum(each.to_read for each in self.reading)
        while self.waiting and budget > 0 and self.num_running < self.profile.max_running:
            sequence = self.waiting[0]
            needed = self.memory.room_needed(sequence.prompt) + sequence.written_before + 1
            if needed + self.num_running > self.memory.room:
                return
            self.waiting.popleft()
            cached = self._cached(sequence)
            self._num_begun += not sequence.was_admitted
            sequence.was_admitted = True
            sequence.prefix = self.memory.hold_prompt(sequence.prompt)
            self.memory.hold(sequence.written_before)
            sequence.to_read = sequence.prompt_tokens + sequence.written_before - cached
            self.counters.cached += cached
            self.reading[sequence] = None
            budget -= sequence.to_read

    def _cached(self, sequence: Sequence) -> int:
        """How many of the tokens that it reads are in the cache, in whole blocks; the last one never is."""
        found = self.memory.cached(sequence.prompt)
        found += sequence.num_beside
        cached = min(found, sequence.prompt_tokens + sequence.written_before - 1)
        return cached - cached % self.profile.block_tokens

    def _plan_reading(self) -> int:
        """Which prompts the next iteration reads; how many tokens in all."""
        left = self.profile.max_prefill - len(self.writing)
        self._reads = []
        for sequence in self.reading:
            if left <= 0:
                break
            part = min(left, sequence.to_read)
            self._reads.append((sequence, part))
            left -= part
        return sum(part for _, part in self._reads)

    def _read_on(self) -> None:
        for sequence, part in self._reads:
            sequence.to_read -= part
            if not sequence.to_read:
                self._begin_writing(sequence)
        self._reads = []

    def _begin_writing(self, sequence: Sequence) -> None:
        """Its prompt is read, and its next token was written in the same iteration."""
        del self.reading[sequence]
        self.writing[sequence] = None
        sequence.began_at = self._iteration - sequence.written_before - 1
        self.context += sequence.prompt_tokens + sequence.written_before + 1
        self.memory.hold(1)
        self._tell_later(sequence)

    def _tell_later(self, sequence: Sequence) -> None:
        assert sequence.began_at is not None
        due = sequence.began_at + sequence.tells_at[sequence.num_told]
        heapq.heappush(self._next_tells, (due, sequence.serial, sequence))

    def _iterations_ahead(self) -> int:
        """Until a sequence has something to tell or the cache is full."""
        while self._next_tells and (
            self._next_tells[0][2].began_at is None or self._next_tells[0][2].left_with is not None
        ):
            heapq.heappop(self._next_tells)
        until_told = self._next_tells[0][0] - self._iteration
        return max(1, min(until_told, self.memory.room // self.num_running))

    def _keep(self, sequence: Sequence, written: int) -> None:
        """It is about to leave: what others go on from stays in the cache."""
        if sequence.keys:
            assert sequence.prefix is not None
            ends = [end for end in sequence.tells_at[: len(sequence.keys)] if end <= written]
            lengths = (end - begin for begin, end in itertools.pairwise((0, *ends)))
            self.memory.keep(sequence.prefix, map(Segment, sequence.keys, lengths))

    def _remove(self, sequence: Sequence) -> None:
        """It runs no more: what it held is free, its prompt is kept as a prefix."""
        assert sequence.prefix is not None
        if sequence in self.writing:
            del self.writing[sequence]
            assert sequence.began_at is not None
            written = self._iteration - sequence.began_at
            self.context -= sequence.prompt_tokens + written
            self.memory.hold(-written)
        else:
            del self.reading[sequence]
            self.memory.hold(-sequence.written_before)
        self.memory.release(sequence.prefix)
        sequence.prefix = None

    def __repr__(self) -> str:
        return f"<Batch {len(self.writing)} writing, {len(self.reading)} reading, {len(self.waiting)} waiting>"


TOLERANCE = 1e-6
"""Of an iteration: what times may be off by rounding."""
