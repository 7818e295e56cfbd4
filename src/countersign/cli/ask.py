"""`countersign ask`: one question, as one person."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import click

from countersign.cli.command import Run, as_user, command
from countersign.cli.terminal import one_line, progress, wrapped
from countersign.cli.types import MOMENT

if TYPE_CHECKING:
    from countersign.domain.answers import Answer, Citation

_EXAMPLES = """
countersign ask "What does a Gold card cost a month?" --assistant staff-help --as aigerim
countersign ask "Какой лимит?" --assistant staff-help --as aigerim --as-of 2025-02-15 --json
countersign ask "Summarise it." --assistant staff-help --as aigerim --task summarise --document doc_01jd…
"""
_STEPS = 10


@command("ask", examples=_EXAMPLES)
@click.argument("question")
@click.option("--assistant", required=True, metavar="NAME", help="Which assistant of the workspace.")
@as_user
@click.option(
    "--task", type=click.Choice(["answer", "summarise", "reply"]), default="answer", show_default=True
)
@click.option(
    "--document", "documents", multiple=True, metavar="ID", help="Only this document; may be repeated."
)
@click.option("--as-of", type=MOMENT, metavar="DATE", help="Answer as the documents stood on that date.")
@click.option(
    "--language",
    default="",
    metavar="CODE",
    help="Answer in kk, ru or en instead of the question's language.",
)
async def ask(
    run: Run,
    question: str,
    assistant: str,
    user: str,
    task: str,
    documents: tuple[str, ...],
    as_of: datetime | None,
    language: str,
) -> None:
    """Ask QUESTION as a person. A held or refused answer is an answer: the exit code is 0."""
    from countersign.app.shapes import answer_json
    from countersign.domain.answers import Question

    async with run.house() as house:
        principal = await house.people.impersonate(user)
        asked = Question(assistant, question, task, documents, as_of=as_of, language=language)  # pyright: ignore[reportArgumentType]
        with progress("asking", wanted=not run.json) as show:
            done = iter(range(1, 10 * _STEPS))
            answer = await house.asking.ask(principal, asked, lambda step: show(next(done), _STEPS, step))
    run.result(answer_json(answer))
    run.say(readable(answer))


def readable(answer: Answer) -> str:
    """An answer for a person at a terminal: text, sources, and what to know about them."""
    from countersign.domain.answers import AnswerStatus

    lines = [_headline(answer), "", wrapped(answer.text)]
    if answer.status is AnswerStatus.HELD:
        lines += ["", f"waits for a reviewer because of: {', '.join(answer.hold_reasons)}"]
    else:
        for citation in answer.citations:
            lines += ["", place_of(citation), wrapped(f"“{one_line(citation.quote, 240)}”", "    ")]
        doubtful = [claim for claim in answer.claims if not claim.supported]
        if doubtful:
            lines += ["", "not borne out by the sources:"]
            lines += [wrapped(f"{claim.text} ({', '.join(claim.reasons)})", "  - ") for claim in doubtful]
        lines += [f"the sources disagree on {c.subject}: {' / '.join(c.values)}" for c in answer.conflicts]
    return "\n".join([*lines, "", _footer(answer)])


def place_of(citation: Citation) -> str:
    """`[1] Title, page 2 · bank/tariffs/x.pdf`."""
    page = f", page {citation.page}" if citation.page else ""
    sheet = f", sheet {citation.sheet}" if citation.sheet else ""
    return f"[{citation.n}] {one_line(citation.title)}{page}{sheet} · {one_line(citation.external_id, 80)}"


def confidence_of(answer: Answer) -> str:
    found = answer.confidence
    if found is None:
        return "no confidence"
    return f"confidence {found.score:.2f} ({found.band}{'' if found.calibrated else ', not calibrated'})"


def cost_of(answer: Answer) -> str:
    cost = answer.cost
    if cost is None:
        return "no model called"
    if cost.unmetered:
        return "unmetered"
    return "price unknown" if cost.amount is None else f"{cost.amount:.6f} {cost.currency}"


def _headline(answer: Answer) -> str:
    parts = [answer.status.value, confidence_of(answer), f"data as of {answer.as_of:%Y-%m-%d}"]
    if answer.refusal:
        parts[1] = answer.refusal.value
    if answer.degraded_because:
        parts.append(f"degraded: {answer.degraded_because}")
    return " · ".join(parts)


def _footer(answer: Answer) -> str:
    parts = [answer.answer_id, answer.release, answer.model or "no model", cost_of(answer)]
    return " · ".join(parts) + "\nAI-generated. Check the sources before you act on it."
