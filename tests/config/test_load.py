"""The workspace file: what it means, and how it says what is wrong."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from countersign.config import ConfigInvalid, ConfigProblem, load, problems
from countersign.domain.workspace import Money, Price, RightsRule

FULL = """\
name: tolkyn
tenants: [bank, telecom]
database: sqlite
storage: ./state
sources:
  intranet:
    connector: files
    url: ./files
    tenants: [bank]
    rights: {sidecar: manifest.jsonl, keys: {acl: readers}}
    residency: kz
    max_age: 24h
  wiki:
    connector: files
    url: /srv/wiki
    rights: {rules: [{match: "hr/**", any_of: [hr, "user:aigul"], all_of: [staff]}]}
  push: {connector: push, publishers: {groups: [intranet-editors]}}
models:
  main:
    dialect: openai
    base_url: http://127.0.0.1:9911/v1/
    model: some-model
    key: ${env:MAIN_KEY}
    region: kz
    price: {currency: USD, input_per_million: 1.0, output_per_million: 4.0}
  own: {dialect: anthropic, base_url: "http://127.0.0.1:9912", model: m, price: unmetered}
embeddings:
  main: {base_url: "http://127.0.0.1:9912/v1", model: bge-m3, region: kz, key: "${env:EMBED_KEY}"}
assistants:
  staff-help:
    process:
      asks: branch and call-centre staff during a customer call
      decides: what the customer is told
      wrong_answer_costs: a fine or a complaint
      risk: medium
      reviewer: {groups: [quality]}
      deadline: 30m
    tasks: [answer, summarise, reply]
    sources: [intranet, push]
    languages: [kk, ru, en]
    models: [main, extractive]
    delivery: verified
    hold_when: {confidence_below: 0.7, classification: [board]}
    refuse_when: {no_evidence: true, source_older_than: 7d}
    budget: {per_user_per_day: 1.00 USD, per_month: 300 USD}
residency: {kz: [kz], open: [kz, eu]}
"""
ENVIRON = {"MAIN_KEY": "k-4f9a1c77e2b0", "EMBED_KEY": "e-91bb02cd77aa"}
MINIMAL = """\
name: small
sources: {push: {connector: push}}
assistants:
  a:
    process: {asks: x, decides: y, wrong_answer_costs: z, risk: low}
    sources: [push]
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "countersign.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def found(folder: Path, text: str, environ: dict[str, str] | None = None) -> list[ConfigProblem]:
    return problems(write(folder, text), ENVIRON if environ is None else environ)


def errors(folder: Path, text: str) -> list[ConfigProblem]:
    return [problem for problem in found(folder, text) if problem.severity == "error"]


def test_everything_that_the_contract_shows_is_understood(tmp_path: Path) -> None:
    workspace = load(write(tmp_path, FULL), ENVIRON)
    assert found(tmp_path, FULL) == []
    assert workspace.tenants == ("bank", "telecom")
    assert workspace.database == f"sqlite:///{tmp_path / 'state' / 'countersign.db'}"
    assert workspace.sources["intranet"].sidecar_keys == {"acl": "readers"}
    assert workspace.sources["intranet"].max_age == timedelta(hours=24)
    assert workspace.sources["wiki"].rights_rules == (
        RightsRule("hr/**", ("group:hr", "user:aigul"), ("group:staff",)),
    )
    assert workspace.sources["push"].publisher_groups == ("intranet-editors",)
    model = workspace.models["main"]
    assert model.base_url == "http://127.0.0.1:9911/v1"
    assert model.key is not None and model.key.value == ENVIRON["MAIN_KEY"]
    assert model.price == Price("USD", 1.0, 4.0)
    assert workspace.models["own"].price == Price(unmetered=True)
    assert workspace.embeddings is not None and workspace.embeddings.dimension == 1024
    assistant = workspace.assistants["staff-help"]
    assert assistant.process.deadline == timedelta(minutes=30)
    assert assistant.budget.per_month == Money(300.0, "USD")
    assert assistant.refuse_when.source_older_than == timedelta(days=7)
    assert ENVIRON["MAIN_KEY"] not in repr(workspace)


@pytest.mark.parametrize(
    ("risk", "everything", "unsupported", "below"),
    [("low", False, False, None), ("medium", False, True, 0.6), ("high", True, False, None)],
)
def test_risk_fills_in_what_is_not_said(
    tmp_path: Path, risk: str, everything: bool, unsupported: bool, below: float | None
) -> None:
    text = MINIMAL.replace("risk: low", f"risk: {risk}")
    rules = load(write(tmp_path, text), {}).assistants["a"].hold_when
    assert (rules.everything, rules.unsupported_claims, rules.conflicts, rules.confidence_below) == (
        everything, unsupported, unsupported, below
    )  # fmt: skip


def test_what_is_said_wins_over_risk_key_by_key(tmp_path: Path) -> None:
    rules = load(write(tmp_path, FULL), ENVIRON).assistants["staff-help"].hold_when
    assert rules.confidence_below == 0.7
    assert rules.unsupported_claims and rules.conflicts and rules.classification == ("board",)


def test_a_small_file_gets_the_documented_defaults(tmp_path: Path) -> None:
    workspace = load(write(tmp_path, MINIMAL), {})
    assert workspace.tenants == ("main",) and workspace.region == "kz"
    assert workspace.assistants["a"].models == ("extractive",)
    assert workspace.models["extractive"].price == Price(unmetered=True)
    assert workspace.embeddings is not None and workspace.embeddings.base_url == ""


def test_every_problem_is_reported_at_once_with_its_line(tmp_path: Path) -> None:
    text = """\
name: tolkyn
databse: sqlite
sources:
  intranet: {connector: files, url: ./files, max_age: soon}
  intranet: {connector: push}
assistants:
  help:
    process: {asks: a, decides: b, risk: mediumm}
    sources: [intranett]
    models: [main]
    hold_when: {confidence_below: 7, conflicts: "yes"}
"""
    said = {(problem.line, problem.where): str(problem) for problem in errors(tmp_path, text)}
    assert "did you mean `database`?" in said[2, "databse"]
    assert "7d" in said[4, "sources.intranet.max_age"]
    assert "first on line 4" in said[5, "sources.intranet"]
    assert "`wrong_answer_costs` is missing" in said[8, "assistants.help.process"]
    assert "one of `low`, `medium`, `high`" in said[8, "assistants.help.process.risk"]
    assert "did you mean `intranet`?" in said[9, "assistants.help.sources[0]"]
    assert "there is no model `main`" in said[10, "assistants.help.models[0]"]
    assert "a number from 0 to 1" in said[11, "assistants.help.hold_when.confidence_below"]
    assert "without quotes" in said[11, "assistants.help.hold_when.conflicts"]
    with pytest.raises(ConfigInvalid) as caught:
        load(tmp_path / "countersign.yaml", {})
    assert len(caught.value.problems) >= 9 and caught.value.line == 2
    assert all(str(problem) in caught.value.message for problem in caught.value.problems)


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("key: ${env:MAIN_KEY}", "key: sk-live-0123456789abcdef", "secret_in_file"),
        ("key: ${env:MAIN_KEY}", "key: ${env:ABSENT}", "secret_missing"),
        ("key: ${env:MAIN_KEY}", "key: ${file:absent.txt}", "secret_missing"),
        ("database: sqlite", "database: postgresql://cs:hunter2222@db/cs", "secret_in_file"),
        ("database: sqlite", "database: postgresql://cs@db/cs?password=hunter2222", "secret_in_file"),
        ("storage: ./state", "storage: s3://id:hunter2222@bucket/x", "secret_in_file"),
    ],
)
def test_a_secret_stands_only_behind_a_reference_and_is_never_repeated(
    tmp_path: Path, old: str, new: str, code: str
) -> None:
    assert old in FULL
    (problem,) = errors(tmp_path, FULL.replace(old, new))
    assert problem.code == code
    assert "hunter2222" not in str(problem) and "0123456789abcdef" not in str(problem)


@pytest.mark.parametrize("value", ["changeme", "short", "aaaaaaaaaaaaaaaa", "PASSWORD123"])
def test_a_weak_secret_is_refused(tmp_path: Path, value: str) -> None:
    (problem,) = found(tmp_path, FULL, {**ENVIRON, "MAIN_KEY": value})
    assert problem.code == "weak_secret" and problem.severity == "error"
    assert value not in str(problem)


def test_secrets_from_files_are_relative_to_the_workspace(tmp_path: Path) -> None:
    (tmp_path / "main.key").write_text("f-77aa90cc12de\n")
    text = FULL.replace("${env:MAIN_KEY}", "${file:main.key}")
    key = load(write(tmp_path, text), ENVIRON).models["main"].key
    assert key is not None and key.value == "f-77aa90cc12de" and str(key) == "Secret(${file:main.key})"


def test_commands_that_call_no_endpoint_need_no_endpoint_key(tmp_path: Path) -> None:
    workspace = load(write(tmp_path, FULL), {}, resolve_secrets=False)
    assert workspace.models["main"].key is not None and workspace.models["main"].key.value == ""


@pytest.mark.parametrize(
    ("said", "url"),
    [
        ("postgresql://cs@db.local/cs", "postgresql+psycopg://cs@db.local/cs"),
        ("postgres://cs@db.local:5433/cs", "postgresql+psycopg://cs@db.local:5433/cs"),
        ("postgresql://cs:@/cs?host=/run/pg", "postgresql+psycopg://cs@/cs?host=/run/pg"),
        ("postgresql://cs:${env:PG}@db/cs?sslmode=require", "postgresql+psycopg://cs:p%40ss%2Fw0rd%21@db/cs?sslmode=require"),
        ("postgresql://cs:${file:secrets/pg}@db/cs", "postgresql+psycopg://cs:p%40ss%2Fw0rd%21@db/cs"),
    ],
)  # fmt: skip
def test_the_database_address_becomes_a_driver_address(tmp_path: Path, said: str, url: str) -> None:
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "pg").write_text("p@ss/w0rd!")
    text = FULL.replace("database: sqlite", f"database: {said}")
    workspace = load(write(tmp_path, text), {**ENVIRON, "PG": "p@ss/w0rd!"}, resolve_secrets=False)
    assert workspace.database == url
    assert "p%40ss" not in repr(workspace)


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("name: &a x\nstorage: *a\n", 1, "anchors"),
        ("name: x\nstorage: *a\n", 2, "anchors"),
        ("name: x\nsources:\n  - [\n", 4, "not YAML"),
        ("name: x\n\tregion: kz\n", 2, "not YAML"),
        ("name: x\n---\nname: y\n", 2, "not YAML"),
        ("", 1, "says nothing"),
        ("- a\n", 1, "says nothing"),
        ("name: " + "[" * 40 + "]" * 40, 1, "too deep"),
        ("name: " + "[" * 5000, 1, "too deep"),
        ("name: !!python/object:os.system x\n", 1, "tags"),
        ("name: x\n<<: {a: b}\n", 2, "unknown key"),
    ],
)
def test_only_plain_yaml_is_read(tmp_path: Path, text: str, line: int, says: str) -> None:
    first = errors(tmp_path, text)[0]
    assert first.line == line and says in first.message


def test_files_that_are_absent_too_large_or_not_text(tmp_path: Path) -> None:
    path = tmp_path / "countersign.yaml"
    assert problems(path, {})[0].code == "config_missing"
    path.write_bytes(b"name: x\n#" + b"a" * 1024 * 1024)
    assert "larger than" in problems(path, {})[0].message
    path.write_bytes(b"name: x\n# \xff\n")
    assert problems(path, {})[0].line == 2


@pytest.mark.parametrize(
    ("old", "new", "where", "says"),
    [
        ("delivery: verified", "delivery: live", "assistants.staff-help.delivery", "low risk"),
        ("tenants: [bank]", "tenants: [bnk]", "sources.intranet.tenants[0]", "did you mean `bank`?"),
        ("connector: push,", "connector: push, url: ./x,", "sources.push.url", "no such setting"),
        ("connector: push,", "connector: ftp,", "sources.push.connector", "installed: "),
        ("    url: ./files\n", "", "sources.intranet", "`url` is missing"),
        ("    model: some-model\n", "", "models.main", "`model` is missing"),
        ("any_of: [hr, ", "any_of: [\"a,group:b\", ", "sources.wiki.rights.rules[0].any_of[0]", "not a right"),
        ("any_of: [hr, \"user:aigul\"]", "any_of: []", "sources.wiki.rights.rules[0].any_of", "empty"),
        ("any_of: [hr, \"user:aigul\"], ", "", "sources.wiki.rights.rules[0]", "`any_of` is missing"),
        ("1.00 USD", "1.00 KZT", "assistants.staff-help.budget", "different currencies"),
        ("1.00 USD, per_month: 300 USD", "1.00 KZT", "assistants.staff-help.budget", "priced in USD"),
        ("per_month: 300 USD", "per_month: 300", "assistants.staff-help.budget.per_month", "1.00 USD"),
        ("price: unmetered", "price: free", "models.own.price", "unmetered"),
        ("region: kz", "region: ${env:R}", "models.main.region", "a region such as kz"),
        ("model: bge-m3", "model: house-vectors", "embeddings", "add `dimension: N`"),
        ("own: {", "extractive: {", "models.extractive", "belongs to"),
        ("keys: {acl: readers}", "keys: {acls: readers}", "sources.intranet.rights.keys.acls", "known:"),
        ("languages: [kk, ru, en]", "languages: [kk, kk]", "assistants.staff-help.languages[1]", "twice"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_named(tmp_path: Path, old: str, new: str, where: str, says: str) -> None:
    assert old in FULL
    matching = [
        str(problem) for problem in errors(tmp_path, FULL.replace(old, new, 1)) if problem.where == where
    ]
    assert matching and says in matching[0]


def test_live_delivery_only_where_nothing_can_be_held(tmp_path: Path) -> None:
    live = MINIMAL.replace("    sources: [push]", "    sources: [push]\n    delivery: live")
    assert load(write(tmp_path, live), {}).assistants["a"].delivery == "live"
    held = live + "    hold_when: {conflicts: true}\n"
    assert [problem.code for problem in errors(tmp_path, held)] == ["config_live_delivery"]


def test_doubts_do_not_stop_the_start(tmp_path: Path) -> None:
    text = MINIMAL.replace("risk: low", "risk: medium")
    (doubt,) = found(tmp_path, text)
    assert doubt.severity == "warning" and "no reviewer" in doubt.message
    assert load(tmp_path / "countersign.yaml", {}).name == "small"


def test_models_that_may_never_see_the_documents_are_a_doubt(tmp_path: Path) -> None:
    (doubt,) = found(tmp_path, FULL.replace("    region: kz\n    price", "    region: eu\n    price"))
    assert "may go to none" in doubt.message and doubt.where == "assistants.staff-help.models"


def test_a_secret_that_everybody_may_read_is_a_doubt(tmp_path: Path) -> None:
    (tmp_path / "main.key").write_text("f-77aa90cc12de")
    (tmp_path / "main.key").chmod(0o644)
    (doubt,) = found(tmp_path, FULL.replace("${env:MAIN_KEY}", "${file:main.key}"))
    assert doubt.severity == "warning" and "may read" in doubt.message


def test_norway_is_a_region(tmp_path: Path) -> None:
    assert load(write(tmp_path, MINIMAL + "region: no\n"), {}).region == "no"


def test_words_only_search_is_said_with_none(tmp_path: Path) -> None:
    assert load(write(tmp_path, MINIMAL + "embeddings: none\n"), {}).embeddings is None


@given(st.text(max_size=200))
def test_any_text_ends_in_problems_not_in_a_crash(
    tmp_path_factory: pytest.TempPathFactory, text: str
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.yaml"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    assert any(problem.severity == "error" for problem in problems(path, {}))


@given(data=st.data())
def test_a_damaged_file_ends_in_problems_not_in_a_crash(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    lines = FULL.splitlines()
    index = data.draw(st.integers(0, len(lines) - 1))
    lines[index] = data.draw(
        st.sampled_from(["", "x", "  - a", "a: [", "    tenants: {a: b}", "assistants: []", "sources: 5"])
    )
    path = tmp_path_factory.getbasetemp() / "damaged.yaml"
    path.write_text("\n".join(lines), encoding="utf-8")
    assert all(problem.message for problem in problems(path, ENVIRON))
