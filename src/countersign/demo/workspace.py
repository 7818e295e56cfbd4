"""The demo's workspace: a fictional bank and telecom, their people, two assistants, and the documents that are shipped."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from countersign.app.house import House
from countersign.domain.errors import Conflict

MARK = ".countersign-demo"
"""Lies in a folder that the demo made and may therefore make anew."""
EXTRACTIVE, MODEL = "staff-help", "staff-help-model"
REVIEWER = "gulnar"
QUESTIONS = Path(__file__).parent / "questions.yaml"
"""Who there is, and many questions with what should come of each."""
_REVIEWER = {
    "tenant": "bank",
    "groups": ["staff", "quality", "board", "call-centre", "hr", "compliance", "legal"],
    "roles": ["user", "reviewer", "auditor"],
}
"""A reviewer may decide only on answers whose every source they may read, so the demo has one who reads much."""


@dataclass(frozen=True, slots=True)
class Person:
    name: str
    tenant: str
    groups: tuple[str, ...]
    roles: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks the one question, and why the outcome differs."""

    user: str
    why: str


@dataclass(frozen=True, slots=True)
class Cast:
    """What `questions.yaml` says: who there is, and the one question that three of them ask."""

    people: tuple[Person, ...]
    question: str
    askers: tuple[Asker, ...]


def read_cast() -> Cast:
    import yaml

    said: Mapping[str, Any] = yaml.safe_load(QUESTIONS.read_text("utf-8"))
    people: dict[str, Any] = {**said["people"], REVIEWER: _REVIEWER}
    three = said["three_people"]
    return Cast(
        people=tuple(
            Person(name, each["tenant"], tuple(each["groups"]), tuple(each["roles"]))
            for name, each in people.items()
        ),
        question=three["question"],
        askers=tuple(Asker(each["user"], each["why"]) for each in three["asked_by"]),
    )


def prepare(folder: Path, model_url: str, *, keep: bool) -> Path:
    """Write the workspace file into `folder`, which is made anew unless `keep`. Returns the file's path.

    Raises `Conflict` for a folder with something in it that the demo did not make.
    """
    mark = folder / MARK
    if folder.exists() and any(folder.iterdir()) and not mark.exists():
        raise Conflict(
            f"{folder} holds something that the demo did not make",
            code="folder_not_empty",
            hint="Name another one with --dir.",
        )
    if mark.exists() and not keep:
        shutil.rmtree(folder)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    mark.write_text("Made by `countersign demo`, which makes it anew each time.\n", encoding="utf-8")
    collection = str(Path(__file__).resolve().parent / "collection")
    path = folder / "countersign.yaml"
    path.write_text(_CONFIG.format(collection=_quoted(collection), model_url=model_url), encoding="utf-8")
    return path


async def settle_people(house: House, cast: Cast) -> dict[str, str]:
    """Everybody with groups, roles and a fresh random password; returns name → password."""
    passwords: dict[str, str] = {}
    for person in cast.people:
        await house.people.set_person(
            person.name, tenant=person.tenant, groups=person.groups, roles=person.roles, disabled=False
        )
        passwords[person.name] = "-".join(secrets.token_hex(3) for _ in range(3))
        await house.people.set_password(person.name, passwords[person.name])
    return passwords


def _quoted(text: str) -> str:
    import json

    return json.dumps(text, ensure_ascii=False)


_CONFIG = """\
# The workspace of `countersign demo`. Change it and start the demo with --keep to see what happens.
name: tolkyn
region: kz
tenants: [bank, telecom]

sources:
  collection:
    connector: files
    url: {collection}
    rights: {{sidecar: manifest.jsonl}}

models:
  scripted:                       # a small scripted model on this machine, so that nothing leaves it
    dialect: openai
    base_url: {model_url}
    model: scripted
    region: kz
    price: {{currency: USD, input_per_million: 1.00, output_per_million: 4.00}}

assistants:
  staff-help:                     # no model at all: verbatim sentences with their sources
    process:
      asks: branch, call-centre and network staff while they help somebody
      decides: what a customer or a colleague is told
      wrong_answer_costs: a complaint or a fine
      risk: low
      reviewer: {{groups: [quality]}}
      deadline: 30m
    tasks: [answer, summarise, reply]
    sources: [collection]
    models: [extractive]
    hold_when: {{conflicts: true, classification: [board]}}

  staff-help-model:               # the same documents behind a model that cannot be trusted
    process:
      asks: head-office staff who prepare a decision
      decides: what goes into a paper
      wrong_answer_costs: a wrong decision
      risk: medium
      reviewer: {{groups: [quality]}}
      deadline: 30m
    tasks: [answer, summarise, reply]
    sources: [collection]
    tenants: [bank]
    models: [scripted, extractive]
    hold_when: {{unsupported_claims: true, conflicts: true, confidence_below: 0.3, classification: [board]}}
    budget: {{per_user_per_day: 0.02 USD, per_month: 5 USD}}
"""
