"""Every error, event, finding, answer code, metric, setting and command is documented, and nothing else is."""

from __future__ import annotations

import pytest

from tests.architecture.source import ROOT
from tools import reference

FOLDER = ROOT / "docs" / "reference"


@pytest.mark.parametrize("name", sorted(reference.pages()))
def test_a_reference_page_is_what_the_code_says(name: str) -> None:
    page = FOLDER / name
    assert page.exists() and page.read_text(encoding="utf-8") == reference.pages()[name], (
        "run: python tools/reference.py"
    )


def test_every_event_has_a_meaning() -> None:
    from countersign.domain.events import MEANINGS, EventKind

    assert set(MEANINGS) == set(EventKind)


def test_every_error_says_what_happened() -> None:
    rows = [
        line.split(" | ") for line in reference.pages()["errors.md"].splitlines() if line.startswith("| `")
    ]
    assert len(rows) > 80
    assert [row[0] for row in rows if not row[4].strip(" …")] == []


def test_every_command_is_on_the_page_of_commands() -> None:
    from countersign.cli.main import COMMANDS

    page = (FOLDER / "commands.md").read_text(encoding="utf-8")
    assert [name for name in COMMANDS if f"countersign {name}" not in page] == []
