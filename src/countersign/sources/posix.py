"""Rights from owners, groups, modes and ACLs of a file system.

To read a file one must be let through every folder above it, so each folder adds a clause of its own. The permission
check is that of POSIX.1e (`acl(5)`): owner, named users, then groups, then everyone else, and the first class that
matches decides. What would deny somebody whom a wider class admits cannot be expressed and is quarantined.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from stat import S_ISDIR, filemode

from countersign.domain.documents import Rights
from countersign.domain.workspace import PosixRights
from countersign.sources.sidecar import Said
from countersign.sources.trees import PosixNode

_READ, _PASS = 4, 1
_ACL_VERSION = 2
_OWNER, _USER, _GROUP, _NAMED_GROUP, _MASK, _OTHER = 0x01, 0x02, 0x04, 0x08, 0x10, 0x20
_MASKED = (_USER, _GROUP, _NAMED_GROUP)
_ENTRY = struct.Struct("<HHI")
_MAX_ORIGIN = 400


@dataclass(frozen=True, slots=True)
class _Entry:
    tag: int
    bits: int
    who: int


class PosixReader:
    """Turns what stands on the way to a file into rights. `local` names users and groups by this machine's accounts."""

    def __init__(self, mapping: PosixRights, *, local: bool) -> None:
        self._mapping = mapping
        self._local = local
        self._names: dict[tuple[str, int], str] = {}

    def said(self, way: tuple[PosixNode, ...]) -> Said:
        origin = f"POSIX: {', '.join(self._shown(node) for node in way)}"[:_MAX_ORIGIN]
        clauses: list[frozenset[str]] = []
        for node in way:
            allowed = self._allowed(node)
            if allowed is None:
                return Said({}, Rights(), origin, "rights_unsupported")
            terms, everyone = allowed
            if not (everyone and S_ISDIR(node.mode)):  # a folder that everyone may pass narrows nothing
                clauses.append(terms)
        return Said({}, Rights(tuple(clauses)), origin)

    def _allowed(self, node: PosixNode) -> tuple[frozenset[str], bool] | None:
        """(terms that are let through, whether everyone is); None when it cannot be expressed."""
        entries = _entries(node)
        if entries is None:
            return None
        bit = _PASS if S_ISDIR(node.mode) else _READ
        everyone = any(entry.bits & bit for entry in entries if entry.tag == _OTHER)
        groups = [entry for entry in entries if entry.tag in (_GROUP, _NAMED_GROUP)]
        users = [entry for entry in entries if entry.tag in (_OWNER, _USER)]
        some_group = any(entry.bits & bit for entry in groups)
        let = {entry.who for entry in users if entry.bits & bit}
        barred = {entry.who for entry in users if not entry.bits & bit}
        if everyone and not all(entry.bits & bit for entry in groups):
            return None
        if barred & let or (barred and (everyone or some_group)):
            return None
        terms = {self._term("user", who) for who in let}
        terms |= {self._term("group", entry.who) for entry in groups if entry.bits & bit}
        if everyone:
            terms |= set(self._mapping.everyone)
        return frozenset(terms - {""}), everyone

    def _term(self, kind: str, number: int) -> str:
        """Ours for one of theirs; empty for whom the mapping does not know, who thereby gets nothing."""
        known: Mapping[str, str] = self._mapping.users if kind == "user" else self._mapping.groups
        name = self._name(kind, number)
        same = f"{kind}:{name}" if self._mapping.same_names and not name.isdigit() else ""
        return known.get(name) or known.get(str(number)) or same

    def _name(self, kind: str, number: int) -> str:
        if (kind, number) not in self._names:
            self._names[(kind, number)] = _account(kind, number) if self._local else str(number)
        return self._names[(kind, number)]

    def _shown(self, node: PosixNode) -> str:
        owner, group = self._name("user", node.owner), self._name("group", node.group)
        more = "+" if node.acl or node.strange else ""
        name = node.name.encode("utf-8", "replace").decode()
        return f"{name or '.'} {filemode(node.mode)}{more} {owner}:{group}"


def _account(kind: str, number: int) -> str:
    """The account's name on this machine, or its number where there is none."""
    try:
        if kind == "user":
            import pwd

            return pwd.getpwuid(number).pw_name
        import grp

        return grp.getgrgid(number).gr_name
    except (KeyError, ImportError, OverflowError):
        return str(number)


def _entries(node: PosixNode) -> list[_Entry] | None:
    """The ACL with its mask applied, or the mode as one; None when it is of a kind not known here."""
    if node.strange:
        return None
    if not node.acl:
        bits = partial(_bits, node.mode)
        return [
            _Entry(_OWNER, bits(6), node.owner),
            _Entry(_GROUP, bits(3), node.group),
            _Entry(_OTHER, bits(0), 0),
        ]
    if len(node.acl) < 4 or (len(node.acl) - 4) % _ENTRY.size or node.acl[0] != _ACL_VERSION:
        return None
    own: dict[int, int] = {_OWNER: node.owner, _GROUP: node.group}
    entries: list[_Entry] = []
    for tag, bits_, who in _ENTRY.iter_unpack(node.acl[4:]):
        entries.append(_Entry(tag, bits_, own.get(tag, int(who))))
    if not {entry.tag for entry in entries} <= {*_MASKED, _OWNER, _MASK, _OTHER}:
        return None
    mask = next((entry.bits for entry in entries if entry.tag == _MASK), 7)
    return [
        _Entry(entry.tag, entry.bits & mask if entry.tag in _MASKED else entry.bits, entry.who)
        for entry in entries
        if entry.tag != _MASK
    ]


def _bits(mode: int, shift: int) -> int:
    return (mode >> shift) & 7
