"""A question in, the passages that this person may see out.

    freshness → scope (database) → legs inside the scope → fusion → re-check (database) → refill → neighbours

The Principal is a required argument and there is no way around it: the scope is computed from the principal's terms in
the database, every leg filters on it, and every hit is checked again before its text goes anywhere.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field, replace
from datetime import datetime

from countersign.access.principal import Principal
from countersign.corpus.seams import Embedder
from countersign.domain.answers import HistoryTurn
from countersign.domain.documents import Language, Passage
from countersign.domain.errors import ProviderError, StorageError
from countersign.retrieval.analysis import question_language
from countersign.retrieval.feedback import liken
from countersign.retrieval.fusion import Candidate, FusionWeights, fuse, led, mix
from countersign.retrieval.prior import mean_of, with_prior
from countersign.retrieval.routing import Route, Routing
from countersign.retrieval.seams import Hit, Leg, PassageIndex, PassageSearch, PassageStore, Scope, Vector
from countersign.retrieval.settings import RetrievalSettings
from countersign.retrieval.upkeep import catch_up

_MAX_REPLY_CHARS = 600
"""Enough to say what the talk is about; the rest costs more to embed than it tells."""

_MEANING_ONLY = FusionWeights({}, same_script=1.0, default=1.0)


@dataclass(frozen=True, slots=True)
class Retrieved:
    """`passages` are permitted at the moment of the check, best first; neighbours of the first ones follow them."""

    passages: tuple[Passage, ...]
    applied_seq: int
    """The database's mutation number that this answers from."""
    as_of: datetime
    language: Language
    lexical_only: bool
    reason: str = ""
    """Why only words were searched: `no_embedder`, or the code of the embedder's error."""
    dropped: int = 0
    """Hits that the index gave and the database denied."""
    features: Mapping[str, float] = field(default_factory=dict[str, float])
    ranks: Mapping[str, Mapping[Leg, int]] = field(default_factory=dict[str, Mapping[Leg, int]])
    """Passage → its place in each leg that found it, where that was asked for."""
    route: Route | None = None
    """The documents that the question names; it may name some that its person may not see."""
    vectors: Sequence[Vector] | None = field(default=None, compare=False, repr=False)
    """The question's, for asking the same once more."""


class Retriever:
    """`indexes` gives a tenant's index; `embedder` None = lexical only."""

    def __init__(
        self,
        store: PassageStore,
        indexes: Callable[[str], PassageIndex],
        embedder: Embedder | None,
        settings: RetrievalSettings | None = None,
    ) -> None:
        self._store = store
        self._indexes = indexes
        self._embedder = embedder
        self._settings = settings or RetrievalSettings()
        self._catching_up: dict[str, asyncio.Lock] = {}
        self._routings: dict[str, tuple[Routing, int]] = {}
        self._tails: dict[str, tuple[tuple[int, int], PassageSearch]] = {}

    def reshaped(self, settings: RetrievalSettings) -> Retriever:
        """The same passages in another order: shares the index, what keeps it up to date, and what is known of titles."""
        other = copy(self)
        other._settings = settings
        return other

    async def retrieve(
        self,
        principal: Principal,
        query: str,
        *,
        sources: Sequence[str],
        as_of: datetime,
        document_ids: Sequence[str] = (),
        history: Sequence[HistoryTurn] = (),
        limit: int = 8,
        ended: bool = False,
        explain: bool = False,
        vectors: Sequence[Vector] | None = None,
    ) -> Retrieved:
        """`sources` empty = nothing. `history` is the client's and untrusted: it only moves scores. `ended` looks only
        among what was in force before `as_of` and no longer is. `explain` tells the places in the legs. `vectors` are
        those of the same question and history, where it was asked before."""
        search, seq = await self._newest(principal.tenant)
        scope = await self._store.scope(
            principal.tenant, principal.terms, frozenset(sources), as_of, frozenset(document_ids)
        )
        scope = replace(scope, ended=ended)
        questions = asked_of(query, history, self._settings)
        reason = ""
        if vectors is None:
            vectors, reason = await self._embed(
                [text for _, text in questions] + reply_of(questions, history)
            )
        language = question_language(query)
        route = await self._route(scope, [text for _, text in questions], seq)
        ordered = await asyncio.to_thread(self._search, search, questions, vectors, scope, language, route)
        reranker = self._settings.reranker
        wanted = max(limit, reranker.depth) if reranker else limit
        passages, dropped = await self._permitted(ordered, scope, wanted)
        if reranker is not None:
            best, rest = passages[: reranker.depth], passages[reranker.depth :]
            anew = await asyncio.to_thread(reranker.order, questions[-1][1], language, best)
            passages = [*anew, *rest][:limit]
        found = [*passages, *await self._neighbours(passages, scope)] if passages else []
        features = _features(ordered, [int(p.passage_id) for p in passages])
        named = (
            route.documents if route is not None else frozenset[str]()
        )  # of these only what is permitted is told
        features["named"] = float(any(passage.document_id in named for passage in passages))
        ranks = leg_ranks(ordered, passages) if explain else {}
        lexical_only = vectors is None
        return Retrieved(
            tuple(found), seq, as_of, language, lexical_only, reason, dropped, features, ranks, route, vectors
        )

    async def document(
        self,
        principal: Principal,
        document_id: str,
        *,
        sources: Sequence[str],
        as_of: datetime,
        limit: int = 40,
    ) -> Retrieved:
        """One whole document in its own order, straight from the database: nothing is searched."""
        scope = await self._store.scope(
            principal.tenant, principal.terms, frozenset(sources), as_of, frozenset({document_id})
        )
        passages = await self._store.document(scope, limit)
        features = {"found": float(len(passages)), "top_score": 1.0} if passages else {"found": 0.0}
        language = passages[0].language if passages else "und"
        seq = await self._store.last_seq()
        return Retrieved(tuple(passages), seq, as_of, language, False, "", 0, features)

    async def warm_up(self, tenant: str) -> None:
        """Open and bring up to date before the first question."""
        await self._newest(tenant)

    # -- freshness --------------------------------------------------------------------------------------------
    async def _newest(self, tenant: str) -> tuple[PassageSearch, int]:
        """A view of the index that lacks nothing committed before this call, and its mutation number."""
        index = await asyncio.to_thread(self._indexes, tenant)
        target = await self._store.last_seq()
        if index.owner:
            if index.applied_seq < target:
                async with self._catching_up.setdefault(tenant, asyncio.Lock()):
                    await catch_up(self._store, index, tenant)
            return index, index.applied_seq
        await asyncio.to_thread(index.refresh)
        if index.applied_seq >= target:
            return index, index.applied_seq
        return await self._with_tail(index, tenant, target), target

    async def _with_tail(self, index: PassageIndex, tenant: str, target: int) -> PassageSearch:
        key = (index.applied_seq, target)
        known = self._tails.get(tenant)
        if known is not None and known[0] == key:
            return known[1]
        limit = self._settings.max_tail_rows
        rows = await self._store.changes(tenant, index.applied_seq, limit)
        if len(rows) >= limit:
            raise StorageError(
                "the passage index is too far behind the database",
                code="index_behind",
                hint="Start or check the process that owns the index (`countersign serve` or `countersign worker`).",
            )
        view = index.with_tail(rows)
        self._tails[tenant] = (key, view)
        return view

    async def _route(self, scope: Scope, questions: Sequence[str], seq: int) -> Route | None:
        """The documents that the last question names, or else the ones before it; none inside documents that were given."""
        if scope.document_ids or not self._settings.routed_lead:
            return None
        routing, known = self._routings.get(scope.tenant, (Routing(), 0))
        if known < seq:
            for titled in await self._store.titles(scope.tenant, known):
                if titled.live:
                    routing.add(titled.document_id, titled.title, titled.filename)
                else:
                    routing.remove(titled.document_id)
            self._routings[scope.tenant] = (routing, seq)
        route = next(filter(None, map(routing.route, questions)), None)
        return route if route is not None and len(route.documents) <= self._settings.max_routed else None

    # -- searching --------------------------------------------------------------------------------------------
    async def _embed(self, texts: Sequence[str]) -> tuple[list[Vector] | None, str]:
        if self._embedder is None:
            return None, "no_embedder"
        try:
            return [await self._embedder.embed_query(text) for text in texts], ""
        except ProviderError as error:
            return None, error.code

    def _search(
        self,
        search: PassageSearch,
        questions: Sequence[tuple[float, str]],
        vectors: Sequence[Vector] | None,
        scope: Scope,
        language: Language,
        route: Route | None = None,
    ) -> list[Candidate]:
        """CPU-bound: runs on a thread."""
        if not scope.rights_ids or not scope.sources:
            return []

        settings = with_prior(self._settings, self._embedder.model_id if self._embedder else "")

        def found(scope: Scope) -> list[Candidate]:
            return search_questions(search, questions, vectors, scope, language, settings)

        ordered = found(scope)
        return ordered if route is None else lead_named(ordered, route, scope, found, settings)

    # -- the database's last word -----------------------------------------------------------------------------
    async def _permitted(
        self, ordered: Sequence[Candidate], scope: Scope, limit: int
    ) -> tuple[list[Passage], int]:
        """The first `limit` candidates that the database admits now; what it denies is replaced by what comes next."""
        passages: list[Passage] = []
        dropped, start, page = 0, 0, 2 * limit
        while len(passages) < limit and start < len(ordered):
            batch = ordered[start : start + page]
            start += len(batch)
            allowed = await self._store.permitted([c.passage_id for c in batch], scope)
            dropped += len(batch) - len(allowed)
            passages += [scored(allowed[c.passage_id], c) for c in batch if c.passage_id in allowed]
        return passages[:limit], dropped

    async def _neighbours(self, passages: Sequence[Passage], scope: Scope) -> list[Passage]:
        """Passages next to the best ones, best first, that are not among them, within the bounds of the settings."""
        room, chars = self._settings.neighbours, self._settings.neighbour_max_chars
        known = {p.passage_id for p in passages}
        joined: list[Passage] = []
        for passage in passages[:room]:
            for near in await self._store.neighbours(passage, scope, 1):
                if len(joined) < room and near.passage_id not in known and len(near.text) <= chars:
                    known.add(near.passage_id)
                    chars -= len(near.text)
                    joined.append(replace(near, score=passage.score / 2, features={"neighbour": 1.0}))
        return joined


def asked_of(
    query: str, history: Sequence[HistoryTurn], settings: RetrievalSettings
) -> list[tuple[float, str]]:
    """Weight and text of each search: the question alone, and after the person's earlier ones."""
    asked = [turn.content for turn in history if turn.role == "user" and turn.content.strip()]
    earlier = asked[-settings.history_turns :] if settings.history_turns else []
    if not earlier:
        return [(1.0, query)]
    weight = settings.history_weight
    return [(1.0 - weight, query), (weight, "\n".join([*earlier, query]))]


def reply_of(questions: Sequence[tuple[float, str]], history: Sequence[HistoryTurn]) -> list[str]:
    """The beginning of the answer before this question, where there were earlier questions; it is the client's word."""
    answers = [turn.content for turn in history if turn.role == "assistant" and turn.content.strip()]
    return [answers[-1][:_MAX_REPLY_CHARS]] if answers and len(questions) > 1 else []


def legs(
    search: PassageSearch,
    text: str,
    vector: Vector | None,
    scope: Scope,
    language: Language,
    settings: RetrievalSettings,
) -> list[Hit]:
    """Every leg's hits for one question; what the text legs found is scored by the dense leg too."""
    hits = search.search_text(text, scope, settings.candidates)
    if vector is None:
        return hits
    lexical = list(dict.fromkeys(hit.passage_id for hit in hits))
    mean = mean_of(settings.query_means, text, language)
    return hits + search.search_vector(vector, scope, settings.candidates, also=lexical, query_mean=mean)


def search_questions(
    search: PassageSearch,
    questions: Sequence[tuple[float, str]],
    vectors: Sequence[Vector] | None,
    scope: Scope,
    language: Language,
    settings: RetrievalSettings,
) -> list[Candidate]:
    """The questions' candidates inside one scope in one order, by the weight of each question.

    A vector more than there are questions is that of the answer before them: searched by meaning only.
    """
    orders: list[tuple[float, list[Candidate]]] = []
    for place, (weight, text) in enumerate(questions):
        vector = vectors[place] if vectors is not None else None
        hits = legs(search, text, vector, scope, language, settings)
        fused = fuse(hits, language, settings.weights, settings.candidates)
        own = {hit.passage_id: hit.vector for hit in hits if hit.vector is not None}
        orders.append((weight, liken(fused, own, settings.feedback)))
    if vectors is not None and len(vectors) > len(questions):
        known = list(dict.fromkeys(c.passage_id for _, candidates in orders for c in candidates))
        mean = settings.query_means.get(language)
        hits = search.search_vector(vectors[-1], scope, settings.candidates, also=known, query_mean=mean)
        reply = fuse(hits, language, _MEANING_ONLY, settings.candidates)
        orders.append((settings.reply_weight, reply))
    return orders[0][1] if len(orders) == 1 else mix(orders)


def lead_named(
    ordered: list[Candidate],
    route: Route,
    scope: Scope,
    found: Callable[[Scope], list[Candidate]],
    settings: RetrievalSettings,
) -> list[Candidate]:
    """`ordered` with the passages of the documents that the question names ahead, those of its year first.

    `found` searches a scope. Documents that this scope does not admit lead nowhere: then the order stays as it was.
    """
    named = found(replace(scope, document_ids=route.documents))
    if not named:
        return ordered
    likeliest = found(replace(scope, document_ids=route.likeliest)) if route.likeliest else []
    known = {candidate.passage_id for candidate in named}
    both = [*named, *(replace(c, score=c.score / 2) for c in likeliest if c.passage_id not in known)]
    ahead = {candidate.passage_id: settings.likely_lead for candidate in likeliest}
    return led(ordered, both, ahead, settings.routed_lead)


def scored(passage: Passage, candidate: Candidate) -> Passage:
    """The passage with what the legs said of it, which confidence and `rerank` read."""
    features = {
        "dense": candidate.dense,
        "lexical": candidate.lexical,
        "cosine": candidate.cosine,
        "words_bm25": candidate.words_bm25,
        "grams_bm25": candidate.grams_bm25,
        "words": candidate.words,
        "grams": candidate.grams,
    }
    return replace(passage, score=candidate.score, features=features)


def leg_ranks(ordered: Sequence[Candidate], shown: Sequence[Passage]) -> dict[str, dict[Leg, int]]:
    """Where each of `shown` stands in each leg, 1 for the best; a leg that did not find it is left out."""
    ranks: dict[str, dict[Leg, int]] = {passage.passage_id: {} for passage in shown}
    measures: tuple[tuple[Leg, Callable[[Candidate], float]], ...] = (
        ("dense", lambda c: c.dense),
        ("words", lambda c: c.words_bm25),
        ("grams", lambda c: c.grams_bm25),
    )
    for leg, of in measures:
        best = sorted((c for c in ordered if of(c) > 0), key=lambda c: (-of(c), c.passage_id))
        for place, candidate in enumerate(best, 1):
            if (mine := ranks.get(str(candidate.passage_id))) is not None:
                mine[leg] = place
    return ranks


def _features(ordered: Sequence[Candidate], shown: Sequence[int]) -> dict[str, float]:
    """What confidence may look at: the top of each leg, its lead, and whether the legs agree."""
    visible = [c for c in ordered if c.passage_id in set(shown)]
    if not visible:
        return {"found": 0.0}
    by_cosine = sorted((c.cosine for c in visible), reverse=True)
    by_grams = sorted((c.grams_bm25 for c in visible), reverse=True)
    dense_top = {c.passage_id for c in sorted(visible, key=lambda c: -c.dense)[:5]}
    lexical_top = {c.passage_id for c in sorted(visible, key=lambda c: -c.lexical)[:5] if c.lexical > 0}
    return {
        "found": float(len(visible)),
        "top_score": visible[0].score,
        "score_margin": visible[0].score - visible[1].score if len(visible) > 1 else visible[0].score,
        "top_cosine": by_cosine[0],
        "cosine_margin": by_cosine[0] - by_cosine[1] if len(by_cosine) > 1 else 0.0,
        "top_grams_bm25": by_grams[0],
        "top_words_bm25": max(c.words_bm25 for c in visible),
        "leg_agreement": len(dense_top & lexical_top) / len(dense_top),
    }
