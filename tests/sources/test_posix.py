"""Rights of a file system: what the kernel would let through, and nothing that it would not."""

from __future__ import annotations

import grp
import itertools
import os
import stat
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from countersign.domain.documents import Rights
from countersign.domain.workspace import PosixRights, SourceSettings
from countersign.sources.files import FilesConnector
from countersign.sources.posix import PosixReader
from countersign.sources.registry import Surroundings
from countersign.sources.trees import PosixNode

MAPPING = PosixRights(
    groups={"100": "group:hr", "200": "group:audit"},
    users={"1": "user:olga", "2": "user:aigul"},
    everyone=("group:staff",),
)
FILE, FOLDER = stat.S_IFREG, stat.S_IFDIR
OWNER, USER, GROUP, NAMED, MASK, OTHER = 1, 2, 4, 8, 0x10, 0x20


def file(mode: int, acl: bytes = b"", *, strange: bool = False) -> PosixNode:
    return PosixNode("a.md", FILE | mode, 1, 100, acl, strange)


def folder(mode: int) -> PosixNode:
    return PosixNode("hr", FOLDER | mode, 2, 200)


def acl(*entries: tuple[int, int, int]) -> bytes:
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)


def said(*nodes: PosixNode, mapping: PosixRights = MAPPING) -> tuple[Rights, str]:
    found = PosixReader(mapping, local=False).said(nodes)
    return found.rights, found.problem


def test_owner_group_and_everyone_are_terms_of_one_clause() -> None:
    assert said(file(0o600)) == (Rights.of(["user:olga"]), "")
    assert said(file(0o640)) == (Rights.of(["user:olga", "group:hr"]), "")
    assert said(file(0o644)) == (Rights.of(["user:olga", "group:hr", "group:staff"]), "")


def test_each_folder_on_the_way_adds_a_clause_unless_everyone_may_pass() -> None:
    rights, _ = said(folder(0o755), folder(0o750), file(0o644))
    assert (
        rights.canonical()
        == Rights(
            (frozenset({"user:aigul", "group:audit"}), frozenset({"user:olga", "group:hr", "group:staff"}))
        ).canonical()
    )
    assert said(folder(0o700), file(0o000))[0].nobody


def test_whom_nothing_names_gets_nothing() -> None:
    silent = PosixRights()
    assert said(file(0o644), mapping=silent)[0].nobody
    assert said(file(0o644), mapping=PosixRights(everyone=("group:staff",)))[0] == Rights.of(["group:staff"])
    assert said(file(0o644), mapping=PosixRights(same_names=True))[0].nobody, "numbers are nobody's name"


@pytest.mark.parametrize(
    "node",
    [
        file(0o604),  # the group is denied what everyone has
        file(0o044),  # the owner is denied what the group has
        folder(0o701),
        file(0o644, strange=True),
        file(0o644, b"\x02\x00\x00\x00\x01"),
        file(0o644, b"\x09\x00\x00\x00"),
        file(0o640, acl((OWNER, 6, 0), (USER, 0, 2), (GROUP, 4, 0), (MASK, 4, 0), (OTHER, 0, 0))),
        file(0o644, acl((OWNER, 6, 0), (GROUP, 4, 0), (NAMED, 0, 200), (MASK, 4, 0), (OTHER, 4, 0))),
        file(0o644, acl((OWNER, 6, 0), (GROUP, 4, 0), (0x40, 4, 0), (OTHER, 4, 0))),
    ],
)
def test_what_denies_somebody_cannot_be_expressed(node: PosixNode) -> None:
    assert said(node) == (Rights(), "rights_unsupported")


def test_an_acl_names_more_people_and_its_mask_narrows_them() -> None:
    entries = ((OWNER, 6, 0), (USER, 4, 2), (GROUP, 0, 0), (NAMED, 4, 200), (OTHER, 0, 0))
    assert said(file(0o640, acl(*entries, (MASK, 4, 0))))[0] == Rights.of(
        ["user:olga", "user:aigul", "group:audit"]
    )
    assert said(file(0o600, acl(*entries[:1], *entries[2:], (MASK, 0, 0))))[0] == Rights.of(["user:olga"])


def may_read(node: PosixNode, entries: list[tuple[int, int, int]], user: int, groups: set[int]) -> bool:
    """The algorithm of `acl(5)`, as the kernel does it."""
    bit = 4
    mask = next((bits for tag, bits, _ in entries if tag == MASK), 7)
    by_tag = {tag: bits for tag, bits, _ in entries}
    if user == node.owner:
        return bool(by_tag[OWNER] & bit)
    for tag, bits, who in entries:
        if tag == USER and who == user:
            return bool(bits & mask & bit)
    matching = [
        bits
        for tag, bits, who in entries
        if (tag == GROUP and node.group in groups) or (tag == NAMED and who in groups)
    ]
    if matching:
        return any(bits & mask & bit for bits in matching)
    return bool(by_tag[OTHER] & bit)


_BITS = st.sampled_from([0, 4])


@given(
    st.tuples(_BITS, _BITS, _BITS),
    st.dictionaries(st.sampled_from([1, 2, 3]), _BITS, max_size=3),
    st.dictionaries(st.sampled_from([100, 200, 300]), _BITS, max_size=3),
    st.none() | _BITS,
)
def test_nobody_is_let_in_whom_the_kernel_would_not(
    base: tuple[int, int, int], users: dict[int, int], groups: dict[int, int], mask: int | None
) -> None:
    """Either the rights are quarantined, or everybody's access is the kernel's, whichever groups they are in."""
    entries = [(OWNER, base[0], 0), *((USER, bits, who) for who, bits in users.items()), (GROUP, base[1], 0)]
    entries += [*((NAMED, bits, who) for who, bits in groups.items()), (OTHER, base[2], 0)]
    entries += [(MASK, mask, 0)] if mask is not None else []
    node = file(0o644, acl(*entries))
    mapping = PosixRights(
        groups={str(number): f"group:g{number}" for number in (100, 200, 300)},
        users={str(number): f"user:u{number}" for number in (1, 2, 3, 4)},
        everyone=("tenant:*",),
    )
    rights, problem = said(node, mapping=mapping)
    if problem:
        assert rights.nobody
        return
    for user in (1, 2, 3, 4):
        for size in range(4):
            for member in itertools.combinations((100, 200, 300), size):
                terms = {f"user:u{user}", "tenant:*", *(f"group:g{number}" for number in member)}
                lets = not rights.nobody and all(clause & terms for clause in rights.clauses)
                assert lets == may_read(node, entries, user, set(member))


def connector(root: Path, mapping: PosixRights) -> FilesConnector:
    settings = SourceSettings(name="share", connector="files", url=str(root), rights_posix=mapping)
    return FilesConnector(settings, Surroundings(root, ("bank",), root))


def test_a_real_folder_is_read_with_its_modes(tmp_path: Path) -> None:
    root = tmp_path / "share"
    (root / "hr").mkdir(parents=True)
    for place, mode in ((root, 0o755), (root / "hr", 0o750)):
        place.chmod(mode)
    for name, mode in (("open.md", 0o644), ("hr/bands.md", 0o640), ("odd.md", 0o604)):
        (root / name).write_text("text")
        (root / name).chmod(mode)
    (root / "link.md").symlink_to(root / "open.md")
    number = root.stat().st_gid
    mapping = PosixRights(groups={str(number): "group:ours"}, everyone=("group:staff",))
    found = {item.document.external_id: item.document for item in connector(root, mapping).list()}
    assert found["open.md"].rights == Rights.of(["group:ours", "group:staff"])
    assert found["hr/bands.md"].rights.canonical() == "group:ours"
    assert found["odd.md"].quarantine == "rights_unsupported"
    assert "link.md" not in found, "a link has no rights of its own"
    name = grp.getgrgid(number).gr_name
    assert "hr drwxr-x---" in found["hr/bands.md"].rights_origin
    assert f":{name}" in found["hr/bands.md"].rights_origin
    (root / "hr" / "bands.md").chmod(0o600)
    assert next(
        item for item in connector(root, mapping).list() if item.document.filename == "bands.md"
    ).document.rights.nobody


def test_names_of_accounts_may_be_taken_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("text")
    (tmp_path / "a.md").chmod(0o640)
    tmp_path.chmod(0o755)
    name = grp.getgrgid(os.stat(tmp_path / "a.md").st_gid).gr_name
    [item] = connector(tmp_path, PosixRights(same_names=True)).list()
    assert f"group:{name}" in item.document.rights.canonical()


@pytest.mark.skipif(not hasattr(os, "setxattr"), reason="extended attributes are Linux's")
def test_a_real_acl_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.md"
    path.write_text("text")
    path.chmod(0o640)
    tmp_path.chmod(0o755)
    entries = (
        (OWNER, 6, 0xFFFFFFFF),
        (GROUP, 0, 0xFFFFFFFF),
        (NAMED, 4, 4242),
        (MASK, 4, 0xFFFFFFFF),
        (OTHER, 0, 0xFFFFFFFF),
    )
    try:
        os.setxattr(path, "system.posix_acl_access", acl(*entries))
    except OSError:
        pytest.skip("this file system has no ACLs")
    [item] = connector(tmp_path, PosixRights(groups={"4242": "group:finance"})).list()
    assert item.document.rights == Rights.of(["group:finance"])
    assert "+" in item.document.rights_origin
