"""`countersign search`: what one person finds, for people and for programs."""

from __future__ import annotations

from pathlib import Path

from tests.cli.conftest import QUESTION, Cli

SALARY = "What is the maximum salary of grade 8?"
BY = ("--assistant", "staff-help", "--as")


def test_passages_for_people_and_for_programs(cli: Cli, filled: Path) -> None:
    said = cli("search", QUESTION, *BY, "aigerim")
    assert said.code == 0
    assert said.out.startswith("1 found · data as of ")
    assert "  1. Card tariffs · " in said.out
    assert "fees.md" in said.out
    assert "990 tenge" in said.out
    assert "score" not in said.out
    found = cli("search", QUESTION, *BY, "aigerim", "--json").json
    assert found["hits"][0]["external_id"] == "fees.md"
    assert found["hits"][0]["why"] is None


def test_everyone_finds_their_own(cli: Cli, filled: Path) -> None:
    """Nothing found is no failure, and says what to do."""
    lost = cli("search", SALARY, *BY, "aigerim", "--document", "doc_none")
    assert lost.code == 0
    assert "Nothing that this person may see" in lost.out
    assert "1020000" not in cli("search", SALARY, *BY, "aigerim").out
    assert "1020000" in cli("search", SALARY, *BY, "boss").out


def test_the_owner_of_the_workspace_sees_why(cli: Cli, filled: Path) -> None:
    said = cli("search", SALARY, *BY, "boss", "--explain", "--per-document", "--limit", "3")
    assert "score " in said.out
    assert "words 1 (" in said.out
    assert "4-grams 1 (" in said.out
    [live] = cli("index", "list", "--json").json["items"]
    looked = cli("search", SALARY, *BY, "boss", "--index", live["id"], "--json").json
    assert (looked["index_version"], looked["release"]) == (live["id"], None)


def test_what_is_wrong_is_said(cli: Cli, filled: Path) -> None:
    for arguments, code, says in (
        (("",), 2, "query_missing: "),
        (("x", "--limit", "0"), 2, "--limit"),
        (("x", "--limit", "101"), 2, "--limit"),
        (("x", "--as-of", "soon"), 2, "is not a date"),
        (("x", "--index", "none"), 1, "index_version_unknown: "),
    ):
        ended = cli("search", *arguments, *BY, "aigerim")
        assert (ended.code, says in ended.err) == (code, True), (arguments, ended.err)
    assert cli("search", "x", "--assistant", "none", "--as", "aigerim").err.startswith(
        "assistant_not_found: "
    )


def test_text_from_documents_cannot_steer_the_terminal(cli: Cli, workspace: Path) -> None:
    evil = workspace / "files" / "evil.md"
    evil.write_text("# Locker\n\nThe locker code is 7788. \x1b]0;owned\x07 \u202eedoc\n", "utf-8")
    cli("user", "set", "aigerim", "--groups", "staff")
    assert cli("ingest").code == 0
    said = cli("search", "locker code", *BY, "aigerim")
    assert "7788" in said.out
    assert "\x1b" not in said.out and "\u202e" not in said.out
