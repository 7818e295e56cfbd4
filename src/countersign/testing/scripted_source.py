"""A source in memory that does what a test says, the wrong things too: it dies, lies, repeats itself and holds a lot."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from countersign.domain.documents import Rights, SourceDocument
from countersign.domain.errors import SourceError
from countersign.domain.workspace import SourceSettings
from countersign.sources.connector import Listed, SourceConnector
from countersign.sources.registry import PUSH, Surroundings, open_connector


@dataclass
class Held:
    """One document of the source. `revision` "auto" follows the content, "" makes it be read at every pass."""

    content: bytes
    rights: Rights
    revision: str = "auto"
    title: str = ""
    tenant: str = "bank"
    filename: str = ""
    more: dict[str, Any] = field(default_factory=dict[str, Any])
    """Further fields of `SourceDocument`."""
    problem: str = ""


class ScriptedSource:
    """A `SourceConnector` over `documents`, external_id → what is held, listed in that order.

    `die_after` ends the next listings with an error after so many entries; `unreadable` are ids whose content cannot be
    read; `before_entry` is called with the number of each entry as it is listed. `reads` counts contents that were opened.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.documents: dict[str, Held] = {}
        self.die_after: int | None = None
        self.unreadable: set[str] = set()
        self.twice: list[tuple[str, Held]] = []
        """Listed after everything else, whatever their ids."""
        self.before_entry: Callable[[int], None] = lambda number: None
        self.reads: list[str] = []
        self.error: Exception = SourceError(
            "the server went away", code="source_unavailable", hint="Look at the server."
        )

    def put(self, external_id: str, text: str | bytes, *groups: str, **more: Any) -> None:
        """Add or replace one document that these groups may read."""
        content = text.encode() if isinstance(text, str) else text
        terms = [group if ":" in group else f"group:{group}" for group in groups]
        self.documents[external_id] = Held(content, Rights.of(terms), **more)

    def list(self) -> Iterator[Listed]:
        entries = [*self.documents.items(), *self.twice]
        for number, (external_id, held) in enumerate(entries):
            if self.die_after is not None and number >= self.die_after:
                raise self.error
            self.before_entry(number)
            yield self._listed(external_id, held)
        if self.die_after is not None and self.die_after >= len(entries):
            raise self.error

    def _listed(self, external_id: str, held: Held) -> Listed:
        filename = held.filename or external_id.rsplit("/", 1)[-1]
        document = SourceDocument(
            source=self.name,
            external_id=external_id,
            tenant=held.tenant,
            title=held.title,
            filename=filename if "." in filename else f"{filename}.md",
            mime="text/markdown",
            rights=held.rights,
            rights_origin="the script",
            **held.more,
        )
        revision = str(hash(held.content)) if held.revision == "auto" else held.revision
        return Listed(document, len(held.content), revision, held.problem)

    def read(self, external_id: str, max_bytes: int) -> bytes:
        self.reads.append(external_id)
        held = self.documents.get(external_id)
        if held is None or external_id in self.unreadable:
            raise SourceError(f"{external_id} cannot be read", code="source_file_gone", hint="Look at it.")
        return held.content[: max_bytes + 1]


class ManyEntries:
    """A source of `count` tiny documents that exist only while they are listed. `revision` is that of all of them."""

    def __init__(self, name: str, count: int, revision: str = "1", modified: datetime | None = None) -> None:
        self.name, self.count, self.revision, self.modified = name, count, revision, modified
        self.listed = 0

    def list(self) -> Iterator[Listed]:
        rights = Rights.of(["tenant:*"])
        for number in range(self.count):
            self.listed = number + 1
            name = f"{number % 1000:03}/{number}.txt"
            document = SourceDocument(
                source=self.name,
                external_id=name,
                tenant="bank",
                title="",
                filename=f"{number}.txt",
                mime="text/plain",
                rights=rights,
                rights_origin="the script",
                modified=self.modified,
            )
            yield Listed(document, 10, self.revision)

    def read(self, external_id: str, max_bytes: int) -> bytes:
        return f"Entry {external_id}"[:max_bytes].encode()


def scripted(*sources: SourceConnector) -> Callable[[SourceSettings, Surroundings], SourceConnector]:
    """For `open_house(connect=…)`: these sources by their names, every other one by its connector."""
    by_name = {getattr(source, "name", ""): source for source in sources}

    def connect(settings: SourceSettings, around: Surroundings) -> SourceConnector:
        found = by_name.get(settings.name)
        return open_connector(settings, around) if found is None else found

    return connect


def scripted_settings(name: str, **more: Any) -> SourceSettings:
    """How the workspace describes such a source."""
    assert name != PUSH
    return SourceSettings(name=name, connector="scripted", **more)
