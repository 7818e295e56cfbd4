"""`options:` of a source: read as its connector declares them, whoever wrote the connector."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from countersign.config import ConfigProblem, load, problems
from countersign.config.options import declared, keys_of
from countersign.config.reading import section
from countersign.domain.workspace import Secret
from countersign.sources.registry import OWN

SECRET = "k-4f9a1c77e2b0d5"
FOREIGN = """
from countersign.sources.options import Option

class Tickets:
    OPTIONS = (
        Option("project", "text", "Which project.", required=True),
        Option("token", "secret", "Its key."),
        Option("page", "whole", "Rows at a time.", "100"),
        Option("closed", "yes_no", "Closed ones too.", "false"),
        Option("labels", "names", "Which labels.", "[]"),
        Option("timeout", "duration", "How long it may take.", "30s"),
        Option("most", "size", "Largest reply.", "1 MiB"),
        Option("fields", "mapping", "Ours: theirs.", "{}"),
    )
    NEEDS_URL = True

    def __init__(self, settings, around):
        self.settings = settings

class Odd:
    OPTIONS = (Option("colour", "colour", "Which colour."),)
    NEEDS_URL = False
"""
POINTS = "[countersign.connectors]\ntickets = strange_tickets:Tickets\nodd = strange_tickets:Odd\nlame = strange_lame:Lame\n"


@pytest.fixture(autouse=True)
def foreign(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package of somebody else, installed as packages are."""
    place = tmp_path / "site"
    (place / "strange_tickets-1.0.dist-info").mkdir(parents=True)
    (place / "strange_tickets.py").write_text(FOREIGN)
    (place / "strange_lame.py").write_text("import a_library_that_is_not_here\n")
    (place / "strange_tickets-1.0.dist-info" / "METADATA").write_text("Name: strange-tickets\nVersion: 1.0\n")
    (place / "strange_tickets-1.0.dist-info" / "entry_points.txt").write_text(POINTS)
    monkeypatch.syspath_prepend(str(place))


def write(folder: Path, source: str) -> Path:
    path = folder / "countersign.yaml"
    path.write_text(f"name: w\nsources:\n  s:\n{source}", encoding="utf-8")
    return path


def errors(folder: Path, source: str, environ: dict[str, str] | None = None) -> list[ConfigProblem]:
    found = problems(write(folder, source), environ or {})
    return [problem for problem in found if problem.severity == "error"]


FULL = """\
    connector: tickets
    url: https://tickets.example.kz
    options:
      project: fees
      token: ${env:TOKEN}
      page: 50
      closed: true
      labels: [a, b]
      timeout: 2m
      most: 2 MiB
      fields: {title: summary}
"""


def test_each_kind_reaches_the_connector_as_its_type(tmp_path: Path) -> None:
    source = load(write(tmp_path, FULL), {"TOKEN": SECRET}).sources["s"]
    token = source.options["token"]
    assert isinstance(token, Secret)
    assert token.value == SECRET
    assert {name: value for name, value in source.options.items() if name != "token"} == {
        "project": "fees",
        "page": 50,
        "closed": True,
        "labels": ("a", "b"),
        "timeout": timedelta(minutes=2),
        "most": 2 * 1024**2,
        "fields": {"title": "summary"},
    }
    assert SECRET not in repr(source)


@pytest.mark.parametrize(
    ("was", "now", "line", "says", "hint"),
    [
        ("project: fees", "projekt: fees", 7, "unknown key", "`project`"),
        ("page: 50", "page: many", 9, "not a number", "whole number"),
        ("closed: true", "closed: 'yes'", 10, "neither true nor false", "true or false"),
        ("labels: [a, b]", "labels: a", 11, "not a list", "[a, b]"),
        ("timeout: 2m", "timeout: 2", 12, "not a duration", "30s"),
        ("most: 2 MiB", "most: big", 13, "not a size", "200 MB"),
        ("fields: {title: summary}", "fields: [x]", 14, "not a section", "section"),
    ],
)
def test_what_does_not_fit_is_told_with_its_line(
    tmp_path: Path, was: str, now: str, line: int, says: str, hint: str
) -> None:
    found = errors(tmp_path, FULL.replace(was, now), {"TOKEN": SECRET})
    first = next(problem for problem in found if problem.line == line)
    assert says in first.message
    assert hint in first.hint


def test_a_secret_stands_only_by_reference_and_is_never_repeated(tmp_path: Path) -> None:
    found = errors(tmp_path, FULL.replace("${env:TOKEN}", SECRET))
    assert [problem.code for problem in found] == ["secret_in_file"]
    assert SECRET not in str(found)
    found = errors(tmp_path, FULL.replace("project: fees", "project: ${env:TOKEN}"), {"TOKEN": SECRET})
    assert "a reference may stand only where a secret is asked for" in found[0].message
    assert [problem.code for problem in errors(tmp_path, FULL)] == ["secret_missing"]


@pytest.mark.parametrize("options", ["", "    options: {}\n", "    options: {page: 3}\n"])
def test_what_is_required_must_be_said(tmp_path: Path, options: str) -> None:
    [problem] = errors(tmp_path, f"    connector: tickets\n    url: https://t.example.kz\n{options}")
    assert "project" in problem.message
    assert "Which project." in problem.hint


def test_a_connector_that_reads_an_address_needs_one(tmp_path: Path) -> None:
    [problem] = errors(tmp_path, "    connector: tickets\n    options: {project: fees}\n")
    assert "`url` is missing" in problem.message


def test_a_connector_that_is_not_there_or_cannot_be_loaded_is_told_once(tmp_path: Path) -> None:
    [problem] = errors(tmp_path, "    connector: nothing\n    options: {a: {b: c}}\n")
    assert "there is no connector `nothing`" in problem.message
    assert "files" in problem.hint
    assert "tickets" in problem.hint
    [problem] = errors(tmp_path, "    connector: lame\n    options: {a: b}\n")
    assert problem.code == "connector_unavailable"
    assert "a_library_that_is_not_here" in problem.message
    [problem] = errors(tmp_path, "    connector: odd\n")
    assert problem.code == "connector_unavailable"
    assert "colour" in problem.message


def test_push_takes_no_options(tmp_path: Path) -> None:
    [problem] = errors(tmp_path, "    connector: push\n    options: {a: b}\n")
    assert problem.code == "config_unknown_key"


@pytest.mark.parametrize("name", sorted(OWN))
def test_every_option_of_ours_says_what_it_is_for(name: str) -> None:
    options = declared(name) or ()
    assert section(keys_of(options), dict).keys == keys_of(options)
    assert all(option.says.endswith(".") for option in options)
    assert len({option.name for option in options}) == len(options)
