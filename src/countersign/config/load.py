"""Reads the workspace file: text → nodes → values → checks across sections → one `Workspace`, or everything that is wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from countersign.config.checks import cross_check
from countersign.config.reading import ConfigProblem, Place, Reader, Wrong, compose
from countersign.config.sections import WORKSPACE, build_model, build_source
from countersign.domain.errors import ConfigError
from countersign.domain.workspace import EmbeddingSettings, ModelSettings, Price, SourceSettings, Workspace

_MAX_BYTES = 1024 * 1024
EXTRACTIVE = ModelSettings(name="extractive", dialect="extractive", price=Price(unmetered=True))


class ConfigInvalid(ConfigError):
    """Carries every problem; the message lists them, one a line. Code and line are those of the first."""

    def __init__(self, problems: Sequence[ConfigProblem]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems), code=problems[0].code)
        self.line = problems[0].line
        self.problems = tuple(problems)


def load(path: Path, environ: Mapping[str, str], *, resolve_secrets: bool = True) -> Workspace:
    """Read and check the file. Raises `ConfigInvalid` with all that is wrong (warnings do not count).

    `resolve_secrets=False` leaves the keys of endpoints empty, for commands that call none; the database's password is
    always resolved.
    """
    workspace, found = _read(path, environ, resolve_secrets)
    errors = [problem for problem in found if problem.severity == "error"]
    if errors or workspace is None:
        raise ConfigInvalid(errors)
    return workspace


def problems(path: Path, environ: Mapping[str, str]) -> list[ConfigProblem]:
    """Everything wrong or doubtful in the file, in its order; an empty list is a good file."""
    return _read(path, environ, True)[1]


def _read(
    path: Path, environ: Mapping[str, str], resolve_secrets: bool
) -> tuple[Workspace | None, list[ConfigProblem]]:
    reader = Reader(path.parent.resolve(), environ, resolve_secrets)
    try:
        top = Place(compose(_text(path)), "")
        said: dict[str, Any] = WORKSPACE.read(reader, top)
    except Wrong as wrong:
        return None, [*reader.problems, ConfigProblem(wrong.line, "", wrong.message, wrong.hint, wrong.code)]
    workspace = _build(said, reader)
    cross_check(workspace, reader)
    return workspace, sorted(reader.problems, key=lambda problem: problem.line or 0)


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_BYTES + 1)
    except OSError as error:
        raise Wrong(
            f"{path.name} cannot be read: {error.strerror}",
            "`countersign init DIR` makes a workspace",
            "config_missing",
        ) from None
    if len(content) > _MAX_BYTES:
        raise Wrong("the file is larger than 1 MiB", "a workspace file is a few pages of text")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise Wrong("not UTF-8 text", "save the file as UTF-8", line=line) from None


def _build(said: dict[str, Any], reader: Reader) -> Workspace:
    storage = str(said.pop("storage", "./state"))
    remote = "://" in storage
    state = reader.root / "state" if remote else (reader.root / storage).resolve()
    database = str(said.pop("database", "sqlite"))
    embeddings = said.pop("embeddings", (EmbeddingSettings(),))
    embeddings = () if embeddings == "none" else embeddings
    notify: dict[str, Any] = said.pop("notify", {})
    shared = "lance" if database != "sqlite" and storage.startswith("s3://") else "embedded"
    return Workspace(
        name=str(said.pop("name", "")),
        root=reader.root,
        database=f"sqlite:///{state / 'countersign.db'}" if database == "sqlite" else database,
        storage=storage if remote else str(state),
        state=state,
        sources=_sources(said.pop("sources", {})),
        models=_models(said.pop("models", {})),
        assistants={name: each.build(name) for name, each in said.pop("assistants", {}).items()},
        index=said.pop("index", shared),
        embeddings=embeddings[0] if embeddings else None,
        other_embeddings=tuple(embeddings[1:]),
        webhook=notify.get("webhook"),
        mail=notify.get("mail"),
        **said,
    )


def _sources(said: Mapping[str, dict[str, Any]]) -> Mapping[str, SourceSettings]:
    return {name: build_source(name, each) for name, each in said.items()}


def _models(said: Mapping[str, dict[str, Any]]) -> Mapping[str, ModelSettings]:
    return {EXTRACTIVE.name: EXTRACTIVE, **{name: build_model(name, each) for name, each in said.items()}}
