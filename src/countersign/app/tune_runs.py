"""A measurement's work: documents cut and embedded beside the live index, and every question asked of each candidate."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np

from countersign.access.principal import Principal
from countersign.app.embedders import Embedders
from countersign.app.indexing import make_chunker
from countersign.corpus.blobs import Blobs
from countersign.corpus.embedding import AroundEmbedder
from countersign.corpus.ingest import SEARCHABLE, text_hash
from countersign.corpus.seams import Embedder, Parser
from countersign.domain.clock import Clock
from countersign.domain.documents import ParsedDocument, Passage
from countersign.domain.errors import NotFound
from countersign.evaluation.candidates import Candidate
from countersign.evaluation.judge import Place, judge
from countersign.evaluation.learn import FOLDS, fold_of
from countersign.evaluation.questions import Question
from countersign.evaluation.runs import Built, Judged, Run
from countersign.evaluation.scratch import Piece, ScratchDocument, ScratchFile, ScratchStore
from countersign.evaluation.vectors import KeptVectors
from countersign.retrieval.analysis import question_language
from countersign.retrieval.learning import Lesson, learn_means, learn_order
from countersign.retrieval.prior import kind_of
from countersign.retrieval.retrieve import Retriever
from countersign.retrieval.seams import Vector
from countersign.retrieval.settings import RetrievalSettings
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
    embedders: Embedders
    kept: KeptVectors
    clock: Clock
    folder: Path
    """For cuts and scratch indexes; removed when the measurement is done."""
    principal: Principal
    rights: frozenset[int]
    sources: tuple[str, ...]
    documents: tuple[ScratchDocument, ...]


class AskedBefore(AroundEmbedder):
    """An embedder that embeds a question once for all candidates, and knows what that cost. `is_remote`: another machine
    does the work, and the time that it takes counts in place of this one's."""

    def __init__(self, embedder: Embedder, *, is_remote: bool) -> None:
        super().__init__(embedder)
        self._is_remote = is_remote
        self._known: dict[str, tuple[Vector, float, float]] = {}

    async def embed_query(self, text: str) -> Vector:
        if text not in self._known:
            cpu, wall = time.process_time(), time.perf_counter()
            vector = await super().embed_query(text)
            self._known[text] = vector, time.process_time() - cpu, time.perf_counter() - wall
        return self._known[text][0]

    def cost_ms(self, text: str) -> tuple[float, float]:
        """Processor and clock time of embedding a question that was embedded."""
        _, cpu, wall = self._known[text]
        return 1000 * (wall if self._is_remote else cpu), 1000 * wall


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
            chunker = make_chunker(bench.embedders.counter, way)
            chunks = await asyncio.to_thread(chunker.chunk, parsed, title)
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


def _named(document: ScratchDocument) -> str:
    return f"{document.id}:{document.version}:{document.sha256}"


# -- embedding ----------------------------------------------------------------------------------------------------------
async def embed(bench: Bench, file: ScratchFile, key: str, model: str, watch: Watch) -> dict[str, Vector]:
    """The vectors of one way of cutting and one model: what the database knows, what was made before, and the rest made
    now, and kept for the building of what is recommended."""
    embedder = bench.embedders.of(model)
    if embedder is None:
        return {}
    texts = texts_of(bench, file, key, model)
    known = await bench.database.read(vectors_of, model, list(texts))
    known |= bench.kept.find(model, [each for each in texts if each not in known])
    missing = [each for each in texts if each not in known]
    for start in range(0, len(missing), _BATCH):
        watch(start, len(missing), f"embedding passages of {key} with {bench.embedders.name_of(model)}")
        batch = missing[start : start + _BATCH]
        began = time.perf_counter()
        made = await embedder.embed_passages([texts[each] for each in batch])
        vectors = dict(zip(batch, made, strict=True))
        await asyncio.to_thread(bench.kept.keep, model, vectors)
        file.spend(key, model, len(batch), time.perf_counter() - began)
        known |= vectors
    return known


def texts_of(bench: Bench, file: ScratchFile, key: str, model: str) -> dict[str, str]:
    """Hash → text of what is cut one way and may go to the model."""
    return {
        piece.text_hash: piece.index_text
        for document in bench.documents
        if bench.embedders.may_embed(model, document.residency)
        for piece in file.pieces(_named(document), key) or ()
    }


# -- asking -------------------------------------------------------------------------------------------------------------
async def ask_all(
    bench: Bench, file: ScratchFile, candidates: Sequence[Candidate], asked: Sequence[Question], watch: Watch,
    keep: Callable[[Run], None],
) -> None:  # fmt: skip
    """One run for each candidate; `keep` gets it as soon as it is there. All that cut and embed alike share an index."""
    asked_before = {
        model: AskedBefore(embedder, is_remote=bench.embedders.is_remote(model))
        for model in bench.embedders.names.values()
        if (embedder := bench.embedders.of(model)) is not None
    }
    for (key, model), alike in _alike(candidates).items():
        vectors = await embed(bench, file, key, model, watch)
        pieces = {d.id: file.pieces(_named(d), key) or [] for d in bench.documents}
        store = ScratchStore(bench.principal.tenant, bench.documents, pieces, bench.rights)
        folder = bench.folder / f"index-{key}"
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
        known = asked_before.get(model)
        with closing(TantivyIndex(folder, known.dimension if known else None, owner=True)) as index:
            await asyncio.to_thread(_fill, index, store, vectors)
            for candidate in alike:
                made, seconds = file.spent(key, model) if candidate.version.embedder else (0, 0.0)
                built = Built(len(store), _size(folder, candidate), made, seconds)
                embedder = known if candidate.version.embedder else None
                asking = Asking(bench, store, index, embedder, watch)
                keep(await _run(asking, candidate, asked, built))


def _alike(candidates: Sequence[Candidate]) -> dict[tuple[str, str], list[Candidate]]:
    """By way of cutting and model. Who searches words only needs no index of its own where there is one."""
    found: dict[tuple[str, str], list[Candidate]] = {}
    for each in sorted(candidates, key=lambda each: not each.version.embedder):
        same = (key for key in found if key[0] == each.chunking) if not each.version.embedder else iter(())
        found.setdefault(next(same, (each.chunking, each.version.embedder)), []).append(each)
    return found


def _fill(index: TantivyIndex, store: ScratchStore, vectors: Mapping[str, Vector]) -> None:
    rows = store.rows(vectors)
    for start in range(0, len(rows), _ROWS):
        index.apply(rows[start : start + _ROWS], min(start + _ROWS, len(rows)))


def _size(folder: Path, candidate: Candidate) -> int:
    """Bytes on disk; those of vectors only where they are searched."""
    left_out = () if candidate.version.embedder else ("codes.i8", "vectors.f32")
    return sum(p.stat().st_size for p in folder.rglob("*") if p.is_file() and p.name not in left_out)


@dataclass(frozen=True, slots=True)
class Asking:
    """Questions to one index, whatever the settings."""

    bench: Bench
    store: ScratchStore
    index: TantivyIndex
    embedder: AskedBefore | None
    watch: Watch

    def retriever(self, settings: RetrievalSettings) -> Retriever:
        return Retriever(self.store, lambda _: self.index, self.embedder, settings)

    async def ask(
        self, asked: Sequence[Question], settings: RetrievalSettings, name: str
    ) -> tuple[Judged, ...]:
        """The first question is asked once beforehand: opening is no cost of searching."""
        retriever = self.retriever(settings)
        if asked:
            await self.found(retriever, asked[0].text, _GIVEN)
        judged: list[Judged] = []
        for done, question in enumerate(asked):
            self.watch(done, len(asked), name)
            ranked = await self.found(retriever, question.text, _DEPTH)
            cpu, wall = time.process_time(), time.perf_counter()
            given = await self.found(retriever, question.text, _GIVEN)
            cpu_ms, wall_ms = 1000 * (time.process_time() - cpu), 1000 * (time.perf_counter() - wall)
            if self.embedder is not None:
                own_cpu_ms, own_wall_ms = self.embedder.cost_ms(question.text)
                cpu_ms, wall_ms = cpu_ms + own_cpu_ms, wall_ms + own_wall_ms
            scores = judge(question.expected, [place_of(p) for p in ranked], [place_of(p) for p in given])
            language = question_language(question.text)
            judged.append(Judged(question.id, language, scores, round(cpu_ms, 3), round(wall_ms, 3)))
        return tuple(judged)

    async def found(self, retriever: Retriever, text: str, limit: int) -> Sequence[Passage]:
        found = await retriever.retrieve(
            self.bench.principal, text, sources=self.bench.sources, as_of=self.bench.clock.now(), limit=limit
        )
        return found.passages

    async def lessons(self, asked: Sequence[Question], settings: RetrievalSettings) -> list[Lesson]:
        """What the questions find, and what of it is right; those that expect the same document never judge each other."""
        retriever = self.retriever(replace(settings, reranker=None, neighbours=0))
        return [lesson_of(each, await self.found(retriever, each.text, _DEPTH)) for each in asked]

    async def means(self, asked: Sequence[Question], settings: RetrievalSettings) -> RetrievalSettings:
        """`settings` with what these questions have in common."""
        if self.embedder is None:
            return settings
        vectors: dict[str, list[Vector]] = {}
        for each in asked:
            vector = await self.embedder.embed_query(each.text)
            vectors.setdefault(kind_of(each.text), []).append(vector)
        stacked = {kind: np.stack(found) for kind, found in vectors.items()}
        return learn_means(settings, stacked, self.embedder.model_id)


async def _run(asking: Asking, candidate: Candidate, asked: Sequence[Question], built: Built) -> Run:
    settings = candidate.version.settings
    if not candidate.learns:
        return Run(
            candidate.name, candidate.version, await asking.ask(asked, settings, candidate.name), built
        )
    taught = [
        await _taught(asking, candidate, [each for each in asked if _fold(each) != fold])
        for fold in range(FOLDS)
    ]
    final = await _taught(asking, candidate, asked)
    if any(each.reranker is None for each in (*taught, final)):  # an order that was not judged is not offered
        taught = [replace(each, reranker=None) for each in taught]
        final = replace(final, reranker=None)
    judged: dict[str, Judged] = {}
    for fold in range(FOLDS):
        own = [each for each in asked if _fold(each) == fold]
        judged |= {each.question_id: each for each in await asking.ask(own, taught[fold], candidate.name)}
    version = replace(candidate.version, settings=final)
    return Run(candidate.name, version, tuple(judged[each.id] for each in asked), built, fitted=True)


async def _taught(asking: Asking, candidate: Candidate, asked: Sequence[Question]) -> RetrievalSettings:
    """What these questions teach, and no other."""
    settings = candidate.version.settings
    if candidate.learns == "means":
        settings = await asking.means(asked, settings)
    lessons = await asking.lessons(asked, settings)
    learned = await asyncio.to_thread(learn_order, settings, lessons)
    return learned.settings


def lesson_of(question: Question, passages: Sequence[Passage]) -> Lesson:
    def right(passage: Passage) -> str:
        place = place_of(passage)
        answered = next((one for one in question.expected if place.answers(one)), None)
        return repr(answered) if answered else ""

    names = tuple(right(each) for each in passages)
    return Lesson(question.text, tuple(passages), names, len(question.expected), _group(question))


def _group(question: Question) -> str:
    first = question.expected[0]
    return f"{first.source}/{first.external_id}"


def _fold(question: Question) -> int:
    """Questions about one document teach and are judged together."""
    return fold_of(_group(question))


def place_of(passage: Passage) -> Place:
    return Place(passage.source, passage.external_id, passage.page, passage.page_to)
