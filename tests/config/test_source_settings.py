"""What a source is told must fit the kind of store it names."""

from __future__ import annotations

from pathlib import Path

import pytest

from countersign.config import ConfigProblem, load, problems
from countersign.domain.workspace import PosixRights

SECRETS = {"KEY": "k-4f9a1c77e2b0d5"}


def write(folder: Path, source: str) -> Path:
    path = folder / "countersign.yaml"
    path.write_text(f"name: w\nsources:\n  s: {source}\n", encoding="utf-8")
    return path


def wrong(folder: Path, source: str) -> list[ConfigProblem]:
    return [problem for problem in problems(write(folder, source), SECRETS) if problem.severity == "error"]


HOST_KEY = "host_key: SHA256:uNiVztksCsDhcc0u9e8BrrJXVGDvqRy0fPGCa2xp9n8"


@pytest.mark.parametrize(
    "source",
    [
        "{connector: files, url: ./files, rights: {posix: {}}}",
        "{connector: files, url: s3://bucket/x, rights: {}, options: {endpoint: 'http://127.0.0.1:9000', allow_http: true}}",
        f"{{connector: files, url: sftp://h/x, rights: {{}}, options: {{{HOST_KEY}, password: '${{env:KEY}}'}}}}",
        f"{{connector: files, url: sftp://h/x, rights: {{posix: {{}}}}, options: {{{HOST_KEY}, trust_modes: true}}}}",
        "{connector: files, url: https://h/dav, rights: {}, options: {ca_file: ca.pem}}",
        "{connector: files, url: http://h/dav, rights: {}, options: {allow_http: true}}",
        "{connector: files, url: smb://h/share, rights: {}, options: {encrypt: true}}",
        "{connector: files, url: memory://x, rights: {}}",
        "{connector: git, url: ./rules.git, rights: {}, options: {ref: main}}",
        "{connector: git, url: https://h/rules.git, rights: {}, options: {password: '${env:KEY}'}}",
        f"{{connector: git, url: ssh://git@h/rules.git, rights: {{}}, options: {{{HOST_KEY}}}}}",
    ],
)
def test_what_fits_is_taken(tmp_path: Path, source: str) -> None:
    assert wrong(tmp_path, source) == []


@pytest.mark.parametrize(
    ("source", "where", "says"),
    [
        ("{connector: files, url: ./files, options: {region: x}}", "options.region", "means nothing"),
        ("{connector: files, url: s3://b, options: {host_key: x}}", "options.host_key", "means nothing"),
        ("{connector: files, url: sftp://h/x}", "", "server's key must be known"),
        ("{connector: files, url: http://h/dav}", "url", "unencrypted"),
        ("{connector: files, url: s3://b, options: {endpoint: 'http://h'}}", "options.endpoint", "unencrypted"),
        ("{connector: files, url: s3://b, rights: {posix: {}}}", "rights.posix", "no POSIX rights"),
        (f"{{connector: files, url: sftp://h/x, rights: {{posix: {{}}}}, options: {{{HOST_KEY}}}}}", "rights.posix", "ACLs"),
        ("{connector: git, url: ./r, rights: {posix: {}}}", "rights.posix", "only files"),
        ("{connector: files, url: ./f, rights: {sidecar: m, posix: {}}}", "rights", "from several"),
        ("{connector: git, url: 'git@host:path'}", "url", "not a repository's address"),
        ("{connector: git, url: git://h/r}", "url", "not a repository's address"),
        ("{connector: git, url: http://h/r}", "url", "unencrypted"),
        ("{connector: git, url: ssh://h/r}", "", "server's key must be known"),
        ("{connector: git}", "", "`url` is missing"),
        ("{connector: files, url: ./f, rights: {posix: {groups: {hr: '!hr'}}}}", "rights.posix.groups.hr", "not a right"),
        ("{connector: files, url: ./f, rights: {posix: {group: {}}}}", "rights.posix.group", "unknown key"),
        ("{connector: files, url: 'sftp://u:p4ssw0rd-here@h/x'}", "url", "a password may not stand"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_told_at_its_place(tmp_path: Path, source: str, where: str, says: str) -> None:
    found = wrong(tmp_path, source)
    at = f"sources.s.{where}" if where else "sources.s"
    assert [problem for problem in found if problem.where == at and says in problem.message], found
    assert all(problem.line == 3 for problem in found)
    assert "p4ssw0rd" not in str(found)


def test_accounts_of_a_file_system_are_named_in_our_words(tmp_path: Path) -> None:
    said = "{posix: {groups: {hr: hr, '10020': 'group:treasury'}, users: {root: 'user:olga'}, everyone: [staff], same_names: true}}"
    workspace = load(write(tmp_path, f"{{connector: files, url: ./f, rights: {said}}}"), {})
    assert workspace.sources["s"].rights_posix == PosixRights(
        groups={"hr": "group:hr", "10020": "group:treasury"},
        users={"root": "user:olga"},
        everyone=("group:staff",),
        same_names=True,
    )
