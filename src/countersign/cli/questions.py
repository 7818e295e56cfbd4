"""`countersign questions`: the questions that every choice of retrieval is measured against."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from countersign.cli.command import Run, command, group, tenant_option
from countersign.cli.terminal import one_line, table

if TYPE_CHECKING:
    from countersign.access.principal import Principal
    from countersign.app.office import Office
    from countersign.app.questions import Brought, Questions
    from countersign.evaluation.questions import Question, State
    from countersign.storage.question_sets import SeenQuestion

_UNKNOWN_SHOWN = 10

questions = group(
    "questions",
    says="Question sets: what `countersign tune` measures retrieval against.",
    examples="countersign questions draft --set tariffs --count 60\n"
    "countersign questions import asked.jsonl --set tariffs\ncountersign questions list",
)
into_option = click.option("--set", "name", required=True, metavar="NAME", help="The question set.")
named_set = click.argument("given", metavar="[SET]", default="")
also_set = click.option("--set", "named", default="", metavar="NAME", help="The question set, as everywhere.")
as_person = click.option(
    "--as",
    "user",
    default="",
    metavar="USER",
    help="See and decide as this person, by their rights; otherwise as the owner of the workspace's files.",
)


@command(
    "import",
    group=questions,
    examples="countersign questions import asked.jsonl --set tariffs\ncountersign questions import asked.csv --set tariffs --json",
)
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@into_option
@tenant_option
async def import_questions(run: Run, file: Path, name: str, tenant: str) -> None:
    """Add the questions of a file (.jsonl or .csv) with the documents that should answer them; equal ones are added once.

    JSON: {"question": "…", "expected": [{"source": "intranet", "document": "tariffs.pdf", "page": 3}]}, one a line.
    CSV: the columns question and document, and if wanted source, page, language.
    """
    from countersign.domain.errors import UsageError
    from countersign.evaluation.question_files import MAX_FILE_BYTES, read_questions

    kind = file.suffix.lower()
    if kind not in (".jsonl", ".csv"):
        raise UsageError(
            "a file of questions ends in .jsonl or .csv",
            code="questions_file_invalid",
            hint="Rename or convert it.",
        )
    with file.open("rb") as content:
        new = read_questions(content.read(MAX_FILE_BYTES + 1), is_csv=kind == ".csv")
    with run.office() as office:
        brought = await _service(office).bring(office.operator(tenant), name, new)
    _said(run, name, brought)


@command(
    "draft",
    group=questions,
    examples="countersign questions draft --set tariffs --count 60\ncountersign questions draft --set tariffs --source intranet --seed 7",
)
@into_option
@click.option("--source", "sources", multiple=True, metavar="NAME", help="Only from this source. Repeatable.")
@click.option(
    "--count", type=click.IntRange(1, 2_000), default=50, show_default=True, help="At most so many."
)
@click.option(
    "--seed", type=click.IntRange(0, 10**9), default=0, show_default=True, help="Another seed, others."
)
@tenant_option
async def draft_questions(
    run: Run, name: str, sources: tuple[str, ...], count: int, seed: int, tenant: str
) -> None:
    """Draft questions from the indexed documents, by rule: the same documents and seed give the same questions. Nothing
    counts before a person has confirmed it, on the page /questions or with `questions confirm`."""
    with run.office() as office:
        person = office.operator(tenant)
        brought = await _service(office).draft(person, name, sources=sources, count=count, seed=seed)
    _said(run, name, brought)
    if brought.added:
        run.say("Read and confirm them on the page /questions of the console.")


@command("from-answers", group=questions, examples="countersign questions from-answers --set asked-and-right")
@into_option
@click.option(
    "--limit", type=click.IntRange(1, 10_000), default=1_000, show_default=True, help="At most so many."
)
@tenant_option
async def from_answers(run: Run, name: str, limit: int, tenant: str) -> None:
    """Take delivered answers that a reviewer approved or their asker called helpful: the question with the documents that
    it cites. Answers whose texts have been retired or erased give none; when one is later, its question goes too."""
    with run.office() as office:
        brought = await _service(office).from_answers(office.operator(tenant), name, limit=limit)
    _said(run, name, brought)


@command("list", group=questions, examples="countersign questions list\ncountersign questions list --json")
@tenant_option
async def list_sets(run: Run, tenant: str) -> None:
    """Every set with how many questions are drafted, confirmed and dropped."""
    with run.office() as office:
        found = [
            each
            for one in ([tenant] if tenant else office.workspace.tenants)
            for each in await _service(office).sets(office.operator(one))
        ]
    counts = [(each, each.draft, each.confirmed, each.dropped) for each in found]
    run.result({
        "items": [
            {"set": each.name, "tenant": each.tenant, "draft": drafts, "confirmed": confirmed, "dropped": dropped}
            for each, drafts, confirmed, dropped in counts
        ]
    })  # fmt: skip
    rows = [(each.name, each.tenant, *numbers) for each, *numbers in counts]
    run.say(table(("set", "tenant", "drafts", "confirmed", "dropped"), rows))


@command(
    "show", group=questions, examples="countersign questions show --set tariffs --state draft --as aigerim"
)
@named_set
@also_set
@click.option("--state", type=click.Choice(["draft", "confirmed", "dropped"]), help="Only in this state.")
@as_person
@tenant_option
async def show(run: Run, given: str, named: str, state: State | None, user: str, tenant: str) -> None:
    """The questions of a set with the documents that they expect."""
    from countersign.evaluation.questions import STATES

    name = _one_set(given, named)
    with run.office() as office:
        reader = await _reader(office, user, tenant)
        found = await _service(office).list(reader, name, (state,) if state else STATES, whole=not user)
    run.result({"set": name, "items": [_shape(each) for each in found]})
    rows: list[tuple[Any, ...]] = [
        (each.question.id, each.question.state, each.question.language, *_words(each)) for each in found
    ]
    run.say(table(("question", "state", "lang", "text", "expects"), rows))


@command(
    "confirm",
    group=questions,
    examples="countersign questions confirm qn_01jd…\ncountersign questions confirm qn_01jd… --text 'What does a Gold card cost a month?'",
)
@click.argument("ids", metavar="QUESTION…", nargs=-1)
@click.option("--text", default="", help="Confirm it in these words.")
@click.option("--all", "whole_set", default="", metavar="SET", help="Every draft of this set, unread.")
@as_person
@tenant_option
async def confirm(run: Run, ids: tuple[str, ...], text: str, whole_set: str, user: str, tenant: str) -> None:
    """Confirm drafted questions: only confirmed ones are measured against. Recorded."""
    if bool(ids) == bool(whole_set) or (text and len(ids) != 1) or (whole_set and user):
        raise click.UsageError("name questions, one with --text, or a whole set with --all and without --as")
    with run.office() as office:
        service, reader = _service(office), await _reader(office, user, tenant)
        if whole_set:
            confirmed = await service.confirm_all(reader, whole_set)
        else:
            for each in ids:
                await service.decide(reader, each, "confirmed", text, whole=not user)
            confirmed = len(ids)
    run.result({"confirmed": confirmed})
    run.say(f"{confirmed} confirmed")


@command("drop", group=questions, examples="countersign questions drop qn_01jd… qn_01je…")
@click.argument("ids", metavar="QUESTION…", nargs=-1, required=True)
@as_person
@tenant_option
async def drop(run: Run, ids: tuple[str, ...], user: str, tenant: str) -> None:
    """Drop questions: they are not measured against and are not drafted again. Recorded."""
    with run.office() as office:
        service, reader = _service(office), await _reader(office, user, tenant)
        for each in ids:
            await service.decide(reader, each, "dropped", whole=not user)
    run.result({"dropped": len(ids)})
    run.say(f"{len(ids)} dropped")


@command("export", group=questions, examples="countersign questions export --set tariffs > tariffs.jsonl")
@named_set
@also_set
@tenant_option
async def export(run: Run, given: str, named: str, tenant: str) -> None:
    """Print the confirmed questions as JSON lines that `questions import` reads."""
    from countersign.evaluation.question_files import write_questions

    name = _one_set(given, named)
    with run.office() as office:
        reader = await _reader(office, "", tenant)
        found = await _service(office).list(reader, name, ("confirmed",), whole=True)
    text = write_questions(each.question for each in found)
    run.result({"set": name, "jsonl": text})
    run.say(text.rstrip("\n"))


def _one_set(given: str, named: str) -> str:
    """The name stands by itself or behind --set."""
    if not (given or named) or (given and named and given != named):
        raise click.UsageError("name one question set: --set NAME")
    return given or named


def _service(office: Office) -> Questions:
    from countersign.app.questions import Questions

    return Questions(office.database, office.workspace, office.clock)


async def _reader(office: Office, user: str, tenant: str) -> Principal:
    return await office.people.impersonate(user) if user else office.operator(tenant)


def _said(run: Run, name: str, brought: Brought) -> None:
    unknown = [{"source": each.source, "document": each.external_id} for each in brought.unknown]
    run.result({"set": name, "added": brought.added, "known": brought.known, "unknown_documents": unknown})
    again = f", {brought.known} were in it already" if brought.known else ""
    run.say(f"{name}: {brought.added} questions added{again}")
    if unknown:
        run.note(f"{len(unknown)} expected documents are not here; nothing can find them:")
        for each in brought.unknown[:_UNKNOWN_SHOWN]:
            run.note(f"  {one_line(each.source or '?')}: {one_line(each.external_id)}")


def _words(each: SeenQuestion) -> tuple[str, str]:
    if each.withheld:
        return "(from a document that this person may not read)", ""
    return one_line(each.question.text, 70), one_line(", ".join(_places(each.question)), 60)


def _places(question: Question) -> list[str]:
    return [
        (one.external_id or "withheld") + (f" p. {one.page}" if one.page else "") for one in question.expected
    ]


def _shape(each: SeenQuestion) -> dict[str, Any]:
    asked = each.question
    return {
        "id": asked.id, "n": asked.n, "text": asked.text, "language": asked.language, "origin": asked.origin,
        "state": asked.state, "withheld": each.withheld, "edited": asked.edited,
        "expected": [{"source": e.source, "document": e.external_id, "page": e.page} for e in asked.expected],
    }  # fmt: skip
