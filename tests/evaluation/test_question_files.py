"""Files of questions: read whole or refused by line, and written so that they can be read again."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from countersign.domain.errors import UsageError
from countersign.evaluation.question_files import read_questions, write_questions
from countersign.evaluation.questions import Expected, NewQuestion, Question

_JSON = """
{"question": "What does  it cost?", "expected": [{"source": "intranet", "document": "a.pdf", "page": 2}]}
{"question": "What does it cost?", "documents": ["b.pdf"]}

{"question": "Бағасы қанша?", "language": "KK", "expected": ["c.md"]}
"""


def test_json_lines_are_read_and_equal_questions_joined() -> None:
    assert read_questions(_JSON.encode(), is_csv=False) == [
        NewQuestion("What does it cost?", "en", (Expected("intranet", "a.pdf", 2), Expected("", "b.pdf"))),
        NewQuestion("Бағасы қанша?", "kk", (Expected("", "c.md"),)),
    ]


def test_csv_is_read_with_several_documents_on_several_lines() -> None:
    text = "question,document,source,page\r\nWhat is it?,a.pdf,intranet,3\r\nWhat is it?,b.pdf,,\r\n"
    assert read_questions(b"\xef\xbb\xbf" + text.encode(), is_csv=True) == [
        NewQuestion("What is it?", "en", (Expected("intranet", "a.pdf", 3), Expected("", "b.pdf")))
    ]


@pytest.mark.parametrize(
    ("content", "is_csv", "line"),
    [
        (b'{"question": "a", "expected": ["x"]}\nnonsense', False, 2),
        (b'["question"]', False, 1),
        (b'{"question": "", "expected": ["x"]}', False, 1),
        (b'{"question": "a"}', False, 1),
        (b'{"question": "a", "expected": [{"document": ""}]}', False, 1),
        (b'{"question": "a", "expected": [{"document": "x", "page": 0}]}', False, 1),
        (b'{"question": "a", "expected": [{"document": "x", "page": true}]}', False, 1),
        (b'{"question": "a", "expected": [7]}', False, 1),
        (b'{"question": 7, "expected": ["x"]}', False, 1),
        (b'{"question": "a", "language": "../x", "expected": ["x"]}', False, 1),
        (b'{"question": "a\\u0000", "expected": ["x"]}', False, 1),
        (b'{"question": "' + b"a" * 1001 + b'", "expected": ["x"]}', False, 1),
        (b'{"question": "a", "expected": ' + b"[" * 100_000, False, 1),
        (b"\xff\xfe", False, 1),
        (b"question,answer\na,b\n", True, 1),
        (b"question,document,page\na,b,third\n", True, 2),
        (b"question,document\na,b,c\n", True, 2),
        (b"question,document\na,\n", True, 2),
    ],
)
def test_what_cannot_be_used_is_refused_by_its_line(content: bytes, is_csv: bool, line: int) -> None:
    with pytest.raises(UsageError, match=f"line {line}:") as refused:
        read_questions(content, is_csv=is_csv)
    assert refused.value.code == "questions_file_invalid"


def test_an_open_quote_is_refused() -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        read_questions(b'question,document\n"a,b\n', is_csv=True)


def test_what_is_written_is_read_again() -> None:
    asked = Question(
        "qn_1", 1, "What is «it»?", "en", "own", "confirmed", (Expected("files", "ü/a b.pdf", 4), Expected("files", "c")),
        "owner", datetime(2025, 4, 1, tzinfo=UTC),
    )  # fmt: skip
    [again] = read_questions(write_questions([asked]).encode(), is_csv=False)
    assert again == NewQuestion(asked.text, asked.language, asked.expected)
