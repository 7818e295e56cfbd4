"""The last stage of an audit: every document against all the others. Reads profiles, never the documents."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from countersign.corpus.readiness.compare_contradictions import Contradictions
from countersign.corpus.readiness.compare_known import CompareSettings, Library, known_documents
from countersign.corpus.readiness.compare_languages import translations
from countersign.corpus.readiness.compare_rights import attachments
from countersign.corpus.readiness.compare_time import stale, superseded, validity
from countersign.corpus.readiness.compare_versions import Versions, duplicates
from countersign.corpus.readiness.seams import ProfileStore
from countersign.domain.readiness import ReadinessFinding

__all__ = ["CompareSettings", "compare"]


def compare(
    store: ProfileStore, now: datetime, settings: CompareSettings | None = None
) -> Iterator[ReadinessFinding]:
    """Findings between documents: copies, versions with different figures, what was replaced, contradictions, what is
    stale, attachments with other readers. Keeps about 2 kB a document in memory; reads each document's statements a
    few times. The order of findings follows the order of the profiles."""
    chosen = settings or CompareSettings()
    documents = known_documents(store.profiles())
    library = Library(store)
    copies, unique = duplicates(documents)
    yield from copies
    versions = Versions(unique, library, now, chosen)
    yield from versions.findings()
    yield from superseded(documents, unique, library, now)
    yield from validity(documents, library, now)
    yield from translations(unique, library)
    yield from Contradictions(unique, library, versions.families, now, chosen).findings()
    yield from stale(documents, now, chosen)
    yield from attachments(documents)
