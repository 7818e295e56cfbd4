"""Server-sent events, parsed incrementally: a chunk may end anywhere, inside a line ending or a UTF-8 letter included.

After https://html.spec.whatwg.org/multipage/server-sent-events.html, section "parsing an event stream".
"""

from __future__ import annotations

from dataclasses import dataclass

_BOM = b"\xef\xbb\xbf"


class OversizedEvent(ValueError):
    """One event is larger than allowed."""


@dataclass(frozen=True, slots=True)
class SseEvent:
    name: str
    data: bytes


class SseParser:
    """`feed` bytes as they arrive, get complete events back. Comments and unknown fields are dropped."""

    def __init__(self, max_event_bytes: int = 1 << 18) -> None:
        self._max = max_event_bytes
        self._tail = b""
        self._name = ""
        self._data: list[bytes] = []
        self._size = 0
        self._first = True
        self._skip_lf = False

    def feed(self, chunk: bytes) -> list[SseEvent]:
        if not chunk:
            return []
        buffer = self._tail + chunk
        if self._first:
            if len(buffer) < len(_BOM) and _BOM.startswith(buffer):
                self._tail = buffer
                return []
            buffer, self._first = buffer.removeprefix(_BOM), False
        if b"\r" in buffer or self._skip_lf:
            buffer = self._unify_line_ends(buffer)
        *lines, self._tail = buffer.split(b"\n")
        if len(self._tail) + self._size > self._max:
            raise OversizedEvent
        return [event for line in lines if (event := self._line(line)) is not None]

    def _unify_line_ends(self, buffer: bytes) -> bytes:
        """CR, LF and CRLF all end a line; a CR at the very end may still be followed by its LF in the next chunk."""
        if self._skip_lf:
            buffer = buffer.removeprefix(b"\n")
        self._skip_lf = buffer.endswith(b"\r")
        return buffer.replace(b"\r\n", b"\n").replace(b"\r", b"\n")

    def _line(self, line: bytes) -> SseEvent | None:
        if not line:
            return self._dispatch()
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"data":
            self._data.append(value)
            self._size += len(value)
            if self._size > self._max:
                raise OversizedEvent
        elif field == b"event":
            self._name = value.decode("utf-8", "replace")
        return None

    def _dispatch(self) -> SseEvent | None:
        data, name = self._data, self._name
        self._data, self._name, self._size = [], "", 0
        return SseEvent(name, b"\n".join(data)) if data else None
