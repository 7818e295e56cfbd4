"""Each command: what it prints, what it returns, and what it says when it is used wrongly."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from countersign.cli.main import countersign, run
from countersign.cli.reference import markdown
from countersign.config import template
from tests.cli.conftest import QUESTION, Cli, fill

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "commands.md"


def _all(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None, name
        yield (*path, name), command
        if isinstance(command, click.Group):
            yield from _all(command, (*path, name))


COMMANDS = dict(_all(countersign))


# -- help -------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_help_says_what_it_does_with_an_example(cli: Cli, path: tuple[str, ...]) -> None:
    shown = cli(*path, "--help")
    assert shown.code == 0
    examples = shown.out.partition("Examples:\n")[2]
    assert "countersign" in examples
    assert " ".join(path) in examples
    assert COMMANDS[path].help
    for parameter in COMMANDS[path].params:
        if isinstance(parameter, click.Option):
            assert parameter.help or parameter.name in ("state", "status", "task", "tls_key", "port"), (
                parameter.name
            )


def test_every_command_prints_json_and_every_list_and_record_is_there() -> None:
    for path, command in COMMANDS.items():
        if not isinstance(command, click.Group):
            assert any(p.name == "json" for p in command.params), path


def test_the_reference_page_is_what_the_code_prints() -> None:
    message = "run: python -m countersign.cli.reference > docs/reference/commands.md"
    assert PAGE.read_text(encoding="utf-8") == markdown(), message


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """For tests that change nothing."""
    root = tmp_path_factory.mktemp("shared") / "w"
    assert run(["init", str(root)]) == 0
    fill(root)
    assert run(["-w", str(root), "user", "set", "aigerim", "--groups", "staff"]) == 0
    assert run(["-w", str(root), "user", "set", "boss", "--roles", "user,reviewer"]) == 0
    return root


# -- wrong usage ------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("nonsense",), 2, "No such command"),
        (("ask", "?"), 2, "--assistant"),
        (("ask", "?", "--assistant", "staff-help"), 2, "--as"),
        (("ask", "?", "--assistant", "none", "--as", "aigerim"), 1, "assistant"),
        (("ask", QUESTION, "--assistant", "staff-help", "--as", "nobody"), 1, "not_found: there is no person 'nobody'"),
        (("ask", QUESTION, "--assistant", "staff-help", "--as", "aigerim", "--as-of", "soon"), 2, "is not a date"),
        (("ask", QUESTION, "--assistant", "staff-help", "--as", "aigerim", "--task", "sing"), 2, "sing"),
        (("user", "set", "x", "--tenant", "telecom"), 2, "tenant_unknown: "),
        (("user", "set", "a,b"), 2, "bad_name: "),
        (("user", "set", "x", "--roles", "king"), 2, "bad_role: "),
        (("user", "disable", "nobody"), 1, "not_found: "),
        (("key", "create", "--user", "nobody"), 1, "not_found: "),
        (("key", "create", "--user", "aigerim", "--expires", "soon"), 2, "is not a duration"),
        (("key", "create", "--user", "aigerim", "--expires", "0d"), 2, "is not a duration"),
        (("key", "revoke", "key_none"), 1, "not_found: "),
        (("key", "rotate", "key_none"), 1, "not_found: "),
        (("why", "none.md", "--as", "aigerim"), 1, "not_found: "),
        (("ingest", "--source", "none"), 1, "source_not_found: "),
        (("review", "show", "rev_none", "--as", "boss"), 1, "not_found: "),
        (("review", "decide", "rev_none", "--as", "boss"), 2, "say one of"),
        (("review", "decide", "rev_none", "--approve", "--edit", "x", "--as", "boss"), 2, "say one of"),
        (("documents", "show", "doc_none"), 1, "not_found: "),
        (("documents", "erase", "doc_none", "--yes"), 1, "not_found: "),
        (("release", "show", "rel_none"), 1, "not_found: "),
        (("audit", "verify", "--tenant", "none"), 2, "tenant_unknown: "),
        (("audit", "export", "--json"), 2, "--out"),
        (("index", "rebuild", "--tenant", "none"), 2, "tenant_unknown: "),
        (("serve", "--host", "0.0.0.0"), 2, "bind_refused: "),
        (("backup", "/nowhere/at/all.tar"), 2, "folder_missing: "),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_with_a_code(
    cli: Cli, shared: Path, arguments: tuple[str, ...], code: int, says: str
) -> None:
    ended = cli(*arguments, at=shared)
    assert ended.code == code
    assert says in ended.err
    assert ended.out == ""
    assert "Traceback" not in ended.err


def test_a_folder_without_a_workspace_says_how_to_make_one(cli: Cli, tmp_path: Path) -> None:
    ended = cli("user", "list", at=tmp_path)
    assert ended.code == 1
    assert ended.err.startswith("config_missing: ")
    assert "countersign init" in ended.err


# -- init -------------------------------------------------------------------------------------------------------
def test_init_refuses_what_is_not_empty(cli: Cli, workspace: Path, tmp_path: Path) -> None:
    again = cli("init", str(workspace))
    assert (again.code, again.err.split(":")[0]) == (1, "workspace_exists")
    other = tmp_path / "other"
    other.mkdir()
    (other / "report.docx").touch()
    refused = cli("init", str(other))
    assert (refused.code, refused.err.split(":")[0]) == (1, "folder_not_empty")
    assert [path.name for path in other.iterdir()] == ["report.docx"]
    assert cli("init", str(other / "report.docx")).code == 2


def test_init_keeps_a_file_that_was_written_by_hand(cli: Cli, tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "countersign.yaml").write_text("name: mine\nsources: 5\n")
    assert cli("init", str(folder)).code == 1
    assert not (folder / "state").exists()
    text = template("mine") + "# ours\n"
    (folder / "countersign.yaml").write_text(text)
    assert cli("init", str(folder)).code == 0
    assert (folder / "countersign.yaml").read_text() == text
    assert (folder / "state" / "keys" / "server.key").exists()
    assert cli("-w", str(folder), "user", "set", "aigerim").code == 0


def test_init_by_the_process_that_it_serves(cli: Cli, tmp_path: Path) -> None:
    half = cli("init", str(tmp_path / "half"), "--asks", "clerks")
    assert (half.code, half.err.split(":")[0]) == (2, "process_incomplete")
    assert not (tmp_path / "half").exists()
    said = (
        "--asks",
        "clerks",
        "--decides",
        "a fee",
        "--costs",
        "a fine",
        "--risk",
        "high",
        "--reviewers",
        "a,b",
    )
    made = cli(
        "init", str(tmp_path / "w"), "--name", "Толқын", "--tenant", "bank", "--tenant", "telecom", *said
    )
    assert made.code == 0, made.err
    text = (tmp_path / "w" / "countersign.yaml").read_text("utf-8")
    assert "risk: high" in text
    assert '"Толқын"' in text
    keys = tmp_path / "w" / "state" / "keys"
    assert keys.stat().st_mode & 0o777 == 0o700
    assert (keys / "server.key").stat().st_mode & 0o777 == 0o600
    assert cli("user", "set", "x").err.startswith("tenant_missing: ")
    assert cli("user", "set", "x", "--tenant", "telecom", "--json").json["tenant"] == "telecom"


def test_a_name_that_the_file_cannot_hold_leaves_nothing_behind(cli: Cli, tmp_path: Path) -> None:
    ended = cli("init", str(tmp_path / "w"), "--tenant", "a b")
    assert ended.code == 1
    assert not (tmp_path / "w" / "countersign.yaml").exists()


# -- people and keys --------------------------------------------------------------------------------------------
def test_people_and_their_keys(cli: Cli, workspace: Path) -> None:
    made = cli(
        "key", "create", "--user", "ci", "--groups", "staff", "--roles", "user", "--expires", "2w", "--json"
    ).json
    assert made["key"].startswith("cs_")
    assert (made["user"], made["state"]) == ("ci", "valid")
    [person] = cli("user", "list", "--json").json["items"]
    assert (person["name"], person["groups"], person["roles"]) == ("ci", ["staff"], ["user"])

    listed = cli("key", "list", "--json")
    assert made["key"] not in listed.out
    turned = cli("key", "rotate", made["key_id"], "--overlap", "24h", "--json").json
    assert turned["key"] != made["key"]
    assert cli("key", "revoke", turned["prefix"], "--json").json["state"] == "revoked"
    assert cli("user", "disable", "ci", "--json").json["disabled"] is True
    assert cli("user", "set", "ci", "--enable", "--json").json["disabled"] is False


def test_why_names_the_clause_and_returns_the_verdict(cli: Cli, filled: Path) -> None:
    denied = cli("why", "hr/bands.md", "--as", "aigerim")
    assert denied.code == 3
    assert "group:hr" in denied.out
    allowed = cli("why", "hr/bands.md", "--as", "boss", "--json")
    assert allowed.code == 0
    assert allowed.json["permitted"] is True
    assert allowed.json["rights_origin"] == "rule hr/*"


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a folder away")
def test_only_the_owner_of_the_files_acts_as_others(cli: Cli, filled: Path) -> None:
    os.chown(filled / "state", 65534, 65534)
    for command in (("ask", QUESTION, "--assistant", "staff-help"), ("why", "fees.md"), ("review", "list")):
        refused = cli(*command, "--as", "aigerim")
        assert (refused.code, refused.err.split(":")[0]) == (1, "not_owner")
    assert cli("documents", "list").err.startswith("not_owner: ")


# -- asking -----------------------------------------------------------------------------------------------------
def test_an_answer_for_people_and_for_programs(cli: Cli, filled: Path) -> None:
    said = cli("ask", QUESTION, "--assistant", "staff-help", "--as", "aigerim")
    assert said.code == 0
    assert said.out.startswith("delivered · confidence ")
    assert "990 tenge. [1]" in said.out
    assert "[1] Card tariffs · fees.md" in said.out
    answer = cli("ask", QUESTION, "--assistant", "staff-help", "--as", "aigerim", "--json").json
    assert answer["status"] == "delivered"
    assert answer["citations"][0]["external_id"] == "fees.md"
    assert answer["claims"][0]["supported"] is True
    assert answer["confidence"]["calibrated"] is False
    [event] = _events(filled, "access.impersonated")[:1]
    assert event["subject"] == "aigerim"


def test_a_refusal_is_an_answer(cli: Cli, filled: Path) -> None:
    question = "What is the maximum salary of grade 8?"
    refused = cli("ask", question, "--assistant", "staff-help", "--as", "aigerim", "--json")
    assert refused.code == 0
    assert refused.json["refusal"] == {"reason": "no_evidence"}
    assert "1020000" not in refused.out
    assert "1020000" in cli("ask", question, "--assistant", "staff-help", "--as", "boss").out


def _events(root: Path, kind: str) -> list[dict[str, str]]:
    with sqlite3.connect(root / "state" / "countersign.db") as connection:
        connection.row_factory = sqlite3.Row
        rows = connection.execute("select * from event where kind = ? order by seq", (kind,)).fetchall()
    connection.close()
    return [dict(row) for row in rows]


# -- documents --------------------------------------------------------------------------------------------------
def test_a_second_pass_costs_nothing_and_a_lost_file_stops_answering(cli: Cli, filled: Path) -> None:
    again = cli("ingest", "--json").json
    assert [report["unchanged"] for report in again["sources"]] == [2]
    (filled / "files" / "fees.md").unlink()
    assert cli("ingest", "--json").json["sources"][0]["removed"] == 1
    answer = cli("ask", QUESTION, "--assistant", "staff-help", "--as", "aigerim", "--json").json
    assert answer["status"] == "refused"


def test_what_cannot_be_read_is_named_and_can_be_tried_again(cli: Cli, filled: Path) -> None:
    (filled / "files" / "empty.md").touch()
    failed = cli("ingest")
    assert "failed empty (no_bytes)  empty.md" in failed.out
    again = cli("ingest", "--retry-failed", "--json").json
    assert [file["reason"] for file in again["documents"] if file["status"] == "failed"] == ["no_bytes"]
    [item] = cli("documents", "list", "--status", "failed", "--json").json["items"]
    shown = cli("documents", "show", item["document_id"], "--json").json
    assert (shown["parse_status"], shown["reason"]) == ("empty", "no_bytes")


def test_a_missing_folder_fails_and_removes_nothing(cli: Cli, filled: Path) -> None:
    (filled / "files").rename(filled / "moved")
    ended = cli("ingest", "--json")
    assert ended.code == 1
    assert ended.json["problems"] == {"files": "source_folder_missing"}
    assert len(cli("documents", "list", "--json").json["items"]) == 2


def test_the_owner_sees_states_and_a_person_sees_titles(cli: Cli, filled: Path) -> None:
    as_person = cli("documents", "list", "--as", "aigerim", "--json").json["items"]
    assert [(item["external_id"], item["title"]) for item in as_person] == [("fees.md", "Card tariffs")]
    assert len(cli("documents", "list", "--json").json["items"]) == 2


def test_erasing_prints_its_proof(cli: Cli, filled: Path) -> None:
    cli("ask", QUESTION, "--assistant", "staff-help", "--as", "aigerim")
    [item] = cli("documents", "list", "--as", "aigerim", "--json").json["items"]
    erased = cli("documents", "erase", item["document_id"], "--yes", "--json")
    assert erased.code == 0
    assert erased.json["proof"]["complete"] is True
    assert cli("audit", "verify").code == 0


def test_deleting_ends_the_answers_of_a_document(cli: Cli, filled: Path) -> None:
    [item] = cli("documents", "list", "--as", "aigerim", "--json").json["items"]
    assert cli("documents", "delete", item["document_id"], "--json").json["status"] == "deleted"
    answer = cli("ask", QUESTION, "--assistant", "staff-help", "--as", "aigerim", "--json").json
    assert answer["status"] == "refused"


# -- the index --------------------------------------------------------------------------------------------------
def test_the_index_agrees_with_the_database_and_can_be_made_anew(cli: Cli, filled: Path) -> None:
    [state] = cli("index", "status", "--json").json["items"]
    assert (state["passages"], state["behind"]) == (2, 0)
    assert cli("index", "compare", "--json").json["equal"] is True
    for path in (filled / "state" / "index").rglob("*"):
        if path.is_file():
            path.unlink()
    assert cli("index", "rebuild", "--json").json["items"][0]["passages"] == 2
    assert cli("index", "compare").code == 0


# -- the record -------------------------------------------------------------------------------------------------
def test_a_changed_event_is_found_here_and_in_an_export(cli: Cli, filled: Path, tmp_path: Path) -> None:
    good, bad = tmp_path / "good.jsonl", tmp_path / "bad.jsonl"
    exported = cli("audit", "export", "--out", str(good), "--personal", "--json").json
    assert exported["events"] == len(good.read_bytes().splitlines())
    assert cli("audit", "export", "--out", str(good)).err.startswith("file_exists: ")
    state = filled / "state"
    elsewhere = (
        "--tenant", "main", "--checkpoints", str(state / "checkpoints"), "--public-key", str(state / "keys/record.pub"),
    )  # fmt: skip
    assert cli("audit", "verify", "--export", str(good), *elsewhere, at=tmp_path).code == 0
    assert cli("audit", "verify", "--export", str(good), at=tmp_path).code == 2

    lines = good.read_text("utf-8").splitlines()
    first = json.loads(lines[0])
    bad.write_text("\n".join([json.dumps({**first, "actor": "mallory"}), *lines[1:]]) + "\n", "utf-8")
    found = cli("audit", "verify", "--export", str(bad), *elsewhere, "--json", at=tmp_path)
    assert found.code == 4
    assert "changed" in [each["code"] for each in found.json["tenants"][0]["discrepancies"]]

    with sqlite3.connect(state / "countersign.db") as connection:
        connection.execute("update event set actor = 'mallory' where seq = 1")
    connection.close()
    here = cli("audit", "verify")
    assert here.code == 4
    assert "NOT VERIFIED" in here.out
    assert "changed at event 1" in here.out


def test_releases_name_what_shaped_the_answers(cli: Cli, filled: Path) -> None:
    [first] = cli("release", "list", "--json").json["items"]
    config = filled / "countersign.yaml"
    config.write_text(config.read_text("utf-8").replace("risk: low", "risk: high"), "utf-8")
    cli("ask", QUESTION, "--assistant", "staff-help", "--as", "aigerim")
    newest = cli("release", "list", "--json").json["items"]
    assert [item["active"] for item in newest] == [True, False]
    second = newest[0]["id"]
    changed = cli("release", "show", second, "--against", first["id"], "--json").json["differences"]
    assert "assistant.process.risk" in [each["path"] for each in changed]
    assert cli("release", "show", second, "--json").json["manifest"]["assistant"]["name"] == "staff-help"


# -- backup -----------------------------------------------------------------------------------------------------
def test_what_was_erased_since_does_not_come_back(cli: Cli, filled: Path, tmp_path: Path) -> None:
    (tmp_path / "backups").mkdir()
    archive = tmp_path / "backups" / "one.tar"
    assert cli("backup", str(archive), "--keep", "90d", "--with-keys", "--json").json["with_keys"] is True
    assert cli("backup", str(archive)).err.startswith("backup_exists: ")
    [item] = cli("documents", "list", "--as", "aigerim", "--json").json["items"]
    assert cli("documents", "erase", item["document_id"], "--yes").code == 0

    there = tmp_path / "restored"
    restored = cli("restore", str(archive), str(there), "--json").json
    assert (restored["erased_again"], restored["verified"], restored["keys"]) == (1, True, True)
    left = cli("documents", "list", "--json", at=there).json["items"]
    assert [each["external_id"] for each in left] == ["hr/bands.md"]
    assert cli("restore", str(archive), str(there)).err.startswith("workspace_not_empty: ")


def test_a_damaged_or_absent_backup_is_not_restored(cli: Cli, filled: Path, tmp_path: Path) -> None:
    archive = tmp_path / "one.tar"
    assert cli("backup", str(archive)).code == 0
    content = bytearray(archive.read_bytes())
    content[content.index(b"\x1f\x8b") + 12] ^= 1  # inside the first table, not in what pads the archive
    archive.write_bytes(content)
    assert cli("restore", str(archive), str(tmp_path / "r")).code == 4
    absent = cli("restore", str(tmp_path / "none.tar"), str(tmp_path / "r2"))
    assert (absent.code, absent.err.split(":")[0]) == (1, "backup_not_found")
    assert not (tmp_path / "r2").exists()


def test_a_half_restored_workspace_answers_nothing(cli: Cli, filled: Path) -> None:
    (filled / "state" / "restoring").touch()
    for command in (("user", "list"), ("ask", QUESTION, "--assistant", "staff-help", "--as", "aigerim")):
        assert cli(*command).err.startswith("restore_unfinished: ")


# -- configuration and doctor -----------------------------------------------------------------------------------
def test_config_check_names_line_and_remedy(cli: Cli, workspace: Path) -> None:
    assert cli("config", "check", "--json").json == {"ok": True, "problems": []}
    config = workspace / "countersign.yaml"
    config.write_text(config.read_text("utf-8") + "parsing2: {}\n", "utf-8")
    wrong = cli("config", "check", "--json")
    assert wrong.code == 3
    [problem] = wrong.json["problems"]
    assert problem["line"] == len(config.read_text("utf-8").splitlines())
    assert cli("doctor").code == 3
    assert cli("user", "list").code == 1


def test_doctor_finds_what_is_wrong_and_says_what_to_do(cli: Cli, filled: Path) -> None:
    well = cli("doctor", "--json")
    assert well.code == 0, well.out
    names = {check["name"] for check in well.json["checks"]}
    assert {"configuration", "server key", "record key", "disk", "database", "index", "documents"} <= names

    (filled / "state" / "keys" / "record.key").chmod(0o644)
    (filled / "files" / "empty.md").touch()
    (filled / "state" / "keys" / "server.key").unlink()
    ill = cli("doctor", "--json")
    assert ill.code == 3
    failed = {check["name"]: check for check in ill.json["checks"] if check["level"] == "fail"}
    assert set(failed) == {"server key", "record key"}
    assert all(check["fix"] for check in failed.values())
    assert cli("user", "list").err.startswith("server_key_missing: ")


def test_doctor_changes_nothing(cli: Cli, workspace: Path) -> None:
    (workspace / "state" / "countersign.db").unlink()
    ended = cli("doctor", "--json")
    assert ended.code == 3
    assert not (workspace / "state" / "countersign.db").exists()


def test_a_damaged_database_is_named(cli: Cli, workspace: Path) -> None:
    database = workspace / "state" / "countersign.db"
    for path in database.parent.glob("countersign.db*"):
        path.unlink()
    database.write_bytes(b"not a database at all" * 500)
    assert cli("user", "list").err.startswith("database_damaged: ")
    failed = [check for check in cli("doctor", "--json").json["checks"] if check["level"] == "fail"]
    assert [check["name"] for check in failed] == ["database"]


def test_what_the_system_refuses_is_no_stack_trace(cli: Cli, workspace: Path) -> None:
    config = workspace / "countersign.yaml"
    config.unlink()
    config.mkdir()
    assert cli("user", "list").err.startswith("config_missing: ")
    out = workspace / "none" / "out.jsonl"
    config.rmdir()
    ended = cli("restore", str(out), str(workspace / "files" / "x"))
    assert (ended.code, ended.err.split(":")[0]) == (1, "backup_not_found")


def test_production_is_stricter(cli: Cli, filled: Path) -> None:
    (filled / "state").chmod(0o755)
    tolerated = cli("doctor", "--json").json["checks"]
    assert ("state folder", "warn") in [(check["name"], check["level"]) for check in tolerated]
    strict = cli("doctor", "--production", "--json")
    assert strict.code == 3
    failed = {check["name"] for check in strict.json["checks"] if check["level"] == "fail"}
    assert {"state folder", "backup"} <= failed
