"""The database connector: the rows of a query become documents, with rights from columns or from rules.

query → row → key, title, body, fields (what is read)  +  rights, dates, labels (what is believed of it)
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from hashlib import sha256
from typing import Any
from uuid import UUID

from countersign.domain.clock import SystemClock
from countersign.domain.documents import Rights, SourceDocument
from countersign.domain.errors import ConfigError, SourceError
from countersign.domain.workspace import SourceSettings
from countersign.sources.connector import Listed
from countersign.sources.database_link import Link
from countersign.sources.facts import (
    Given,
    Recent,
    believable,
    moment_of,
    rights_of,
    said_text,
    tenant_of,
    usable_id,
)
from countersign.sources.options import Option
from countersign.sources.registry import Surroundings
from countersign.sources.rows import Layout
from countersign.sources.sidecar import said_by_rules

logger = logging.getLogger(__name__)

_LABELS = ("title", "classification", "residency", "owner", "supersedes", "tenant")
_DATES = ("modified", "valid_from", "valid_to")
_RIGHTS = ("any_of", "all_of", "deny")
_COLUMNS = (*_LABELS, *_DATES, *_RIGHTS, "revision")
_MAX_ALIKE = 1_000
_MAX_TWICE = 100_000
_TIMEOUT_S = 60.0


class DatabaseConnector:
    """`url` is SQLAlchemy's, without a password; a relative SQLite file starts in the workspace's folder."""

    NEEDS_URL = True
    OPTIONS: tuple[Option, ...] = (
        Option("query", "text", "A SELECT; each of its rows is a document.", required=True),
        Option("key", "text", "The column that names a row for ever.", required=True),
        Option(
            "list_query",
            "text",
            "A cheaper SELECT with every column but those of the text, for noticing changes; it needs `revision` or "
            "`modified`.",
            "hash the rows of `query`",
        ),
        Option("password", "secret", "The account's password.", "none"),
        Option("title", "text", "Column of the title.", "found in the text"),
        Option("body", "names", "Columns of the text, in order.", "none"),
        Option("body_format", "text", "What those columns hold: text, html or markdown.", "text"),
        Option(
            "fields",
            "names",
            "Further columns to show, each as `name: value`.",
            "without `body`: every column that is nothing else",
        ),
        Option("labels", "mapping", "column: the name to show it by.", "the column's name"),
        Option(
            "revision",
            "text",
            "Column that changes with every change of a row.",
            "`modified` of `list_query`",
        ),
        Option("modified", "text", "Column of the moment of the last change.", "none"),
        Option("valid_from", "text", "Column of the first day in force.", "none"),
        Option("valid_to", "text", "Column of the end of its force.", "none"),
        Option("supersedes", "text", "Column with the key of the row that it replaces.", "none"),
        Option("owner", "text", "Column of who answers for it.", "none"),
        Option("classification", "text", "Column of its classification.", "none"),
        Option("residency", "text", "Column of its residency label.", "the source's"),
        Option("tenant", "text", "Column of its tenant.", "the source's only one"),
        Option(
            "any_of",
            "text",
            "Column of who may see it: a list, JSON, or text with commas; a bare name is a group. With rules as well, "
            "both must agree.",
            "rules alone",
        ),
        Option("all_of", "text", "Column of what each reader needs besides.", "none"),
        Option("deny", "text", "Column of who may not: a row that has any is quarantined.", "none"),
        Option(
            "timeout", "duration", "How long the database may take for a statement or a batch of rows.", "60s"
        ),
        Option(
            "account_is_read_only", "yes_no", "Said for databases without read-only transactions.", "false"
        ),
    )

    def __init__(self, settings: SourceSettings, around: Surroundings) -> None:
        given = Given(settings.options)
        self._settings = settings
        self._tenants = settings.tenants or around.tenants
        self._key = given.text("key")
        self._query, self._list_query = given.text("query"), given.text("list_query")
        self._columns = {name: given.text(name) for name in _COLUMNS if given.text(name)}
        self._layout = Layout(
            title=self._columns.get("title", ""),
            body=given.names("body"),
            body_format=given.text("body_format", "text"),
            fields=given.names("fields"),
            labels=given.mapping("labels"),
            besides=frozenset({self._key, *self._columns.values()}),
        )
        self._check()
        self._link = Link(
            settings.name,
            settings.url,
            given.secret("password"),
            around.root,
            given.seconds("timeout", _TIMEOUT_S),
            account_is_read_only=given.yes("account_is_read_only"),
        )
        self._key_kind: type[object] | None = None
        self._twice: set[str] = set()
        self._rights_seen = Recent()
        self._unbelieved = 0

    def close(self) -> None:
        self._link.close()

    def _check(self) -> None:
        wrong = ""
        if self._settings.rights_sidecar:
            wrong = "a manifest cannot speak of rows"
        elif self._layout.body_format not in ("text", "html", "markdown"):
            wrong = "`body_format` is text, html or markdown"
        elif self._list_query and not ({"revision", "modified"} & self._columns.keys()):
            wrong = "`list_query` needs a column `revision` or `modified`"
        if wrong:
            raise ConfigError(f"source {self._settings.name}: {wrong}", hint="See docs/guide/sources.md.")

    # -- listing ------------------------------------------------------------------------------------------------
    def list(self) -> Iterator[Listed]:
        self._twice, self._unbelieved = set(), 0
        alike: list[Listed] = []
        for item in self._listed():
            # in the order of its keys, whatever the collation: rows of one key stand among those that differ in case
            if alike and _folded(item) != _folded(alike[0]):
                yield from self._told_apart(alike)
                alike = []
            alike.append(item)
            if len(alike) > _MAX_ALIKE:
                raise SourceError(
                    f"source {self._settings.name}: `{self._key}` is not a key: too many rows have the same",
                    code="source_key_not_unique",
                    hint="Choose a column, or an expression, that differs in every row.",
                )
        yield from self._told_apart(alike)
        if self._unbelieved:
            logger.warning(
                "source %s: %d rows say that they changed at a time that cannot be; that is not believed",
                self._settings.name,
                self._unbelieved,
            )

    def _listed(self) -> Iterator[Listed]:
        from sqlalchemy import column, select

        rows = self._link.query(self._list_query or self._query)
        key = column(self._key, _selectable=rows)
        asked = select(column("*", is_literal=True)).select_from(rows).order_by(key)
        with self._link.reading() as connection:
            for number, row in enumerate(self._link.rows(connection, asked), start=1):
                if number == 1:
                    self._require_columns(row)
                yield self._item(number, row)

    def _told_apart(self, alike: list[Listed]) -> Iterator[Listed]:
        """Of rows with the same key none can be right: what is known by that key is shown to nobody."""
        count: dict[str, int] = {}
        for item in alike:
            count[item.document.external_id] = count.get(item.document.external_id, 0) + 1
        for item in alike:
            times = count.pop(item.document.external_id, 0)
            self._rights_seen.note(item.document.external_id, item.document.rights.canonical())
            if times == 1:
                yield item
            elif times > 1:
                yield self._ambiguous(item)

    def _ambiguous(self, item: Listed) -> Listed:
        if len(self._twice) >= _MAX_TWICE:
            raise SourceError(
                f"source {self._settings.name}: `{self._key}` is not a key: too many values stand twice",
                code="source_key_not_unique",
                hint="Choose a column, or an expression, that differs in every row.",
            )
        self._twice.add(item.document.external_id)
        return Listed(_quarantined(item.document, "source_key_duplicate"), item.size)

    def _require_columns(self, row: Mapping[str, Any]) -> None:
        self._require(row, [self._key, *self._columns.values()])
        if not self._list_query:
            self._require(row, [*self._layout.body, *self._layout.fields])

    def _require(self, row: Mapping[str, Any], wanted: Sequence[str]) -> None:
        missing = [name for name in wanted if name not in row]
        if missing:
            raise SourceError(
                f"source {self._settings.name}: its query has no column {missing[0]!r}",
                code="source_column_missing",
                hint=f"It has: {', '.join(sorted(row))}. Nothing was removed from the index.",
            )

    def _item(self, number: int, row: Mapping[str, Any]) -> Listed:
        key = _key_text(row[self._key])
        if not usable_id(key):
            shown = key.encode("utf-8", "backslashreplace").decode()[:100].strip() or "no key"
            # the tab keeps it apart from every key that there can be
            document = self._document(f"row {number}\t{shown!a}", row)
            problem = "source_key_missing" if not key.strip() else "source_key_unusable"
            return Listed(document, 0, problem=problem)
        self._key_kind = type(row[self._key])
        if self._list_query:
            stamp = row[self._columns.get("revision") or self._columns["modified"]]
            return Listed(self._document(key, row), 0, revision="" if stamp is None else str(stamp))
        content = self._layout.render(row)
        return Listed(self._document(key, row), len(content), revision=sha256(content).hexdigest()[:32])

    # -- one row ------------------------------------------------------------------------------------------------
    def _document(self, key: str, row: Mapping[str, Any]) -> SourceDocument:
        said = {name: row[column] for name, column in self._columns.items()}
        labels = {name: said_text(said.get(name)) for name in _LABELS}
        tenant, foreign = tenant_of(labels["tenant"], self._tenants)
        rights, origin, wrong = self._rights(key, said)
        dates, undated = self._dates(said)
        problem = wrong or undated or foreign
        return SourceDocument(
            source=self._settings.name,
            external_id=key,
            tenant=tenant,
            title=labels["title"] or (key if self._layout.body_format == "text" else ""),
            filename=f"{key.replace('/', '_')[:100]}.{self._layout.suffix}",
            mime=self._layout.mime,
            rights=Rights() if problem else rights,
            rights_origin=origin,
            residency=labels["residency"] or self._settings.residency,
            classification=labels["classification"],
            owner=labels["owner"],
            modified=dates["modified"],
            valid_from=dates["valid_from"],
            valid_to=dates["valid_to"],
            supersedes=labels["supersedes"],
            quarantine=problem,
        )

    def _rights(self, key: str, said: Mapping[str, Any]) -> tuple[Rights, str, str]:
        by_rules = said_by_rules(key, self._settings)
        if not {"any_of", "all_of", "deny"} & self._columns.keys():
            return by_rules.rights, by_rules.origin, by_rules.problem
        origin = f"columns {', '.join(self._columns[name] for name in _RIGHTS if name in self._columns)}"
        ruled = bool(self._settings.rights_rules)
        if "any_of" in self._columns:
            rights, problem = rights_of(said["any_of"], said.get("all_of"), said.get("deny"))
            if not ruled:
                return rights, origin, problem
            rights = rights.intersect(by_rules.rights)
        else:  # the columns only narrow what the rules grant
            more, problem = rights_of(["tenant:*"], said.get("all_of"), said.get("deny"))
            rights = by_rules.rights.intersect(more)
        return rights, f"{origin} and {by_rules.origin}", problem or by_rules.problem

    def _dates(self, said: Mapping[str, Any]) -> tuple[dict[str, datetime | None], str]:
        """A validity that cannot be read puts the row into quarantine; a change that cannot have been has no date."""
        found: dict[str, datetime | None] = dict.fromkeys(_DATES)
        problem = ""
        for name in _DATES:
            try:
                found[name] = moment_of(said.get(name))
            except ValueError:
                if name == "modified":
                    self._unbelieved += 1
                else:
                    problem = "metadata_invalid"
        if not believable(found["modified"], SystemClock().now()):
            self._unbelieved += 1
            found["modified"] = None
        begin, end = found["valid_from"], found["valid_to"]
        return found, problem or ("metadata_invalid" if begin and end and end < begin else "")

    # -- reading ------------------------------------------------------------------------------------------------
    def read(self, external_id: str, max_bytes: int) -> bytes:
        rows = self._rows_of(external_id) if usable_id(external_id) else []
        if not rows:
            raise SourceError(f"the row {external_id!r} is no longer there", code="source_file_gone")
        if len(rows) > 1 and external_id not in self._twice:
            raise SourceError(
                f"the key {external_id!r} stands in more than one row",
                code="source_key_duplicate",
                hint="It became ambiguous while the source was read; the next pass takes it up.",
            )
        row = rows[0]
        self._require(row, [*self._layout.body, *self._layout.fields])
        if external_id not in self._twice and row.keys() >= set(self._columns.values()):
            self._rights_seen.require(external_id, self._document(external_id, row).rights.canonical())
        content = self._layout.render(row)
        if len(content) > max_bytes:
            raise SourceError(
                f"{external_id} is larger than {max_bytes} bytes",
                code="source_file_too_large",
                hint="Raise `parsing.max_bytes`, or show fewer columns.",
            )
        return content

    def _rows_of(self, external_id: str) -> list[Mapping[str, Any]]:
        from sqlalchemy import String, cast, column, select

        rows = self._link.query(self._query)
        key = column(self._key, _selectable=rows)
        with self._link.reading() as connection:
            value = _as_kind(external_id, self._kind_of_key(connection))
            where = cast(key, String) == external_id if value is None else key == value
            asked = select(column("*", is_literal=True)).select_from(rows).where(where).limit(2)
            found = list(self._link.rows(connection, asked))
        return [row for row in found if _key_text(row.get(self._key)) == external_id]

    def _kind_of_key(self, connection: Any) -> type[object]:
        """The type that the driver gives keys in, so that a key is compared as what it is and an index serves it."""
        from sqlalchemy import column, select

        if self._key_kind is None:
            rows = self._link.query(self._query)
            key = column(self._key, _selectable=rows)
            some = select(key).select_from(rows).where(key.is_not(None)).limit(1)
            for row in self._link.rows(connection, some):
                self._key_kind = type(row[self._key])
        return self._key_kind or str


def _quarantined(document: SourceDocument, problem: str) -> SourceDocument:
    return replace(document, rights=Rights(), quarantine=problem)


def _folded(item: Listed) -> str:
    return item.document.external_id.casefold()


def _key_text(value: object) -> str:
    if value is None or isinstance(value, bool | bytes | memoryview | float):
        return ""  # nothing that can be written down and found again
    if isinstance(value, datetime | date):
        return value.isoformat()
    return str(value)


def _as_kind(text: str, kind: type[object]) -> object | None:
    """The key as the type that the column has; None where only its text can be compared."""
    try:
        if kind is int:
            return int(text)
        if kind is Decimal:
            return Decimal(text)
        if kind is UUID:
            return UUID(text)
        if kind is datetime:
            return datetime.fromisoformat(text)
        if kind is date:
            return date.fromisoformat(text)
    except (ValueError, InvalidOperation):
        return None
    return text if kind is str else None
