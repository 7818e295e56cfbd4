"""A measurement's work: documents cut and embedded beside the live index, and every question asked of each candidate."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from countersign.access.principal import Principal
from countersign.corpus.blobs import Blobs
from countersign.corpus.chunk import StructureChunker
from countersign.corpus.ingest import SEARCHABLE, text_hash
from countersign.corpus.seams import Embedder, Parser, Vectors
from countersign.domain.clock import Clock
from countersign.domain.documents import ParsedDocument, Passage
from countersign.domain.errors import NotFound
from countersign.evaluation.candidates import Candidate
from countersign.evaluation.judge import Place, judge
from countersign.evaluation.questions import Question
from countersign.evaluation.runs import Built, Judged, Run
from countersign.evaluation.scratch import Piece, ScratchDocument, ScratchFile, ScratchStore
from countersign.retrieval.analysis import question_language
from countersign.retrieval.retrieve import Retriever
from countersign.retrieval.seams import Vector
from countersign.retrieval.version import Chunking
from countersign.storage.database import Database
from countersign.storage.passage_index import TantivyIndex
from countersign.storage.tuning import vectors_of

_BATCH: Final = 64
_DEPTH: Final = 50
"""Passages whose documents are ranked."""
_GIVEN: Final = 8
"""Passages that an answer is written from, their neighbours beside them; costs are of this search."""
_ROWS: Final = 2_000

Watch = Callable[[int, int, str], None]
"""Steps done, all steps, and a word on what is being done."""


@dataclass(frozen=True, slots=True)
class Bench:
    """Everything that the candidates of one measurement share."""

    database: Database
    blobs: Blobs
    parser: Parser
    embedder: Embedder | None
    may_embed: Callable[[str], bool]
    clock: Clock
    folder: Path
    """For cuts and scratch indexes; removed when the measurement is done."""
    principal: Principal
    rights: frozenset[int]
    sources: tuple[str, ...]
    documents: tuple[ScratchDocument, ...]


class AskedBefore:
    """An embedder that embeds a question once for all candidates, and knows what that cost."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self._known: dict[str, tuple[Vector, float, float]] = {}

    @property
    def model_id(self) -> str:
        return self._embedder.model_id

    @property
    def dimension(self) -> int:
        return self._embedder.dimension

    @property
    def region(self) -> str:
        return self._embedder.region

    async def embed_passages(self, texts: Sequence[str]) -> Vectors:
        return await self._embedder.embed_passages(texts)

    async def embed_query(self, text: str) -> Vector:
        if text not in self._known:
            cpu, wall = time.process_time(), time.perf_counter()
            vector = await self._embedder.embed_query(text)
            self._known[text] = vector, time.process_time() - cpu, time.perf_counter() - wall
        return self._known[text][0]

    def cost_ms(self, text: str) -> tuple[float, float]:
        """Processor and clock time of embedding a question that was embedded."""
        _, cpu, wall = self._known[text]
        return 1000 * cpu, 1000 * wall

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return self._embedder.count_tokens(texts)


# -- cutting ------------------------------------------------------------------------------------------------------------
async def cut(bench: Bench, file: ScratchFile, candidates: Sequence[Candidate], watch: Watch) -> None:
    """Every document cut in every way that the candidates ask for; each is read once."""
    ways = {each.chunking: each.version.chunking for each in candidates}
    for done, document in enumerate(bench.documents):
        watch(done, len(bench.documents), f"reading {document.external_id[-30:]}")
        missing = {key: way for key, way in ways.items() if file.pieces(_named(document), key) is None}
        if not missing:
            continue
        parsed = await _parsed(bench, document)
        title = document.title or parsed.title or document.filename
        for key, way in missing.items():
            chunks = await asyncio.to_thread(_chunker(bench, way).chunk, parsed, title)
            pieces = [
                Piece(c.text, c.index_text, text_hash(c.index_text), c.language, c.page, c.page_to)
                for c in chunks
            ]
            file.keep(_named(document), key, pieces)


async def _parsed(bench: Bench, document: ScratchDocument) -> ParsedDocument:
    """What cannot be read any more has no passages, as in a new index."""
    try:
        async with bench.blobs.path(document.blob) as path:
            parsed = await bench.parser.parse(path, document.filename, document.mime)
    except NotFound:
        return ParsedDocument(status=next(iter(SEARCHABLE)))
    return parsed if parsed.status in SEARCHABLE else ParsedDocument(status=parsed.status)


def _chunker(bench: Bench, way: Chunking) -> StructureChunker:
    if bench.embedder is None:
        return StructureChunker(way.target_tokens, way.max_tokens)
    return StructureChunker(
        way.target_tokens, way.max_tokens, bench.embedder.count_tokens, bench.embedder.model_id
    )


def _named(document: ScratchDocument) -> str:
    return f"{document.id}:{document.version}:{document.sha256}"


# -- embedding ----------------------------------------------------------------------------------------------------------
async def embed(bench: Bench, file: ScratchFile, key: str, watch: Watch) -> dict[str, Vector]:
    """The vectors of one way of cutting: what the live index knows, what was made before, and the rest made now."""
    if bench.embedder is None:
        return {}
    texts = {
        piece.text_hash: piece.index_text
        for document in bench.documents
        if bench.may_embed(document.residency)
        for piece in file.pieces(_named(document), key) or ()
    }
    known = await bench.database.read(vectors_of, bench.embedder.model_id, list(texts))
    known |= file.vectors([each for each in texts if each not in known])
    missing = [each for each in texts if each not in known]
    for start in range(0, len(missing), _BATCH):
        watch(start, len(missing), f"embedding passages of {key}")
        batch = missing[start : start + _BATCH]
        began = time.perf_counter()
        made = await bench.embedder.embed_passages([texts[each] for each in batch])
        vectors = dict(zip(batch, made, strict=True))
        file.keep_vectors(vectors, key, time.perf_counter() - began)
        known |= vectors
    return known


# -- asking -------------------------------------------------------------------------------------------------------------
async def ask_all(
    bench: Bench, file: ScratchFile, candidates: Sequence[Candidate], asked: Sequence[Question], watch: Watch,
    keep: Callable[[Run], None],
) -> None:  # fmt: skip
    """One run for each candidate; `keep` gets it as soon as it is there. All of one way of cutting share an index."""
    known = AskedBefore(bench.embedder) if bench.embedder else None
    for key in dict.fromkeys(each.chunking for each in candidates):
        vectors = await embed(bench, file, key, watch)
        pieces = {d.id: file.pieces(_named(d), key) or [] for d in bench.documents}
        store = ScratchStore(bench.principal.tenant, bench.documents, pieces, bench.rights)
        folder = bench.folder / f"index-{key}"
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
        with closing(
            TantivyIndex(folder, bench.embedder.dimension if bench.embedder else None, owner=True)
        ) as index:
            await asyncio.to_thread(_fill, index, store, vectors)
            for candidate in (each for each in candidates if each.chunking == key):
                made, seconds = file.spent(key) if candidate.version.embedder else (0, 0.0)
                built = Built(len(store), _size(folder, candidate), made, seconds)
                embedder = known if candidate.version.embedder else None
                retriever = Retriever(store, lambda _: index, embedder, candidate.version.settings)
                judged = await _ask(bench, retriever, embedder, asked, candidate.name, watch)
                keep(Run(candidate.name, candidate.version, judged, built))


def _fill(index: TantivyIndex, store: ScratchStore, vectors: Mapping[str, Vector]) -> None:
    rows = store.rows(vectors)
    for start in range(0, len(rows), _ROWS):
        index.apply(rows[start : start + _ROWS], min(start + _ROWS, len(rows)))


def _size(folder: Path, candidate: Candidate) -> int:
    """Bytes on disk; those of vectors only where they are searched."""
    left_out = () if candidate.version.embedder else ("codes.i8", "vectors.f32")
    return sum(p.stat().st_size for p in folder.rglob("*") if p.is_file() and p.name not in left_out)


async def _ask(
    bench: Bench,
    retriever: Retriever,
    embedder: AskedBefore | None,
    asked: Sequence[Question],
    name: str,
    watch: Watch,
) -> tuple[Judged, ...]:
    """The first question is asked once beforehand: opening is no cost of searching."""
    if asked:
        await _found(bench, retriever, asked[0].text, _GIVEN)
    judged: list[Judged] = []
    for done, question in enumerate(asked):
        watch(done, len(asked), name)
        ranked = await _found(bench, retriever, question.text, _DEPTH)
        cpu, wall = time.process_time(), time.perf_counter()
        given = await _found(bench, retriever, question.text, _GIVEN)
        cpu_ms, wall_ms = 1000 * (time.process_time() - cpu), 1000 * (time.perf_counter() - wall)
        if embedder is not None:
            own_cpu_ms, own_wall_ms = embedder.cost_ms(question.text)
            cpu_ms, wall_ms = cpu_ms + own_cpu_ms, wall_ms + own_wall_ms
        scores = judge(question.expected, _places(ranked), _places(given))
        language = question_language(question.text)
        judged.append(Judged(question.id, language, scores, round(cpu_ms, 3), round(wall_ms, 3)))
    return tuple(judged)


async def _found(bench: Bench, retriever: Retriever, text: str, limit: int) -> Sequence[Passage]:
    found = await retriever.retrieve(
        bench.principal, text, sources=bench.sources, as_of=bench.clock.now(), limit=limit
    )
    return found.passages


def _places(passages: Sequence[Passage]) -> list[Place]:
    return [Place(p.source, p.external_id, p.page, p.page_to) for p in passages]
