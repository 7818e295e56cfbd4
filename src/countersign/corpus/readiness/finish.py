"""The end of an audit: everything that is known of each document brought together, accepted or not, and summed up."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final
from urllib.parse import unquote

from countersign.corpus.readiness import check_origin
from countersign.corpus.readiness.phrases import SOURCE_PROBLEM
from countersign.corpus.readiness.subject import inert, key_of
from countersign.corpus.readiness.working import Told, WorkingFile
from countersign.domain.documents import SourceDocument
from countersign.domain.readiness import Acceptance, DocumentKey, ReadinessFinding

_PROBLEMS: Final[Mapping[str, str]] = {
    "source_name_unreadable": "name_unreadable",
    "source_file_too_large": "refused_limit",
    "source_too_large": "refused_limit",
}
_MAX_LINKS: Final = 20


@dataclass(frozen=True, slots=True)
class Accepted:
    """Which findings somebody took responsibility for; those that have expired count again."""

    by_key: Mapping[tuple[str, DocumentKey], Acceptance] = field(
        default_factory=dict[tuple[str, DocumentKey], Acceptance]
    )

    @classmethod
    def of(cls, acceptances: Sequence[Acceptance], now: datetime) -> Accepted:
        return cls({(each.code, each.document): each for each in acceptances if each.expires > now})

    def mark(self, finding: ReadinessFinding) -> ReadinessFinding:
        found = self.by_key.get((finding.code, finding.document))
        return replace(finding, accepted=found) if found else finding


def documents(
    working: WorkingFile, now: datetime, accepted: Accepted, rights_known: Callable[[str], bool]
) -> Iterator[tuple[Told, list[ReadinessFinding]]]:
    """Every document of the run with all that was found about it."""
    for told in working.told():
        key = key_of(told.document)
        found = check_origin.origin(told.document, now, rights_known=rights_known(told.document.source))
        if told.contents is None:
            found += [_unread(told, key)]
        else:
            held = [finding for finding in told.contents.findings if _belongs(finding, told.document)]
            found += held
            if rights_known(told.document.source):
                found += check_origin.too_broad(told.document, held)
            found += _links(working, told.document, told.contents.links)
        found += working.findings(told.row, key)
        yield told, [accepted.mark(finding) for finding in _once(found)]


def _belongs(finding: ReadinessFinding, document: SourceDocument) -> bool:
    """What the source says now counts: a title may have been given since the content was read."""
    return finding.code != "title_missing" or document.title in ("", document.filename)


def _once(found: Sequence[ReadinessFinding]) -> list[ReadinessFinding]:
    """Two stages may notice the same thing: the first one says it."""
    seen: dict[tuple[object, ...], ReadinessFinding] = {}
    for finding in found:
        kind = check_origin.kind_of(finding) if finding.code in ("personal_data", "secret_present") else ""
        single = finding.code in ("expired", "not_yet_valid", "rights_attachment_conflict")
        place = (finding.code, finding.other, kind) if single or kind else (id(finding),)
        seen.setdefault(place, finding)
    return list(seen.values())


def _unread(told: Told, key: DocumentKey) -> ReadinessFinding:
    code = _PROBLEMS.get(told.problem, "unreadable")
    said = (SOURCE_PROBLEM, told.problem)
    return ReadinessFinding(code, "error", key, evidence=inert(told.problem.replace("_", " ")), said=said)


def _links(working: WorkingFile, document: SourceDocument, links: Sequence[str]) -> list[ReadinessFinding]:
    """Links to a place inside the document that is not there, and to files that the source does not list."""
    key = key_of(document)
    broken = [link for link in links if _is_broken(working, document, link)]
    return [
        ReadinessFinding("broken_link", "info", key, evidence=inert(link)) for link in broken[:_MAX_LINKS]
    ]


def _is_broken(working: WorkingFile, document: SourceDocument, link: str) -> bool:
    if link.startswith("#"):
        return True  # the reader of the file told only those that lead nowhere
    target = unquote(link.partition("#")[0].partition("?")[0])
    if not target or target.endswith("/") or "://" in document.external_id or document.parent:
        return False
    folder = "" if target.startswith("/") else posixpath.dirname(document.external_id)
    path = posixpath.normpath(posixpath.join(folder, target.lstrip("/")))
    return not path.startswith("..") and not working.knows(document.source, path)
