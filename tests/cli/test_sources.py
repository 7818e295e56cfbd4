"""`countersign sources`: what is fresh, one pass, and removals that somebody has to accept."""

from __future__ import annotations

from pathlib import Path

from tests.cli.conftest import Cli


def test_every_source_is_listed_with_its_state(cli: Cli, workspace: Path) -> None:
    never = cli("sources", "--json")
    assert never.code == 0
    assert {one["source"]: one["status"] for one in never.json["items"]}["files"] == "never_read"
    assert cli("ingest").code == 0
    told = cli("sources")
    assert (told.code, "fresh" in told.out) == (0, True)
    assert cli("sources", "list", "--json").json["items"][0]["last"]["outcome"] == "complete"


def test_many_removals_wait_until_they_are_accepted(cli: Cli, workspace: Path) -> None:
    for number in range(30):
        (workspace / "files" / f"n{number}.md").write_text(f"The code is {number}.", encoding="utf-8")
    done = cli("sources", "sync", "files", "--json")
    assert (done.code, done.json["new"]) == (0, 32)
    assert cli("sources", "sync", "files", "--accept-removals").code == 2
    for number in range(30):
        (workspace / "files" / f"n{number}.md").unlink()
    held = cli("sources", "sync", "files")
    assert held.code == 3
    assert "--accept-removals" in held.err
    listed = cli("sources")
    assert (listed.code, "held" in listed.out, "source_shrunk" in listed.err) == (3, True, True)
    assert cli("sources", "sync", "files", "--accept-removals", "--json").json["removed"] == 30
    assert cli("sources", "sync", "nothing").code == 1


def test_a_folder_that_is_empty_all_at_once_removes_nothing_by_itself(cli: Cli, workspace: Path) -> None:
    """As an unmounted share is; and whoever runs `ingest` by night is told."""
    for number in range(4):
        (workspace / "files" / f"n{number}.md").write_text(f"The code is {number}.", encoding="utf-8")
    assert cli("ingest", "--json").json["sources"][0]["new"] == 6
    (workspace / "files").rename(workspace / "away")
    (workspace / "files").mkdir()
    held = cli("ingest")
    assert (held.code, "6 documents are gone from files" in held.err) == (3, True)
    assert "--accept-removals" in held.err
    (workspace / "files").rmdir()
    (workspace / "away").rename(workspace / "files")
    whole = cli("ingest", "--json")
    assert (whole.code, whole.json["sources"][0]["unchanged"]) == (0, 6)
    assert cli("sources").code == 0


def test_a_name_of_two_lines_forges_no_second_file(cli: Cli, workspace: Path) -> None:
    (workspace / "files" / "a\nindexed  b.md").write_text("The code is 1.", encoding="utf-8")
    assert "\nindexed  b.md" not in cli("ingest").out
