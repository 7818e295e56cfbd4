"""`countersign tune` on a corpus where smaller passages really are better: measured, recommended, resumed, and by rights."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from countersign.access.principal import Principal
from countersign.app import tune_runs
from countersign.domain.errors import UsageError
from countersign.evaluation.candidates import Candidate, usual
from countersign.evaluation.candidates import said as candidates_said
from countersign.evaluation.intervals import verdict
from countersign.evaluation.learn import fold_of, learned_shares
from countersign.evaluation.questions import Expected, Question
from countersign.evaluation.runs import Built, Run, paired, summarise
from countersign.evaluation.scratch import Piece, ScratchDocument, ScratchStore
from countersign.retrieval.version import Chunking, IndexVersion
from countersign.storage.passage_index import TantivyIndex
from tests.cli.conftest import Cli
from tests.evaluation.test_measures import _run

NOW = datetime(2025, 4, 1, tzinfo=UTC)


class FixedClock:
    def now(self) -> datetime:
        return NOW


_STONES = [
    "amber",
    "agate",
    "beryl",
    "coral",
    "garnet",
    "jade",
    "jasper",
    "lapis",
    "onyx",
    "opal",
    "pearl",
    "quartz",
    "ruby",
    "sapphire",
    "spinel",
    "topaz",
    "turquoise",
    "zircon",
    "malachite",
    "obsidian",
    "peridot",
    "citrine",
    "moonstone",
    "hematite",
]
"""One for each document and its question."""
_FILLER = (
    "The office opens in the morning and closes in the evening. Visitors leave their coats at the entrance. "
    "A list of rooms hangs beside the stairs. The windows are cleaned every spring. Letters are collected at noon. "
)
_CANDIDATES = """
candidates:
  - {name: small, target_tokens: 40, max_tokens: 60}
  - {name: no neighbours, neighbours: 0}
"""


@pytest.fixture
def measured(cli: Cli, workspace: Path, tmp_path: Path) -> Path:
    """A long document for every stone that says its depth in one sentence, a short one that only names stone and depth,
    and the questions; one of the long ones only for the group hr. Returns a file of candidates."""
    lines: list[str] = []
    for n, stone in enumerate(_STONES):
        folder = workspace / "files" / ("hr" if n == 0 else "")
        fact = f"The {stone} vault has a ceiling depth of 2 metres. "
        (folder / f"long-{stone}.txt").write_text(_FILLER + fact + _FILLER, encoding="utf-8")
        (workspace / "files" / f"short-{stone}.txt").write_text(f"The {stone} depth.\n", encoding="utf-8")
        place = "hr/" if n == 0 else ""
        expected = [{"document": f"{place}long-{stone}.txt"}]
        lines.append(json.dumps({"question": f"What is the ceiling depth of {stone}?", "expected": expected}))
    asked, candidates = tmp_path / "asked.jsonl", tmp_path / "candidates.yaml"
    asked.write_text("\n".join(lines), encoding="utf-8")
    candidates.write_text(_CANDIDATES, encoding="utf-8")
    cli("user", "set", "aigerim")
    assert cli("ingest").code == 0
    assert cli("questions", "import", str(asked), "--set", "stones").code == 0
    return candidates


def _candidate(said: dict[str, Any], name: str) -> dict[str, Any]:
    return next(each for each in said["candidates"] if each["name"] == name)


def test_the_better_candidate_is_measured_recommended_and_written(
    cli: Cli, measured: Path, tmp_path: Path, workspace: Path
) -> None:
    report, settings = tmp_path / "out" / "tuning.html", tmp_path / "better.json"
    ended = cli(
        "tune", "--set", "stones", "--candidates", str(measured), "--out", str(report), "--write", str(settings), "--json"
    )  # fmt: skip
    said = ended.json
    small, live = _candidate(said, "small"), _candidate(said, "live")
    assert small["to_live"]["verdict"] == "better"
    assert small["measures"]["ndcg_10"]["mean"] > live["measures"]["ndcg_10"]["mean"] + 0.1
    assert small["passages"] > live["passages"] > 0
    assert said["recommendation"]["candidate"] == "small"
    assert said["recommendation"]["reason"] == "better_than_live"
    assert (said["questions"], said["documents"], said["person"]) == (24, 50, "")
    version = IndexVersion.from_manifest(json.loads(settings.read_text("utf-8")))
    assert (version.chunking.target_tokens, version.chunking.max_tokens) == (40, 60)
    assert version.id == said["recommendation"]["version"]
    page = report.read_text("utf-8")
    assert "<script" not in page
    assert "A better way was found" in page
    assert json.loads(report.with_suffix(".json").read_text("utf-8"))["id"] == said["id"]
    assert list((workspace / "state" / "tune").glob("work-*")) == []
    assert "2 metres" not in page + ended.out
    _by_rights(cli, measured)
    _of_a_sample(cli, measured)


def _by_rights(cli: Cli, measured: Path) -> None:
    """Who may not see a document is not asked what only it answers, and reads nothing of it in the report."""
    arguments = ("tune", "--set", "stones", "--candidates", str(measured), "--as", "aigerim", "--json")
    said = cli(*arguments).json
    assert (said["person"], said["questions"], said["not_there"]) == ("aigerim", 23, 1)
    assert "amber" not in "".join(each["question"] for each in said["differing"])
    assert said["documents"] == 48


def _of_a_sample(cli: Cli, measured: Path) -> None:
    """It holds every expected document, and the report says that it is one."""
    said = cli(
        "tune", "--set", "stones", "--candidates", str(measured), "--max-documents", "30", "--json"
    ).json
    assert (said["taken"], said["documents"], said["questions"]) == (30, 50, 24)
    text = cli("tune", "--set", "stones", "--candidates", str(measured), "--max-documents", "30").out
    assert "30 of 50 documents" in text


def test_a_measurement_goes_on_starts_anew_when_something_changed_and_leaves_nothing_to_an_erasure(
    cli: Cli, measured: Path, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    run = tune_runs._run

    async def counted(asking: tune_runs.Asking, candidate: Candidate, *more: Any) -> Run:
        asked.append(candidate.name)
        if len(asked) == 2:
            raise KeyboardInterrupt
        return await run(asking, candidate, *more)

    monkeypatch.setattr(tune_runs, "_run", counted)
    arguments = ("tune", "--set", "stones", "--candidates", str(measured), "--json")
    assert cli(*arguments).code == 1
    assert asked == ["live", "no neighbours"]
    [work] = (workspace / "state" / "tune").glob("work-*")
    with closing(sqlite3.connect(work / "cuts.db")) as file:
        assert "amber" in "".join(row[0] for row in file.execute("SELECT pieces FROM cut"))
    first = cli(*arguments).json
    assert not work.exists()
    assert asked[2:] == ["small", "no neighbours"]
    assert cli(*arguments).json["candidates"] == first["candidates"]
    assert len(asked) == 4
    (workspace / "files" / "another.txt").write_text("Another document about depth.", encoding="utf-8")
    assert cli("ingest").code == 0
    changed = cli(*arguments).json
    assert changed["id"] != first["id"]
    assert len(asked) == 7
    work.mkdir()
    (work / "cuts.db").write_text("what a stopped measurement left", encoding="utf-8")
    listed = cli("documents", "list", "--json").json["items"]
    [amber] = [each["document_id"] for each in listed if each["external_id"] == "short-amber.txt"]
    assert cli("documents", "erase", amber, "--yes").code == 0
    assert not work.exists()


@pytest.mark.parametrize(
    "text",
    [
        "candidates: []",
        "- a",
        "candidates: [{name: live}]",
        "candidates: [{name: a}, {name: a}]",
        "candidates: [{target_tokens: 100}]",
        "candidates: [{name: a, target_tokens: 400, max_tokens: 300}]",
        "candidates: [{name: a, max_tokens: 9000}]",
        "candidates: [{name: a, dense_share: 2}]",
        "candidates: [{name: a, dense_share: true}]",
        "candidates: [{name: a, neighbours: 1.5}]",
        "candidates: [{name: a, chunker: other}]",
        "candidates: [7]",
        "candidates: [{name: a, learns: everything}]",
    ],
)
def test_a_file_of_candidates_that_cannot_be_used_is_refused(text: str) -> None:
    with pytest.raises(UsageError) as refused:
        candidates_said(IndexVersion(), yaml.safe_load(text))
    assert refused.value.code == "tune_candidates_invalid"


def test_a_candidate_of_a_file_differs_from_the_live_version_in_what_it_says() -> None:
    live = IndexVersion(embedder="m")
    text = (
        "candidates: [{name: a, dense_share: 1, neighbours: 0}, {name: b, words_only: true, max_tokens: 400}]"
    )
    [first, a, b] = candidates_said(live, yaml.safe_load(text))
    assert first.version == live
    assert (a.version.settings.neighbours, a.version.settings.weights.default) == (0, 1.0)
    assert (b.version.embedder, b.version.chunking) == ("", Chunking(220, 400))


def test_without_a_set_or_confirmed_questions_it_says_what_to_do(cli: Cli, filled: Path) -> None:
    file = filled / "candidates.yaml"
    for text in ("candidates: [", "candidates: []"):
        file.write_text(text, encoding="utf-8")
        ended = cli("tune", "--set", "t", "--candidates", str(file))
        assert ended.code == 2
        assert "tune_candidates_invalid" in ended.err
    assert "question_set_not_found" in cli("tune", "--set", "t").err
    cli("questions", "draft", "--set", "t")
    ended = cli("tune", "--set", "t")
    assert "tune_no_questions" in ended.err
    assert ended.code == 2
    assert "assistant_not_found" in cli("tune", "--set", "t", "--assistant", "nobody").err


# -- learning -----------------------------------------------------------------------------------------------------------
def _ndcg(values: Sequence[float], name: str) -> Run:
    return _run(name, list(values), 1.0)


def test_what_is_learned_is_judged_on_questions_that_did_not_teach_it() -> None:
    """A share that is best for exactly the judged questions of one fold, and worst elsewhere, is never chosen for them."""
    count = 120
    folds = [fold_of(f"q{n:03}") for n in range(count)]
    live = _ndcg([0.5] * count, "live")
    peeking = _ndcg([1.0 if fold == 0 else 0.0 for fold in folds], "peeking")
    better = _ndcg([0.6] * count, "better")
    learned = learned_shares({None: live, 0.2: peeking, 0.8: better}, IndexVersion(embedder="m"))
    assert {each.scores.ndcg_10 for each in learned.judged} == {0.6}
    assert learned.fitted
    weights = learned.version.settings.weights
    assert (weights.same_language["ru"], weights.same_language["kk"]) == (0.8, 0.8)
    assert weights.same_language["en"] == IndexVersion().settings.weights.same_language["en"]


def test_too_few_questions_of_a_language_teach_nothing() -> None:
    live, other = _ndcg([0.5] * 20, "live"), _ndcg([1.0] * 20, "other")
    learned = learned_shares({None: live, 0.8: other}, IndexVersion(embedder="m"))
    assert learned.version == IndexVersion(embedder="m")
    assert learned.judged == live.judged


def test_the_usual_candidates_differ_from_the_live_version_and_from_each_other() -> None:
    for live in (IndexVersion(), IndexVersion(embedder="m")):
        candidates = usual(live)
        assert candidates[0].version == live
        plain = [each for each in candidates if not each.learns]
        assert len({each.version.id for each in plain}) == len(plain)
        assert len({each.name for each in candidates}) == len(candidates)
    small = next(each for each in usual(IndexVersion()) if each.name == "passages of 120")
    assert small.name not in [each.name for each in usual(small.version)]


@pytest.mark.anyio
async def test_an_order_is_learned_from_the_questions_and_judged_on_others(tmp_path: Path) -> None:
    """Of two documents with the same words, the longer one is right: the scores say the other, and what is learned knows."""
    names = [
        first + second
        for first in ("bal", "kor", "mir", "tal", "zen", "dur", "fel", "gan")
        for second in ("ado", "eki", "ipu", "oru", "ulo", "aze", "ety", "iwo", "obi")
    ]
    documents, pieces, asked = [], {}, []
    for n, name in enumerate(names):
        for kind, text in (
            ("long", f"The {name} counter opens early, as everybody who works there has decided together."),
            ("short", f"The {name} counter opens."),
        ):
            identity = f"{kind}-{name}"
            documents.append(
                ScratchDocument(identity, 1, "files", f"{identity}.md", kind, "f", "m", "b", identity, 1, "")
            )
            pieces[identity] = [Piece(text, text, identity, "en", None, None)]
        expected = (Expected("files", f"long-{name}.md"),)
        words = f"When does the {name} counter open?"
        asked.append(Question(f"qn_{n}", n, words, "en", "imported", "confirmed", expected, "owner", NOW))
    store = ScratchStore("bank", documents, pieces, frozenset({1}))
    bench = tune_runs.Bench(
        None, None, None, None, lambda residency: False, FixedClock(), tmp_path, Principal("owner", "bank"),
        frozenset({1}), ("files",), tuple(documents),
    )  # type: ignore[arg-type]  # fmt: skip
    index = TantivyIndex(tmp_path / "index", None, owner=True)
    try:
        index.apply(store.rows({}), len(store))
        asking = tune_runs.Asking(bench, store, index, None, lambda done, total, what: None)
        live = IndexVersion()
        plain = await tune_runs._run(asking, Candidate("live", live), asked, Built(144, 1, 0, 0.0))
        taught = await tune_runs._run(
            asking, Candidate("taught", live, learns="order"), asked, Built(144, 1, 0, 0.0)
        )
        few = await tune_runs._run(
            asking, Candidate("few", live, learns="order"), asked[:40], Built(144, 1, 0, 0.0)
        )
    finally:
        index.close()
    assert summarise(plain, None).ndcg.mean < 0.9
    assert taught.fitted
    assert taught.version.settings.reranker is not None
    assert verdict(paired(taught, plain)) == "better"
    assert IndexVersion.from_manifest(json.loads(json.dumps(taught.version.manifest))).id == taught.version.id
    assert few.version == live
