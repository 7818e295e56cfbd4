"""`countersign review`: the queue of held answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from countersign.cli.command import Run, as_user, command, group
from countersign.cli.terminal import one_line, table, wrapped

if TYPE_CHECKING:
    from countersign.app.desk import ReviewItem
    from countersign.review.desk import Review

_PAGE = 200

review = group(
    "review",
    says="Held answers: look, claim, decide.",
    examples="countersign review list --as timur\ncountersign review decide rev_01jd… --approve --as timur",
)


@command(
    "list",
    group=review,
    examples="countersign review list --as timur\ncountersign review list --as timur --state decided --json",
)
@as_user
@click.option("--state", type=click.Choice(["open", "decided"]), default="open", show_default=True)
async def list_reviews(run: Run, user: str, state: str) -> None:
    """What this reviewer may decide: only answers whose every source they may read."""
    found: list[Review] = []
    with run.office() as office:
        principal, desk = await office.people.impersonate(user), office.desk()
        while page := await desk.queue(principal, state, _PAGE, found[-1].review_id if found else ""):
            found += page
        now = office.clock.now()
    run.result({"items": [_shape(item) for item in found]})
    rows = [
        (
            item.review_id,
            item.state,
            item.assistant,
            item.asker,
            ", ".join(item.reasons),
            "" if item.deadline is None else f"{item.deadline:%Y-%m-%d %H:%M}" + " LATE" * item.overdue(now),
        )
        for item in found
    ]
    run.say(table(("review", "state", "assistant", "asked by", "held because of", "until"), rows))


@command("show", group=review, examples="countersign review show rev_01jd… --as timur")
@click.argument("review_id", metavar="REVIEW")
@as_user
async def show(run: Run, review_id: str, user: str) -> None:
    """The question, the draft and every source of one held answer."""
    with run.office() as office:
        item = await office.desk().review(await office.people.impersonate(user), review_id)
    run.result({**_shape(item.review), **_draft(item)})
    answer = item.stored.answer
    run.say(
        f"{item.review.review_id} · {item.review.state} · held because of {', '.join(item.review.reasons)}"
    )
    run.say(f"\nquestion\n{wrapped(item.stored.question, '  ')}\n\ndraft\n{wrapped(answer.draft, '  ')}")
    for claim in answer.claims:
        if not claim.supported:
            run.say(f"  ! not borne out: {one_line(claim.text, 120)} ({', '.join(claim.reasons)})")
    for citation in answer.citations:
        page = f", page {citation.page}" if citation.page else ""
        run.say(f"\n[{citation.n}] {citation.title}{page} · {citation.external_id}")
        run.say(wrapped(f"“{citation.quote}”", "    "))


@command("claim", group=review, examples="countersign review claim rev_01jd… --as timur")
@click.argument("review_id", metavar="REVIEW")
@as_user
async def claim(run: Run, review_id: str, user: str) -> None:
    """Take one, so that nobody else works on it."""
    with run.office() as office:
        taken = await office.desk().claim(await office.people.impersonate(user), review_id)
    run.result(_shape(taken))
    run.say(f"{review_id} is yours.")


@command(
    "decide",
    group=review,
    examples="""
countersign review decide rev_01jd… --approve --as timur
countersign review decide rev_01jd… --edit "The fee is 990 tenge." --as timur
countersign review decide rev_01jd… --reject --reason "outdated source" --as timur
countersign review decide rev_01jd… --escalate --reason "needs legal" --as timur
""",
)
@click.argument("review_id", metavar="REVIEW")
@click.option("--approve", "verdict", flag_value="approve", help="Deliver the draft as it is.")
@click.option("--reject", "verdict", flag_value="reject", help="Refuse it; needs --reason.")
@click.option("--escalate", "verdict", flag_value="escalate", help="Hand it on; needs --reason.")
@click.option("--edit", "text", default="", metavar="TEXT", help="Deliver TEXT in its place.")
@click.option("--reason", default="", help="Why; the record keeps it.")
@as_user
async def decide(run: Run, review_id: str, verdict: str | None, text: str, reason: str, user: str) -> None:
    """Decide one. The asker sees the result at once."""
    if bool(verdict) == bool(text):
        raise click.UsageError("say one of --approve, --edit TEXT, --reject, --escalate")
    with run.office() as office:
        principal, desk = await office.people.impersonate(user), office.desk()
        decided = await desk.decide(principal, review_id, verdict or "edit", text, reason)
    run.result(_shape(decided))
    run.say(f"{review_id}: {decided.decision or decided.state}")


def _shape(item: Review) -> dict[str, Any]:
    from countersign.app.shapes import jsonable

    return jsonable(item)


def _draft(item: ReviewItem) -> dict[str, Any]:
    from countersign.app.shapes import citation_json, jsonable

    answer = item.stored.answer
    return {
        "question": item.stored.question,
        "draft": answer.draft,
        "claims": jsonable(answer.claims),
        "citations": [citation_json(citation) for citation in answer.citations],
    }
