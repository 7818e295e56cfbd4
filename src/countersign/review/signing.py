"""A notice as it goes over HTTP: its JSON body, three headers and a signature that its receiver can check.

- `countersign-notice`: the notice's id, the same for every repetition;
- `countersign-timestamp`: seconds since 1970, when this attempt was made;
- `countersign-signature`: `v1=` and the hexadecimal HMAC-SHA256, under the shared secret, of the timestamp, a full stop
  and the body's bytes. A receiver computes the same, compares in constant time and refuses old timestamps.
"""

from __future__ import annotations

import hmac
import json

from countersign.domain.clock import iso
from countersign.review.notify import Notice, NoticeEvent

NOTICE_HEADER = "countersign-notice"
TIMESTAMP_HEADER = "countersign-timestamp"
SIGNATURE_HEADER = "countersign-signature"


def fields_of(event: NoticeEvent) -> tuple[str, ...]:
    if event.startswith("source."):
        return ("source", "synced", "error")
    return ("assistant", "answer_id", "review_id", "status")


def body_of(notice: Notice) -> bytes:
    """UTF-8 JSON: what every notice says, and the fields that its kind of event has; the time is ISO 8601 with zone."""
    said = {
        "notice_id": notice.notice_id,
        "event": notice.event,
        "occurred": iso(notice.occurred),
        "tenant": notice.tenant,
        **{name: getattr(notice, name) for name in fields_of(notice.event)},
    }
    return json.dumps(said, ensure_ascii=False, separators=(",", ":")).encode()


def signature(secret: str, timestamp: str, body: bytes) -> str:
    """`v1=` and the hexadecimal HMAC-SHA256 of `timestamp.body`."""
    return "v1=" + hmac.digest(secret.encode(), f"{timestamp}.".encode() + body, "sha256").hex()
