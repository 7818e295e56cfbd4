"""The first `countersign.yaml` of a new workspace: small, commented, and it runs as it is, without any model."""

from __future__ import annotations

import json
from collections.abc import Sequence

from countersign.domain.workspace import Process

_EXAMPLE = Process(
    asks="staff who need a rule or a tariff while they work",
    decides="what a colleague or a customer is told",
    wrong_answer_costs="a correction and an apology",
    risk="low",
    reviewer_groups=("reviewers",),
)


def template(name: str, from_process: Process | None = None, tenants: Sequence[str] = ()) -> str:
    """The text of a new workspace file. `from_process` is what its owner said of the first business process; without
    `tenants` there is the one named `main`."""
    process = from_process or _EXAMPLE
    return _TEXT.format(
        name=_quoted(name),
        tenants=f"tenants: [{', '.join(_quoted(tenant) for tenant in tenants)}]\n" if tenants else "",
        asks=_quoted(process.asks),
        decides=_quoted(process.decides),
        costs=_quoted(process.wrong_answer_costs),
        risk=process.risk,
        groups=", ".join(_quoted(group) for group in process.reviewer_groups or _EXAMPLE.reviewer_groups),
        deadline=f"{max(1, round(process.deadline.total_seconds() / 60))}m",
    )


def _quoted(text: str) -> str:
    """A YAML double-quoted scalar: JSON's escapes are a part of YAML's."""
    return "".join(
        character if character.isprintable() else f"\\U{ord(character):08x}"
        for character in json.dumps(text, ensure_ascii=False)
    )


_TEXT = """\
# A Countersign workspace. `countersign doctor` checks this file; docs/reference/configuration.md lists every key.
name: {name}
{tenants}region: kz                      # where this machine stands; residency rules compare with it

sources:
  files:
    connector: files
    url: ./files                # put documents here, then run `countersign ingest`
    rights:
      rules:                    # the first match decides; what no rule matches, nobody may see
        - {{match: "hr/*", any_of: [hr]}}
        - {{match: "*", any_of: ["tenant:*"]}}     # everyone in the tenant

# models:                       # without one, answers are verbatim sentences with their sources
#   main:
#     dialect: openai           # openai | anthropic
#     base_url: http://127.0.0.1:8000/v1
#     model: NAME
#     key: ${{env:MAIN_KEY}}      # secrets only by reference
#     region: kz
#     price: unmetered          # or {{currency: USD, input_per_million: 1.0, output_per_million: 4.0}}

assistants:
  staff-help:
    process:                    # first: the business process
      asks: {asks}
      decides: {decides}
      wrong_answer_costs: {costs}
      risk: {risk}                 # low | medium | high: sets what is held for a reviewer
      reviewer: {{groups: [{groups}]}}
      deadline: {deadline}
    sources: [files]
    models: [extractive]        # the ladder, best first: [main, extractive]
"""
