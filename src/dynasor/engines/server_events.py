"""Server-sent events, cut out of a byte stream however the network cut it."""

from __future__ import annotations


class EventDecoder:
    """Collects bytes and gives back the data of each complete event.

    Follows https://html.spec.whatwg.org/multipage/server-sent-events.html with two liberties: a lone
    carriage return ends no line (no engine sends one), and fields other than ``data`` are passed over.
    """

    def __init__(self) -> None:
        self._rest = b""
        self._data: list[bytes] = []

    def feed(self, received: bytes) -> list[bytes]:
        """The data of the events that ``received`` completes."""
        lines = (self._rest + received).split(b"\n")
        self._rest = lines.pop()
        events = []
        for line in lines:
            if line.startswith(b"data:"):
                self._data.append(line[5:].strip())
            elif line in (b"", b"\r") and self._data:
                events.append(b"\n".join(self._data))
                self._data.clear()
        return events

    def end(self) -> list[bytes]:
        """The data of an event that the end of the stream completes."""
        return self.feed(b"\n\n")
