"""The offline verifier: reads a chain once, in constant memory, with nothing but the public key.

What it can and cannot show: any change, removal, insertion, reordering or replay inside the chain is found, and so is
any rewriting of events up to the last checkpoint, even with all hashes recomputed. Events after the last checkpoint
(the *unanchored tail*) are only internally consistent: whoever can write the database could have rewritten or cut them.
Cutting checkpoints off the end of their file shows only against a copy of that file kept elsewhere.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import sha256

import orjson

from countersign.domain.errors import IntegrityError
from countersign.record.chain import GENESIS, Head, Link, PersonalPart, commit, link_hash
from countersign.record.checkpoint import Checkpoint
from countersign.record.keys import PublicKey

Row = tuple[Link, PersonalPart | None]

_MAX_FINDINGS = 100
_EXPORT_FORMAT = "countersign-record/1"


@dataclass(frozen=True, slots=True)
class Discrepancy:
    """`code` is one of: changed, removed, inserted, reordered, replayed, forked, rewritten, truncated, foreign,
    personal_changed, head_differs, checkpoint_forged, checkpoint_removed, checkpoint_order.
    """

    code: str
    seq: int
    message: str


@dataclass(frozen=True, slots=True)
class Verification:
    tenant: str
    events: int
    head: Head
    anchored_seq: int
    """The newest event vouched for by a valid checkpoint; 0 when none."""
    anchored_at: str
    personal_kept: int
    personal_erased: int
    """Events whose personal text was erased; their commitments stay."""
    discrepancies: tuple[Discrepancy, ...]
    more: int = 0
    """Discrepancies beyond those listed."""

    @property
    def ok(self) -> bool:
        return not self.discrepancies

    @property
    def unanchored(self) -> int:
        """Length of the tail that no checkpoint vouches for."""
        return max(0, self.head.seq - self.anchored_seq)


def verify(
    tenant: str,
    rows: Iterable[Row],
    checkpoints: Iterable[Checkpoint],
    public_keys: Sequence[PublicKey],
    *,
    head: Head | None = None,
) -> Verification:
    """Check one tenant's chain. `rows` come in stored order; `head` is what the database says is the newest link."""
    state = _State(tenant)
    anchors = _Anchors(state, _valid_checkpoints(state, checkpoints, public_keys))
    for link, personal in rows:
        state.step(link)
        state.personal(link, personal)
        anchors.meet(link)
    anchors.finish()
    if head is not None and (head.seq, head.hash) != (state.seq, state.hash):
        state.report("head_differs", state.seq, f"the database names event {head.seq} as the newest link")
    return state.result(anchors)


@dataclass(slots=True)
class _State:
    tenant: str
    seq: int = 0
    hash: str = GENESIS
    events: int = 0
    kept: int = 0
    erased: int = 0
    more: int = 0
    found: list[Discrepancy] = field(default_factory=list[Discrepancy])

    def report(self, code: str, seq: int, message: str) -> None:
        if len(self.found) < _MAX_FINDINGS:
            self.found.append(Discrepancy(code, seq, message))
        else:
            self.more += 1

    def step(self, link: Link) -> None:
        self.events += 1
        if link.tenant != self.tenant:
            self.report("foreign", link.seq, f"event {link.seq} belongs to another tenant")
        if link.hash != _recomputed(link):
            self.report("changed", link.seq, f"event {link.seq} is not what was recorded")
        if link.seq <= self.seq:
            self._step_back(link)
            return
        if link.seq > self.seq + 1:
            self._gap(link.seq)
        elif link.prev != self.hash:
            self.report("forked", link.seq, f"event {link.seq} does not follow event {self.seq}")
        self.seq, self.hash = link.seq, link.hash

    def _gap(self, seq: int) -> None:
        missing = f"event {seq - 1}" if seq == self.seq + 2 else f"events {self.seq + 1} to {seq - 1}"
        self.report("removed", self.seq + 1, f"{missing} missing before event {seq}")

    def _step_back(self, link: Link) -> None:
        if link.seq < 1:
            self.report("inserted", link.seq, f"there is no event {link.seq}")
        elif link.seq < self.seq:
            self.report("reordered", link.seq, f"event {link.seq} comes after event {self.seq}")
        elif link.hash == self.hash:
            self.report("replayed", link.seq, f"event {link.seq} comes twice")
        else:
            self.report("forked", link.seq, f"there are two different events {link.seq}")

    def personal(self, link: Link, part: PersonalPart | None) -> None:
        if part is None:
            self.erased += bool(link.commitment)
            return
        self.kept += 1
        if not _committed(link, part):
            self.report("personal_changed", link.seq, f"the personal part of event {link.seq} was changed")

    def result(self, anchors: _Anchors) -> Verification:
        return Verification(
            tenant=self.tenant,
            events=self.events,
            head=Head(self.tenant, self.seq, self.hash),
            anchored_seq=anchors.seq,
            anchored_at=anchors.at,
            personal_kept=self.kept,
            personal_erased=self.erased,
            discrepancies=tuple(self.found),
            more=self.more,
        )


class _Anchors:
    """Walks the checkpoints beside the chain: each must meet its event with the hash it signed."""

    def __init__(self, state: _State, checkpoints: Iterator[Checkpoint]) -> None:
        self._state = state
        self._checkpoints = checkpoints
        self._next = next(checkpoints, None)
        self.seq = 0
        self.at = ""

    def meet(self, link: Link) -> None:
        while self._next is not None and self._next.seq < link.seq:
            self._missed(self._next)
            self._next = next(self._checkpoints, None)
        while self._next is not None and self._next.seq == link.seq:
            self._compare(self._next, link)
            self._next = next(self._checkpoints, None)

    def finish(self) -> None:
        while self._next is not None:
            if self._next.seq > self._state.seq:
                self._state.report(
                    "truncated",
                    self._state.seq + 1,
                    f"the chain ends at event {self._state.seq}, but event {self._next.seq} was signed on {self._next.at}",
                )
            else:
                self._missed(self._next)
            self._next = next(self._checkpoints, None)

    def _missed(self, checkpoint: Checkpoint) -> None:
        self._state.report("removed", checkpoint.seq, f"event {checkpoint.seq}, which was signed, is missing")

    def _compare(self, checkpoint: Checkpoint, link: Link) -> None:
        if checkpoint.head == link.hash:
            self.seq, self.at = checkpoint.seq, checkpoint.at
        else:
            message = f"the chain up to event {link.seq} is not the one that was signed on {checkpoint.at}"
            self._state.report("rewritten", link.seq, message)


def _valid_checkpoints(
    state: _State, checkpoints: Iterable[Checkpoint], public_keys: Sequence[PublicKey]
) -> Iterator[Checkpoint]:
    previous, seq = GENESIS, 0
    for checkpoint in checkpoints:
        if checkpoint.tenant != state.tenant or not checkpoint.signed_by(public_keys):
            state.report(
                "checkpoint_forged", checkpoint.seq, f"nobody signed the checkpoint at {checkpoint.seq}"
            )
            continue
        if checkpoint.previous != previous:
            state.report(
                "checkpoint_removed",
                checkpoint.seq,
                f"checkpoints before the one at event {checkpoint.seq} are missing",
            )
        previous = sha256(checkpoint.line()).hexdigest()
        if checkpoint.seq < seq:
            state.report(
                "checkpoint_order", checkpoint.seq, f"the checkpoint at {checkpoint.seq} came after {seq}"
            )
            continue
        seq = checkpoint.seq
        yield checkpoint


def link_intact(link: Link, before: Head) -> bool:
    """Whether `link` is what was recorded and follows `before`."""
    return link.seq == before.seq + 1 and link.prev == before.hash and link.hash == _recomputed(link)


def _recomputed(link: Link) -> str:
    """The hash that these fields should have; empty when no event could have them."""
    try:
        return link_hash(
            link.tenant,
            link.seq,
            link.at,
            link.kind,
            link.actor,
            link.subject,
            link.request_id,
            link.facts,
            link.commitment,
            link.prev,
        )
    except TypeError:
        return ""


def _committed(link: Link, part: PersonalPart) -> bool:
    try:
        expected = commit(part.salt, part.payload)
    except ValueError:
        return False
    return hmac.compare_digest(expected.encode(), link.commitment.encode())


# -- an exported chain -------------------------------------------------------------------------------------------
def export_line(link: Link, personal: PersonalPart | None) -> bytes:
    """One event as a JSON line; `personal` and `salt` are absent when there is none or it was erased."""
    data: dict[str, str | int] = {"format": _EXPORT_FORMAT} | {
        name: getattr(link, name) for name in Link.__slots__
    }
    if personal is not None:
        data |= {"personal": personal.payload, "salt": personal.salt}
    return orjson.dumps(data)


def read_export(lines: Iterable[bytes]) -> Iterator[Row]:
    """The rows of an exported chain. Raises `IntegrityError` at a line that is not an event."""
    for number, line in enumerate(lines, 1):
        yield _exported(line, number)


def _exported(line: bytes, number: int) -> Row:
    try:
        data = orjson.loads(line)
        link = Link(**{name: data[name] for name in Link.__slots__})
        if data["format"] != _EXPORT_FORMAT:
            raise ValueError("another format")
        if not all(isinstance(data[name], int if name == "seq" else str) for name in Link.__slots__):
            raise TypeError("a field has another type")
        if "salt" not in data:
            return link, None
        return link, PersonalPart(link.tenant, link.seq, str(data["salt"]), str(data["personal"]))
    except (ValueError, KeyError, TypeError) as error:
        raise IntegrityError(
            f"line {number} of the export is not an event", code="export_unreadable", hint="Export it again."
        ) from error
