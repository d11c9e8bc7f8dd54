"""Items in the order of keys that change: a heap in which outdated entries stay until they come up."""

from __future__ import annotations

from collections.abc import Hashable
from heapq import heapify, heappop, heappush
from typing import Generic, TypeVar

Item = TypeVar("Item", bound=Hashable)
Key = tuple[float, ...]

SLACK = 64


class Ranking(Generic[Item]):
    """``put``, ``discard`` and ``first`` take O(log n), averaged over many calls; memory is O(n).

    Whatever makes an entry outdated (another key, a discard) only touches the table of keys. ``first`` drops such
    entries when they reach the top, and ``put`` rebuilds the heap once they are the majority.
    """

    __slots__ = ("_heap", "_keys")

    def __init__(self) -> None:
        self._keys: dict[Item, Key] = {}
        self._heap: list[tuple[Key, Item]] = []

    def put(self, item: Item, key: Key) -> None:
        """Add ``item``, or move it to where ``key`` belongs."""
        if self._keys.get(item) == key:
            return
        self._keys[item] = key
        if len(self._heap) > 2 * len(self._keys) + SLACK:
            self._heap = [(each_key, each) for each, each_key in self._keys.items()]
            heapify(self._heap)
        else:
            heappush(self._heap, (key, item))

    def discard(self, item: Item) -> None:
        self._keys.pop(item, None)
        if not self._keys:
            self._heap.clear()

    def first(self) -> Item | None:
        """The item with the smallest key; None if there is none."""
        heap, keys = self._heap, self._keys
        while heap and keys.get(heap[0][1]) != heap[0][0]:
            heappop(heap)
        return heap[0][1] if heap else None

    def key(self, item: Item) -> Key | None:
        return self._keys.get(item)

    def in_order(self) -> list[Item]:
        """All of them; this sorts."""
        return sorted(self._keys, key=lambda item: (self._keys[item], item))

    def __len__(self) -> int:
        return len(self._keys)
