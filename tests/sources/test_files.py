"""The files connector on real folders: rights from manifests and rules, and nothing from outside the folder."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from countersign.domain.documents import Rights, SourceDocument
from countersign.domain.errors import SourceError
from countersign.domain.workspace import RightsRule, SourceSettings
from countersign.sources.files import FilesConnector
from countersign.sources.registry import Surroundings
from countersign.sources.sidecar import read_sidecar, term_of
from tests.workspaces import write_files

SIDECAR = SourceSettings(name="intranet", connector="files", url="files", rights_sidecar="manifest.jsonl")


def listed(
    root: Path, settings: SourceSettings = SIDECAR, tenants: tuple[str, ...] = ("bank",)
) -> dict[str, SourceDocument]:
    connector = FilesConnector(settings, Surroundings(root, tenants, root / "cache"))
    return {item.document.external_id: item.document for item in connector.list()}


def test_a_manifest_row_gives_rights_dates_and_labels(tmp_path: Path) -> None:
    row = {
        "file": "hr/leave.md",
        "title": "Leave",
        "acl": ["group:hr", "user:olga"],
        "acl_all": ["group:staff"],
        "residency": "kz",
        "classification": "internal",
        "valid_from": "2025-01-01",
        "owner": "hr",
        "supersedes": "hr/old.md",
    }
    write_files(tmp_path / "files", {"hr/leave.md": "text"}, [row])
    document = listed(tmp_path)["hr/leave.md"]
    assert document.rights == Rights((frozenset({"group:hr", "user:olga"}), frozenset({"group:staff"})))
    assert document.rights_origin == "manifest.jsonl line 1"
    assert (document.title, document.residency, document.classification) == ("Leave", "kz", "internal")
    assert document.valid_from is not None
    assert document.valid_from.year == 2025
    assert document.supersedes == "hr/old.md"
    assert document.modified is not None, "the file's own time where the manifest says none"


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"acl": ["tenant:*"], "deny": ["group:interns"]}, "rights_unsupported"),
        ({"acl": "everyone"}, "rights_unsupported"),
        ({"acl": ["role:admin"]}, "rights_unsupported"),
        ({"acl": ["!group:hr"]}, "rights_unsupported"),
        ({"acl": ["group:"]}, "rights_unsupported"),
        ({"acl": ["group:a,group:b"]}, "rights_unsupported"),
        ({"acl": ["tenant:*"], "acl_deny": ["interns"]}, "rights_unsupported"),
        ({"acl": ["tenant:*"], "Deny": {"group": "interns"}}, "rights_unsupported"),
        ({"acl": ["tenant:*"], "valid_from": "soon"}, "metadata_invalid"),
        ({"acl": ["tenant:*"], "tenant": "telecom"}, "wrong_tenant"),
    ],
)
def test_what_cannot_be_expressed_is_quarantined_and_seen_by_nobody(
    tmp_path: Path, row: dict[str, object], reason: str
) -> None:
    write_files(tmp_path / "files", {"a.md": "text"}, [{"file": "a.md", **row}])
    document = listed(tmp_path)["a.md"]
    assert document.quarantine == reason
    assert document.rights.nobody


def test_no_row_an_empty_list_and_an_unreadable_row_all_mean_nobody(tmp_path: Path) -> None:
    write_files(tmp_path / "files", {"a.md": "a", "b.md": "b", "c.md": "c"}, [{"file": "b.md", "acl": []}])
    with (tmp_path / "files" / "manifest.jsonl").open("a") as manifest:
        manifest.write('{"file": "c.md", "acl": ["tenant:*"\n[1, 2]\nnull\n')
    documents = listed(tmp_path)
    assert all(documents[name].rights.nobody for name in ("a.md", "b.md", "c.md"))
    assert "no row" in documents["a.md"].rights_origin


BOARD, STAFF = {"acl": ["board"]}, {"acl": ["staff"]}


@pytest.mark.parametrize(
    ("first", "second", "quarantine", "readers"),
    [
        (BOARD, STAFF, "", Rights.of([], ["group:board", "group:staff"]).clauses[1:]),
        (STAFF, STAFF, "", (frozenset({"group:staff"}),)),
        (STAFF, {"acl": []}, "", ()),
        ({**STAFF, "deny": ["interns"]}, STAFF, "rights_unsupported", ()),
        (STAFF, {**STAFF, "deny": ["interns"]}, "rights_unsupported", ()),
        ({**STAFF, "residency": "kz"}, {**STAFF, "residency": "eu"}, "metadata_invalid", ()),
    ],
)
def test_two_rows_about_one_file_let_in_only_whom_both_do(
    tmp_path: Path,
    first: dict[str, object],
    second: dict[str, object],
    quarantine: str,
    readers: tuple[frozenset[str], ...],
) -> None:
    rows = [{"file": "a.md", **first}, {"file": "b.md", "acl": ["staff"]}, {"file": "a.md", **second}]
    write_files(tmp_path / "files", {"a.md": "text"}, rows)
    document = listed(tmp_path)["a.md"]
    assert (document.quarantine, document.rights.clauses) == (quarantine, readers)
    assert document.rights_origin == "manifest.jsonl line 1 and 3"


def test_two_rows_about_one_file_keep_its_residency(tmp_path: Path) -> None:
    rows = [{"file": "a.md", **STAFF, "residency": "kz"}, {"file": "a.md", **STAFF, "title": "A"}]
    write_files(tmp_path / "files", {"a.md": "text"}, rows)
    document = listed(tmp_path)["a.md"]
    assert (document.residency, document.title, document.quarantine) == ("kz", "A", "")


def test_a_name_in_other_code_points_is_no_match_and_is_told(tmp_path: Path) -> None:
    composed, apart = "Ереже \u0439.md", "Ереже \u0438\u0306.md"
    write_files(tmp_path / "files", {apart: "text"}, [{"file": composed, **STAFF}])
    document = listed(tmp_path)[apart]
    assert document.rights.nobody and "code points" in document.rights_origin


def test_the_first_matching_rule_decides(tmp_path: Path) -> None:
    settings = SourceSettings(
        name="intranet",
        connector="files",
        url="files",
        rights_rules=(RightsRule("hr/**", ("hr",)), RightsRule("**", ("group:staff",), ("user:olga",))),
    )
    write_files(tmp_path / "files", {"hr/a.md": "a", "b.md": "b"}, [])
    documents = listed(tmp_path, settings)
    assert documents["hr/a.md"].rights == Rights.of(["group:hr"])
    assert documents["b.md"].rights == Rights.of(["group:staff"], ["user:olga"])
    assert documents["hr/a.md"].rights_origin == "rule hr/**"


def test_keys_of_a_foreign_manifest_can_be_mapped(tmp_path: Path) -> None:
    settings = SourceSettings(
        name="intranet",
        connector="files",
        url="files",
        rights_sidecar="manifest.jsonl",
        sidecar_keys={"file": "path", "acl": "readers"},
    )
    write_files(tmp_path / "files", {"a.md": "a"}, [{"path": "a.md", "readers": ["staff"]}])
    assert listed(tmp_path, settings)["a.md"].rights == Rights.of(["group:staff"])


def test_several_tenants_need_one_to_be_named(tmp_path: Path) -> None:
    rows = [{"file": "a.md", "acl": ["tenant:*"]}, {"file": "b.md", "acl": ["tenant:*"], "tenant": "telecom"}]
    write_files(tmp_path / "files", {"a.md": "a", "b.md": "b"}, rows)
    documents = listed(tmp_path, tenants=("bank", "telecom"))
    assert documents["a.md"].quarantine == "tenant_missing"
    assert (documents["b.md"].tenant, documents["b.md"].quarantine) == ("telecom", "")


def test_an_attachment_is_described_with_its_mail(tmp_path: Path) -> None:
    rows = [
        {"file": "m.eml", "acl": ["group:staff"]},
        {"file": "annex.pdf", "attached_in": "m.eml", "acl": ["group:treasury"]},
    ]
    write_files(tmp_path / "files", {"m.eml": "mail"}, rows)
    documents = listed(tmp_path)
    assert set(documents) == {"m.eml"}
    [part] = documents["m.eml"].parts
    assert (part.filename, part.rights) == ("annex.pdf", Rights.of(["group:treasury"]))


def test_links_and_hidden_files_lead_nowhere(tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("outside")
    write_files(tmp_path / "files", {"a.md": "a", ".hidden": "h", ".git/config": "g"}, [])
    os.symlink(secret, tmp_path / "files" / "link.txt")
    os.symlink(tmp_path, tmp_path / "files" / "folder")
    os.symlink(tmp_path / "files", tmp_path / "files" / "loop")
    connector = FilesConnector(SIDECAR, Surroundings(tmp_path, ("bank",), tmp_path / "cache"))
    assert {item.document.external_id for item in connector.list()} == {"a.md"}
    for name in ("link.txt", "../secret.txt", "folder/secret.txt", "/etc/hostname"):
        with pytest.raises(SourceError):
            connector.read(name, 1000)


def test_names_that_programs_leave_behind_are_no_documents(tmp_path: Path) -> None:
    left = ("~$report.docx", "Thumbs.db", "desktop.ini", "a/~$b.xlsx", "a/THUMBS.DB")
    write_files(tmp_path / "files", {"report.docx": b"x", "a/b.xlsx": b"x", **dict.fromkeys(left, b"x")}, [])
    assert set(listed(tmp_path)) == {"report.docx", "a/b.xlsx"}


def test_a_folder_that_cannot_be_read_is_told_after_everything_else_was_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_files(tmp_path / "files", {f"{name}/x.md": name for name in "abc"}, [])
    whole = os.scandir

    def refusing(path: str) -> object:
        if path.endswith("/b"):
            raise PermissionError(13, "Permission denied", path)
        return whole(path)

    monkeypatch.setattr(os, "scandir", refusing)
    connector = FilesConnector(SIDECAR, Surroundings(tmp_path, ("bank",), tmp_path / "cache"))
    seen: dict[str, str] = {}
    with pytest.raises(SourceError) as told:
        for item in connector.list():
            seen[item.document.external_id] = item.problem
    assert told.value.code == "source_folder_unreadable"
    assert seen == {"a/x.md": "", "b": "source_folder_unreadable", "c/x.md": ""}


@pytest.mark.parametrize("empty", [True, False])
def test_a_root_that_becomes_another_folder_on_the_way_is_no_short_listing(
    tmp_path: Path, empty: bool
) -> None:
    """As when a share is unmounted while it is listed."""
    write_files(tmp_path / "files", {f"{name}/x.md": name for name in "abc"}, [])
    connector = FilesConnector(SIDECAR, Surroundings(tmp_path, ("bank",), tmp_path / "cache"))
    listing = connector.list()
    next(listing)
    (tmp_path / "files").rename(tmp_path / "away")
    if empty:
        (tmp_path / "files").mkdir()
    with pytest.raises(SourceError) as told:
        list(listing)
    assert told.value.code == "source_folder_missing"


def test_a_missing_folder_or_manifest_is_an_error_of_the_source_as_a_whole(tmp_path: Path) -> None:
    with pytest.raises(SourceError) as raised:
        listed(tmp_path)
    assert raised.value.code == "source_folder_missing"
    (tmp_path / "files").mkdir()
    with pytest.raises(SourceError) as raised:
        listed(tmp_path)
    assert raised.value.code == "source_sidecar_missing"


def test_a_file_over_the_limit_is_refused_before_it_is_taken_in(tmp_path: Path) -> None:
    write_files(tmp_path / "files", {"a.md": "x" * 100}, [])
    connector = FilesConnector(SIDECAR, Surroundings(tmp_path, ("bank",), tmp_path / "cache"))
    with pytest.raises(SourceError) as raised:
        connector.read("a.md", 99)
    assert raised.value.code == "source_file_too_large"
    assert connector.read("a.md", 100) == b"x" * 100


@given(st.text(max_size=40))
def test_a_term_is_one_that_rights_can_carry_or_nothing(text: str) -> None:
    term = term_of(text)
    if term is not None:
        assert term == "tenant:*" or term.split(":", 1)[0] in ("group", "user")
        assert Rights.from_canonical(Rights.of([term]).canonical()) == Rights.of([term])


@given(
    st.lists(
        st.dictionaries(
            st.sampled_from(["file", "acl", "acl_all", "deny", "tenant", "modified"]),
            st.recursive(
                st.none() | st.booleans() | st.integers() | st.text(max_size=8),
                lambda inner: st.lists(inner, max_size=3),
                max_leaves=5,
            ),
        ),
        max_size=5,
    )
)
def test_no_manifest_however_broken_stops_the_reading_or_grants_by_accident(
    rows: list[dict[str, object]],
) -> None:
    text = "\n".join(json.dumps(row) for row in rows)
    sidecar = read_sidecar(text, "manifest.jsonl", {})
    for said in sidecar.files.values():
        terms = [term for clause in said.rights.clauses for term in clause]
        lists = [row[key] for row in rows for key in ("acl", "acl_all") if isinstance(row.get(key), list)]
        granted = [item for items in lists for item in items]  # type: ignore[attr-defined]
        assert all(any(term in (item, f"group:{item}") for item in granted) for term in terms)
