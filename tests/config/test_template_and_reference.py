"""The first file runs as it is, and the reference page says what the code reads."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import yaml
from hypothesis import given
from hypothesis import strategies as st

from countersign.config import load, problems, template
from countersign.config.reading import Key, Kind
from countersign.config.reference import markdown
from countersign.config.sections import SIDECAR_KEYS, WORKSPACE_KEYS
from countersign.domain.workspace import Process

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "configuration.md"


def test_the_first_file_has_nothing_wrong_and_needs_no_model(tmp_path: Path) -> None:
    path = tmp_path / "countersign.yaml"
    path.write_text(template("first steps"), encoding="utf-8")
    assert problems(path, {}) == []
    assert load(path, {}).assistants["staff-help"].models == ("extractive",)


_SAID = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=60).filter(str.strip)


@given(_SAID, _SAID, st.sampled_from(["low", "medium", "high"]), st.integers(1, 10_000))
def test_whatever_is_said_about_the_process_survives_the_file(
    asks: str, decides: str, risk: str, minutes: int
) -> None:
    process = Process(asks, decides, "a fine", risk, ("quality",), timedelta(minutes=minutes))  # pyright: ignore[reportArgumentType]
    said = yaml.safe_load(template("w", process))["assistants"]["staff-help"]["process"]
    assert (said["asks"], said["decides"], said["deadline"]) == (asks, decides, f"{minutes}m")


def test_the_reference_page_is_what_the_code_prints() -> None:
    message = "run: python -m countersign.config.reference > docs/reference/configuration.md"
    assert PAGE.read_text(encoding="utf-8") == markdown(), message


def _all_keys(keys: tuple[Key, ...]) -> list[Key]:
    found: list[Key] = []
    for key in keys:
        kind: Kind | None = key.kind
        found.append(key)
        while kind is not None:
            found += _all_keys(kind.keys)
            kind = kind.item
    return found


def test_the_keys_of_a_manifest_are_those_that_its_reader_knows() -> None:
    from countersign.sources import sidecar

    assert SIDECAR_KEYS == sidecar._KEYS  # pyright: ignore[reportPrivateUsage]


def test_every_key_says_what_it_is_for() -> None:
    keys = _all_keys(WORKSPACE_KEYS)
    assert len(keys) > 60
    assert all(key.says and key.kind.label for key in keys)


def test_saying_a_default_changes_nothing(tmp_path: Path) -> None:
    said = """\
name: w
region: kz
tenants: [main]
database: sqlite
storage: ./state
sources: {push: {connector: push}}
retention: {answers: 365d, personal: 365d}
parsing: {max_size: 200 MiB, max_pages: 5000, max_text: 20000000, memory: 2 GiB, cpu: 60s, wall: 120s, workers: 2,
  ocr: true, ocr_languages: kaz+rus+eng, ocr_max_pages: 200}
models:
  m: {dialect: openai, base_url: "http://h/v1", model: x, max_output_tokens: 1024, context_tokens: 16000, timeout: 60s,
    first_byte_timeout: 20s, max_concurrent: 16}
assistants:
  a:
    process: {asks: x, decides: y, wrong_answer_costs: z, risk: low, deadline: 4h}
    sources: [push]
    tasks: [answer]
    languages: [kk, ru, en]
    models: [extractive]
    delivery: verified
    refuse_when: {no_evidence: true}
    allowed_link_hosts: []
    passages: 8
"""
    silent = """\
name: w
sources: {push: {connector: push}}
models: {m: {dialect: openai, base_url: "http://h/v1", model: x}}
assistants: {a: {process: {asks: x, decides: y, wrong_answer_costs: z, risk: low}, sources: [push]}}
"""
    path = tmp_path / "countersign.yaml"
    path.write_text(said)
    spoken = load(path, {})
    path.write_text(silent)
    assert load(path, {}) == spoken
