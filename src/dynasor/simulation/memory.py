"""The KV cache of a simulated engine: what running sequences hold, and prefixes kept for requests that begin the same.

Prefixes are a tree of segments, such as a question, or a step of a solution. That is coarser than an engine's blocks of
16 tokens, and the same where requests share whole segments, as those of a program do. Memory is counted in tokens,
without what the last block of a sequence leaves empty.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Segment:
    """A piece of a prompt: what has the same ``key`` after the same pieces is the same text."""

    key: Hashable
    num_tokens: int


@dataclass(slots=True, eq=False)
class Prefix:
    """A segment in the cache, after its ``parent``. ``num_users`` are the sequences and segments that build on it."""

    segment: Segment
    parent: Prefix | None
    num_users: int = 0
    children: dict[Hashable, Prefix] = field(default_factory=dict)


class KVMemory:
    """Counts tokens: ``held`` by running sequences for themselves, ``shared`` ones of prefixes in use, and ``idle``
    ones of prefixes that nobody uses now, which give way, the longest unused first. Where prefixes are not kept, every
    sequence has its prompt for itself."""

    def __init__(self, capacity: int, *, keeps_prefixes: bool = True) -> None:
        self.capacity = capacity
        self.keeps_prefixes = keeps_prefixes
        self.held = 0
        self.shared = 0
        self.idle = 0
        self._root = Prefix(Segment("", 0), None, num_users=1)
        self._unused: OrderedDict[Prefix, None] = OrderedDict()

    @property
    def room(self) -> int:
        """Tokens that can still be held, idle prefixes given up."""
        return self.capacity - self.held - self.shared

    def cached(self, segments: Sequence[Segment]) -> int:
        """How many tokens at the beginning of a prompt need not be read again."""
        found = self._find(segments)
        return total(segments[: len(found)])

    def room_needed(self, segments: Sequence[Segment]) -> int:
        """Tokens of room that ``hold_prompt`` would take: those to read, and idle ones that come into use."""
        found = self._find(segments)
        idle = sum(prefix.segment.num_tokens for prefix in found if not prefix.num_users)
        return idle + total(segments[len(found) :])

    def hold_prompt(self, segments: Sequence[Segment]) -> Prefix:
        """A sequence needs these segments; give the last one back by ``release``."""
        last = self._root
        for segment in segments if self.keeps_prefixes else [Segment(object(), total(segments))]:
            child = last.children.get(segment.key)
            if child is None:
                child = self._added(segment, last)
            last = child
        self._use(last)
        self._evict()
        return last

    def release(self, prefix: Prefix) -> None:
        """One sequence less uses it. What nobody uses is kept as long as there is room, where prefixes are kept."""
        if prefix is self._root:
            prefix.num_users -= 1
            return
        prefix.num_users -= 1
        if prefix.num_users:
            return
        num_tokens = prefix.segment.num_tokens
        self.shared -= num_tokens
        self.idle += num_tokens
        self._unused[prefix] = None
        assert prefix.parent is not None
        self.release(prefix.parent)
        if not self.keeps_prefixes:
            self._forget(prefix)

    def hold(self, num_tokens: int) -> None:
        """Running sequences hold so many more tokens of their own; fewer, if negative."""
        self.held += num_tokens
        self._evict()

    def keep(self, prefix: Prefix, written: Iterable[Segment]) -> None:
        """What a sequence wrote after ``prefix``, which it still uses, is kept as well, where prefixes are. It takes no
        room before what the sequence held for it is let go."""
        if not self.keeps_prefixes:
            return
        last = prefix
        for segment in written:
            last = last.children.get(segment.key) or self._added(segment, last)
        self._use(last)
        self.release(last)

    def _find(self, segments: Sequence[Segment]) -> list[Prefix]:
        """The prefixes that the cache has of these segments, from the first on."""
        found: list[Prefix] = []
        if not self.keeps_prefixes:
            return found
        last: Prefix | None = self._root
        for segment in segments:
            last = last.children.get(segment.key) if last is not None else None
            if last is None:
                break
            found.append(last)
        return found

    def _added(self, segment: Segment, parent: Prefix) -> Prefix:
        """A new prefix, which nobody uses yet."""
        prefix = parent.children[segment.key] = Prefix(segment, parent)
        self.idle += segment.num_tokens
        self._unused[prefix] = None
        return prefix

    def _use(self, prefix: Prefix) -> None:
        prefix.num_users += 1
        if prefix.num_users == 1:
            self.idle -= prefix.segment.num_tokens
            self.shared += prefix.segment.num_tokens
            del self._unused[prefix]
            assert prefix.parent is not None
            self._use(prefix.parent)

    def _evict(self) -> None:
        """Give up idle prefixes until all fits."""
        while self._unused and self.held + self.shared + self.idle > self.capacity:
            self._forget(self._oldest_leaf())

    def _oldest_leaf(self) -> Prefix:
        """Of the longest unused prefix the end that it leads to: an idle prefix has idle children only."""
        prefix = next(iter(self._unused))
        while prefix.children:
            prefix = next(iter(prefix.children.values()))
        return prefix

    def _forget(self, prefix: Prefix) -> None:
        del self._unused[prefix]
        self.idle -= prefix.segment.num_tokens
        assert prefix.parent is not None
        del prefix.parent.children[prefix.segment.key]

    def __repr__(self) -> str:
        return f"<KVMemory {self.held} held, {self.shared} shared, {self.idle} idle of {self.capacity} tokens>"


def total(segments: Iterable[Segment]) -> int:
    return sum(segment.num_tokens for segment in segments)
