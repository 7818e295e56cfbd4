"""`countersign search`: what one person finds, in order, without an answer."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import click

from countersign.cli.command import Run, as_user, command
from countersign.cli.terminal import one_line, wrapped
from countersign.cli.types import MOMENT

if TYPE_CHECKING:
    from countersign.domain.search import SearchHit, SearchResults, Why

_EXAMPLES = """
countersign search "cash withdrawal limit" --assistant staff-help --as aigerim
countersign search "Какой лимит?" --assistant staff-help --as aigerim --per-document --limit 20 --json
countersign search "Gold card fee" --assistant staff-help --as aigerim --explain --index short
"""
_LEGS = {"dense": "meaning", "words": "words", "grams": "4-grams"}


@command("search", examples=_EXAMPLES)
@click.argument("query")
@click.option("--assistant", required=True, metavar="NAME", help="Whose sources are searched.")
@as_user
@click.option(
    "--limit",
    type=click.IntRange(1, 100),
    default=10,
    show_default=True,
    help="How many passages, or documents with --per-document.",
)
@click.option("--per-document", is_flag=True, help="Only the best passage of each document.")
@click.option(
    "--document", "documents", multiple=True, metavar="ID", help="Only this document; may be repeated."
)
@click.option("--as-of", type=MOMENT, metavar="DATE", help="Search what was in force on that date.")
@click.option("--language", default="", metavar="CODE", help="Only passages in this language.")
@click.option(
    "--explain", is_flag=True, help="Also tell by which way each passage was found, and its scores."
)
@click.option(
    "--index",
    "index_version",
    default="",
    metavar="VERSION",
    help="Look at a ready index version, not the live one.",
)
async def search(
    run: Run,
    query: str,
    assistant: str,
    user: str,
    limit: int,
    per_document: bool,
    documents: tuple[str, ...],
    as_of: datetime | None,
    language: str,
    explain: bool,
    index_version: str,
) -> None:
    """Find the passages that a person's QUERY finds, in the order in which an answer would rest on them. Nothing found is
    a result, too: the exit code is 0."""
    from countersign.app.shapes import search_json
    from countersign.domain.search import SearchQuery

    async with run.house() as house:
        principal = await house.people.impersonate(user)
        wanted = SearchQuery(
            assistant,
            query,
            as_of=as_of,
            document_ids=documents,
            language=language,
            limit=limit,
            per_document=per_document,
            explain=explain,
            index_version=index_version,
        )
        results = await house.searching.search(principal, wanted)
    run.result(search_json(results))
    run.say(readable(results, query))


def readable(results: SearchResults, query: str) -> str:
    """Results for a person at a terminal."""
    lines = [_headline(results)]
    lines += [f"note: {warning}" for warning in results.warnings]
    for hit in results.hits:
        lines += ["", f"{hit.rank:>3}. {_place_of(hit)}", wrapped(_best(hit, query), "     ")]
        if hit.why is not None:
            lines.append(f"     {_told(hit.why)}")
    if not results.hits and results.refusal is None:
        lines += [
            "",
            "Nothing that this person may see. Try other words, or `countersign why DOCUMENT --as PERSON`.",
        ]
    return "\n".join(lines)


def _headline(results: SearchResults) -> str:
    found = results.refusal.value if results.refusal else f"{len(results.hits)} found"
    parts = [
        found,
        f"data as of {results.as_of:%Y-%m-%d}",
        results.index_version,
        f"{results.took_ms:.0f} ms",
    ]
    return " · ".join(parts)


def _place_of(hit: SearchHit) -> str:
    parts = [one_line(hit.title or hit.external_id)]
    if hit.page:
        parts[0] += f", page {hit.page}"
    if hit.sheet:
        parts[0] += f", sheet {one_line(hit.sheet)}"
    if hit.heading and hit.heading != hit.title:
        parts.append(one_line(hit.heading))
    parts.append(f"{hit.source}: {one_line(hit.external_id, 80)}")
    return " · ".join([*parts, *hit.warnings])


def _best(hit: SearchHit, query: str) -> str:
    from countersign.answer.excerpt import excerpt, marked_words

    start, end = excerpt(hit.quote, marked_words(hit.quote, query, hit.language))
    return one_line(hit.quote[start:end], 360)


def _told(why: Why) -> str:
    parts = [f"score {why.score:.3f}"]
    parts += [
        f"{says} {why.legs[leg].rank} ({why.legs[leg].score:.2f})"
        for leg, says in _LEGS.items()
        if leg in why.legs
    ]
    if why.routed_by:
        parts.append(f"named by {', '.join(why.routed_by)}")
    return " · ".join(parts)
