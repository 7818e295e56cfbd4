"""Repositories as sources: read in place, over HTTP and over SSH, from real servers on loopback."""

from __future__ import annotations

import contextlib
import json
import shutil
import threading
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

import paramiko
import pytest
from dulwich.objects import Blob, Commit, Tree
from dulwich.protocol import Protocol
from dulwich.repo import Repo
from dulwich.server import DictBackend, UploadPackHandler
from dulwich.web import make_wsgi_chain

from countersign.domain.documents import Rights
from countersign.domain.errors import SourceError
from countersign.domain.workspace import RightsRule, Secret, SourceSettings
from countersign.sources.connector import Listed
from countersign.sources.git import GitConnector
from countersign.sources.registry import Surroundings
from countersign.testing.source_connector_suite import SourceConnectorSuite
from tests.sources import sftp_server
from tests.sources.http_servers import HttpServer
from tests.sources.sftp_server import SftpServer
from tests.sources.wire import Wire

_BEGINNING_S = 1_767_225_600
MANIFEST = "manifest.jsonl"
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"


class Repository:
    """A bare repository that is written to object by object."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.repo = Repo.init_bare(str(place), mkdir=True)
        self.repo.refs.set_symbolic_ref(b"HEAD", b"refs/heads/main")
        self._clock = count(_BEGINNING_S, 3600)
        self.files: dict[str, tuple[int, bytes]] = {}

    def commit(self, ref: str = "main", parents: list[bytes] | None = None, at_s: int | None = None) -> bytes:
        name = b"refs/heads/" + ref.encode()
        commit = Commit()
        commit.tree = self._tree()
        known = [self.repo.refs[name]] if name in self.repo.refs else []
        commit.parents = parents if parents is not None else known  # type: ignore[assignment]
        commit.author = commit.committer = "Айгерім <aigerim@example.kz>".encode()
        commit.author_time = commit.commit_time = next(self._clock) if at_s is None else at_s
        commit.author_timezone = commit.commit_timezone = 0
        commit.message = b"Change"
        self.repo.object_store.add_object(commit)
        self.repo.refs[name] = commit.id  # type: ignore[index]
        return commit.id

    def write(self, name: str, content: bytes, mode: int = 0o100644) -> None:
        self.files[name] = (mode, content)

    def _tree(self) -> bytes:
        folders: dict[str, Any] = {}
        for name, (mode, content) in self.files.items():
            *steps, last = name.split("/")
            here = folders
            for step in steps:
                here = here.setdefault(step, {})
            here[last] = (mode, content)
        return self._add(folders)

    def _add(self, folder: Mapping[str, Any]) -> bytes:
        tree = Tree()
        for name, entry in folder.items():
            encoded = name.encode("utf-8", "surrogateescape")
            if isinstance(entry, dict):
                tree.add(encoded, 0o040000, self._add(entry))  # type: ignore[arg-type]
            elif entry[0] == 0o160000:
                tree.add(encoded, 0o160000, entry[1])
            else:
                blob = Blob.from_string(entry[1])
                self.repo.object_store.add_object(blob)
                tree.add(encoded, entry[0], blob.id)
        self.repo.object_store.add_object(tree)
        return tree.id


class RepositoryWorld:
    secrets: tuple[str, ...] = (sftp_server.PASSWORD,)

    def __init__(
        self, folder: Path, repository: Repository, url: str, options: Mapping[str, object], wire: Wire | None
    ) -> None:
        self.repository = repository
        self.cache = folder / "cache"
        self.settings = SourceSettings(
            name="rules", connector="git", url=url, rights_sidecar=MANIFEST, options=options
        )
        self._folder = folder
        self._wire = wire
        self._rows: dict[str, dict[str, Any]] = {}
        self._commit()

    def connector(self) -> GitConnector:
        return GitConnector(self.settings, Surroundings(self._folder, ("bank",), self.cache))

    def put(self, name: str, text: str, groups: tuple[str, ...]) -> None:
        self.repository.write(name, text.encode())
        self._rows[name] = {"file": name, "acl": list(groups)}
        self._commit()

    def remove(self, name: str) -> None:
        del self.repository.files[name], self._rows[name]
        self._commit()

    def forbid(self, name: str) -> None:
        self._rows[name]["deny"] = ["group:interns"]
        self._commit()

    def break_after(self, count: int | None) -> None:
        assert self._wire is not None
        self._wire.cut(count)
        shutil.rmtree(self.cache, ignore_errors=True)  # else there would be nothing left to fetch

    def id_of(self, name: str) -> str:
        return name

    def _commit(self) -> None:
        rows = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in self._rows.values())
        self.repository.write(MANIFEST, rows.encode())
        self.repository.commit()


@pytest.fixture
def repository(tmp_path: Path) -> Iterator[Repository]:
    repository = Repository(tmp_path / "rules.git")
    yield repository
    repository.repo.close()


class TestLocalRepository(SourceConnectorSuite):
    breaks = False

    @pytest.fixture
    def world(self, tmp_path: Path, repository: Repository) -> RepositoryWorld:
        return RepositoryWorld(tmp_path, repository, "rules.git", {}, None)


class TestHttpRepository(SourceConnectorSuite):
    cuts = (0, 300, 2_000, 6_000)

    @pytest.fixture
    def world(self, tmp_path: Path, repository: Repository) -> Iterator[RepositoryWorld]:
        served = make_wsgi_chain(DictBackend({"/rules": repository.repo}))
        with HttpServer(served) as server, Wire(server.port) as wire:
            options = {
                "allow_http": True,
                "user": "reader",
                "password": Secret("${env:GIT}", sftp_server.PASSWORD),
            }
            yield RepositoryWorld(tmp_path, repository, f"http://127.0.0.1:{wire.port}/rules", options, wire)


class GitOverSsh(SftpServer):
    """The same server, which also runs `git-upload-pack`."""

    def __init__(self, folder: Path, repo: Repo) -> None:
        super().__init__(folder)
        self._repo = repo

    def run(self, channel: paramiko.Channel, command: bytes) -> bool:
        if command != b"git-upload-pack '/rules.git'":
            return False
        thread = threading.Thread(target=self._upload, args=(channel,), daemon=True)
        self.threads.append(thread)
        thread.start()
        return True

    def _upload(self, channel: paramiko.Channel) -> None:
        reader = channel.makefile("rb")

        def write(data: bytes) -> int:
            channel.sendall(data)
            return len(data)

        backend = DictBackend({b"/rules.git": self._repo})  # type: ignore[dict-item]
        with contextlib.suppress(Exception):  # a client that was cut off is what these tests are about
            UploadPackHandler(backend, ["/rules.git"], Protocol(reader.read, write)).handle()
        with contextlib.suppress(Exception):
            channel.close()


class TestSshRepository(SourceConnectorSuite):
    cuts = (0, 1_500, 3_500, 6_000)

    @pytest.fixture
    def world(self, tmp_path: Path, repository: Repository) -> Iterator[RepositoryWorld]:
        with GitOverSsh(tmp_path, repository.repo) as server, Wire(server.port) as wire:
            password = Secret("${env:GIT}", sftp_server.PASSWORD)
            options = {"user": sftp_server.USER, "password": password, "host_key": server.fingerprint}
            yield RepositoryWorld(
                tmp_path, repository, f"ssh://127.0.0.1:{wire.port}/rules.git", options, wire
            )


# -- what is a repository's own ---------------------------------------------------------------------------------
RULES = (RightsRule("hr/**", ("group:hr",)), RightsRule("**", ("group:staff",)))


def found(root: Path, url: str = "rules.git", **options: object) -> dict[str, Listed]:
    settings = SourceSettings(name="rules", connector="git", url=url, rights_rules=RULES, options=options)
    connector = GitConnector(settings, Surroundings(root, ("bank",), root / "cache"))
    return {item.document.external_id: item for item in connector.list()}


def modified(items: Mapping[str, Listed]) -> dict[str, int | None]:
    stamps = {name: item.document.modified for name, item in items.items()}
    return {name: int((at.timestamp() - _BEGINNING_S) // 3600) if at else None for name, at in stamps.items()}


def test_a_file_is_as_old_as_the_last_commit_that_changed_it(tmp_path: Path, repository: Repository) -> None:
    repository.write("a.md", b"one")
    repository.write("b.md", b"one")
    repository.commit()
    repository.write("b.md", b"two")
    second = repository.commit()
    assert modified(found(tmp_path)) == {"a.md": 0, "b.md": 1}
    repository.write("a.md", b"side")
    side = repository.commit("side", [second])
    repository.write("a.md", b"one")
    repository.write("c.md", b"three")
    third = repository.commit()
    repository.write("a.md", b"side")
    repository.commit(parents=[third, side])
    assert modified(found(tmp_path)) == {"a.md": 2, "b.md": 1, "c.md": 3}, (
        "a merge changes nothing that a parent has"
    )
    repository.write("b.md", b"one")
    repository.commit()
    repository.write("b.md", b"two")
    repository.commit()
    assert modified(found(tmp_path))["b.md"] == 6, "back to what it was is a change, too"
    (tmp_path / "cache" / "times.json").write_text("{}")
    assert modified(found(tmp_path)) == {"a.md": 2, "b.md": 6, "c.md": 3}
    (tmp_path / "cache" / "times.json").unlink()
    assert modified(found(tmp_path)) == {"a.md": 2, "b.md": 6, "c.md": 3}


def test_only_what_is_asked_for_is_read(tmp_path: Path, repository: Repository) -> None:
    repository.write("docs/fees.md", b"Fees.")
    repository.write("code.py", b"print()")
    repository.commit()
    repository.write("docs/draft.md", b"Draft.")
    repository.commit("draft")
    assert set(found(tmp_path, folder="docs")) == {"fees.md"}
    assert set(found(tmp_path, ref="draft", folder="docs")) == {"fees.md", "draft.md"}
    assert set(found(tmp_path, ref="refs/heads/main")) == {"docs/fees.md", "code.py"}
    for options, code in (
        ({"ref": "nothing"}, "source_ref_missing"),
        ({"folder": "code.py"}, "source_folder_missing"),
    ):
        with pytest.raises(SourceError) as raised:
            found(tmp_path, **options)
        assert raised.value.code == code
    with pytest.raises(SourceError) as raised:
        found(tmp_path, url="nowhere")
    assert raised.value.code == "source_folder_missing"


def test_links_submodules_hidden_files_and_pointers_are_not_content(
    tmp_path: Path, repository: Repository
) -> None:
    repository.write("a.md", b"text")
    repository.write("link", b"/etc/passwd", 0o120000)
    repository.write("module", b"1" * 40, 0o160000)
    repository.write(".github/workflow.yml", b"x")
    repository.write("scan.pdf", POINTER)
    repository.write("\udcee\udce4.txt", b"an old code page")
    repository.commit()
    items = found(tmp_path)
    problems = {name: item.problem for name, item in items.items()}
    assert problems.pop("a.md") == ""
    assert problems.pop("scan.pdf") == "source_lfs_pointer"
    assert set(problems.values()) == {"source_name_unreadable"}
    assert len(items) == 3
    settings = SourceSettings(name="rules", connector="git", url="rules.git", rights_rules=RULES)
    connector = GitConnector(settings, Surroundings(tmp_path, ("bank",), tmp_path / "cache"))
    for name in ("scan.pdf", "link", "module", "module/a", ".", "../rules.git/HEAD"):
        with pytest.raises(SourceError):
            connector.read(name, 10_000)


def test_a_tree_whose_names_lead_elsewhere_is_told_and_left(tmp_path: Path, repository: Repository) -> None:
    repository.write("../secret.txt", b"outside")
    repository.write("good.md", b"inside")
    repository.commit()
    items = found(tmp_path)
    assert items["good.md"].problem == ""
    assert [item.problem for name, item in items.items() if name != "good.md"] == ["source_name_unreadable"]


def test_rights_follow_the_place_and_not_whoever_wrote_it(tmp_path: Path, repository: Repository) -> None:
    repository.write("hr/bands.md", b"Bands.")
    repository.commit()
    before = found(tmp_path)["hr/bands.md"]
    assert before.document.rights == Rights.of(["group:hr"])
    assert before.document.owner == ""
    repository.files["bands.md"] = repository.files.pop("hr/bands.md")
    repository.commit()
    items = found(tmp_path)
    assert set(items) == {"bands.md"}
    assert items["bands.md"].document.rights == Rights.of(["group:staff"])
    assert items["bands.md"].revision == before.revision, "the same content under another name"


def test_dates_that_cannot_be_true_are_not_believed(tmp_path: Path, repository: Repository) -> None:
    repository.write("old.md", b"old")
    repository.commit(at_s=0)
    repository.write("new.md", b"new")
    repository.commit(at_s=int(datetime(2200, 1, 1, tzinfo=UTC).timestamp()))
    assert modified(found(tmp_path)) == {"old.md": None, "new.md": None}


@pytest.fixture
def served(repository: Repository) -> Iterator[str]:
    with HttpServer(make_wsgi_chain(DictBackend({"/rules": repository.repo}))) as server:
        yield f"http://127.0.0.1:{server.port}/rules"


def test_history_that_was_rewritten_is_read_as_it_is_now(
    tmp_path: Path, repository: Repository, served: str
) -> None:
    repository.write("a.md", b"one")
    first = repository.commit()
    repository.write("secret.md", b"should never have been committed")
    repository.commit()
    assert set(found(tmp_path, served)) == {"a.md", "secret.md"}
    del repository.files["secret.md"]
    repository.write("b.md", b"other")
    repository.commit(parents=[first])
    assert modified(found(tmp_path, served)) == {"a.md": 0, "b.md": 2}


def test_a_cache_that_is_lost_or_spoilt_costs_a_fetch(
    tmp_path: Path, repository: Repository, served: str
) -> None:
    repository.write("a.md", b"one")
    repository.commit()
    whole = found(tmp_path, served)
    place = tmp_path / "cache" / "repository.git"
    for pack in (place / "objects" / "pack").iterdir():
        pack.unlink()
    assert set(found(tmp_path, served)) == set(whole)
    (place / "HEAD").unlink()
    shutil.rmtree(place / "objects")
    assert set(found(tmp_path, served)) == set(whole)
    shutil.rmtree(tmp_path / "cache")
    assert set(found(tmp_path, served)) == set(whole)


def test_as_much_is_fetched_as_is_allowed(tmp_path: Path, repository: Repository, served: str) -> None:
    for number in range(4):
        repository.write(f"{number}.bin", bytes((number * 7 + each * each) % 251 for each in range(30_000)))
        repository.commit()
    with pytest.raises(SourceError) as raised:
        found(tmp_path, served, max_size=1_000)
    assert raised.value.code == "source_too_large"
    assert modified(found(tmp_path, served, depth=2)) == {
        "0.bin": None,
        "1.bin": None,
        "2.bin": None,
        "3.bin": 3,
    }
    repository.write("4.bin", b"more")
    repository.commit()
    assert modified(found(tmp_path, served, depth=2))["4.bin"] == 4


def test_a_server_that_answers_with_a_page_is_no_repository(tmp_path: Path) -> None:
    def application(environ: dict[str, Any], start: Any) -> list[bytes]:
        start("200 OK", [("Content-Type", "text/html")])
        return [b"<html>Sign in</html>"]

    with HttpServer(application) as server, pytest.raises(SourceError) as raised:
        found(tmp_path, f"http://127.0.0.1:{server.port}/rules")
    assert raised.value.code == "source_unavailable"
