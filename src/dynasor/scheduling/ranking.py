"""Items in the order of keys that change: a heap in which outdated entries stay until they come up."""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from typing import Generic, TypeVar

Item = TypeVar("Item", int, str)

SLACK = 64


class Ranking(Generic[Item]):
    """``put``, ``discard`` and ``first`` take O(log n), averaged over many calls; memory is O(n).

    Whatever makes an entry outdated (another key, a discard) only touches the table of entries. ``first`` drops such
    entries when they reach the top, and ``put`` rebuilds the heap once they are the majority.
    """

    __slots__ = ("_entries", "_heap")

    def __init__(self) -> None:
        self._entries: dict[Item, tuple[float, int, Item]] = {}
        self._heap: list[tuple[float, int, Item]] = []

    def put(self, item: Item, key: float, number: int = 0) -> None:
        """Add ``item``, or move it to where ``key`` belongs. ``number``, which never changes, decides between equal
        keys."""
        present = self._entries.get(item)
        if present is not None and present[0] == key:
            return
        entry = self._entries[item] = (key, number, item)
        if len(self._heap) > 2 * len(self._entries) + SLACK:
            self._heap = list(self._entries.values())
            heapify(self._heap)
        else:
            heappush(self._heap, entry)

    def discard(self, item: Item) -> None:
        self._entries.pop(item, None)
        if not self._entries:
            self._heap.clear()

    def first(self) -> Item | None:
        """The item with the smallest key; None if there is none."""
        heap, entries = self._heap, self._entries
        while heap:
            entry = heap[0]
            if entries.get(entry[2]) is entry:
                return entry[2]
            heappop(heap)
        return None

    def key(self, item: Item) -> float | None:
        entry = self._entries.get(item)
        return None if entry is None else entry[0]

    def in_order(self) -> list[Item]:
        """All of them; this sorts."""
        return [item for _, _, item in sorted(self._entries.values())]

    @property
    def is_empty(self) -> bool:
        return not self._entries
