"""`countersign tune` as a service: candidates measured on a question set, beside the live index and never in it."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from countersign import __version__
from countersign.access.principal import Principal
from countersign.app.embedders import TUNE_FOLDER, Embedders
from countersign.app.questions import Questions
from countersign.app.tune_runs import Bench, Watch, ask_all, cut, texts_of
from countersign.corpus.blobs import Blobs
from countersign.corpus.seams import Parser
from countersign.domain.clock import Clock
from countersign.domain.errors import NotFound, UsageError
from countersign.domain.events import Event, EventKind
from countersign.domain.workspace import Workspace
from countersign.evaluation.candidates import LIVE, Candidate
from countersign.evaluation.draft import drawn
from countersign.evaluation.learn import learned_shares
from countersign.evaluation.questions import Question
from countersign.evaluation.recommend import recommend
from countersign.evaluation.runs import (
    Built,
    Run,
    disagreements,
    judged_from_json,
    judged_to_json,
    summarise,
)
from countersign.evaluation.scratch import ScratchDocument, ScratchFile
from countersign.evaluation.tuned import Measured, Shown, Tuned
from countersign.evaluation.vectors import KeptVectors
from countersign.retrieval.analysis import ANALYZER_VERSION
from countersign.retrieval.version import IndexVersion
from countersign.storage.database import Database
from countersign.storage.events import append_in
from countersign.storage.rights import satisfied_rights
from countersign.storage.tuning import documents_in_force, every_right

MAX_DOCUMENTS: Final = 2_000
_FORMAT: Final = 1
_KEPT: Final = 8
"""Measurements whose finished candidates are kept."""
_SHOWN: Final = 25


@dataclass(frozen=True, slots=True)
class Wanted:
    """`person` None: over every document of the tenant, for the owner of the files."""

    set_name: str
    reader: Principal
    candidates: tuple[Candidate, ...]
    person: Principal | None = None
    assistant: str = ""
    max_documents: int = MAX_DOCUMENTS
    seed: int = 0


class Tuning:
    def __init__(
        self,
        workspace: Workspace,
        database: Database,
        blobs: Blobs,
        parser: Parser,
        embedders: Embedders,
        clock: Clock,
    ) -> None:
        self._workspace = workspace
        self._database = database
        self._blobs = blobs
        self._parser = parser
        self._embedders = embedders
        self._clock = clock

    async def run(self, wanted: Wanted, watch: Watch) -> Tuned:
        """Raises `NotFound` for set and assistant, `UsageError` (`tune_no_questions`). Stopped and run again, it goes on
        where it was; candidates that are finished are not run again while documents, questions and rights are the same."""
        confirmed = await self._questions(wanted)
        bench, total = await self._bench(wanted, confirmed)
        asked = _askable(confirmed, bench)
        if not asked:
            raise UsageError(
                "no confirmed question of the set expects a document that is there for whom it is measured",
                code="tune_no_questions",
                hint="Confirm questions on the page /questions, or see `countersign questions show SET`.",
            )
        identity = self._identity(bench, asked)
        bench = replace(bench, folder=self._folder / f"work-{identity}")
        runs = await self._runs(bench, asked, wanted.candidates, self._folder / "kept" / identity, watch)
        await asyncio.to_thread(shutil.rmtree, bench.folder, ignore_errors=True)
        tuned = self._tuned(wanted, bench, asked, runs, identity, total, len(confirmed) - len(asked))
        await self._record(wanted, tuned)
        return tuned

    @property
    def _folder(self) -> Path:
        return self._workspace.state / TUNE_FOLDER

    # -- what is measured on ------------------------------------------------------------------------------------
    async def _questions(self, wanted: Wanted) -> list[Question]:
        service = Questions(self._database, self._workspace, self._clock)
        seen = await service.list(wanted.reader, wanted.set_name, ("confirmed",), whole=True)
        return [each.question for each in seen]

    async def _bench(self, wanted: Wanted, questions: Sequence[Question]) -> tuple[Bench, int]:
        """And how many documents there are to take from."""
        principal = wanted.person or wanted.reader
        rights = (
            await self._database.read(every_right, principal.tenant)
            if wanted.person is None
            else await self._database.read(satisfied_rights, principal.tenant, principal.terms)
        )
        sources = self._sources(wanted.assistant, questions)
        there = await self._database.read(documents_in_force, principal.tenant, sources, self._clock.now())
        documents = [each for each in there if each.rights_id in rights]
        taken = _sample(documents, questions, wanted.max_documents, wanted.seed)
        bench = Bench(
            self._database, self._blobs, self._parser, self._embedders, KeptVectors(self._folder / "vectors.db"),
            self._clock, self._folder, principal, rights, tuple(sources), tuple(taken),
        )  # fmt: skip
        return bench, len(documents)

    def _sources(self, assistant: str, questions: Sequence[Question]) -> list[str]:
        if not assistant:
            return sorted({one.source for each in questions for one in each.expected if one.source})
        known = self._workspace.assistants.get(assistant)
        if known is None:
            raise NotFound(
                f"there is no assistant {assistant!r}",
                code="assistant_not_found",
                hint=f"Known: {', '.join(self._workspace.assistants)}.",
            )
        return sorted(known.sources)

    def _identity(self, bench: Bench, asked: Sequence[Question]) -> str:
        said = [
            _FORMAT,
            __version__,
            ANALYZER_VERSION,
            counter.model_id if (counter := self._embedders.counter) else "",
            sorted(
                [model, label]
                for model in self._embedders.names.values()
                for label in {d.residency for d in bench.documents}
                if not self._embedders.may_embed(model, label)
            ),
            bench.principal.tenant,
            sorted(bench.rights & {each.rights_id for each in bench.documents}),
            list(bench.sources),
            [[d.id, d.version, d.sha256, d.title, d.rights_id] for d in bench.documents],
            [[q.id, q.text, [asdict(one) for one in q.expected]] for q in asked],
        ]
        return sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:16]

    # -- candidates ---------------------------------------------------------------------------------------------
    async def _runs(
        self,
        bench: Bench,
        asked: Sequence[Question],
        candidates: Sequence[Candidate],
        kept: Path,
        watch: Watch,
    ) -> list[Run]:
        """In the order of the candidates, and what is learned from them last."""
        runs = {each.name: run for each in candidates if (run := _kept(kept, each)) is not None}
        missing = [each for each in candidates if each.name not in runs]
        by_name = {each.name: each for each in candidates}

        def keep(run: Run) -> None:
            runs[run.name] = run
            _keep(kept, by_name[run.name], run)

        if missing:
            file = ScratchFile(bench.folder)
            try:
                await cut(bench, file, missing, watch)
                await ask_all(bench, file, missing, asked, watch, keep)
                used = _used(bench, file, missing)
            finally:
                file.close()
        else:
            used = {}
        _forget_old(kept.parent, kept.name)
        names = [each.name for each in kept.parent.iterdir()]
        await asyncio.to_thread(bench.kept.settle, kept.name, used, names)
        ordered = [runs[each.name] for each in candidates]
        live = ordered[0]
        ordered = [run for run in ordered if run is live or not run.fitted or run.version != live.version]
        shares: dict[float | None, Run] = {c.share: runs[c.name] for c in candidates if c.share is not None}
        if len(shares) > 1:
            ordered.append(learned_shares({**shares, None: ordered[0]}, candidates[0].version))
        return ordered

    def _tuned(
        self,
        wanted: Wanted,
        bench: Bench,
        asked: Sequence[Question],
        runs: Sequence[Run],
        identity: str,
        total: int,
        not_there: int,
    ) -> Tuned:
        live = runs[0]
        measured = Measured(
            identity, wanted.set_name, bench.principal.tenant, wanted.person.name if wanted.person else "",
            wanted.assistant, bench.sources, total, len(bench.documents), len(asked), not_there, self._clock.now(),
        )  # fmt: skip
        texts = {each.id: each for each in asked}
        drafted = sum(each.origin == "drafted" and not each.edited for each in asked)
        shown = tuple(
            Shown(
                texts[each.question_id].text,
                texts[each.question_id].language,
                tuple(dict.fromkeys(one.external_id for one in texts[each.question_id].expected)),
                each,
            )
            for each in disagreements(runs, _SHOWN)
        )
        summaries = tuple(summarise(run, None if run.name == LIVE else live) for run in runs)
        return Tuned(measured, summaries, recommend(runs, live, drafted), shown)

    async def _record(self, wanted: Wanted, tuned: Tuned) -> None:
        facts: dict[str, object] = {
            "questions": tuned.measured.questions,
            "documents": tuned.measured.taken,
            "candidates": len(tuned.summaries),
            "recommended": tuned.recommendation.chosen.version.id,
            "reason": tuned.recommendation.reason,
        }
        reader = wanted.reader
        event = Event(
            EventKind.INDEX_TUNED, reader.tenant, reader.name, tuned.measured.id, self._clock.now(), facts
        )
        await self._database.write(append_in, [event])


def _used(bench: Bench, file: ScratchFile, candidates: Sequence[Candidate]) -> dict[str, set[str]]:
    """Model → hashes of the texts that these candidates searched."""
    used: dict[str, set[str]] = {}
    for key, model in {(each.chunking, each.version.embedder) for each in candidates}:
        used.setdefault(model, set()).update(texts_of(bench, file, key, model))
    return used


def _askable(questions: Sequence[Question], bench: Bench) -> list[Question]:
    """Those that something admitted answers, each with what of its expectation is there."""
    there = {(each.source, each.external_id) for each in bench.documents}
    asked: list[Question] = []
    for each in questions:
        expected = tuple(one for one in each.expected if (one.source, one.external_id) in there)
        if expected:
            asked.append(replace(each, expected=expected))
    return asked


def _sample(
    documents: Sequence[ScratchDocument], questions: Sequence[Question], most: int, seed: int
) -> list[ScratchDocument]:
    """All, or every expected document and others drawn by the seed."""
    if len(documents) <= most:
        return list(documents)
    wanted = {(one.source, one.external_id) for each in questions for one in each.expected}
    draw = drawn(seed)
    first = [each for each in documents if (each.source, each.external_id) in wanted]
    others = [each for each in documents if (each.source, each.external_id) not in wanted]
    others.sort(key=lambda each: draw(f"{each.source}/{each.external_id}"))
    chosen = {each.id for each in (*first, *others[: max(0, most - len(first))])}
    return [each for each in documents if each.id in chosen]


# -- finished candidates: scores only, no text --------------------------------------------------------------------------
def _place(kept: Path, candidate: Candidate) -> Path:
    learns = f"-{candidate.learns}" if candidate.learns else ""
    return kept / f"{candidate.version.id}{learns}.json"


def _keep(kept: Path, candidate: Candidate, run: Run) -> None:
    kept.mkdir(parents=True, exist_ok=True, mode=0o700)
    body = {
        "manifest": run.version.manifest,
        "built": asdict(run.built),
        "judged": [judged_to_json(each) for each in run.judged],
    }
    place = _place(kept, candidate)
    part = place.with_suffix(".part")
    part.write_text(json.dumps(body), encoding="utf-8")
    part.replace(place)


def _kept(kept: Path, candidate: Candidate) -> Run | None:
    """What cannot be read is run again."""
    try:
        body: Mapping[str, Any] = json.loads(_place(kept, candidate).read_text(encoding="utf-8"))
        judged = tuple(judged_from_json(each) for each in body["judged"])
        version = IndexVersion.from_manifest(body["manifest"])
        return Run(candidate.name, version, judged, Built(**body["built"]), bool(candidate.learns))
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None


def _forget_old(folder: Path, newest: str) -> None:
    if not folder.is_dir():
        return
    old = sorted(
        (each for each in folder.iterdir() if each.name != newest),
        key=lambda each: each.stat().st_mtime,
        reverse=True,
    )
    for each in old[_KEPT - 1 :]:
        shutil.rmtree(each, ignore_errors=True)
