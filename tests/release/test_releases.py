"""One id for everything that shapes an answer, kept as it was."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import update

from countersign.domain.errors import IntegrityError, NotFound
from countersign.domain.workspace import (
    Assistant,
    HoldRules,
    ModelSettings,
    Price,
    Process,
    ResidencyRule,
    Secret,
    Workspace,
)
from countersign.release.manifest import Behaviour, Release, build_release, differences, plain
from countersign.storage import releases
from countersign.storage.database import Database
from countersign.storage.tables import release

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
BEHAVIOUR = Behaviour(
    "0.1.0", "prompt-3", "guard-2", "e5-small-int8", "chunk-220-300", "parse-1", {"limit": 8, "weight": 0.4}
)
PROCESS = Process("staff", "what is said", "a fine", "medium", ("quality",), timedelta(minutes=30))
MAIN = ModelSettings(
    "main", "openai", "http://h/v1", "m", Secret("${env:K}", "k-very-secret-1"), price=Price("USD", 1.0, 4.0)
)
WORKSPACE = Workspace(
    name="w",
    root=Path("/srv/w"),
    database="sqlite://",
    storage="/srv/w/state",
    state=Path("/srv/w/state"),
    models={"main": MAIN, "other": replace(MAIN, name="other")},
    assistants={"help": Assistant("help", PROCESS, ("intranet",), ("main",))},
)


def built(workspace: Workspace = WORKSPACE, behaviour: Behaviour = BEHAVIOUR) -> Release:
    return build_release(workspace, "help", behaviour)


def with_assistant(**changes: object) -> Workspace:
    return replace(WORKSPACE, assistants={"help": replace(WORKSPACE.assistants["help"], **changes)})  # type: ignore[arg-type]


def with_model(**changes: object) -> Workspace:
    return replace(WORKSPACE, models={**WORKSPACE.models, "main": replace(MAIN, **changes)})  # type: ignore[arg-type]


def test_the_same_behaviour_has_the_same_id_anywhere() -> None:
    elsewhere = replace(
        WORKSPACE, root=Path("/opt/w"), state=Path("/opt/w/state"), database="postgresql+psycopg://u@h/d"
    )
    assert built().id == built(elsewhere).id == built(with_model(key=Secret("${env:K}", "another-one-2"))).id
    assert built().id == built(replace(WORKSPACE, models={"main": MAIN})).id, "a model it does not use"
    assert re.fullmatch(r"rel_[0-9a-f]{32}", built().id)


@pytest.mark.parametrize(
    "changed",
    [
        built(with_assistant(hold_when=HoldRules(conflicts=True))),
        built(with_assistant(models=("other",))),
        built(with_assistant(process=replace(PROCESS, risk="high"))),
        built(with_assistant(passages=9)),
        built(with_model(model="m2")),
        built(with_model(max_output_tokens=5)),
        built(replace(WORKSPACE, embeddings=None)),
        built(replace(WORKSPACE, residency=(ResidencyRule("kz", ("kz",)),))),
        built(replace(WORKSPACE, region="eu")),
        *(
            built(behaviour=replace(BEHAVIOUR, **{name: "changed"}))
            for name in ("package", "prompt", "guard", "embedder", "chunker", "parser")
        ),
        built(behaviour=replace(BEHAVIOUR, retrieval={"limit": 8, "weight": 0.5})),
    ],
)
def test_whatever_shapes_an_answer_changes_the_id_and_is_named(changed: Release) -> None:
    assert changed.id != built().id
    assert len(differences(built(), changed)) >= 1


def test_no_secret_enters_a_manifest() -> None:
    assert "k-very-secret-1" not in built().canonical and "env:K" not in built().canonical
    with pytest.raises(TypeError):
        plain({"nested": [Secret("${env:K}", "k")]})


def test_differences_name_the_place() -> None:
    (found,) = differences(
        built(), built(behaviour=replace(BEHAVIOUR, retrieval={"limit": 8, "weight": 0.5}))
    )
    assert (found.path, found.before, found.after) == ("behaviour.retrieval.weight", 0.4, 0.5)


def test_an_unknown_assistant_has_no_release() -> None:
    with pytest.raises(NotFound):
        build_release(WORKSPACE, "nobody", BEHAVIOUR)


def test_a_release_is_registered_once_and_one_is_active(database: Database) -> None:
    old, new = built(), built(behaviour=replace(BEHAVIOUR, prompt="prompt-4"))
    for moment, each in enumerate((old, new, old)):
        stored = database.write_now(releases.register_release, each, NOW + timedelta(hours=moment))
        assert stored.release == each
    assert database.read_now(releases.active_release, "help") is None
    for chosen in (old, new, old):
        assert database.write_now(releases.activate_release, chosen.id).active
        active = database.read_now(releases.active_release, "help")
        assert active is not None and active.release == chosen
    listed = database.read_now(releases.list_releases, assistant="help")
    assert [(each.release.id, each.active) for each in listed] == [(new.id, False), (old.id, True)]
    assert database.read_now(releases.list_releases, before=NOW + timedelta(minutes=1)) == [listed[1]]
    assert database.read_now(releases.get_release, old.id).created == NOW
    with pytest.raises(NotFound):
        database.write_now(releases.activate_release, "rel_0")


def test_a_manifest_that_was_changed_underneath_is_noticed(database: Database) -> None:
    stored = database.write_now(releases.register_release, built(), NOW)
    changed = {**stored.release.manifest, "region": "eu"}
    database.write_now(lambda connection: connection.execute(update(release).values(manifest=changed)))
    with pytest.raises(IntegrityError) as caught:
        database.read_now(releases.get_release, stored.release.id)
    assert caught.value.code == "release_changed"
