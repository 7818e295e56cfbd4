"""The embedding models that this process can reach: the embedded one, and the endpoints of the workspace file.

Several may be there at once, so that an index version for another model can be built beside the one that answers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from countersign.app.pace import Pace
from countersign.corpus.embedding import AroundEmbedder, EmbeddedE5, EndpointEmbedder
from countersign.corpus.seams import Embedder, Vectors
from countersign.domain.errors import ProviderUnavailable, UsageError
from countersign.domain.workspace import EmbeddingSettings, RateLimit, Workspace
from countersign.evaluation.vectors import KeptVectors, Recalling
from countersign.gateway.residency import allowed_regions, may_go

EMBEDDED: Final = "embedded"
"""The name of the model that comes along."""
TUNE_FOLDER: Final = "tune"
"""Of measurements, below the state folder."""
WORDS: Final = "none"
"""The name of search by words only."""


class Embedders:
    """Implements `corpus.seams.Embedders`. Nothing is loaded or connected before it is asked for."""

    def __init__(self, workspace: Workspace, model_cache: Path, embedded: Embedder | None = None) -> None:
        """`embedded` in place of the model that comes along."""
        self._workspace = workspace
        kept = KeptVectors(workspace.state / TUNE_FOLDER / "vectors.db")
        self._named: dict[str, Embedder] = {}
        self._opened: list[Paced] = []
        self._remote: set[str] = set()
        self._missing = ""
        if workspace.embeddings is None:
            self._missing = "embeddings are switched off in the workspace file"
            return
        for settings in (workspace.embeddings, *workspace.other_embeddings):
            if settings.base_url:
                endpoint = Paced(EndpointEmbedder(settings), settings)
                self._opened.append(endpoint)
                self._named[settings.name] = Recalling(endpoint, kept)
                self._remote.add(settings.model_id)
        reason = EmbeddedE5.available() if embedded is None else None
        if reason is None:
            self._named[EMBEDDED] = Recalling(embedded or EmbeddedE5(model_cache), kept)
        elif not workspace.embeddings.base_url:
            self._missing = reason

    @property
    def missing(self) -> str:
        """Why the embedder that is configured cannot be used, in words; empty when it can."""
        return self._missing

    @property
    def preferred(self) -> Embedder | None:
        """What a new index version is for, unless another one is named; None = words only."""
        settings = self._workspace.embeddings
        return None if settings is None else self._named.get(settings.name if settings.base_url else EMBEDDED)

    @property
    def counter(self) -> Embedder | None:
        """Counts tokens for whatever is cut, the same whichever endpoint is configured, so that versions for different
        models share passages; None = a guess from the number of letters."""
        return self._named.get(EMBEDDED)

    @property
    def names(self) -> dict[str, str]:
        """Name → model id of all that can be reached, the preferred one first."""
        return {name: embedder.model_id for name, embedder in self._named.items()}

    def of(self, model: str) -> Embedder | None:
        """None when it is not configured here."""
        return next((each for each in self._named.values() if each.model_id == model), None)

    def named(self, name: str) -> Embedder | None:
        """By its name in the workspace file, `embedded`, or `none` for words only. Raises `UsageError`."""
        if name == WORDS:
            return None
        found = self._named.get(name)
        if found is None:
            known = ", ".join((*self._named, WORDS))
            raise UsageError(
                f"there is no embedder {name!r}", code="embedder_unknown", hint=f"Known: {known}."
            )
        return found

    def name_of(self, model: str) -> str:
        """Its name here, or the model id where it has none."""
        return next((name for name, each in self.names.items() if each == model), model or WORDS)

    def to_ask(self, model: str, dimension: int) -> Embedder | None:
        """For questions: one that is not configured says so to whoever asks it. None = words only."""
        return (self.of(model) or Absent(model, dimension)) if model else None

    def may_embed(self, model: str, residency: str) -> bool:
        """Whether text with that label may go where the model is; nothing leaves for the embedded one."""
        embedder = self.of(model)
        if embedder is None:
            return False
        if model not in self._remote:
            return True
        allowed = allowed_regions([residency], self._workspace.residency)
        return may_go(embedder.region, allowed, self._workspace.region)

    def is_remote(self, model: str) -> bool:
        """Whether another machine does the work."""
        return model in self._remote

    async def close(self) -> None:
        for embedder in self._opened:
            await embedder.close()


class Paced(AroundEmbedder):
    """An endpoint that is asked for passages by a few at a time and no faster than it may be; questions never wait."""

    def __init__(self, embedder: EndpointEmbedder, settings: EmbeddingSettings) -> None:
        super().__init__(embedder)
        self._endpoint = embedder
        self._places = asyncio.Semaphore(settings.max_concurrent)
        self._pace = Pace(RateLimit(documents_per_s=settings.texts_per_s))
        self._turn = asyncio.Lock()

    async def embed_passages(self, texts: Sequence[str]) -> Vectors:
        async with self._places:
            async with self._turn:
                for _ in texts:
                    await self._pace.before_document()
            return await super().embed_passages(texts)

    async def close(self) -> None:
        await self._endpoint.close()


class Absent:
    """Stands for a model that an index version has and this process has not: questions are then searched by words, and
    answers say so."""

    region = ""

    def __init__(self, model: str, dimension: int) -> None:
        self.model_id = model
        self.dimension = dimension

    async def embed_passages(self, texts: Sequence[str]) -> Vectors:
        raise not_configured(self.model_id)

    async def embed_query(self, text: str) -> Vectors:
        raise not_configured(self.model_id)

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        raise not_configured(self.model_id)


def not_configured(model: str) -> ProviderUnavailable:
    return ProviderUnavailable(
        f"the embedding model {model} is not configured here",
        code="embedder_not_configured",
        hint="Name it under `embeddings`, or build an index version for another one: `countersign index build`.",
    )
