"""What a manifest or a rule says of a file: rights, dates, labels. What cannot be understood is quarantined, not guessed."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Any

from countersign.domain.clock import from_iso
from countersign.domain.documents import Rights
from countersign.domain.text import made_storable, storable
from countersign.domain.workspace import SourceSettings

_KEYS = (
    "file",
    "title",
    "acl",
    "acl_all",
    "deny",
    "residency",
    "classification",
    "valid_from",
    "valid_to",
    "modified",
    "supersedes",
    "owner",
    "tenant",
    "attached_in",
)
_TERM_KINDS = ("group:", "user:")
_MAX_TEXT = 1_000
_FOREIGN_RIGHTS = re.compile(r"(?:^|[\W_])(?:acl|deny|denied|denies|exclude[sd]?)(?:$|[\W_])", re.IGNORECASE)
"""Keys that speak of rights in words of their own: `acl_deny`, `Deny`."""
_BOTH = ("tenant", "residency", "classification")
"""What two rows about one file may not say differently."""
_INHERITED = ("tenant", "residency", "classification", "valid_from", "valid_to")


@dataclass(frozen=True, slots=True)
class Said:
    """One row about one file, as read; `problem` is a reason to quarantine."""

    row: Mapping[str, Any]
    rights: Rights
    origin: str
    problem: str = ""

    def text(self, key: str) -> str:
        value = self.row.get(key)
        return made_storable(value[:_MAX_TEXT]) if isinstance(value, str) else ""

    def moment(self, key: str) -> datetime | None:
        value = self.text(key)
        return from_iso(value) if value else None

    def inside(self, whole: Said) -> Said:
        """What is said of an attachment, and what is said of its mail where its own row is silent."""
        said = {key: whole.row.get(key) for key in _INHERITED if self.row.get(key) is None}
        return replace(self, row={**self.row, **said})

    def beside(self, earlier: Said) -> Said:
        """Two rows about one file: only those whom both let in, and what keeps it out in one of them does so in both."""
        first, second = earlier.row, self.row
        silent = {key: first.get(key) for key in _BOTH if second.get(key) is None}
        differ = any(None is not first.get(key) != second.get(key) is not None for key in _BOTH)
        return replace(
            self,
            row={**second, **silent},
            rights=earlier.rights.intersect(self.rights),
            origin=f"{earlier.origin.partition(' and ')[0]} and {self.origin.rpartition(' ')[2]}",
            problem=earlier.problem or self.problem or ("metadata_invalid" if differ else ""),
        )


@dataclass(frozen=True, slots=True)
class Sidecar:
    files: Mapping[str, Said]
    attachments: Mapping[str, Mapping[str, Said]]
    """Parent file → attachment name → what is said of it."""

    def named_otherwise(self, path: str) -> bool:
        """Whether it names the file in other code points: `й` can be one or two."""
        return any(unicodedata.normalize(form, path) in self.files for form in ("NFC", "NFD"))


def read_sidecar(text: str, name: str, keys: Mapping[str, str]) -> Sidecar:
    """Parse JSON lines. A row that cannot be read speaks of no file; a file without a row is seen by nobody."""
    files: dict[str, Said] = {}
    attachments: dict[str, dict[str, Said]] = {}
    for number, line in enumerate(text.split("\n"), start=1):
        row = _row(line, keys)
        if row is None:
            continue
        said = _said(row, f"{name} line {number}")
        parent = said.text("attached_in")
        rows = attachments.setdefault(parent, {}) if parent else files
        earlier = rows.get(said.text("file"))
        rows[said.text("file")] = said.beside(earlier) if earlier else said
    return Sidecar(files, attachments)


def said_by_rules(path: str, settings: SourceSettings) -> Said:
    """The first rule whose glob matches decides; no match means nobody."""
    for rule in settings.rights_rules:
        if fnmatchcase(path, rule.match):
            rights, problem = _rights(list(rule.any_of), list(rule.all_of))
            return Said({}, rights, f"rule {rule.match}", problem)
    return Said({}, Rights(), "no rule matches: nobody")


def _row(line: str, keys: Mapping[str, str]) -> dict[str, Any] | None:
    if not line.strip():
        return None
    try:
        raw = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(raw, dict):
        return None
    row = {ours: raw.get(keys.get(ours, ours)) for ours in _KEYS}
    ours = {keys.get(key, key) for key in _KEYS}
    if any(raw[key] and key not in ours and _FOREIGN_RIGHTS.search(key) for key in raw):
        row["deny"] = row["deny"] or True
    return row if isinstance(row["file"], str) else None


def _said(row: dict[str, Any], origin: str) -> Said:
    if row["deny"]:
        return Said(row, Rights(), origin, "rights_unsupported")
    rights, problem = _rights(row["acl"] or [], row["acl_all"] or [])
    for key in ("valid_from", "valid_to", "modified"):
        value = row[key]
        if value is not None and not _is_moment(value):
            problem = problem or "metadata_invalid"
            row[key] = None
    return Said(row, rights, origin, problem)


def _rights(any_of: object, all_of: object) -> tuple[Rights, str]:
    if not isinstance(any_of, list) or not isinstance(all_of, list):
        return Rights(), "rights_unsupported"
    terms = [term_of(term) for term in (*any_of, *all_of)]
    if any(term is None for term in terms):
        return Rights(), "rights_unsupported"
    known = [term for term in terms if term]
    return Rights.of(known[: len(any_of)], known[len(any_of) :]), ""


def term_of(text: object) -> str | None:
    """`group:x`, `user:x` and `tenant:*` as they are, a bare name as a group; None for what we cannot express."""
    if not isinstance(text, str) or not text or set(text) & set(",;\n\r\t") or not storable(text):
        return None
    if text == "tenant:*" or text.startswith(_TERM_KINDS):
        return text if text.split(":", 1)[1] else None
    return None if ":" in text or text.startswith("!") else f"group:{text}"


def _is_moment(value: object) -> bool:
    if not isinstance(value, str):
        return False
    try:
        from_iso(value)
    except ValueError:
        return False
    return True
