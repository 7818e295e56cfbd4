"""Only licences that let anyone use, change and sell; weak copyleft only as named, unmodified wheels."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.metadata import Distribution, PackageNotFoundError, distribution

import pytest
from packaging.requirements import Requirement

from tests.architecture.source import ROOT

PAGE = ROOT / "docs" / "licences.md"
FREE = re.compile(
    r"MIT(-0|-CMU)?( License)?|0BSD|(3-Clause )?BSD( 2-Clause)?([ -][23][ -]Clause)?( License)?|ISC|Zlib|CC0-1\.0|Unlicense"
    r"|Apache([ -]2\.0| License.*|, Version 2\.0| Software License)?|PSF-2\.0|Python Software Foundation License|DFSG approved|HPND",
    re.IGNORECASE,
)
WEAK = re.compile(r"LGPL|Lesser|MPL|Mozilla", re.IGNORECASE)
STRONG = re.compile(r"(?<!L)(?<!Lesser )\b(A?GPL|SSPL|BUSL|Elastic|Affero|General Public)", re.IGNORECASE)
_NO_METADATA = {"cedarpy": "Apache-2.0", "axe-playwright-python": "MPL-2.0"}
"""Wheels that carry a licence file and no licence metadata."""


def _locked(name: str) -> list[str]:
    """Distributions of a lock file that are installed on this machine."""
    text = (ROOT / "requirements" / name).read_text(encoding="utf-8")
    found: list[str] = []
    for line in re.findall(r"(?m)^[A-Za-z0-9][^\\\n]*==[^\\\n]*", text):
        requirement = Requirement(line.strip())
        if requirement.marker is None or requirement.marker.evaluate():
            found.append(requirement.name)
    return sorted(set(found))


def _licences(found: Distribution) -> Iterator[str]:
    """The most precise statement that a distribution makes, one licence at a time."""
    metadata = found.metadata
    if metadata.get("License-Expression"):
        said = metadata["License-Expression"]
        choices = said.split(" OR ") if " AND " not in said else []
        if free := [
            choice for choice in choices if FREE.fullmatch(choice)
        ]:  # offered under either: ours to choose
            yield free[0]
        else:
            yield from re.split(r" (?:AND|OR|WITH) |[()]", said)
        return
    classified = [
        line.split(" :: ")[-1] for line in metadata.get_all("Classifier") or [] if line.startswith("License")
    ]
    if classified:
        yield from classified
        return
    said = (metadata.get("License") or _NO_METADATA.get(found.name, "unknown")).splitlines()[0]
    yield from (part for part in re.split(r" OR |, (?!Version)", said) if part != "dependency licenses")


@pytest.mark.parametrize("lock", ["runtime.txt", "dev.txt"])
def test_every_dependency_has_a_licence_that_we_may_ship(lock: str) -> None:
    page, wrong = PAGE.read_text(encoding="utf-8"), dict[str, list[str]]()
    for name in _locked(lock):
        try:
            said = [part.strip() for part in _licences(distribution(name)) if part.strip()]
        except PackageNotFoundError:
            if lock == "runtime.txt":
                wrong[name] = ["not installed"]
            continue
        named = f"| {name} |" in page
        if bad := [part for part in said if not FREE.fullmatch(part) and not (named and WEAK.search(part))]:
            wrong[name] = bad
        if any(STRONG.search(part) for part in said):
            wrong[name] = said
    assert wrong == {}


def test_every_direct_dependency_says_why_it_is_there() -> None:
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    lists = [project["project"]["dependencies"], *project["project"]["optional-dependencies"].values()]
    lists += list(project["dependency-groups"].values())
    page = PAGE.read_text(encoding="utf-8")
    missing = {
        name for lines in lists for line in lines if f"| {(name := Requirement(line).name)} |" not in page
    }
    assert missing == set()


def test_the_licence_is_apache_and_whole() -> None:
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert "Apache License" in text and "Version 2.0, January 2004" in text and len(text) > 11_000
