"""Thinking and what follows it, told apart in a text while it is written."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class ThinkingSplitter:
    """Takes a text piece by piece, and gives it back without its tags: what is thinking and what is not.

    A tag may be spread over pieces. So what may be the beginning of one is held back until that is known, at the latest
    by ``rest``. Everything else comes back at once.

    Args:
        think: the tag that begins thinking.
        end_think: the tag that ends it.
        is_thinking: whether the text begins amid thinking.
    """

    think: str
    end_think: str
    is_thinking: bool
    _held: str = ""

    def split(self, piece: str) -> tuple[str, str]:
        """What is known after one more ``piece``, and was not before: (reasoning, text)."""
        told = {True: "", False: ""}
        unread = self._held + piece
        while True:
            before, tag, after = unread.partition(self._next_tag)
            if not tag:
                break
            told[self.is_thinking] += before
            self.is_thinking = not self.is_thinking
            unread = after
        known = len(unread) - beginning_at_end(unread, self._next_tag)
        told[self.is_thinking] += unread[:known]
        self._held = unread[known:]
        return told[True], told[False]

    def rest(self) -> tuple[str, str]:
        """What was held back of a text that is over, for it became no tag: (reasoning, text)."""
        held, self._held = self._held, ""
        return (held, "") if self.is_thinking else ("", held)

    @property
    def _next_tag(self) -> str:
        return self.end_think if self.is_thinking else self.think


def beginning_at_end(text: str, tag: str) -> int:
    """How many characters at the end of ``text`` could be the beginning of ``tag``."""
    longest = min(len(tag) - 1, len(text))
    return next((length for length in range(longest, 0, -1) if text.endswith(tag[:length])), 0)
