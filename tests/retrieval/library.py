"""A small corpus written straight into a real database: what these tests retrieve from."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from datetime import UTC, datetime
from hashlib import blake2b, sha256
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, update

from countersign.access.principal import Principal
from countersign.corpus.seams import Vectors
from countersign.domain.clock import iso
from countersign.domain.documents import Rights
from countersign.retrieval.analysis import question_language
from countersign.retrieval.retrieve import Retrieved, Retriever
from countersign.storage.database import Database, next_seq
from countersign.storage.tables import document, embedding, passage, rights, rights_term

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
MODEL = "bag-of-grams-64"
DIMENSION = 64


class BagOfGrams:
    """A deterministic embedder: 4-grams hashed into 64 places. Near texts are near."""

    model_id, dimension, region = MODEL, DIMENSION, ""

    async def embed_passages(self, texts: Sequence[str]) -> Vectors:
        return np.stack([vector_of(text) for text in texts])

    async def embed_query(self, text: str) -> Vectors:
        return vector_of(text)

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return [len(text.split()) for text in texts]


def vector_of(text: str) -> NDArray[np.float32]:
    vector = np.full(DIMENSION, 0.01, np.float32)
    for i in range(max(1, len(text) - 3)):
        place = blake2b(text[i : i + 4].casefold().encode(), digest_size=1).digest()[0] % DIMENSION
        vector[place] += 1.0
    return (vector / np.linalg.norm(vector)).astype(np.float32)


class Library:
    """Writes documents as ingestion would; every change takes a mutation number."""

    def __init__(self, folder: Path, name: str = "library.db") -> None:
        self.database = Database(f"sqlite:///{folder / name}")
        self.database.create_tables()

    def put(self, key: str, texts: Sequence[str], can_read: Rights, **facts: str) -> str:
        return self.database.write_now(self._put, key, texts, can_read, facts)

    def _put(
        self, c: Connection, key: str, texts: Sequence[str], can_read: Rights, facts: dict[str, str]
    ) -> str:
        seq = next_seq(c)
        tenant, source = facts.pop("tenant", "main"), facts.pop("source", "files")
        doc_id = f"doc-{tenant}-{key}"
        rights_id = _intern(c, tenant, can_read)
        old = c.execute(document.select().where(document.c.id == doc_id)).first()
        version = old.version + 1 if old else 1
        if old:
            c.execute(update(passage).where(passage.c.document_id == doc_id).values(live=False, seq=seq))
            c.execute(
                document.update()
                .where(document.c.id == doc_id)
                .values(version=version, rights_id=rights_id, seq=seq)
            )
        else:
            c.execute(
                document.insert().values(
                    id=doc_id, tenant=tenant, source=source, external_id=key, title=key, status="indexed",
                    version=version, rights_id=rights_id, rights_origin="test", own_rights=can_read.canonical(),
                    created=iso(NOW), updated=iso(NOW), seq=seq, reason="", residency="", classification="",
                    owner="", supersedes="", **facts,
                )
            )  # fmt: skip
        for ordinal, text in enumerate(texts):
            self._put_passage(c, doc_id, version, ordinal, tenant, source, rights_id, text, seq, facts)
        return doc_id

    def _put_passage(
        self, c: Connection, doc_id: str, version: int, ordinal: int, tenant: str, source: str,
        rights_id: int, text: str, seq: int, facts: dict[str, str],
    ) -> None:  # fmt: skip
        digest = sha256(text.encode()).hexdigest()
        c.execute(
            passage.insert().values(
                document_id=doc_id, version=version, ordinal=ordinal, tenant=tenant, source=source,
                rights_id=rights_id, language=question_language(text), text=text, index_text=text, text_hash=digest,
                boxes=[[1, [0.1, 0.2, 0.3, 0.4]]], heading_path=["One"], sheet="", is_table=False, token_count=1,
                live=True, seq=seq, valid_from=facts.get("valid_from"), valid_to=facts.get("valid_to"),
            )
        )  # fmt: skip
        if not c.execute(embedding.select().where(embedding.c.text_hash == digest)).first():
            data = struct.pack(f"<{DIMENSION}f", *vector_of(text).tolist())
            c.execute(embedding.insert().values(text_hash=digest, model=MODEL, vector=data))

    def grant(self, doc_id: str, can_read: Rights) -> None:
        def change(c: Connection) -> None:
            seq = next_seq(c)
            tenant = c.execute(document.select().where(document.c.id == doc_id)).one().tenant
            rights_id = _intern(c, tenant, can_read)
            c.execute(document.update().where(document.c.id == doc_id).values(rights_id=rights_id, seq=seq))
            c.execute(
                update(passage)
                .where(passage.c.document_id == doc_id, passage.c.live.is_(True))
                .values(rights_id=rights_id, seq=seq)
            )

        self.database.write_now(change)

    def grant_without_telling_the_index(self, doc_id: str, can_read: Rights) -> None:
        """The document's rights change while the index, and even the passage rows, still say otherwise."""

        def change(c: Connection) -> None:
            rights_id = _intern(c, "main", can_read)
            c.execute(document.update().where(document.c.id == doc_id).values(rights_id=rights_id))

        self.database.write_now(change)

    def delete(self, doc_id: str) -> None:
        def change(c: Connection) -> None:
            seq = next_seq(c)
            c.execute(
                document.update()
                .where(document.c.id == doc_id)
                .values(status="deleted", deleted=iso(NOW), seq=seq)
            )
            c.execute(update(passage).where(passage.c.document_id == doc_id).values(live=False, seq=seq))

        self.database.write_now(change)

    def close(self) -> None:
        self.database.close()


def _intern(c: Connection, tenant: str, can_read: Rights) -> int:
    canonical = can_read.canonical()
    known = c.execute(
        rights.select().where(rights.c.tenant == tenant, rights.c.canonical == canonical)
    ).first()
    if known:
        return known.id
    number = int.from_bytes(blake2b(f"{tenant}|{canonical}".encode(), digest_size=6).digest())
    clauses = [] if can_read.nobody else list(can_read.clauses)
    c.execute(
        rights.insert().values(id=number, tenant=tenant, canonical=canonical, clause_count=len(clauses))
    )
    for n, clause in enumerate(clauses):
        for term in clause:
            c.execute(rights_term.insert().values(rights_id=number, clause=n, term=term))
    return number


def group(*names: str) -> Rights:
    return Rights.of([f"group:{name}" for name in names])


def person(*groups: str, name: str = "aru", tenant: str = "main") -> Principal:
    return Principal(name, tenant, frozenset(groups))


async def ask(retriever: Retriever, who: Principal, question: str, limit: int = 8) -> Retrieved:
    return await retriever.retrieve(who, question, sources=["files"], as_of=NOW, limit=limit)


def texts(found: Retrieved) -> list[str]:
    return [p.text for p in found.passages]
