"""Small files that several machines share: replaced only by whoever read what is there, and none of them a path of somebody's."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from countersign.domain.errors import ConfigError, Conflict
from countersign.domain.workspace import ObjectStorage
from countersign.storage.shared_files import SharedFiles
from countersign.storage.shared_place import Place, open_place
from tests.storage.lance_parts import local, on_s3, s3_server


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    pytest.importorskip("obstore")
    with s3_server() as address:
        yield address


@pytest.fixture(params=["folder", "s3"])
def place(request: pytest.FixtureRequest, tmp_path: Path, s3: str) -> Place:
    return local(tmp_path) if request.param == "folder" else on_s3(tmp_path, s3)


def test_what_was_written_is_read_listed_and_removed(place: Place) -> None:
    assert place.read("a.json") is None
    place.write("a.json", b"one")
    place.write("folder/b", b"two")
    place.below("folder").write("c", b"three")
    assert (place.read("a.json") or (b"", ""))[0] == b"one"
    assert [name for name in place.names() if not name.endswith(".lock")] == [
        "a.json",
        "folder/b",
        "folder/c",
    ]
    place.remove("folder")
    place.remove("nothing")
    assert place.read("folder/b") is None


def test_only_whoever_read_the_newest_may_replace_it(place: Place) -> None:
    first = place.swap("m", b"one", None)
    with pytest.raises(Conflict):
        place.swap("m", b"mine", None)
    second = place.swap("m", b"two", first)
    with pytest.raises(Conflict):
        place.swap("m", b"late", first)
    assert place.read("m") == (b"two", second)


def test_of_many_that_replace_at_once_one_does(place: Place) -> None:
    tag = place.swap("m", b"before", None)

    def attempt(number: int) -> int | None:
        try:
            place.swap("m", str(number).encode(), tag)
        except Conflict:
            return None
        return number

    with ThreadPoolExecutor(8) as pool:
        done = [number for number in pool.map(attempt, range(16)) if number is not None]
    assert [str(number).encode() for number in done] == [(place.read("m") or (b"", ""))[0]]


def test_an_address_that_cannot_be_shared_is_refused() -> None:
    with pytest.raises(ConfigError) as caught:
        open_place("memory://x", ObjectStorage())
    assert caught.value.code == "storage_unsupported"


# -- files of the state folder ----------------------------------------------------------------------------------
def test_machines_have_what_the_leader_appended(place: Place, tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    _append(here / "checkpoints" / "bank.jsonl", b"1\n")
    _append(here / "erasures.jsonl", b"salt\n")
    leader, other = SharedFiles(place, here), SharedFiles(place, there)
    leader.push()
    other.pull()
    _append(here / "checkpoints" / "bank.jsonl", b"2\n")
    leader.push()
    leader.push()
    other.pull()
    assert (there / "checkpoints" / "bank.jsonl").read_bytes() == b"1\n2\n"
    assert (there / "erasures.jsonl").read_bytes() == b"salt\n"


def test_what_a_followed_leader_wrote_is_kept_aside(place: Place, tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    _append(old / "checkpoints" / "bank.jsonl", b"1\n")
    first, second = SharedFiles(place, old), SharedFiles(place, new)
    first.push()
    second.pull()
    _append(old / "checkpoints" / "bank.jsonl", b"2 by one that stood still\n")
    _append(new / "checkpoints" / "bank.jsonl", b"2\n")
    second.push()
    with pytest.raises(Conflict):
        first.push()
    first.pull()
    assert (old / "checkpoints" / "bank.jsonl").read_bytes() == b"1\n2\n"
    assert b"stood still" in (old / "checkpoints" / "bank.jsonl.aside").read_bytes()


def test_nothing_else_that_lies_there_becomes_a_file(place: Place, tmp_path: Path) -> None:
    for name in ("keys/server.key", "checkpoints/deep/x.jsonl", "checkpoints/.x.jsonl", "countersign.db"):
        place.write(name, b"planted")
    SharedFiles(place, tmp_path / "state").pull()
    assert [path for path in (tmp_path / "state").rglob("*") if path.is_file()] == []


def _append(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as file:
        file.write(content)
