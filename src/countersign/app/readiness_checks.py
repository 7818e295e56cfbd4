"""The guards' knowledge of text as checks of the readiness audit: personal data, secrets, orders to a machine.

Evidence names the kind and shows at most two characters of a value: a report is read by people who may not read it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

from countersign.corpus.readiness.seams import TextCheck
from countersign.domain.documents import Element
from countersign.domain.readiness import DocumentKey, ReadinessFinding, Severity
from countersign.guard.findings import inert
from countersign.guard.injection import injection_signal
from countersign.guard.passwords import given_passwords
from countersign.guard.personal import find

_SPEAKS_TO_ASSISTANT: Final = frozenset({"address", "override", "exfiltrate", "conceal", "extract"})
_PEM: Final = re.compile(r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----")
_MAX_ORDERS: Final = 20


def masked(kind: str, value: str) -> str:
    return f"{kind}: {value[:2]}•••"


class _Tally:
    """Sightings by kind: the first one is shown, all are counted."""

    def __init__(self) -> None:
        self._first: dict[str, tuple[str, int | None]] = {}
        self._seen: dict[str, set[str]] = {}

    def add(self, kind: str, value: str, page: int | None) -> None:
        self._first.setdefault(kind, (value, page))
        self._seen.setdefault(kind, set()).add(value)

    def findings(self, key: DocumentKey) -> Iterator[ReadinessFinding]:
        for kind, (value, page) in self._first.items():
            secret = kind in ("key", "private_key", "password")
            code = "secret_present" if secret else "personal_data"
            severity: Severity = "info" if not secret else "warning" if kind == "password" else "error"
            yield ReadinessFinding(code, severity, key, page, masked(kind, value), len(self._seen[kind]))


def personal_data(key: DocumentKey, elements: Sequence[Element]) -> Iterator[ReadinessFinding]:
    """One finding for each kind; `count` is of different values."""
    tally = _Tally()
    for element in elements:
        text = element.text
        for hit in find(text):
            tally.add(hit.kind, hit.value, element.page)
        if _PEM.search(text):
            tally.add("private_key", "--", element.page)
        for value in given_passwords(text):
            tally.add("password", value, element.page)
    yield from tally.findings(key)


def instructions(key: DocumentKey, elements: Sequence[Element]) -> Iterator[ReadinessFinding]:
    """Wording that speaks to whatever machine reads it. A signal, never a verdict."""
    told = 0
    for element in elements:
        signal = injection_signal(element.text)
        if signal.raised and signal.aims & _SPEAKS_TO_ASSISTANT and told < _MAX_ORDERS:
            told += 1
            evidence = inert(signal.evidence, 160)
            yield ReadinessFinding("instruction_to_assistant", "warning", key, element.page, evidence)


TEXT_CHECKS: Final[tuple[TextCheck, ...]] = (personal_data, instructions)
