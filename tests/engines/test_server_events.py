from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from dynasor.engines.server_events import EventDecoder

STREAM = ': ping\n\ndata: {"a": "é🙂"}\r\n\r\nevent: x\nid: 1\ndata:two\ndata: lines\n\ndata: [DONE]\n\n'.encode()
EVENTS = ['{"a": "é🙂"}'.encode(), b"two\nlines", b"[DONE]"]


def test_a_whole_stream_at_once() -> None:
    assert EventDecoder().feed(STREAM) == EVENTS


@given(st.lists(st.integers(0, len(STREAM)), max_size=12))
def test_cuts_do_not_matter(cuts: list[int]) -> None:
    decoder = EventDecoder()
    edges = [0, *sorted(cuts), len(STREAM)]
    events = [event for start, end in pairwise(edges) for event in decoder.feed(STREAM[start:end])]
    assert events + decoder.end() == EVENTS


def test_the_end_completes_an_event() -> None:
    decoder = EventDecoder()
    assert decoder.feed(b"data: a") == []
    assert decoder.end() == [b"a"]
