"""How a document gets in: received (facts, rights and job in one commit), then made searchable by a job that may die.

    source → Intake.receive → [document, version, rights, job] → Ingestion.run → parse → chunk → embed → passages

The bytes are stored before the facts are; the facts commit with the job; the job replaces a version's passages in one
transaction. Whatever is interrupted runs again and ends in the same state.

Where index versions lie beside each other, a document is cut once for each way of cutting that they use, and all its
passages are replaced together.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import sha256
from typing import Protocol

from countersign.corpus.blobs import Blobs
from countersign.corpus.seams import Chunker, Embedder, Embedders, Parser, Vectors
from countersign.domain.clock import Clock
from countersign.domain.documents import (
    Attachment,
    Chunk,
    Finding,
    ParsedDocument,
    ParseStatus,
    Rights,
    SourceDocument,
)
from countersign.domain.errors import NotFound, ProviderError

logger = logging.getLogger(__name__)

SEARCHABLE = frozenset({ParseStatus.OK, ParseStatus.PARTIAL})
_EMBED_BATCH = 64


@dataclass(frozen=True, slots=True)
class Received:
    """`change` says what the next question can notice: nothing, only the metadata, or (after the job) the content."""

    document_id: str
    version: int
    job_id: str
    change: str
    """`unchanged`, `metadata`, `content`, `new`, `quarantined`."""


@dataclass(frozen=True, slots=True)
class Seen:
    """How a source showed a document: the name that it gave this content, and the pass that saw it (0 = none)."""

    revision: str = ""
    pass_number: int = 0


@dataclass(frozen=True, slots=True)
class Pending:
    """One version that waits to be made searchable."""

    document: SourceDocument
    document_id: str
    version: int
    blob: str
    parts: Mapping[str, SourceDocument]


@dataclass(frozen=True, slots=True)
class Cut:
    """One version of a document as passages. `chunking` is the key of the way it was cut."""

    chunking: str
    chunks: tuple[Chunk, ...]
    text_hashes: tuple[str, ...]
    settings: str
    """The chunker's `settings_id`."""
    models: frozenset[str] = frozenset()
    """Whose vectors were looked after; empty text stands for search by words only."""
    missed: frozenset[str] = frozenset()
    """Of them, those that could not embed it: their versions get it later."""


@dataclass(frozen=True, slots=True)
class Indexable:
    """What the job found out about a version, ready to be written in one transaction. `cuts` has none when nothing of it
    is to be searched; the first is what questions are answered from."""

    parsed: ParsedDocument
    cuts: tuple[Cut, ...]
    quarantine: str = ""
    """A readiness code for which policy keeps it out of the index."""

    @property
    def passages(self) -> int:
        return len(self.cuts[0].chunks) if self.cuts else 0

    @property
    def settings(self) -> str:
        return self.cuts[0].settings if self.cuts else ""


@dataclass(frozen=True, slots=True)
class Uncut:
    """A document that answers, and has no passages yet of one way of cutting. `version` is the one that answers."""

    document_id: str
    version: int
    title: str
    residency: str
    blob: str
    filename: str
    mime: str


@dataclass(frozen=True, slots=True)
class Judged:
    """What policy makes of a document that was read: what is shown with it, and the code that keeps it out, if any."""

    findings: tuple[Finding, ...] = ()
    quarantine: str = ""


class Gate(Protocol):
    """Looks at every document that was read before it can answer."""

    async def judge(self, document: SourceDocument, parsed: ParsedDocument) -> Judged: ...


class DocumentStore(Protocol):
    """The database's side of ingestion; each method is one transaction."""

    async def receive(
        self,
        document: SourceDocument,
        *,
        sha: str,
        blob: str,
        size: int,
        parent_id: str,
        actor: str,
        now: datetime,
        seen: Seen = Seen(),
    ) -> Received:
        """Raises `Conflict` (`sync_overtaken`) when `seen` belongs to a pass that is no longer the newest."""
        ...

    async def pending(self, document_id: str, version: int) -> Pending | None:
        """None when that version is no longer wanted: replaced, deleted or already done."""
        ...

    async def known_vectors(self, model: str, text_hashes: Sequence[str]) -> set[str]: ...

    async def add_vectors(self, model: str, text_hashes: Sequence[str], vectors: Vectors) -> None: ...

    async def kept(self) -> tuple[tuple[str, str], ...]:
        """Way of cutting and embedding model (empty = words only) of every index that is kept up; the one that answers
        comes first."""
        ...

    async def complete(self, pending: Pending, outcome: Indexable, now: datetime) -> bool:
        """False, and nothing was written, when an index has come up that `outcome` lacks. What a model missed is queued."""
        ...

    async def uncut(self, document_id: str, chunking: str) -> Uncut | None:
        """None when it has passages of `chunking`, or none at all."""
        ...

    async def add_cut(self, uncut: Uncut, cut: Cut | None, chunking: str) -> bool:
        """Passages with the rights and validity that the document's others have now; None copies those as they are.
        False when that version no longer answers, has been cut meanwhile, or `chunking` is no longer kept up."""
        ...

    async def unembedded(self, document_id: str, chunking: str, model: str) -> tuple[str, Mapping[str, str]]:
        """The document's residency, and hash → text of its passages that answer and have no vector of the model."""
        ...

    async def renew(self, document_id: str, chunking: str) -> None:
        """Indexes that hold its passages already take them again, with the vectors that they have now."""
        ...


class Chunkers(Protocol):
    """The chunker for each way of cutting; see `Chunking.key`."""

    def of(self, chunking: str) -> Chunker: ...


class Intake:
    """The one door for new content, whatever connector or client it comes from."""

    def __init__(self, store: DocumentStore, blobs: Blobs, clock: Clock) -> None:
        self._store = store
        self._blobs = blobs
        self._clock = clock

    async def receive(
        self,
        document: SourceDocument,
        content: bytes,
        *,
        actor: str,
        parent_id: str = "",
        seen: Seen = Seen(),
    ) -> Received:
        arrival = (document, content, seen)
        [received] = await self._receive([arrival], actor, parent_id)
        return received

    async def receive_many(
        self, arrivals: Sequence[tuple[SourceDocument, bytes, Seen]], *, actor: str
    ) -> list[Received]:
        """Several, received in their order: their bytes are stored together, and their facts share a commit."""
        return await self._receive(arrivals, actor, "")

    async def _receive(
        self, arrivals: Sequence[tuple[SourceDocument, bytes, Seen]], actor: str, parent_id: str
    ) -> list[Received]:
        storing = (self._blobs.put(content, document.tenant) for document, content, _ in arrivals)
        blobs = await asyncio.gather(*storing)
        receiving = (
            self._store.receive(
                document,
                sha=sha256(content).hexdigest(),
                blob=blob,
                size=len(content),
                parent_id=parent_id,
                actor=actor,
                now=self._clock.now(),
                seen=seen,
            )
            for (document, content, seen), blob in zip(arrivals, blobs, strict=True)
        )
        return await asyncio.gather(*receiving)


class Ingestion:
    """Makes one received version searchable. Idempotent: running it twice, or half and then again, ends the same."""

    def __init__(
        self,
        store: DocumentStore,
        blobs: Blobs,
        intake: Intake,
        parser: Parser,
        chunkers: Chunkers,
        embedders: Embedders,
        clock: Clock,
        gate: Gate | None = None,
    ) -> None:
        self._store = store
        self._blobs = blobs
        self._intake = intake
        self._parser = parser
        self._chunkers = chunkers
        self._embedders = embedders
        self._clock = clock
        self._gate = gate

    async def run(self, document_id: str, version: int) -> Mapping[str, object]:
        """Returns a small summary for the job's result: status, passages, reason."""
        pending = await self._store.pending(document_id, version)
        if pending is None:
            return {"skipped": True}
        source = pending.document
        parsed = await self._parse(pending.blob, source.filename, source.mime)
        parsed, quarantine = await self._judged(source, parsed)
        title = title_of(source.title, source.filename, parsed)
        wanted = parsed.status in SEARCHABLE and not quarantine
        cuts = await self._cuts(parsed, title, source.residency, {}) if wanted else {}
        if wanted and not parsed.attachments and not any(cut.chunks for cut in cuts.values()):
            parsed = replace(parsed, status=ParseStatus.EMPTY, reason="no_text")
        for attachment in parsed.attachments:
            await self._receive_part(pending, attachment)
        outcome = Indexable(parsed, tuple(cuts.values()), quarantine)
        while not await self._store.complete(pending, outcome, self._clock.now()):
            cuts = await self._cuts(parsed, title, source.residency, cuts)
            outcome = replace(outcome, cuts=tuple(cuts.values()))
        status, reason = parsed.status.value, quarantine or parsed.reason
        return {"parse_status": status, "passages": outcome.passages, "reason": reason}

    async def make_up(
        self, document_id: str, chunking: str, model: str, *, indexed: bool
    ) -> Mapping[str, object]:
        """Give a document that answers what an index version lacks of it: its passages, cut from its stored bytes, or
        only their vectors. `indexed` says that the version's index may hold the passages already. Raises `ProviderError`
        when the model cannot embed."""
        uncut = await self._store.uncut(document_id, chunking)
        if uncut is None:
            return await self._make_up_vectors(document_id, chunking, model, indexed=indexed)
        return await self._cut_again(uncut, chunking, model)

    async def _make_up_vectors(
        self, document_id: str, chunking: str, model: str, *, indexed: bool
    ) -> Mapping[str, object]:
        residency, texts = await self._store.unembedded(document_id, chunking, model)
        embedder = self._embedders.of(model)
        if embedder is None or not texts or not self._embedders.may_embed(model, residency):
            return {"skipped": True}
        await self._embed(embedder, texts)
        if indexed:
            await self._store.renew(document_id, chunking)
        return {"embedded": len(texts)}

    async def _cut_again(self, uncut: Uncut, chunking: str, model: str) -> Mapping[str, object]:
        """What can no longer be read keeps its passages as they are, so that an index version never lacks what another
        one has."""
        parsed = await self._parse(uncut.blob, uncut.filename, uncut.mime)
        title = title_of(uncut.title, uncut.filename, parsed)
        cut = None
        if parsed.status in SEARCHABLE:
            cut = self._cut(parsed, title, chunking)
            cut = await self._embedded(cut, uncut.residency, {model: True})
        cut = cut if cut is not None and cut.chunks else None
        added = await self._store.add_cut(uncut, cut, chunking)
        if not added:
            return {"skipped": True}
        return {"passages": len(cut.chunks) if cut else 0, "copied": cut is None}

    async def _cuts(
        self, parsed: ParsedDocument, title: str, residency: str, known: Mapping[str, Cut]
    ) -> dict[str, Cut]:
        """By every way of cutting that is kept up now, embedded by every model that goes with it; `known` is not cut
        again. Only the model that answers is waited for."""
        kept = await self._store.kept()
        cuts: dict[str, Cut] = {}
        for key in dict.fromkeys(chunking for chunking, _ in kept):
            models = {model: (key, model) == kept[0] for chunking, model in kept if chunking == key}
            cut = known.get(key) or self._cut(parsed, title, key)
            cuts[key] = await self._embedded(cut, residency, models)
        return cuts

    def _cut(self, parsed: ParsedDocument, title: str, key: str) -> Cut:
        chunker = self._chunkers.of(key)
        chunks = chunker.chunk(parsed, title)
        hashes = tuple(text_hash(chunk.index_text) for chunk in chunks)
        return Cut(key, chunks, hashes, chunker.settings_id)

    async def _embedded(self, cut: Cut, residency: str, models: Mapping[str, bool]) -> Cut:
        """With the vectors of `models`; of those marked False a failure is noted, of the others raised. What is not
        configured here is left: whoever has it later finds what lacks its vectors."""
        texts = {h: chunk.index_text for h, chunk in zip(cut.text_hashes, cut.chunks, strict=True)}
        missed: set[str] = set()
        for model, needed in models.items():
            embedder = self._embedders.of(model)
            if model in cut.models or embedder is None or not self._embedders.may_embed(model, residency):
                continue
            try:
                await self._embed(embedder, texts)
            except ProviderError as error:
                if needed:
                    raise
                logger.warning("passages wait for their vectors of %s: %s", model, error.code)
                missed.add(model)
        return replace(cut, models=cut.models | frozenset(models), missed=cut.missed | missed)

    async def _judged(self, document: SourceDocument, parsed: ParsedDocument) -> tuple[ParsedDocument, str]:
        """What is inside a document that is kept out is kept out with it."""
        if self._gate is None or parsed.status not in SEARCHABLE:
            return parsed, ""
        judged = await self._gate.judge(document, parsed)
        parsed = replace(parsed, findings=(*parsed.findings, *judged.findings))
        return (replace(parsed, attachments=()), judged.quarantine) if judged.quarantine else (parsed, "")

    async def _parse(self, blob: str, filename: str, mime: str) -> ParsedDocument:
        try:
            async with self._blobs.path(blob) as path:
                return await self._parser.parse(path, filename, mime)
        except NotFound:
            return ParsedDocument(status=ParseStatus.CORRUPT, reason="content_missing")

    async def _embed(self, embedder: Embedder, texts: Mapping[str, str]) -> None:
        """`texts` by their hashes; what is embedded is kept batch by batch, so that a run that is stopped goes on."""
        model = embedder.model_id
        known = await self._store.known_vectors(model, list(texts))
        missing = [h for h in texts if h not in known]
        for start in range(0, len(missing), _EMBED_BATCH):
            batch = missing[start : start + _EMBED_BATCH]
            vectors = await embedder.embed_passages([texts[h] for h in batch])
            await self._store.add_vectors(model, batch, vectors)

    async def _receive_part(self, pending: Pending, attachment: Attachment) -> None:
        """An attachment is a document of its own whose rights are the intersection of its parent's and its own."""
        parent = pending.document
        said = pending.parts.get(attachment.filename)
        base = said or replace(
            parent, title="", parts=(), supersedes="", rights_origin=f"inside {parent.external_id}"
        )
        document = replace(
            base,
            external_id=f"{parent.external_id}#{attachment.filename}",
            tenant=parent.tenant,
            filename=attachment.filename,
            mime=attachment.mime,
            residency=base.residency or parent.residency,
            classification=base.classification or parent.classification,
            modified=base.modified or parent.modified,
            valid_from=base.valid_from or parent.valid_from,
            valid_to=base.valid_to or parent.valid_to,
            parent=parent.external_id,
            quarantine=_part_problem(parent, said),
        )
        if document.quarantine:
            document = replace(document, rights=Rights())
        await self._intake.receive(
            document, attachment.content, actor="ingestion", parent_id=pending.document_id
        )


def _part_problem(parent: SourceDocument, said: SourceDocument | None) -> str:
    if said is None:
        return parent.quarantine
    return "wrong_tenant" if said.tenant != parent.tenant else said.quarantine


def title_of(said: str, filename: str, parsed: ParsedDocument) -> str:
    """What a document is called: as its source says, else as it says itself. A file's name is neither."""
    return (said if said != filename else "") or parsed.title or filename


def text_hash(index_text: str) -> str:
    """Names an embedded text: the same text under the same model has the same vector."""
    return sha256(index_text.encode()).hexdigest()
