"""A release is everything that shapes an assistant's answers, under one id: change any of it and the id changes.

Rights, documents and secrets are no part of it: going back to an earlier release brings back prompts, models and
settings, never a right that was taken away or a document that was erased.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from datetime import timedelta
from enum import Enum
from hashlib import sha256
from typing import Any

from countersign.domain.errors import NotFound
from countersign.domain.workspace import EmbeddingSettings, Secret, Workspace

_FORMAT = 1
_ID_DIGITS = 32  # 128 bits
_NOT_BEHAVIOUR = frozenset({"key", "texts_per_s"})
"""Fields that never enter a manifest: an endpoint's key or pace changes without changing an answer."""


@dataclass(frozen=True, slots=True)
class Behaviour:
    """What shapes answers besides the workspace file; each room says it in a short text of its own."""

    package: str
    prompt: str
    guard: str
    embedder: str
    """Empty in lexical-only mode."""
    chunker: str
    parser: str
    retrieval: Mapping[str, object]
    index_version: str = ""


@dataclass(frozen=True, slots=True)
class Release:
    """`canonical` is the manifest as JSON with sorted keys: exactly the bytes that the id is the hash of."""

    id: str
    assistant: str
    canonical: str

    @property
    def manifest(self) -> dict[str, Any]:
        """A fresh copy; changing it changes nothing."""
        manifest: dict[str, Any] = json.loads(self.canonical)
        return manifest


@dataclass(frozen=True, slots=True)
class Difference:
    """One place where two manifests differ; None where one of them says nothing."""

    path: str
    before: object
    after: object


def build_release(workspace: Workspace, assistant: str, behaviour: Behaviour) -> Release:
    """The release that this workspace would answer with now. Raises `NotFound` for an unknown assistant."""
    definition = workspace.assistants.get(assistant)
    if definition is None:
        raise NotFound(f"there is no assistant {assistant!r}", hint="`countersign.yaml` names them.")
    return release_of(
        assistant,
        {
            "format": _FORMAT,
            "assistant": plain(definition),
            "models": {name: plain(workspace.models[name]) for name in definition.models},
            "embeddings": plain(_embeddings(workspace, behaviour.embedder)),
            "region": workspace.region,
            "residency": plain(workspace.residency),
            "behaviour": plain(behaviour),
        },
    )


def _embeddings(workspace: Workspace, model: str) -> EmbeddingSettings | None:
    """Of the model that the index version was made with: another one in the workspace file shapes no answer yet."""
    if not model or workspace.embeddings is None:
        return None
    configured = (workspace.embeddings, *workspace.other_embeddings)
    found = next((each for each in configured if each.model_id == model), None)
    return found or (None if model.endswith("@endpoint") else EmbeddingSettings())


def release_of(assistant: str, manifest: Mapping[str, object]) -> Release:
    """The release that this manifest is."""
    canonical = json.dumps(
        manifest, sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False
    )
    digest = sha256(f"{assistant}\x00{canonical}".encode()).hexdigest()
    return Release(f"rel_{digest[:_ID_DIGITS]}", assistant, canonical)


def plain(value: object) -> Any:
    """A value of the workspace as JSON knows it. Raises `TypeError` for a secret or anything it cannot express."""
    if isinstance(value, Secret):
        raise TypeError("a secret may not enter a manifest")
    if isinstance(value, Enum):
        return value.value
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if isinstance(value, timedelta):
        return value.total_seconds()
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name)) for f in fields(value) if f.name not in _NOT_BEHAVIOUR}
    if isinstance(value, Mapping):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, frozenset):
        return sorted(plain(each) for each in value)
    if isinstance(value, tuple | list):
        return [plain(each) for each in value]
    raise TypeError(f"{type(value).__name__} cannot enter a manifest")


def differences(before: Release, after: Release) -> tuple[Difference, ...]:
    """What changed between two releases, by dotted path, in order of path."""
    old, new = dict(_leaves(before.manifest, "")), dict(_leaves(after.manifest, ""))
    return tuple(
        Difference(path, old.get(path), new.get(path))
        for path in sorted(old.keys() | new.keys())
        if old.get(path) != new.get(path)
    )


def _leaves(value: object, path: str) -> Iterator[tuple[str, object]]:
    if isinstance(value, Mapping) and value:
        for key, each in value.items():
            yield from _leaves(each, f"{path}.{key}" if path else str(key))
    else:
        yield path, value
