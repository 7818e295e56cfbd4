"""Values as the outside sees them: plain JSON with snake_case keys, ISO times and opaque ids, the same at every door."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import datetime, timedelta
from enum import Enum
from pathlib import Path
from typing import Any

from countersign.domain.answers import Answer, Citation
from countersign.domain.clock import iso
from countersign.domain.search import SearchHit, SearchResults
from countersign.domain.workspace import Secret


def jsonable(value: object) -> Any:
    """Dataclasses, enums, times, paths, sets and mappings as JSON knows them. Raises `TypeError` for a secret."""
    if isinstance(value, Secret):
        raise TypeError("a secret is never shown")
    if isinstance(value, Enum):
        return value.value
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if isinstance(value, datetime):
        return iso(value)
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, Path):
        return str(value)
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: jsonable(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): jsonable(each) for key, each in value.items()}
    if isinstance(value, set | frozenset):
        return sorted(jsonable(each) for each in value)
    if isinstance(value, list | tuple):
        return [jsonable(each) for each in value]
    raise TypeError(f"{type(value).__name__} has no JSON shape")


def answer_json(answer: Answer) -> dict[str, Any]:
    """The answer of the contract, as its reader may read it now; what waits for a reviewer was taken out before."""
    confidence = answer.confidence
    return {
        "answer_id": answer.answer_id,
        "status": answer.status.value,
        "text": answer.text,
        "assistant": answer.assistant,
        "task": answer.task,
        "release": answer.release,
        "confidence": confidence
        and {"score": confidence.score, "band": confidence.band, "calibrated": confidence.calibrated},
        "as_of": iso(answer.as_of),
        "created": iso(answer.created),
        "language": answer.language,
        "citations": [citation_json(citation) for citation in answer.citations],
        "claims": [jsonable(claim) for claim in answer.claims],
        "conflicts": [jsonable(conflict) for conflict in answer.conflicts],
        "warnings": list(answer.warnings),
        "hold_reasons": list(answer.hold_reasons),
        "refusal": {"reason": answer.refusal.value} if answer.refusal else None,
        "degraded_because": answer.degraded_because or None,
        "model": answer.model or None,
        "usage": jsonable(answer.usage),
        "cost": jsonable(answer.cost) if answer.cost else None,
        "ai_generated": answer.ai_generated,
    }


def citation_json(citation: Citation) -> dict[str, Any]:
    """As in the contract; the passage's own id stays inside."""
    shown = jsonable(citation)
    del shown["passage_id"]
    return shown


def search_json(results: SearchResults) -> dict[str, Any]:
    """What was found, as its reader may read it now."""
    return {
        "search_id": results.search_id,
        "assistant": results.assistant,
        "release": results.release or None,
        "index_version": results.index_version,
        "as_of": iso(results.as_of),
        "created": iso(results.created),
        "language": results.language,
        "refusal": {"reason": results.refusal.value} if results.refusal else None,
        "warnings": list(results.warnings),
        "took_ms": results.took_ms,
        "hits": [_hit_json(results.search_id, hit) for hit in results.hits],
    }


def _hit_json(search_id: str, hit: SearchHit) -> dict[str, Any]:
    image = f"/api/searches/{search_id}/hits/{hit.rank}/page.png" if hit.has_image else None
    return jsonable(hit) | {"page_image": image}
