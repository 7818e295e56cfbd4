"""Files wherever they lie: each kind of store does what every connector must, against a real server on loopback."""

from __future__ import annotations

import io
import json
import os
import socket
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import paramiko
import pytest

from countersign.domain.errors import ConfigError, CountersignError, SourceError
from countersign.domain.workspace import Secret, SourceSettings
from countersign.sources.files import FilesConnector
from countersign.sources.registry import Surroundings
from countersign.sources.trees import moment_of, settled
from countersign.testing.source_connector_suite import SourceConnectorSuite
from tests.sources import http_servers, sftp_server
from tests.sources.http_servers import Application, HttpServer, webdav
from tests.sources.sftp_server import SftpServer
from tests.sources.wire import Wire

_BEGINNING_S = 1_767_225_600
MANIFEST = "manifest.jsonl"


class FolderWorld:
    """Documents in a folder of this machine with a manifest beside them; a server over it shows them to others."""

    secrets: tuple[str, ...] = (sftp_server.PASSWORD, http_servers.PASSWORD)

    def __init__(
        self, folder: Path, url: str, options: Mapping[str, object], wire: Wire | None = None
    ) -> None:
        self.folder = folder
        self.settings = SourceSettings(
            name="share", connector="files", url=url, rights_sidecar=MANIFEST, options=options
        )
        self._wire = wire
        self._rows: dict[str, dict[str, Any]] = {}
        self._clock = count(_BEGINNING_S)
        self._write_rows()

    def connector(self) -> FilesConnector:
        return FilesConnector(self.settings, Surroundings(self.folder, ("bank",), self.folder / "cache"))

    def put(self, name: str, text: str, groups: tuple[str, ...]) -> None:
        self.write(name, text.encode())
        self._rows[name] = {"file": name, "acl": list(groups)}
        self._write_rows()

    def remove(self, name: str) -> None:
        self.delete(name)
        self._rows.pop(name, None)
        self._write_rows()

    def forbid(self, name: str) -> None:
        self._rows[name]["deny"] = ["group:interns"]
        self._write_rows()

    def break_after(self, count: int | None) -> None:
        assert self._wire is not None
        self._wire.cut(count)

    def id_of(self, name: str) -> str:
        return name

    def write(self, name: str, content: bytes) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        stamp = next(self._clock)
        os.utime(path, (stamp, stamp))

    def delete(self, name: str) -> None:
        (self.folder / name).unlink()

    def _write_rows(self) -> None:
        self.write(MANIFEST, "".join(json.dumps(row) + "\n" for row in self._rows.values()).encode())


class TestLocalFolder(SourceConnectorSuite):
    breaks = False

    @pytest.fixture
    def world(self, tmp_path: Path) -> FolderWorld:
        folder = tmp_path / "files"
        folder.mkdir()
        return FolderWorld(folder, f"file://{folder}", {})


class TestSftp(SourceConnectorSuite):
    cuts = (0, 20, 1_500, 2_600, 4_000)

    @pytest.fixture
    def world(self, tmp_path: Path) -> Iterator[FolderWorld]:
        (tmp_path / "share").mkdir()
        with SftpServer(tmp_path) as server, Wire(server.port) as wire:
            yield sftp_world(tmp_path / "share", wire.port, {"host_key": server.fingerprint}, wire)


class TestWebdav(SourceConnectorSuite):
    @pytest.fixture
    def world(self, tmp_path: Path) -> Iterator[FolderWorld]:
        with HttpServer(webdav(tmp_path)) as server, Wire(server.port) as wire:
            yield webdav_world(tmp_path, wire.port, wire)


def sftp_world(
    folder: Path, port: int, options: Mapping[str, object], wire: Wire | None = None
) -> FolderWorld:
    password = Secret("${env:SFTP}", sftp_server.PASSWORD)
    said = {"user": sftp_server.USER, "password": password, **options}
    return FolderWorld(folder, f"sftp://127.0.0.1:{port}/{folder.name}", said, wire)


def webdav_world(folder: Path, port: int, wire: Wire | None = None) -> FolderWorld:
    password = Secret("${env:DAV}", http_servers.PASSWORD)
    options = {"user": http_servers.USER, "password": password, "allow_http": True}
    return FolderWorld(folder, f"http://127.0.0.1:{port}/dav", options, wire)


S3_SECRET = "s3-2b8d40e17ac93f"


class BucketWorld(FolderWorld):
    """The same documents as objects under a prefix."""

    secrets = (S3_SECRET,)

    def __init__(self, folder: Path, client: Any, bucket: str, wire: Wire) -> None:
        self._client = client
        self._bucket = bucket
        options = {
            "endpoint": f"http://127.0.0.1:{wire.port}",
            "access_key": Secret("${env:S3_ID}", "reader"),
            "secret_key": Secret("${env:S3}", S3_SECRET),
            "allow_http": True,
            "timeout": timedelta(seconds=30),
        }
        super().__init__(folder, f"s3://{bucket}/shared/files", options, wire)

    def write(self, name: str, content: bytes) -> None:
        self._client.put_object(Bucket=self._bucket, Key=f"shared/files/{name}", Body=content)

    def delete(self, name: str) -> None:
        self._client.delete_object(Bucket=self._bucket, Key=f"shared/files/{name}")


@pytest.fixture(scope="module")
def moto_port() -> Iterator[int]:
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    yield server.get_host_and_port()[1]
    server.stop()


@pytest.fixture
def bucket_world(tmp_path: Path, moto_port: int) -> Iterator[BucketWorld]:
    import boto3

    client = boto3.client(
        "s3",
        endpoint_url=f"http://127.0.0.1:{moto_port}",
        aws_access_key_id="writer",
        aws_secret_access_key=S3_SECRET,
        region_name="us-east-1",
    )
    bucket = f"bank-{tmp_path.name.replace('_', '-').lower()}"[:60].strip("-")
    client.create_bucket(Bucket=bucket)
    with Wire(moto_port) as wire:
        yield BucketWorld(tmp_path, client, bucket, wire)


class TestS3(SourceConnectorSuite):
    @pytest.fixture
    def world(self, bucket_world: BucketWorld) -> BucketWorld:
        return bucket_world


def test_a_bucket_that_is_not_there_is_an_error_of_the_source(bucket_world: BucketWorld) -> None:
    bucket_world.settings = replace(bucket_world.settings, url="s3://no-such-bucket-here/files")
    with pytest.raises(SourceError) as raised:
        list(bucket_world.connector().list())
    assert raised.value.code == "source_folder_missing"


def test_only_what_lies_under_the_prefix_is_read_and_markers_of_folders_are_not(
    bucket_world: BucketWorld,
) -> None:
    bucket_world.put("a.txt", "inside", ("staff",))
    bucket_world.write("sub/", b"")
    bucket_world.write(".hidden/x.txt", b"hidden")
    assert {item.document.external_id for item in bucket_world.connector().list()} == {"a.txt"}


def test_a_key_that_is_no_path_ends_the_pass_with_what_to_do(bucket_world: BucketWorld) -> None:
    bucket_world.put("a.txt", "inside", ("staff",))
    bucket_world.write("sub//b.txt", b"an empty step")
    with pytest.raises(SourceError) as raised:
        list(bucket_world.connector().list())
    assert raised.value.code == "source_key_invalid"
    assert "nothing was removed" in raised.value.hint


# -- who the server is ------------------------------------------------------------------------------------------
@pytest.fixture
def sftp(tmp_path: Path) -> Iterator[tuple[Path, SftpServer]]:
    (tmp_path / "share").mkdir()
    with SftpServer(tmp_path) as server:
        yield tmp_path / "share", server


def first_error(world: FolderWorld) -> CountersignError:
    with pytest.raises(CountersignError) as raised:
        list(world.connector().list())
    assert not any(secret in raised.value.message + raised.value.hint for secret in world.secrets)
    return raised.value


def test_a_server_is_known_by_its_fingerprint_its_key_or_a_file_of_keys(
    sftp: tuple[Path, SftpServer], tmp_path: Path
) -> None:
    folder, server = sftp
    known = tmp_path / "known_hosts"
    known.write_text(f"[127.0.0.1]:{server.port} {server.host_key}\n")
    for options in (
        {"host_key": server.fingerprint},
        {"host_key": server.host_key},
        {"known_hosts": str(known)},
    ):
        world = sftp_world(folder, server.port, options)
        world.put("a.txt", "A note.", ("staff",))
        assert [item.document.external_id for item in world.connector().list()] == ["a.txt"]


def test_a_server_that_is_not_known_gets_no_password(sftp: tuple[Path, SftpServer], tmp_path: Path) -> None:
    folder, server = sftp
    other = paramiko.ECDSAKey.generate()
    known = tmp_path / "known_hosts"
    known.write_text(f"[127.0.0.1]:{server.port} {other.get_name()} {other.get_base64()}\n")
    for options in (
        {},
        {"host_key": str(other.fingerprint)},
        {"host_key": f"{other.get_name()} {other.get_base64()}"},
        {"host_key": "ssh-rsa not base64"},
        {"known_hosts": str(known)},
        {"known_hosts": "/nothing/here"},
    ):
        error = first_error(sftp_world(folder, server.port, options))
        assert error.code == "source_host_unverified", options


def test_a_private_key_lets_in_and_a_wrong_one_or_a_broken_one_does_not(tmp_path: Path) -> None:
    (tmp_path / "share").mkdir()
    key, other = paramiko.ECDSAKey.generate(), paramiko.RSAKey.generate(2048)
    with SftpServer(tmp_path, public=key) as server:
        for private, code in (
            (key, ""),
            (other, "source_credentials_refused"),
            (None, "source_private_key_unreadable"),
        ):
            text = io.StringIO("-----BEGIN NOTHING-----\n")
            if private is not None:
                private.write_private_key(text := io.StringIO(), password="a-phrase-4417")
            options = {
                "host_key": server.fingerprint,
                "private_key": Secret("${file:key}", text.getvalue()),
                "passphrase": Secret("${env:PHRASE}", "a-phrase-4417"),
            }
            world = sftp_world(tmp_path / "share", server.port, options)
            if code:
                assert first_error(world).code == code
            else:
                assert list(world.connector().list()) == []


def test_wrong_passwords_are_told_as_such(sftp: tuple[Path, SftpServer], tmp_path: Path) -> None:
    folder, server = sftp
    wrong = {"host_key": server.fingerprint, "password": Secret("${env:P}", "wrong-88c0d1")}
    assert first_error(sftp_world(folder, server.port, wrong)).code == "source_credentials_refused"
    with HttpServer(webdav(tmp_path)) as server_:
        world = webdav_world(tmp_path, server_.port)
        world.settings = replace(
            world.settings, options={**world.settings.options, "password": wrong["password"]}
        )
        assert first_error(world).code == "source_credentials_refused"


@pytest.mark.parametrize("after", [0, 2_600, 8_000])
def test_a_server_that_falls_silent_is_given_up(tmp_path: Path, after: int) -> None:
    (tmp_path / "share").mkdir()
    with SftpServer(tmp_path) as server, Wire(server.port) as wire:
        options = {"host_key": server.fingerprint, "timeout": timedelta(seconds=0.5)}
        world = sftp_world(tmp_path / "share", wire.port, options, wire)
        for number in range(60):
            world.put(f"note-{number}.txt", "A note.", ("staff",))
        wire.silence(after)
        assert first_error(world).code == "source_unavailable"


# -- servers that say strange things ----------------------------------------------------------------------------
def test_links_loops_and_names_of_an_old_code_page_on_a_server(sftp: tuple[Path, SftpServer]) -> None:
    folder, server = sftp
    world = sftp_world(folder, server.port, {"host_key": server.fingerprint})
    world.put("a.txt", "A note.", ("staff",))
    (folder / "secret").symlink_to("/etc/hostname")
    (folder / "loop").symlink_to(folder, target_is_directory=True)
    (folder / ".hidden").write_text("hidden")
    Path(os.fsdecode(os.fsencode(folder) + b"/\xe4\xee\xe3\xee\xe2\xee\xf0.txt")).write_text("an old name")
    found = {item.document.external_id: item.problem for item in world.connector().list()}
    strange = next(name for name in found if name != "a.txt")
    assert found == {"a.txt": "", strange: "source_name_unreadable"}
    for name in ("secret", "loop/a.txt"):
        with pytest.raises(SourceError):
            world.connector().read(name, 1_000)


def answering(status: str, body: bytes, kind: str = "application/xml", **headers: str) -> Application:
    def application(environ: dict[str, Any], start: Any) -> list[bytes]:
        start(status, [("Content-Type", kind), ("Content-Length", str(len(body))), *headers.items()])
        return [body]

    return application


def multistatus(*hrefs: str, kind: str = "") -> bytes:
    replies = "".join(
        f"<response><href>{href}</href><propstat><prop><resourcetype>{kind}</resourcetype></prop></propstat></response>"
        for href in hrefs
    )
    return f'<?xml version="1.0"?><multistatus xmlns="DAV:">{replies}</multistatus>'.encode()


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        (answering("200 OK", b"<html>Sign in</html>", "text/html"), "source_listing_garbled"),
        (answering("302 Found", b"", Location="http://127.0.0.1:1/login"), "source_listing_garbled"),
        (answering("207 Multi-Status", b"<html>Sign in</html>"), "source_listing_garbled"),
        (answering("207 Multi-Status", multistatus("/dav/")[:-10]), "source_listing_garbled"),
        (answering("207 Multi-Status", b""), "source_listing_garbled"),
        (answering("207 Multi-Status", multistatus("/dav/", "/elsewhere/a.txt")), "source_listing_garbled"),
        (answering("207 Multi-Status", multistatus("/dav/", "/dav/sub/a.txt")), "source_listing_garbled"),
        (
            answering("207 Multi-Status", b'<!DOCTYPE x [<!ENTITY a "b">]>' + multistatus("/dav/", "/dav/a")),
            "source_listing_garbled",
        ),
        (answering("404 Not Found", b""), "source_folder_missing"),
        (answering("403 Forbidden", b""), "source_credentials_refused"),
        (answering("503 Service Unavailable", b""), "source_unavailable"),
    ],
)
def test_a_reply_that_is_no_listing_is_never_an_empty_folder(
    tmp_path: Path, reply: Application, code: str
) -> None:
    with HttpServer(reply) as server:
        world = webdav_world(tmp_path, server.port)
        world.settings = replace(world.settings, rights_sidecar="")
        assert first_error(world).code == code


def test_names_that_a_server_escapes_or_invents_lead_nowhere(tmp_path: Path) -> None:
    body = multistatus("/dav/", "/dav/..%2Fsecret.txt", "/dav/%2e%2e%2Fb", "/dav/%ff.txt", "/dav/good.txt")
    with HttpServer(answering("207 Multi-Status", body)) as server:
        world = webdav_world(tmp_path, server.port)
        world.settings = replace(world.settings, rights_sidecar="")
        found = {item.document.external_id: item.problem for item in world.connector().list()}
    assert found["good.txt"] == ""
    assert set(found.values()) == {"", "source_name_unreadable"}
    assert all(name == "good.txt" or found[name] for name in found)


def test_a_server_whose_folders_never_end_is_told_and_left(tmp_path: Path) -> None:
    def application(environ: dict[str, Any], start: Any) -> list[bytes]:
        here = environ["PATH_INFO"].rstrip("/")
        return answering("207 Multi-Status", multistatus(f"{here}/", f"{here}/again/", kind="<collection/>"))(
            environ, start
        )

    with HttpServer(application) as server:
        world = webdav_world(tmp_path, server.port)
        world.settings = replace(world.settings, rights_sidecar="")
        assert [item.problem for item in world.connector().list()] == ["source_folder_too_deep"]


def test_a_url_that_nothing_reads_and_an_empty_port_are_told(tmp_path: Path) -> None:
    around = Surroundings(tmp_path, ("bank",), tmp_path)
    for url in ("quux://somewhere/x", "sftp://host:port/x"):
        with pytest.raises(ConfigError):
            FilesConnector(SourceSettings(name="s", connector="files", url=url), around)


def test_anything_else_that_fsspec_knows_is_read_without_options(tmp_path: Path) -> None:
    from fsspec.implementations.memory import MemoryFileSystem

    memory = MemoryFileSystem()
    memory.pipe({"/archive/a.txt": b"A note.", "/archive/sub/b.txt": b"Another."})
    settings = SourceSettings(name="s", connector="files", url="memory://archive")
    connector = FilesConnector(settings, Surroundings(tmp_path, ("bank",), tmp_path))
    assert {item.document.external_id for item in connector.list()} == {"a.txt", "sub/b.txt"}
    assert connector.read("sub/b.txt", 100) == b"Another."
    memory.rm("/archive", recursive=True)
    with pytest.raises(SourceError):
        list(connector.list())


def test_what_a_server_says_it_does_not_have_counts_for_nothing(tmp_path: Path) -> None:
    """One answer tells the kind of a name, another that there is no kind: only the first is believed."""
    told = "<propstat><prop><resourcetype><collection/></resourcetype></prop><status>HTTP/1.1 200 OK</status></propstat>"
    untold = (
        "<propstat><prop><resourcetype/><getetag/></prop><status>HTTP/1.1 404 Not Found</status></propstat>"
    )

    def application(environ: dict[str, Any], start: Any) -> list[bytes]:
        here = environ["PATH_INFO"].rstrip("/")
        below = f"<response><href>{here}/sub/</href>{told}{untold}</response>" if here == "/dav" else ""
        body = (
            f'<multistatus xmlns="DAV:"><response><href>{here}/</href>{told}</response>{below}</multistatus>'
        )
        return answering("207 Multi-Status", body.encode())(environ, start)

    with HttpServer(application) as server:
        world = webdav_world(tmp_path, server.port)
        world.settings = replace(world.settings, rights_sidecar="")
        assert list(world.connector().list()) == []


def test_a_revision_is_told_only_once_no_other_change_can_look_the_same() -> None:
    now = time.time()
    assert settled("7-1", now - 10_000, 120.0) == "7-1"
    assert settled("7-1", now - 1, 120.0) == ""
    assert settled("7-1", now + 10_000, 120.0) == "", "a clock that runs ahead of ours tells nothing"


def test_dates_that_cannot_be_true_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "files").mkdir()
    world = FolderWorld(tmp_path / "files", str(tmp_path / "files"), {})
    stamps = {"past.txt": 0, "future.txt": 7_258_118_400, "true.txt": _BEGINNING_S}
    for name, stamp in stamps.items():
        world.put(name, "A note.", ("staff",))
        os.utime(tmp_path / "files" / name, (stamp, stamp))
    found = {item.document.external_id: item.document.modified for item in world.connector().list()}
    assert (found["past.txt"], found["future.txt"]) == (None, None)
    assert found["true.txt"] == datetime.fromtimestamp(_BEGINNING_S, UTC)
    for stamp in (float("nan"), float("inf"), -1e30, 1e30):
        assert moment_of(stamp) is None


# -- shares -----------------------------------------------------------------------------------------------------
def entry(name: str, attributes: int, tag: int = 0) -> Any:
    """As the library tells one name of a folder."""
    from smbclient._os import SMBDirEntryInformation

    moment = datetime(2026, 1, 1, tzinfo=UTC)
    told = SMBDirEntryInformation(moment, moment, moment, moment, 7, 4096, attributes, tag, 1, name)
    return SimpleNamespace(name=name, smb_info=told)


def test_names_of_a_share_are_files_and_folders_and_never_links() -> None:
    from countersign.sources.tree_smb import _found  # pyright: ignore[reportPrivateUsage]

    plain, folder = _found(entry("a.txt", 0x20)), _found(entry("sub", 0x10))
    assert plain is not None and (plain.is_folder, plain.size, bool(plain.revision)) == (False, 7, True)
    assert plain.modified == datetime(2026, 1, 1, tzinfo=UTC)
    assert folder is not None and folder.is_folder
    assert _found(entry("link", 0x420, 0xA000000C)) is None
    assert _found(entry("junction", 0x410, 0xA0000003)) is None
    assert _found(entry("deduplicated.txt", 0x420, 0x80000013)) is not None


def test_a_share_that_does_not_answer_is_told_as_every_other(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    options = {
        "user": "reader",
        "password": Secret("${env:SMB}", sftp_server.PASSWORD),
        "timeout": timedelta(seconds=2),
    }
    world = FolderWorld(tmp_path, f"smb://127.0.0.1:{port}/share/sub", options)
    assert first_error(world).code == "source_unavailable"
    for name in ("../a", "a\\..\\b"):
        with pytest.raises(SourceError):
            world.connector().read(name, 1_000)
    world.connector().close()
