"""How the demo prints what it did: outcomes side by side, files that need attention, who can sign in."""

from __future__ import annotations

import shutil
import textwrap
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from countersign.app.taking_in import Pass, TakenIn
from countersign.cli.ask import confidence_of, cost_of, place_of
from countersign.cli.ingest import line_of
from countersign.cli.terminal import one_line, plain, table
from countersign.demo.workspace import Cast, Person
from countersign.domain.answers import Answer, AnswerStatus

_LEAST_WIDTH = 100
_LABEL = 12
_WORDS = {
    "tenant_missing": "the manifest has no row for it, so nobody may see it",
    "rights_unsupported": "its rights cannot be expressed, so nobody may see it",
    "wrong_tenant": "it names a tenant that its source may not speak for",
    "password": "it is protected by a password",
    "no_bytes": "the file is empty",
    "no_text": "no text was found in it",
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """One person's answer and why it is what it is."""

    person: Person
    answer: Answer
    why: str


def files_report(taken: Pass) -> str:
    """How many files ended in which status, and each one that needs a look, with the reason."""
    counts = Counter(_status(file) for file in taken.files)
    summary = ", ".join(f"{count} {name}" for name, count in counts.most_common())
    passages = sum(file.passages for file in taken.files)
    lines = [f"{len(taken.files)} documents (attachments included): {summary}; {passages} passages."]
    for file in taken.files:
        if file.status != "indexed" or file.parse_status not in ("ok", ""):
            why = _WORDS.get(file.reason, "")
            lines.append(f"  {line_of(file)}" + (f": {why}" if why else ""))
    return "\n".join(lines)


def _status(file: TakenIn) -> str:
    return file.status if file.parse_status in ("", "ok") else f"{file.status} ({file.parse_status})"


def side_by_side(outcomes: Sequence[Outcome]) -> str:
    """A column for each person; one below the other on a narrow terminal."""
    width = shutil.get_terminal_size((120, 40)).columns
    columns = [_facts(outcome) for outcome in outcomes]
    if width < _LEAST_WIDTH:
        return "\n\n".join(
            "\n".join(_row(name, text, width) for name, text in each.items()) for each in columns
        )
    cell = (min(width, 150) - _LABEL) // len(outcomes) - 3
    lines: list[str] = []
    for name in columns[0]:
        cells = [textwrap.wrap(each[name], cell) or ["–"] for each in columns]
        for row, parts in enumerate(zip_longest(*cells, fillvalue="")):
            label = name if row == 0 else ""
            lines.append(f"{label:<{_LABEL}}" + " │ ".join(f"{part:<{cell}}" for part in parts).rstrip())
        if name in ("groups", "answer"):
            lines.append("─" * _LABEL + "─┼─".join("─" * cell for _ in columns))
    return "\n".join(lines)


def _row(name: str, text: str, width: int) -> str:
    indent = " " * _LABEL
    return textwrap.fill(text, width, initial_indent=f"{name:<{_LABEL}}", subsequent_indent=indent)


def _facts(outcome: Outcome) -> dict[str, str]:
    answer, person = outcome.answer, outcome.person
    held = answer.status is AnswerStatus.HELD
    first = answer.citations[0] if answer.citations and not held else None
    status = answer.status.value.upper()
    because = ", ".join(answer.hold_reasons) or (answer.refusal.value if answer.refusal else "")
    return {
        "who": f"{person.name} ({person.tenant})",
        "groups": ", ".join(person.groups),
        "status": f"{status}: {because}" if because else status,
        "answer": one_line(answer.text, 400),
        "source": place_of(first) if first else "–",
        "quote": f"“{one_line(first.quote, 160)}”" if first else "–",
        "confidence": confidence_of(answer).removeprefix("confidence ")
        if answer.status is not AnswerStatus.REFUSED
        else "–",
        "because": outcome.why,
    }


def with_model(answer: Answer) -> str:
    """One answer of the scripted model: each sentence with what verification found, and what it cost."""
    lines = [f"  {answer.status.value.upper()} · {confidence_of(answer)} · {cost_of(answer)}"]
    if answer.status is AnswerStatus.HELD:
        return f"{lines[0]} · because of {', '.join(answer.hold_reasons)}"
    lines += [
        f"  {'✓' if claim.supported else '✗'} {one_line(claim.text, 160)}  ({claim.support})"
        for claim in answer.claims
    ]
    lines += [f"    {place_of(citation)}" for citation in answer.citations]
    return "\n".join(lines)


def draft(answer: Answer) -> str:
    """What a reviewer sees of a held answer: every sentence with what verification found."""
    return "\n".join(
        f"  {'✓' if claim.supported else '✗'} {one_line(claim.text, 160)}"
        + ("" if claim.supported else f"  ← {', '.join(claim.reasons)}")
        for claim in answer.claims
    )


def people_table(cast: Cast, passwords: Mapping[str, str]) -> str:
    rows = [
        (
            person.name,
            passwords[person.name],
            person.tenant,
            ", ".join(person.groups),
            ", ".join(person.roles),
        )
        for person in cast.people
    ]
    return table(("name", "password", "tenant", "groups", "roles"), rows)


def heading(text: str) -> str:
    return f"\n── {plain(text)} " + "─" * max(3, 96 - len(text))
