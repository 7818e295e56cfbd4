"""Audits in memory: documents as texts in, findings of the last stage out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

from countersign.corpus.language import detect
from countersign.corpus.readiness.compare import CompareSettings, compare
from countersign.corpus.readiness.seams import Profile, Statement
from countersign.corpus.readiness.signature import signature
from countersign.corpus.readiness.statements import statements
from countersign.domain.documents import Element, Rights
from countersign.domain.readiness import DocumentKey, ReadinessFinding

NOW = datetime(2026, 7, 15, tzinfo=UTC)


class Audit:
    """Implements `ProfileStore`."""

    def __init__(self) -> None:
        self._profiles: list[Profile] = []
        self._statements: dict[DocumentKey, Sequence[Statement]] = {}

    def add(
        self, name: str, title: str, *lines: str, readers: Sequence[str] = ("staff",), **said: Any
    ) -> Audit:
        key = DocumentKey("files", name)
        text = "\n".join(lines)
        elements = [
            Element("paragraph", line, page=1, heading_path=(title,), language=detect(line)) for line in lines
        ]
        normal = " ".join(text.casefold().split())
        self._statements[key] = statements(elements, detect(text))
        self._profiles.append(
            Profile(
                key, title or name, sha256(f"{name.rpartition('.')[2]}{text}".encode()).hexdigest(),
                sha256(normal.encode()).hexdigest() if normal else "", signature(text), len(normal.split()),
                detect(text), Rights.of([f"group:{reader}" for reader in readers]).canonical(), **said,
            )
        )  # fmt: skip
        return self

    def profiles(self) -> Iterator[Profile]:
        return iter(self._profiles)

    def statements(self, key: DocumentKey) -> Sequence[Statement]:
        return self._statements[key]

    def findings(self, settings: CompareSettings | None = None) -> list[ReadinessFinding]:
        return list(compare(self, NOW, settings))

    def codes(self) -> set[str]:
        return {finding.code for finding in self.findings()}


def day(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)
