from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from countersign.gateway.sse import OversizedEvent, SseEvent, SseParser

STREAM = (
    "\ufeff: comment\n\nevent: ping\ndata: {}\n\ndata: one\r\ndata:two\r\n\r\nid: 7\nretry: 10\ndata: жоқ 字 🌍\r\rdata\n\n"
    "data:  spaced\n\nevent: only-a-name\n\ndata: [DONE]\n\ndata: unfinished"
).encode()
EVENTS = [
    SseEvent("ping", b"{}"),
    SseEvent("", b"one\ntwo"),
    SseEvent("", "жоқ 字 🌍".encode()),
    SseEvent("", b""),
    SseEvent("", b" spaced"),
    SseEvent("", b"[DONE]"),
]


@given(st.lists(st.integers(0, len(STREAM)), max_size=40))
def test_chunks_may_end_anywhere(cuts: list[int]) -> None:
    parser = SseParser()
    edges = [0, *sorted(cuts), len(STREAM)]
    found = [event for a, b in pairwise(edges) for event in parser.feed(STREAM[a:b])]
    assert found == EVENTS


def test_byte_by_byte() -> None:
    parser = SseParser()
    assert [event for byte in STREAM for event in parser.feed(bytes([byte]))] == EVENTS


@given(st.lists(st.binary(max_size=200), max_size=20))
def test_noise_never_breaks_it(chunks: list[bytes]) -> None:
    parser = SseParser()
    for chunk in chunks:
        parser.feed(chunk)


@pytest.mark.parametrize("flood", [b"data: " + b"x" * 200, b"data: xxxxxxxx\n" * 20])
def test_an_event_has_a_limit(flood: bytes) -> None:
    with pytest.raises(OversizedEvent):
        SseParser(max_event_bytes=100).feed(flood)
