"""What may not stand in any file: addresses of package indexes, paths of somebody's machine, other lock files, secrets."""

from __future__ import annotations

import re

from tests.architecture.source import ROOT, repository_files

_INDEXES = ("pypi" + ".org", "files.python" + "hosted.org", "registry.npm" + "js.org", "test.py" + "pi.org")
_MACHINES = tuple(
    re.compile(text) for text in (r"(?<![\w.-])/wo" + r"rk/", r"/ho" + r"me/\w+/", r"/Us" + r"ers/\w+/")
)
_SECRETS = re.compile("|".join((r"-----BEGIN (?:RSA |EC )?PRIVATE " + "KEY-----", r"\bAKIA[0-9A-Z]{16}\b")))
_ELSEWHERE = "tests/guard/", "tests/attacks/", "demo/collection/", "tools/demo_collection/"
"""Texts that show what an attacker writes may hold what looks like a secret."""


def _texts() -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for path in repository_files():
        try:
            found.append((path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8")))
        except UnicodeDecodeError:
            continue
    return found


def test_no_file_names_a_package_index_or_a_machine() -> None:
    found: set[str] = set()
    for name, text in _texts():
        found |= {f"{name}: {address}" for address in _INDEXES if address in text}
        found |= {f"{name}: {match[0]}" for pattern in _MACHINES for match in pattern.finditer(text)}
    assert found == set()


def test_the_only_locks_are_requirements_with_hashes_and_without_an_index() -> None:
    names = {path.name for path in repository_files()}
    assert not names & {"uv" + ".lock", "poetry.lock", "Pipfile.lock", "package-lock.json"}
    for path in (ROOT / "requirements").glob("*.txt"):
        text = path.read_text(encoding="utf-8")
        assert "://" not in text and "--index" not in text and "--find-links" not in text, path.name
        pinned = re.findall(r"(?m)^([A-Za-z0-9._-]+)==\S+.*?(?=^\S|\Z)", text, re.DOTALL)
        blocks = re.split(r"(?m)^(?=[A-Za-z0-9])", text)
        locked = [block for block in blocks if "==" in block.split("\n")[0]]
        assert len(locked) >= len(pinned) > 0
        assert all("--hash=sha256:" in block for block in locked), path.name


def test_no_file_holds_a_private_key() -> None:
    found = {name for name, text in _texts() if _SECRETS.search(text) and not name.startswith(_ELSEWHERE)}
    assert {name for name in found if not any(part in name for part in _ELSEWHERE)} == set()


def test_no_file_is_heavier_than_it_must_be() -> None:
    """Everything is cloned by everyone: a large file must be worth it."""
    heavy = {
        path.relative_to(ROOT).as_posix() for path in repository_files() if path.stat().st_size > 2_000_000
    }
    assert heavy == set()
