"""Passages for tests, in one line each."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from countersign.domain.documents import Passage


def passage(text: str, language: str = "en", *, key: str = "1", **changes: Any) -> Passage:
    values: dict[str, Any] = {
        "passage_id": key,
        "document_id": f"doc_{key}",
        "version": 1,
        "external_id": f"{key}.pdf",
        "source": "intranet",
        "tenant": "bank",
        "title": "",
        "text": text,
        "ordinal": 0,
        "language": language,
    }
    return Passage(**{**values, **changes})


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)
