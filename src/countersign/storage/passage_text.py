"""The text half of the embedded passage index: BM25 over stemmed words and character 4-grams, in tantivy.

Our own analyzer makes the terms; tantivy stores postings with frequencies and nothing else, so no text can be read
back from it. Rows are filtered inside the query; deletes go by query and are counted (by term they silently do nothing).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any

from countersign.domain.errors import StorageError
from countersign.retrieval.analysis import Terms
from countersign.retrieval.seams import IndexRow, Scope
from countersign.storage.passage_rows import Cells

if TYPE_CHECKING:
    import tantivy

_HEAP_BYTES = 60_000_000
_PRUNE_FROM, _COMMON, _KEEP_AT_LEAST = 1_000, 0.5, 3
"""In an index of so many passages, terms in more than this share are not searched, as long as this many remain."""
LEGS = ("words", "grams")


def period_key(from_day: int, to_day: int) -> int:
    """A validity period as one indexable number, the same on every machine."""
    return int.from_bytes(blake2b(f"{from_day}:{to_day}".encode(), digest_size=7).digest())


class TextIndex:
    """One folder of postings. `open_writer` once, by the owner only."""

    def __init__(self, folder: Path, *, create: bool) -> None:
        import tantivy

        self._t = tantivy
        self._folder = folder
        self._schema = _schema(tantivy)
        if create:
            folder.mkdir(parents=True, exist_ok=True)
            self._index = tantivy.Index(self._schema, path=str(folder))
        else:
            self._index = tantivy.Index.open(str(folder))
        self._index.config_reader("manual")
        self._index.reload()
        self._searcher = self._index.searcher()
        self._writer: tantivy.IndexWriter | None = None

    @property
    def count(self) -> int:
        return self._searcher.num_docs

    def reload(self) -> None:
        self._index.reload()
        self._searcher = self._index.searcher()

    # -- writing ----------------------------------------------------------------------------------------------
    def open_writer(self) -> None:
        _drop_unfinished_deletes(self._folder)
        self._writer = self._index.writer(heap_size=_HEAP_BYTES, num_threads=1)
        # A new writer's first operation gets the number of the last commit, so a merge of what was committed takes that
        # operation for done where it is not, and what it deleted comes back. Let it be one that deletes nothing.
        self._writer.delete_documents_by_query(self._t.Query.empty_query())

    def apply(self, rows: Sequence[IndexRow], analyze: Callable[[str, str], Terms]) -> list[tuple[int, int]]:
        """Replace `rows` and commit. Returns each row's number of words and 4-grams; checks that deletes deleted."""
        assert self._writer is not None
        ids = [row.passage_id for row in rows]
        present = self._matching(ids)
        before = self.count
        if present:
            self._writer.delete_documents_by_query(self._t.Query.term_set_query(self._schema, "id", ids))
        lengths: list[tuple[int, int]] = []
        for row in rows:
            terms = analyze(row.text, row.language) if row.live else Terms((), ())
            lengths.append((len(terms.words), len(terms.grams)))
            if row.live:
                self._writer.add_document(self._document(row, terms))
        self._writer.commit()
        self.reload()
        expected = before - present + sum(row.live for row in rows)
        if self.count != expected:
            raise StorageError(
                f"the text index holds {self.count} passages where {expected} were expected",
                code="index_damaged",
                hint="It is rebuilt from the database by itself; it is derived and loses nothing.",
            )
        return lengths

    def _matching(self, ids: Sequence[int]) -> int:
        if not self.count or not ids:
            return 0
        query = self._t.Query.term_set_query(self._schema, "id", list(ids))
        found: Any = self._searcher.search(query, limit=1)  # its stub lacks `count`
        return int(found.count)

    def _document(self, row: IndexRow, terms: Terms) -> tantivy.Document:
        document = self._t.Document()
        document.add_unsigned("id", row.passage_id)
        document.add_integer("rights", row.rights_id)
        document.add_unsigned("period", period_key(row.valid_from_day, row.valid_to_day))
        document.add_text("source", row.source)
        document.add_text("document", row.document_id)
        document.add_text("words", " ".join(terms.words))
        document.add_text("grams", " ".join(terms.grams))
        return document

    def close(self) -> None:
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.wait_merging_threads()

    # -- searching --------------------------------------------------------------------------------------------
    def ids(self) -> set[int]:
        if not self.count:
            return set()
        hits = self._searcher.search(self._t.Query.all_query(), limit=self.count).hits
        return {int(v or 0) for v in self._searcher.fast_field_values("id", [address for _, address in hits])}

    def search(
        self, field: str, terms: Sequence[str], filters: Sequence[Any], limit: int
    ) -> list[tuple[int, float]]:
        """(passage id, BM25), best first. `filters` come from `scope_filters`."""
        if not terms or limit < 1 or not self.count:
            return []
        query, occur = self._t.Query, self._t.Occur
        terms = self._telling(field, terms)
        wanted = query.boolean_query(
            [(occur.Should, query.term_query(self._schema, field, term, "freq")) for term in terms]
        )
        if filters:
            wanted = query.boolean_query([(occur.Must, wanted), *filters])
        searcher = self._searcher
        hits = searcher.search(wanted, limit=limit, count=False).hits
        ids = searcher.fast_field_values("id", [address for _, address in hits])
        found = [(int(pid or 0), float(score)) for pid, (score, _) in zip(ids, hits, strict=True)]
        return sorted(found, key=lambda hit: (-hit[1], hit[0]))

    def _telling(self, field: str, terms: Sequence[str]) -> Sequence[str]:
        """Without terms that most passages hold: they cost the most to read and tell the least."""
        if self.count < _PRUNE_FROM:
            return terms
        most = _COMMON * self.count
        rare = [term for term in terms if self.frequency(field, term) <= most]
        return rare if len(rare) >= _KEEP_AT_LEAST else terms

    def frequency(self, field: str, term: str) -> int:
        return self._searcher.doc_freq(field, term)

    def scope_filters(self, scope: Scope, cells: Cells, sources: dict[str, int]) -> list[Any]:
        """Clauses that admit exactly the scope: a condition that everything meets is left out."""
        periods = cells.periods()
        in_force = {p for p in periods if scope.admits_period(*p)}
        filters = [
            *self._admit("rights", cells.values(0), scope.rights_ids),
            *self._admit("source", sources, scope.sources),
            *self._admit("period", {period_key(*p) for p in periods}, {period_key(*p) for p in in_force}),
        ]
        if scope.document_ids:
            filters.append(self._must("document", sorted(scope.document_ids)))
        return filters

    def _admit(self, field: str, present: Iterable[Any], wanted: Iterable[Any]) -> list[Any]:
        present, wanted = set(present), set(wanted)
        allowed, denied = present & wanted, present - wanted
        if not denied:
            return []
        if len(denied) < len(allowed):
            clause = self._t.Query.term_set_query(self._schema, field, sorted(denied))
            return [(self._t.Occur.MustNot, clause)]
        return [self._must(field, sorted(allowed))]

    def _must(self, field: str, values: Sequence[Any]) -> Any:
        query = self._t.Query
        clause = query.term_set_query(self._schema, field, list(values)) if values else query.empty_query()
        return (self._t.Occur.Must, query.const_score_query(clause, 0.0))


def _drop_unfinished_deletes(folder: Path) -> None:
    """A writer that died before its commit leaves a file of deletes that nothing refers to; replaying the same rows would
    write a file of the same name, which tantivy refuses."""
    meta = json.loads((folder / "meta.json").read_bytes())
    referred = {
        f"{segment['segment_id'].replace('-', '')}.{segment['deletes']['opstamp']}.del"
        for segment in meta["segments"]
        if segment["deletes"]
    }
    for path in folder.glob("*.del"):
        if path.name not in referred:
            path.unlink()


def _schema(module: Any) -> tantivy.Schema:
    builder = module.SchemaBuilder()
    builder.add_unsigned_field("id", indexed=True, fast=True)
    builder.add_integer_field("rights", indexed=True)
    builder.add_unsigned_field("period", indexed=True)
    for name in ("source", "document"):
        builder.add_text_field(name, tokenizer_name="raw", index_option="basic")
    for name in LEGS:
        builder.add_text_field(name, tokenizer_name="whitespace", index_option="freq")
    return builder.build()
