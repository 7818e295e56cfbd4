"""`countersign tune`: choices of retrieval by measurement on one's own documents and questions."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from countersign.cli.command import Run, command, model_cache, tenant_option
from countersign.cli.terminal import one_line, progress, table, wrapped

if TYPE_CHECKING:
    from countersign.app.embedders import Embedders
    from countersign.app.office import Office
    from countersign.app.tuning import Tuning
    from countersign.evaluation.candidates import Candidate
    from countersign.evaluation.tuned import Tuned
    from countersign.retrieval.version import IndexVersion

_EXAMPLES = """
countersign tune --set tariffs --out tuning.html
countersign tune --set tariffs --assistant staff-help --as aigerim
countersign tune --set tariffs --candidates mine.yaml --json
countersign tune --set tariffs --write better.json
"""
_QUESTIONS_SHOWN = 5


@command("tune", examples=_EXAMPLES)
@click.option("--set", "name", required=True, metavar="NAME", help="The question set; confirmed ones count.")
@click.option(
    "--assistant", default="", metavar="A", help="Over its sources; otherwise those that the set expects."
)
@click.option(
    "--candidates",
    "file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE.yaml",
    help="What to compare with the live version; see the guide. Without it, the usual candidates.",
)
@click.option(
    "--out", type=click.Path(path_type=Path), help="Write the report: FILE.html, with FILE.json beside it."
)
@click.option("--language", type=click.Choice(["en", "ru", "kk"]), default="en", help="Of the HTML report.")
@click.option(
    "--write",
    is_flag=False,
    flag_value="",
    metavar="[FILE]",
    help="Write the recommended index version for `countersign index build --settings FILE`.",
)
@click.option(
    "--as",
    "user",
    default="",
    metavar="USER",
    help="Measure what this person would be shown; otherwise over every document of the tenant. Recorded.",
)
@click.option("--max-documents", type=click.IntRange(1, 100_000), default=2_000, show_default=True,
              help="With more, a sample that holds every expected one.")  # fmt: skip
@click.option("--seed", type=click.IntRange(0, 10**9), default=0, show_default=True, help="Of the sample.")
@tenant_option
async def tune(
    run: Run,
    name: str,
    assistant: str,
    file: Path | None,
    out: Path | None,
    language: str,
    write: str | None,
    user: str,
    max_documents: int,
    seed: int,
    tenant: str,
) -> None:
    """Measure ways to cut and search your documents on a question set, side by side with what answers now, and recommend
    one. Nothing of the live index changes. Stop it at any moment: run again, it goes on where it stopped."""
    from countersign.app.tuning import Wanted
    from countersign.evaluation.tuned import tuned_to_json

    with run.office() as office:
        person = await office.people.impersonate(user) if user else None
        reader = office.operator(tenant or (person.tenant if person else ""))
        async with _tuning(run, office) as (tuning, live, embedders):
            candidates = _candidates(live, file, embedders)
            wanted = Wanted(name, reader, candidates, person, assistant, max_documents, seed)
            try:
                with progress("measuring", wanted=not run.json) as show:
                    tuned = await tuning.run(wanted, show)
            except asyncio.CancelledError:
                run.note("stopped; run the same command again: it goes on from here.")
                raise
        written = [*_report(tuned, out, language), *_settings(tuned, write, office.workspace.state)]
    run.result({**tuned_to_json(tuned), "files": [str(path) for path in written]})
    run.say(readable(tuned))
    for path in written:
        run.say(f"written: {path}")


@asynccontextmanager
async def _tuning(run: Run, office: Office) -> AsyncGenerator[tuple[Tuning, IndexVersion, Embedders]]:
    """The parts of the house that a measurement needs: no server, no lock, no jobs."""
    from countersign.app.embedders import Embedders
    from countersign.app.tuning import Tuning
    from countersign.corpus.service import SandboxedParser
    from countersign.storage.blobs import open_blobs

    workspace = run.workspace(secrets=True)
    blobs = open_blobs(f"{workspace.storage.rstrip('/')}/blobs", workspace.object_storage)
    embedders = Embedders(workspace, model_cache())
    if embedders.missing and workspace.embeddings is not None:
        run.note(f"only words are compared: {embedders.missing}")
    parser = SandboxedParser(workspace.parsing, workspace.state / "tmp")
    live = await _live(run, office, embedders)
    try:
        yield Tuning(workspace, office.database, blobs, parser, embedders, office.clock), live, embedders
    finally:
        await embedders.close()
        await parser.close()


async def _live(run: Run, office: Office, embedders: Embedders) -> IndexVersion:
    """What answers; the like of it for the model that is configured, where its own is not."""
    from countersign.retrieval.version import IndexVersion
    from countersign.storage.index_versions import live_version

    preferred = embedders.preferred
    model, dimension = (preferred.model_id, preferred.dimension) if preferred else ("", 0)
    stored = await office.database.read(live_version)
    if stored is None:
        return IndexVersion(embedder=model, dimension=dimension)
    live = stored.version
    if not live.embedder or embedders.of(live.embedder):
        return live
    run.note(f"{live.embedder} is not configured: {embedders.name_of(model)} stands in for it")
    return live.for_embedder(model, dimension)


def _candidates(live: IndexVersion, file: Path | None, embedders: Embedders) -> tuple[Candidate, ...]:
    from countersign.domain.errors import UsageError
    from countersign.evaluation import candidates

    models = {
        name: candidates.Model(model, embedder.dimension)
        for name, model in embedders.names.items()
        if (embedder := embedders.of(model)) is not None
    }
    if file is None:
        return tuple(candidates.usual(live, models))
    import yaml

    try:
        data = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UsageError(
            "the file of candidates is no YAML", code="tune_candidates_invalid", hint=one_line(str(error))
        ) from None
    return tuple(candidates.said(live, data, models))


# -- saying -------------------------------------------------------------------------------------------------------------
def readable(tuned: Tuned) -> str:
    from countersign.evaluation.tuned import advice

    measured = tuned.measured
    whom = f"as {measured.person}" if measured.person else "over every document of the tenant"
    of = f" of {measured.documents}" if measured.taken < measured.documents else ""
    lines = [
        f"{measured.questions} questions of {measured.set_name}, {measured.taken}{of} documents, {whom}",
        *(
            [f"{measured.not_there} confirmed questions left out: what they expect is not there"]
            if measured.not_there
            else []
        ),
        "",
        _side_by_side(tuned),
        "",
        wrapped(advice(tuned)),
    ]
    if tuned.questions:
        lines += [
            "",
            "Questions on which they differ most (rank of the first right document, – = not found):",
        ]
    for each in tuned.questions[:_QUESTIONS_SHOWN]:
        ranks = ", ".join(f"{name} {rank or '–'}" for name, rank in list(each.of.ranks.items())[:4])
        lines.append(f"  {one_line(each.text, 70)}  [{ranks}]")
    return "\n".join(lines)


def _side_by_side(tuned: Tuned) -> str:
    from countersign.evaluation.intervals import verdict
    from countersign.web.tune_plot import ordered

    rows = []
    for each in ordered(tuned):
        run, to_live = each.run, each.to_live
        rows.append((
            "→" if run is tuned.recommendation.chosen else "",
            f"{run.name}{'*' if run.fitted else ''}",
            f"{each.ndcg.mean:.3f} [{each.ndcg.low:.2f}–{each.ndcg.high:.2f}]",
            f"{to_live.mean:+.3f} {verdict(to_live)}" if to_live else "",
            *(f"{each.measures[name].mean:.2f}" for name in ("recall_5", "recall_10", "mrr")),
            f"{run.cpu_ms:.1f}", f"{run.wall_ms(50):.1f}/{run.wall_ms(95):.1f}",
            run.built.passages, f"{run.built.index_bytes / 1e6:.1f}",
            f"{run.built.embedded} in {run.built.seconds:.0f} s" if run.built.embedded else "",
        ))  # fmt: skip
    heads = (
        "", "candidate", "nDCG@10", "to live", "R@5", "R@10", "MRR", "CPU ms", "p50/p95 ms", "passages", "MB", "embedded",
    )  # fmt: skip
    note = "\n* cross-validated: no question was judged by what it taught" if _any_fitted(tuned) else ""
    return table(heads, rows) + note


def _any_fitted(tuned: Tuned) -> bool:
    return any(each.run.fitted for each in tuned.summaries)


# -- writing ------------------------------------------------------------------------------------------------------------
def _report(tuned: Tuned, out: Path | None, language: str) -> list[Path]:
    if out is None:
        return []
    from countersign.evaluation.tuned import tuned_to_json
    from countersign.web.tune_report import render

    page = out if out.suffix.lower() in (".html", ".htm") else out / "tuning.html"
    beside = page.with_suffix(".json")
    _put(beside, json.dumps(tuned_to_json(tuned), ensure_ascii=False, indent=1))
    _put(page, render(tuned, language))
    return [page, beside]


def _settings(tuned: Tuned, write: str | None, state: Path) -> list[Path]:
    """Without a name, below the state folder under the id of the version."""
    if write is None:
        return []
    version = tuned.recommendation.chosen.version
    path = Path(write) if write else state / "tune" / f"{version.id}.json"
    _put(path, json.dumps(version.manifest, indent=1) + "\n")
    return [path]


def _put(path: Path, text: str) -> None:
    """Whole or not at all. A report holds questions: it is for whoever wrote it, who may then hand it on."""
    from countersign.domain.errors import StorageError

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f".{path.name}.part")
        handle = os.open(part, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        part.replace(path)
    except OSError as error:
        raise StorageError(
            f"{path} cannot be written: {error.strerror}",
            code="file_not_writable",
            hint="Choose another place.",
        ) from error
