"""Findings for a spreadsheet: everything in it, in three languages, and nothing that a spreadsheet would run."""

from __future__ import annotations

import csv
from io import StringIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from countersign.corpus.readiness.changes import changes
from countersign.web.readiness_csv import findings_csv, inert
from tests.web import readiness_samples as samples


def _rows(text: str, delimiter: str = ",") -> list[list[str]]:
    return list(csv.reader(StringIO(text.removeprefix("\ufeff"), newline=""), delimiter=delimiter))


def test_every_finding_is_a_line_with_its_action_and_owner_the_worst_first() -> None:
    report = samples.full()
    text = findings_csv(report.findings)
    assert text.startswith("\ufeffSeverity,What,")
    head, *rows = _rows(text)
    assert len(rows) == len(report.findings) and {len(row) for row in rows} == {len(head)}
    order = [row[0] for row in rows if "accepted" not in row[12]]
    assert order == sorted(order, key=["Error", "Warning", "Note"].index)
    (gold,) = (row for row in rows if row[3] == "tariffs/gold-2025.pdf")
    assert gold[4:9] == [
        "1", "The monthly service fee of the Gold card is 990 tenge.", "tariffs/gold-2026.pdf", "1",
        "The monthly service fee of the Gold card is 1,290 tenge.",
    ]  # fmt: skip
    assert gold[10] == "Data owner" and "remove the other" in gold[11] and gold[13] == "versions_differ"
    assert rows[-1][12] == "accepted until 1 May 2026"


@pytest.mark.parametrize(("language", "said"), [("ru", "Ошибка"), ("kk", "Қате")])
def test_it_is_said_in_the_reader_s_language_with_semicolons(language: str, said: str) -> None:
    rows = _rows(findings_csv(samples.full().findings, language), ";")
    assert rows[1][0] == said and {len(row) for row in rows} == {14}


def test_what_is_new_is_marked() -> None:
    old, new = samples.found("stale", "a.pdf"), samples.found("stale", "b.pdf")
    said = changes(samples.report([old]), samples.report([old, new]))
    assert [row[12] for row in _rows(findings_csv([old, new], changes=said))[1:]] == ["", "new"]


@pytest.mark.parametrize(
    "cell",
    [
        "=1+1",
        "+1",
        "-1",
        "@SUM(A1)",
        "\t=1",
        "\r\n=1",
        " =cmd|'/c calc'!A1",
        "\u200b=1",
        "'=1",
        '"=1',
        "＝1",
        "|x",
    ],
)
def test_no_cell_is_a_formula(cell: str) -> None:
    assert inert(cell).startswith("'")
    (row,) = _rows(findings_csv([samples.found("stale", cell, cell)]))[1:]
    assert row[3].startswith("'") and row[5].startswith("'")


@given(st.text(max_size=30))
def test_a_cell_stays_one_cell_whatever_is_in_it(text: str) -> None:
    cell = inert(text)
    assert cell.lstrip()[:1] not in set("=+-@|%")
    (_, row) = _rows(findings_csv([samples.found("stale", text, text)]))
    assert row[3] == (cell or "withheld") and row[5] == cell
    cell.encode("utf-8")
