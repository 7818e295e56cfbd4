"""The webhook in the workspace file: off until said, its secret by reference only."""

from __future__ import annotations

from pathlib import Path

import pytest

from countersign.config import load, problems, template

ENVIRONMENT = {"HOOK": "Qm7-2vXk9pL4wZ8s"}


def written(tmp_path: Path, said: str) -> Path:
    path = tmp_path / "countersign.yaml"
    path.write_text(template("w") + said, encoding="utf-8")
    return path


def test_nobody_is_notified_until_the_file_says_so(tmp_path: Path) -> None:
    assert load(written(tmp_path, ""), {}).webhook is None


def test_a_webhook_is_read_with_its_secret_hidden(tmp_path: Path) -> None:
    said = (
        "notify:\n  webhook:\n    url: https://hooks.example.kz/n\n    secret: ${env:HOOK}\n    region: kz\n"
    )
    path = written(tmp_path, said)
    assert problems(path, ENVIRONMENT) == []
    webhook = load(path, ENVIRONMENT).webhook
    assert webhook is not None
    assert (webhook.url, webhook.region, webhook.timeout_s) == ("https://hooks.example.kz/n", "kz", 10.0)
    assert webhook.secret.value == ENVIRONMENT["HOOK"]
    assert ENVIRONMENT["HOOK"] not in repr(webhook)


@pytest.mark.parametrize(
    ("inside", "code", "where"),
    [
        ("url: https://h.kz", "config_invalid", "notify.webhook"),
        ("url: https://h.kz\n    secret: plain", "secret_in_file", "notify.webhook.secret"),
        ("url: ftp://h.kz\n    secret: ${env:HOOK}", "config_invalid", "notify.webhook.url"),
        ("url: http://h.kz\n    secret: ${env:HOOK}", "config_doubtful", "notify.webhook.url"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, inside: str, code: str, where: str) -> None:
    [problem] = problems(written(tmp_path, f"notify:\n  webhook:\n    {inside}\n"), ENVIRONMENT)
    assert (problem.code, problem.where) == (code, where)
