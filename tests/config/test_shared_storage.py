"""`storage: s3://…`, how to reach it, and which index follows from where things lie."""

from __future__ import annotations

from pathlib import Path

import pytest

from countersign.config import load
from countersign.config.load import ConfigInvalid
from countersign.domain.workspace import Workspace

ENVIRON = {"S3_KEY": "AKIASOMETHINGLONG", "S3_SECRET": "k9Gq-2vXw-71LmTz-0Pq", "DB": "w8-Zt4k-Q1mmr"}
REACHED = "object_storage: {endpoint: https://s3.example.test, region: kz-1, key: '${env:S3_KEY}', secret: '${env:S3_SECRET}'}"
POSTGRES = "database: postgresql://countersign:${env:DB}@db.example.test/countersign"


def read(folder: Path, *lines: str, secrets: bool = True) -> Workspace:
    path = folder / "countersign.yaml"
    path.write_text("\n".join(["name: tolkyn", *lines]) + "\n")
    return load(path, ENVIRON, resolve_secrets=secrets)


@pytest.mark.parametrize(
    ("lines", "index"),
    [
        ([], "embedded"),
        (["storage: s3://bucket/x"], "embedded"),
        ([POSTGRES], "embedded"),
        ([POSTGRES, "storage: s3://bucket/x"], "lance"),
        ([POSTGRES, "storage: s3://bucket/x", "index: embedded"], "embedded"),
        (["index: lance"], "lance"),
    ],
)
def test_which_index_follows_from_where_things_lie(tmp_path: Path, lines: list[str], index: str) -> None:
    assert read(tmp_path, *lines).index == index


def test_the_store_is_reached_by_references_alone(tmp_path: Path) -> None:
    settings = read(tmp_path, "storage: s3://bucket/x", REACHED).object_storage
    assert (settings.endpoint, settings.region) == ("https://s3.example.test", "kz-1")
    assert settings.secret is not None
    assert settings.secret.value == ENVIRON["S3_SECRET"]
    assert ENVIRON["S3_SECRET"] not in repr(settings)


def test_commands_that_call_no_model_reach_the_store_too(tmp_path: Path) -> None:
    settings = read(tmp_path, "storage: s3://bucket/x", REACHED, secrets=False).object_storage
    assert settings.key is not None
    assert settings.key.value == ENVIRON["S3_KEY"]


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("object_storage: {endpoint: http://s3.example.test}", "without encryption"),
        ("object_storage: {key: '${env:S3_KEY}'}", "belong together"),
        ("object_storage: {key: AKIASOMETHING, secret: plain}", "may not stand in this file"),
        ("index: pinecone", "embedded"),
    ],
)
def test_what_cannot_be_meant_is_refused(tmp_path: Path, line: str, says: str) -> None:
    with pytest.raises(ConfigInvalid, match=says):
        read(tmp_path, "storage: s3://bucket/x", line)


def test_an_index_for_several_machines_needs_a_storage_that_they_share(tmp_path: Path) -> None:
    with pytest.raises(ConfigInvalid, match="needs s3"):
        read(tmp_path, "storage: memory://x", "index: lance")
