"""Question sets as files: JSON lines and CSV, read within limits and written so that they can be read again.

    {"question": "…", "language": "ru", "expected": [{"source": "intranet", "document": "tariffs.pdf", "page": 3}]}

CSV has the columns `question`, `document` and, if wanted, `source`, `page`, `language`; a question with several documents
stands on several lines. `source` may be left out where one source only has a document of that name.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

from countersign.domain.errors import LimitExceeded, UsageError
from countersign.domain.text import storable
from countersign.evaluation.questions import (
    MAX_EXPECTED,
    MAX_QUESTIONS,
    MAX_TEXT,
    Expected,
    NewQuestion,
    Question,
)
from countersign.retrieval.analysis import question_language

MAX_FILE_BYTES: Final = 20_000_000
_MAX_NAME: Final = 2_000
_COLUMNS: Final = ("question", "document", "source", "page", "language")


def read_questions(content: bytes, *, is_csv: bool) -> list[NewQuestion]:
    """Equal questions are joined. Raises `UsageError` (`questions_file_invalid`) naming the line, `LimitExceeded`
    (`questions_too_many`)."""
    if len(content) > MAX_FILE_BYTES:
        raise LimitExceeded(
            f"a file of questions has at most {MAX_FILE_BYTES // 1_000_000} MB", code="questions_too_many"
        )
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise _invalid(1, "the file is not UTF-8") from None
    rows = _csv_rows(text) if is_csv else _json_rows(text)
    joined: dict[str, NewQuestion] = {}
    for line, row in rows:
        question = _question(row, line)
        known = joined.get(question.text)
        both = (*known.expected, *question.expected) if known else question.expected
        joined[question.text] = replace(question, expected=tuple(dict.fromkeys(both)))
        if len(joined[question.text].expected) > MAX_EXPECTED:
            raise _invalid(line, f"a question expects at most {MAX_EXPECTED} documents")
        if len(joined) > MAX_QUESTIONS:
            raise LimitExceeded(
                f"a set has at most {MAX_QUESTIONS} questions",
                code="questions_too_many",
                hint="Make several sets, or keep the questions that matter most.",
            )
    return list(joined.values())


def write_questions(questions: Iterable[Question]) -> str:
    """JSON lines, as `read_questions` takes them, with the state beside each."""
    return "".join(json.dumps(_line(each), ensure_ascii=False) + "\n" for each in questions)


def _line(question: Question) -> dict[str, Any]:
    expected = [
        {"source": e.source, "document": e.external_id, **({"page": e.page} if e.page is not None else {})}
        for e in question.expected
    ]
    return {
        "question": question.text,
        "language": question.language,
        "expected": expected,
        "state": question.state,
        "origin": question.origin,
    }


def _json_rows(text: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    for line, written in enumerate(text.split("\n"), 1):
        if not written.strip():
            continue
        try:
            row = json.loads(written)
        except (json.JSONDecodeError, RecursionError):
            raise _invalid(line, "it is no JSON object") from None
        if not isinstance(row, dict):
            raise _invalid(line, "it is no JSON object")
        yield line, row


def _csv_rows(text: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    try:
        names = reader.fieldnames or []
        if "question" not in names or "document" not in names or set(names) - set(_COLUMNS):
            raise _invalid(1, f"the first line must name columns among {', '.join(_COLUMNS)}")
        for row in reader:
            if None in row:
                raise _invalid(reader.line_num, "it has more cells than the first line")
            said = {name: (value or "").strip() for name, value in row.items()}
            named = {"source": said.get("source", ""), "document": said["document"]}
            page = _page_said(said.get("page", ""), reader.line_num)
            expected = [named | ({"page": page} if page is not None else {})]
            yield (
                reader.line_num,
                {
                    "question": said["question"],
                    "language": said.get("language", ""),
                    "expected": expected,
                },
            )
    except csv.Error as error:
        raise _invalid(reader.line_num, f"it cannot be read ({error})") from None


def _page_said(text: str, line: int) -> int | None:
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 7):
        raise _invalid(line, "the page is no number")
    return int(text)


def _question(row: Mapping[str, Any], line: int) -> NewQuestion:
    text = row.get("question", "")
    language = row.get("language") or ""
    if not isinstance(text, str) or not isinstance(language, str):
        raise _invalid(line, "question and language are text")
    text = " ".join(text.split())
    if not text or len(text) > MAX_TEXT or not storable(text):
        raise _invalid(line, f"a question has 1 to {MAX_TEXT} characters")
    if language and not (language.isascii() and language.isalpha() and len(language) <= 3):
        raise _invalid(line, "the language is a code such as kk, ru or en")
    return NewQuestion(text, language.lower() or question_language(text), _expected(row, line))


def _expected(row: Mapping[str, Any], line: int) -> tuple[Expected, ...]:
    """`expected` as objects or names, or `documents` as names."""
    said = row.get("expected", row.get("documents", []))
    if not isinstance(said, list) or not said:
        raise _invalid(line, "it expects no document: say at least one under `expected`")
    return tuple(dict.fromkeys(_one_expected(each, line) for each in said))


def _one_expected(said: object, line: int) -> Expected:
    if isinstance(said, str):
        said = {"document": said}
    if not isinstance(said, dict):
        raise _invalid(line, "what it expects is no document")
    facts: Mapping[str, Any] = said
    source, document, page = facts.get("source") or "", facts.get("document"), facts.get("page")
    if not isinstance(source, str) or not isinstance(document, str) or not document.strip():
        raise _invalid(line, "an expected document has a `document` and perhaps a `source`")
    if len(document) > _MAX_NAME or len(source) > _MAX_NAME or not storable(document + source):
        raise _invalid(line, "the name of an expected document cannot be used")
    if page is not None and (isinstance(page, bool) or not isinstance(page, int) or not 0 < page < 1_000_000):
        raise _invalid(line, "a page is a number from 1")
    return Expected(source, document, page)


def _invalid(line: int, why: str) -> UsageError:
    return UsageError(
        f"line {line}: {why}",
        code="questions_file_invalid",
        hint='One JSON object a line: {"question": "…", "expected": [{"document": "tariffs.pdf", "page": 3}]}; or CSV with '
        "the columns question and document.",
    )
