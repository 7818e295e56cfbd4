"""How a source is kept fresh and who is told, as the workspace file says it."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from countersign.config import load, problems
from countersign.domain.workspace import RateLimit

ENVIRONMENT = {"MAIL": "Qm7-2vXk9pL4wZ8s"}
SAID = """
name: tolkyn
sources:
  intranet:
    connector: files
    url: ./files
    rules: [{match: "**", any_of: [staff]}]
    schedule: every 15m
    watch: true
    max_age: 24h
    documents_max_age: 365d
    rate_limit: {documents_per_s: 20, bytes_per_s: 5 MB}
    publishers: {groups: [editors]}
  push: {connector: push}
notify:
  email:
    host: mail.example.kz
    from: countersign@example.kz
    to: [data@example.kz, ops@example.kz]
    user: countersign
    password: ${env:MAIL}
    about: [sources, reviews]
assistants:
  staff-help:
    process: {asks: a, decides: b, wrong_answer_costs: c, risk: low}
    sources: [intranet]
"""


def written(tmp_path: Path, before: str = "", after: str = "") -> Path:
    path = tmp_path / "countersign.yaml"
    path.write_text(SAID.replace(before, after) if before else SAID, encoding="utf-8")
    return path


def test_everything_is_read(tmp_path: Path) -> None:
    path = written(tmp_path)
    assert problems(path, ENVIRONMENT) == []
    workspace = load(path, ENVIRONMENT)
    source, mail = workspace.sources["intranet"], workspace.mail
    assert source.schedule is not None and source.schedule.every == timedelta(minutes=15)
    assert (source.watch, source.max_age) == (True, timedelta(days=1))
    assert source.documents_max_age == timedelta(days=365)
    assert source.rate_limit == RateLimit(20, 5_000_000)
    assert mail is not None
    assert (mail.host, mail.port, mail.tls, mail.sender) == (
        "mail.example.kz",
        587,
        "starttls",
        "countersign@example.kz",
    )
    assert (mail.to, mail.about) == (("data@example.kz", "ops@example.kz"), ("sources", "reviews"))
    assert ENVIRONMENT["MAIL"] not in repr(mail)


@pytest.mark.parametrize(
    ("before", "after", "where"),
    [
        ("every 15m", "sometimes", "sources.intranet.schedule"),
        ("every 15m", "at 25:00", "sources.intranet.schedule"),
        ("every 15m", "0 0 31 2 *", "sources.intranet.schedule"),
        ("url: ./files", "url: s3://bucket/files", "sources.intranet.watch"),
        ("documents_per_s: 20", "documents_per_s: 0", "sources.intranet.rate_limit.documents_per_s"),
        ("{connector: push}", "{connector: push, schedule: every 15m}", "sources.push.schedule"),
        ("    user: countersign\n", "", "notify.email"),
        ("    host: mail.example.kz\n", "", "notify.email"),
        ("from: countersign@example.kz", "from: nobody", "notify.email.from"),
        ("to: [data@example.kz, ops@example.kz]", "to: []", "notify.email.to"),
        ("user: countersign", "user: countersign\n    tls: none", "notify.email.tls"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, before: str, after: str, where: str) -> None:
    found = problems(written(tmp_path, before, after), ENVIRONMENT)
    assert where in {problem.where for problem in found}
