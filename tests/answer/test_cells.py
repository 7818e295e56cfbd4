"""A figure from a table carries its row, its column and its unit."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from countersign.answer.cells import cell_of
from countersign.answer.citations import bind
from countersign.corpus.chunk import StructureChunker
from countersign.domain.documents import Element, ParsedDocument, ParseStatus
from tests.answer.passages import passage

INCOME = "(in millions)\nItem | 2022 | 2021\nNet revenue | 1,250 | 1,100\nOperating costs | 730 | 690"


@pytest.mark.parametrize(
    ("said", "row", "column"),
    [
        ("Net revenue was 1,250 million in 2022.", "Net revenue", "2022"),
        ("Operating costs were 690 million in 2021.", "Operating costs", "2021"),
        ("Item: Net revenue; 2022: 1,250; 2021: 1,100", "Net revenue", ""),
    ],
)
def test_the_cell_of_a_figure(said: str, row: str, column: str) -> None:
    cell = cell_of(passage(INCOME), said)
    assert cell is not None
    assert (cell.row, cell.column, cell.unit) == (row, column, "(in millions)")


def test_a_header_of_two_rows_is_read_column_by_column() -> None:
    text = "Показатель | Год | Год\n- | 2022 | 2021\nВыручка, млн тенге | 45 | 40"
    cell = cell_of(passage(text, "ru"), "Выручка составила 40 млн тенге.")
    assert cell is not None
    assert (cell.row, cell.column) == ("Выручка, млн тенге", "Год 2021")


def test_prose_has_no_cells() -> None:
    assert cell_of(passage("Net revenue was 1,250 million."), "Net revenue was 1,250 million.") is None


def test_a_citation_carries_the_cell() -> None:
    bound = bind("Net revenue was 1,250 million in 2022 [1].", [passage(INCOME, is_table=True)])
    (citation,) = bound.citations
    assert (citation.row, citation.column, citation.unit) == ("Net revenue", "2022", "(in millions)")


@given(st.text(max_size=120), st.text(max_size=60))
def test_any_text_is_looked_at(text: str, said: str) -> None:
    cell_of(passage(text), said)


def test_every_piece_of_a_long_table_keeps_its_header_and_units() -> None:
    rows = "\n".join(f"Branch {n} in the city of Almaty | {n * 10} | {n * 11}" for n in range(1, 60))
    table = Element("table", f"Branch | 2022 | 2021\n{rows}", page=1, header_rows=1)
    units = Element("paragraph", "Figures in millions of tenge", page=1)
    parsed = ParsedDocument(ParseStatus.OK, elements=(units, table))
    chunks = [chunk for chunk in StructureChunker(60, 120).chunk(parsed, "Report") if chunk.is_table]
    assert len(chunks) > 3
    assert all("Figures in millions of tenge" in chunk.text for chunk in chunks)
    assert all("Branch | 2022 | 2021" in chunk.text for chunk in chunks)
