"""Looking for erased text in an object store, and whether the store itself keeps what was deleted.

What is found missing in compressed or tokenised objects proves nothing by itself: those of the index are replaced whole,
blobs are deleted by name, and the search confirms.
"""

from __future__ import annotations

from collections.abc import Sequence

from countersign.storage.byte_scan import Scan, patterns_of
from countersign.storage.shared_place import ObjectPlace

MOST_BYTES = 4 * 1024**3
"""Of all objects together; what lies beyond is counted and said, not read."""
_MARKER = "versions-probe"


def scan_objects(place: ObjectPlace, probes: Sequence[str], most_bytes: int = MOST_BYTES) -> tuple[Scan, int]:
    """With the number of objects that were not read. Names in the result are relative to the place."""
    patterns = patterns_of(probes)
    files, size, unread, found = 0, 0, 0, list[str]()
    for name, length in place.sizes():
        if size + length > most_bytes:
            unread += 1
            continue
        held = place.read(name)
        if held is None:  # replaced or removed since it was listed
            continue
        files, size = files + 1, size + length
        if any(pattern in held[0] for pattern in patterns):
            found.append(f"object storage: {name}")
    return Scan(len(probes), files, size, tuple(found)), unread


def keeps_versions(place: ObjectPlace) -> bool:
    """A bucket with versions turns whatever is deleted or replaced into an old version: asked with an empty object."""
    place.write(_MARKER, b"")
    facts = place.facts(_MARKER)
    place.remove_file(_MARKER)
    return facts is not None and facts.versioned


def joined(here: Scan, there: Scan) -> Scan:
    return Scan(
        here.probes,
        here.files + there.files,
        here.size_bytes + there.size_bytes,
        here.found + there.found,
        here.unreadable + there.unreadable,
    )
