"""What its source says of a document: rights, dates, name. Cheap, so it is checked at every pass, whether read again or not."""

from __future__ import annotations

import unicodedata
from datetime import datetime, timedelta
from typing import Final

from countersign.corpus.readiness.phrases import OF_REASON, Phrase, phrase
from countersign.corpus.readiness.subject import inert, key_of, worded
from countersign.domain.documents import Rights, SourceDocument
from countersign.domain.readiness import DocumentKey, ReadinessFinding, Severity

EVERYBODY: Final = "tenant:*"
_TOO_BROAD: Final[dict[str, Severity]] = {"secret_present": "error", "personal_data": "warning"}
_GRAVE_KINDS: Final = frozenset({"iin", "card", "iban", "passport", "identity_card", "snils"})
_GRAVE_COUNT: Final = 3
"""That many identifiers of people are a list of people, and no longer somebody's signature."""
_TURNING: Final = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200b\u2060\ufeff\u00ad")
_FUTURE: Final = timedelta(days=2)


def origin(document: SourceDocument, now: datetime, *, rights_known: bool) -> list[ReadinessFinding]:
    """`rights_known` False when nobody was asked for rights, as for a bare folder: then nothing is said about them."""
    key = key_of(document)
    found = [*_dates(document, key, now), *_name(document, key)]
    return found + (_rights(document, key) if rights_known else [])


def too_broad(document: SourceDocument, held: list[ReadinessFinding]) -> list[ReadinessFinding]:
    """Personal data or secrets (`held`: those findings) in a document that everybody in the tenant may read."""
    if not open_to_all(document.rights):
        return []
    key = key_of(document)
    grave = (
        sum(f.count for f in held if f.code == "personal_data" and kind_of(f) in _GRAVE_KINDS) >= _GRAVE_COUNT
    )
    found: list[ReadinessFinding] = []
    for code in _TOO_BROAD:
        hits = [finding for finding in held if finding.code == code]
        if hits:
            severity = "error" if grave and code == "personal_data" else _TOO_BROAD[code]
            said = "; ".join(finding.evidence for finding in hits)
            count = sum(finding.count for finding in hits)
            found.append(
                ReadinessFinding("rights_too_broad", severity, key, hits[0].page, inert(said), count=count)
            )
    return found[:1] if not found or found[0].severity == "error" else found[-1:]


def kind_of(finding: ReadinessFinding) -> str:
    """The kind that evidence of personal data and secrets begins with: `iin: 87•••`."""
    return finding.evidence.partition(":")[0]


def open_to_all(rights: Rights) -> bool:
    return not rights.nobody and all(EVERYBODY in clause for clause in rights.clauses)


def _finding(key: DocumentKey, code: str, severity: Severity, evidence: str | Phrase) -> ReadinessFinding:
    shown, said = worded(evidence)
    return ReadinessFinding(code, severity, key, evidence=shown, said=said)


def _dates(document: SourceDocument, key: DocumentKey, now: datetime) -> list[ReadinessFinding]:
    begins, ends, changed = document.valid_from, document.valid_to, document.modified
    found: list[ReadinessFinding] = []
    if begins and ends and ends <= begins:
        said = phrase("valid_between", f"{begins:%Y-%m-%d}", f"{ends:%Y-%m-%d}")
        return [_finding(key, "dates_impossible", "warning", said)]
    if changed and changed > now + _FUTURE:
        found.append(
            _finding(key, "dates_impossible", "warning", phrase("changed_on", f"{changed:%Y-%m-%d}"))
        )
    if ends and ends <= now:
        found.append(_finding(key, "expired", "warning", phrase("valid_to", f"{ends:%Y-%m-%d}")))
    elif begins and begins > now:
        found.append(_finding(key, "not_yet_valid", "info", phrase("valid_from", f"{begins:%Y-%m-%d}")))
    return found


def _rights(document: SourceDocument, key: DocumentKey) -> list[ReadinessFinding]:
    if document.quarantine:
        return [_finding(key, "rights_unsupported", "error", _set_aside(document))]
    found: list[ReadinessFinding] = []
    if document.rights.nobody:
        found.append(_finding(key, "rights_missing", "error", document.rights_origin))
    for part in document.parts:
        if _conflict(document.rights, part.rights):
            said = phrase(
                "rights_of_part", part.filename, part.rights.canonical(), document.rights.canonical()
            )
            found.append(_finding(key, "rights_attachment_conflict", "warning", said))
    return found


def _set_aside(document: SourceDocument) -> Phrase | str:
    name = OF_REASON.get(document.quarantine)
    if name is None:
        return f"{document.quarantine.replace('_', ' ')} ({document.rights_origin})"
    return phrase(name, document.rights_origin)


def _conflict(whole: Rights, part: Rights) -> bool:
    """Readers of the one are named who cannot read the other. Everybody is no conflict: the narrower one holds."""
    if whole.nobody or part.nobody or whole.canonical() == part.canonical():
        return False
    mine, theirs = (frozenset[str]().union(*rights.clauses) for rights in (whole, part))
    return EVERYBODY not in mine | theirs and not mine & theirs


def _name(document: SourceDocument, key: DocumentKey) -> list[ReadinessFinding]:
    name = document.external_id
    if not _TURNING & set(name) and not any(unicodedata.category(char) == "Cc" for char in name):
        return []
    shown = name.encode("ascii", "backslashreplace").decode()
    return [_finding(key, "name_misleading", "warning", shown)]
