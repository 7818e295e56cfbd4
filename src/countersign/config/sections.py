"""What may stand in `countersign.yaml`: every key once, with its kind, its default and what it is for."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta
from difflib import get_close_matches
from typing import Any

from countersign.config.kinds import (
    check_name,
    choice,
    database,
    duration,
    groups,
    http,
    location,
    money,
    name,
    number,
    pattern,
    plain,
    price,
    schedule,
    seconds,
    secret,
    size,
    store_secret,
    term,
    text,
    whole,
    whole_seconds,
    yes_no,
)
from countersign.config.notify import NOTIFY
from countersign.config.options import OPTIONS, with_options
from countersign.config.reading import Key, Kind, Place, Reader, Wrong, as_said, many, named, section
from countersign.corpus.readiness.catalogue import CODES
from countersign.domain.readiness import Policy
from countersign.domain.workspace import (
    Assistant,
    BudgetRules,
    EmbeddingSettings,
    HoldRules,
    ModelSettings,
    ObjectStorage,
    ParseLimits,
    PosixRights,
    Process,
    RateLimit,
    RefuseRules,
    ResidencyRule,
    Retention,
    RightsRule,
    ShadowRules,
    SourceSettings,
    hold_rules_for,
)

SIDECAR_KEYS = (
    "file", "title", "acl", "acl_all", "deny", "residency", "classification", "valid_from", "valid_to", "modified",
    "supersedes", "owner", "tenant", "attached_in",
)  # fmt: skip
LANGUAGE = pattern("a two-letter language code such as kk", r"[a-z]{2}")
REGION = pattern("a region such as kz", r"[A-Za-z0-9][A-Za-z0-9_-]{0,31}")


# -- sources ----------------------------------------------------------------------------------------------------
def _rule(match: str = "", any_of: tuple[str, ...] = (), all_of: tuple[str, ...] = ()) -> RightsRule:
    return RightsRule(match, any_of, all_of)


RULE = section(
    (
        Key(
            "match",
            text("a pattern such as hr/**"),
            "Which external ids; the first rule that matches decides.",
            required=True,
        ),
        Key("any_of", many(term, at_least=1), "One of these must be true of the reader.", required=True),
        Key("all_of", many(term), "Each of these must be true as well.", "[]"),
    ),
    _rule,
    "a rule {match, any_of, all_of}",
)
RULES = many(RULE, at_least=1)


def _sidecar_key(key: str) -> str:
    if key not in SIDECAR_KEYS:
        raise Wrong("unknown key of a manifest", f"known: {', '.join(SIDECAR_KEYS)}")
    return key


def _account(value: str) -> str:
    if not value or len(value) > 200:
        raise Wrong("is not an account", "write its name or number as the file system knows it")
    return value


_ACCOUNTS = named(term, _account, "{their name or number: a right of ours}")
POSIX_KEYS = (
    Key("groups", _ACCOUNTS, "What groups of the file system are called here. One that is not named here gets nothing.", "{}"),
    Key("users", _ACCOUNTS, "The same for owners and users.", "{}"),
    Key("everyone", many(term), "Who counts as everybody else where a file is readable by all; one of these.", "nobody"),
    Key("same_names", yes_no, "Accounts that are not named above are called the same here.", "false"),
)  # fmt: skip
RIGHTS = section(
    (
        Key("sidecar", text("a file name inside the source"), "A JSON-lines manifest with one row a file."),
        Key(
            "keys",
            named(text("a key name"), _sidecar_key, "our key: theirs"),
            "Where the manifest names a key otherwise.",
        ),
        Key("rules", RULES, "Rights by patterns instead of a manifest."),
        Key(
            "posix",
            section(POSIX_KEYS, PosixRights),
            "Rights from owners, groups, modes and ACLs of the files.",
        ),
    ),
    as_said,
    "{sidecar: FILE}, {rules: […]} or {posix: {…}}",
)


RATE_LIMIT = section(
    (
        Key("documents_per_s", number(0.001), "Documents opened in a second.", "no limit"),
        Key("bytes_per_s", size, "What is read in a second.", "no limit"),
    ),
    RateLimit,
    "{documents_per_s, bytes_per_s}",
)


def _code(value: str) -> str:
    if value not in CODES:
        close = get_close_matches(value, CODES, n=1)
        raise Wrong(
            "unknown readiness code", f"did you mean `{close[0]}`?" if close else "see the page of codes"
        )
    return value


def _policies(
    quarantine: tuple[str, ...] = (), warn: tuple[str, ...] = (), index: tuple[str, ...] = ()
) -> dict[str, Policy]:
    said: dict[str, Policy] = {code: "index" for code in index}
    for code in warn:
        said[code] = "warn"
    for code in quarantine:  # the strictest one wins where a code is named twice
        said[code] = "quarantine"
    return said


_READINESS_CODES = many(plain("a readiness code such as hidden_text", _code))
READINESS_KEYS = (
    Key("quarantine", _READINESS_CODES, "Documents with one of these answer nothing until it is mended or accepted.", "[]"),
    Key("warn", _READINESS_CODES, "Documents with one of these are indexed and marked.", "[]"),
    Key("index", _READINESS_CODES, "Documents with one of these are indexed like any other.", "[]"),
)  # fmt: skip
SOURCE_KEYS = (
    Key("connector", name, "`files` reads a folder, `push` takes documents over HTTP; others come as packages.", required=True),
    Key("url", location, "What it reads: a folder, relative to this file, or an address such as s3://BUCKET/PREFIX or https://HOST/PATH."),
    Key("tenants", many(name, at_least=1), "Tenants it may speak for; a document naming another is quarantined.", "every tenant"),
    Key("rights", RIGHTS, "Where rights come from, for files and repositories. Nothing said = nobody.", "nobody"),
    Key("rules", RULES, "Short for `rights: {rules: …}`."),
    Key("residency", REGION, "Label of documents that bring none.", "none"),
    Key("publishers", groups, "push: who may push; others: who may ask for a pass; beside operators. They need the role `publisher`.", "operators only", field="publisher_groups"),
    Key("max_age", duration, "How old its last complete pass may be: then answers say so, and whoever `notify` names is told once.", "no limit"),
    Key("documents_max_age", duration, "How old a document of it may be before the audit calls it `stale`.", "by how old the others are"),
    Key("schedule", schedule, "When the process that serves or works reads it again, by this machine's clock.", "only when asked"),
    Key("watch", yes_no, "files: a change in the folder begins a pass at once. Only for a folder of this machine.", "false"),
    Key("rate_limit", RATE_LIMIT, "How fast it may be read.", "no limit"),
    Key("readiness", section(READINESS_KEYS, _policies), "What is done with documents by what is [found in them](readiness-codes.md), where it is not the code's own policy.", "{}"),
    Key("options", OPTIONS, "What the connector itself can be told, see [connectors](#options-of-connectors).", "{}"),
)  # fmt: skip
SOURCE = with_options(SOURCE_KEYS)

# -- models -----------------------------------------------------------------------------------------------------
MODEL_KEYS = (
    Key(
        "dialect",
        choice("openai", "anthropic", "extractive"),
        "The protocol that the endpoint speaks.",
        required=True,
    ),
    Key("base_url", http, "Its address, up to and including `/v1`."),
    Key("model", text("a model's name"), "The name that the endpoint knows it by."),
    Key("key", secret, "The endpoint's key, by reference.", "none"),
    Key("region", REGION, "Where it runs: what residency rules compare with.", "the workspace's region"),
    Key(
        "price",
        price,
        "Without it the price is unknown, and an unknown price under a budget refuses the call.",
        "unknown",
    ),
    Key("max_output_tokens", whole(1, 200_000), "The most that one answer may be long.", "1024"),
    Key("context_tokens", whole(256, 4_000_000), "How much it can read at once.", "16000"),
    Key("timeout", seconds, "Deadline of a whole call.", "60s", field="timeout_s"),
    Key("first_byte_timeout", seconds, "Deadline of the first token.", "20s", field="first_byte_timeout_s"),
    Key("max_concurrent", whole(1, 10_000), "Calls at the same time.", "16"),
)
MODEL = section(MODEL_KEYS, as_said)
EMBEDDING_KEYS = (
    Key(
        "base_url",
        http,
        "Address of an OpenAI-style `/v1/embeddings` endpoint, up to and including `/v1`.",
        required=True,
    ),
    Key("model", text("a model's name"), "The name that the endpoint knows it by.", required=True),
    Key("key", secret, "The endpoint's key, by reference.", "none"),
    Key("region", REGION, "Where it runs: what residency rules compare with.", "the workspace's region"),
    Key(
        "dimension",
        whole(8, 16_384),
        "Length of its vectors.",
        "that of well-known models",
    ),
    Key("timeout", seconds, "Deadline of a call.", "30s", field="timeout_s"),
    Key(
        "max_concurrent", whole(1, 1_000), "Calls with passages at the same time; questions never wait.", "4"
    ),
    Key("texts_per_s", number(0.01), "Passages sent in a second on average.", "as fast as it answers"),
)
EMBEDDING = section(EMBEDDING_KEYS, as_said)
_EMBEDDINGS = named(
    EMBEDDING,
    check_name,
    "endpoints by name, or `none` for search by words only; new index versions are for the first one",
)
_RESERVED = ("embedded", "none")


def _read_embeddings(reader: Reader, place: Place) -> tuple[EmbeddingSettings, ...] | str:
    if getattr(place.node, "value", None) == "none":
        return "none"
    found: dict[str, dict[str, Any]] = _EMBEDDINGS.read(reader, place)
    if not found:
        raise Wrong("no endpoint is named", "name one, write `none`, or leave the section out")
    endpoints = tuple(_endpoint(name, said) for name, said in found.items())
    models = [each.model_id for each in endpoints]
    for each in endpoints:
        if models.count(each.model_id) > 1:
            raise Wrong(
                f"`{each.model}` is named twice", "its vectors are the same wherever it runs: name one place"
            )
    return endpoints


def _endpoint(endpoint: str, said: dict[str, Any]) -> EmbeddingSettings:
    if endpoint in _RESERVED:
        raise Wrong(f"`{endpoint}` is the name of what comes along", "call the endpoint something else")
    model = str(said.get("model", ""))
    if "dimension" not in said:
        said["dimension"] = _DIMENSIONS.get(model.rsplit("/", 1)[-1].lower(), 0)
        if model and not said["dimension"]:
            raise Wrong(f"the length of the vectors of `{model}` is not known", "add `dimension: N`")
    return EmbeddingSettings(name=endpoint, **said)


_DIMENSIONS = {
    "bge-m3": 1024,
    "multilingual-e5-small": 384,
    "multilingual-e5-base": 768,
    "multilingual-e5-large": 1024,
    "multilingual-e5-large-instruct": 1024,
    "text-embedding-3-small": 1536,
    "text-embedding-3-large": 3072,
}
EMBEDDINGS = Kind(_EMBEDDINGS.label, _read_embeddings, item=EMBEDDING)

# -- assistants -------------------------------------------------------------------------------------------------
PROCESS_KEYS = (
    Key("asks", text("who asks, and when"), "Who asks, in which situation.", required=True),
    Key("decides", text("what follows"), "What is decided or done with the answer.", required=True),
    Key("wrong_answer_costs", text("what a wrong answer costs"), "What happens when it is wrong.", required=True),
    Key("risk", choice("low", "medium", "high"), "Sets what the rules below do not say.", required=True),
    Key("reviewer", groups, "Who reviews what is held. They need the role `reviewer`.", "every reviewer of the tenant", field="reviewer_groups"),
    Key("deadline", duration, "How long a held answer may wait.", "4h"),
)  # fmt: skip


def _process(
    asks: str = "",
    decides: str = "",
    wrong_answer_costs: str = "",
    risk: Any = "high",
    reviewer_groups: tuple[str, ...] = (),
    deadline: timedelta = timedelta(hours=4),
) -> Process:
    return Process(asks, decides, wrong_answer_costs, risk, reviewer_groups, deadline)


PROCESS = section(PROCESS_KEYS, _process)
HOLD_KEYS = (
    Key("everything", yes_no, "Every answer waits for a reviewer.", "risk high: true, else false"),
    Key("confidence_below", number(0, 1), "An answer whose score is lower waits.", "risk medium: 0.6, else never"),
    Key("unsupported_claims", yes_no, "An answer with a sentence that its sources do not bear out waits.", "risk medium: true, else false"),
    Key("conflicts", yes_no, "An answer from sources that contradict each other waits.", "risk medium: true, else false"),
    Key("classification", many(text("a label")), "An answer from a document with such a label waits.", "[]"),
)  # fmt: skip
HOLD = section(HOLD_KEYS, as_said)
REFUSE_KEYS = (
    Key("no_evidence", yes_no, "Refuse when no permitted passage bears on the question.", "true"),
    Key(
        "source_older_than",
        duration,
        "Refuse when the data behind the answer was last confirmed longer ago.",
        "never",
    ),
)
REFUSE = section(REFUSE_KEYS, RefuseRules)
BUDGET_KEYS = (
    Key("per_user_per_day", money, "The most that one person may spend in a day.", "no limit"),
    Key("per_month", money, "The most that the assistant may spend in a month.", "no limit"),
)
BUDGET = section(BUDGET_KEYS, BudgetRules)
_HOST = pattern("a host such as intranet.example.kz", r"[A-Za-z0-9.-]{1,253}(:\d{1,5})?")
ASSISTANT_KEYS = (
    Key("process", PROCESS, "The business process, first.", required=True),
    Key("tasks", many(choice("answer", "summarise", "reply"), at_least=1), "What it may be asked to do.", "[answer]"),
    Key("sources", many(name, at_least=1), "Which sources it answers from.", required=True),
    Key("languages", many(LANGUAGE, at_least=1), "Which languages it answers in; the first is used when unsure.", "[kk, ru, en]"),
    Key("models", many(name, at_least=1), "The ladder of models, best first; `extractive` needs no definition.", "[extractive]"),
    Key("tenants", many(name, at_least=1), "Who may ask it.", "every tenant"),
    Key("delivery", choice("verified", "live"), "`verified`: no text leaves before the decision. `live`: only where nothing can be held.", "verified"),
    Key("hold_when", HOLD, "When an answer waits for a human.", "by risk"),
    Key("refuse_when", REFUSE, "When it is not answered at all.", "{no_evidence: true}"),
    Key("budget", BUDGET, "Hard caps, reserved before each call.", "no limit"),
    Key("allowed_link_hosts", many(_HOST), "Hosts that links in an answer may point to.", "[]"),
    Key("personal_visible_to", many(name), "Groups that see personal data; others see a token.", "[]"),
    Key("max_output_tokens", whole(16, 100_000), "The most that an answer may be long.", "1024"),
    Key("passages", whole(1, 50), "How many passages a question may put before the model.", "8"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class SaidAssistant:
    """An assistant as written; `hold_when` becomes rules once the risk is known."""

    process: Process = field(default_factory=_process)
    hold_when: dict[str, Any] = field(default_factory=dict[str, Any])
    said: dict[str, Any] = field(default_factory=dict[str, Any])

    def build(self, assistant: str) -> Assistant:
        values: dict[str, Any] = {"sources": (), "models": ("extractive",), **self.said}
        return Assistant(
            name=assistant, process=self.process, hold_when=hold_rules(self.process, self.hold_when), **values
        )


def hold_rules(process: Process, said: dict[str, Any]) -> HoldRules:
    """Risk fills in what the file does not say."""
    return replace(hold_rules_for(process.risk), **said)


def _said_assistant(**said: Any) -> SaidAssistant:
    process = said.pop("process", None) or _process()
    return SaidAssistant(process, said.pop("hold_when", {}), said)


ASSISTANT = section(ASSISTANT_KEYS, _said_assistant)

# -- shared storage ---------------------------------------------------------------------------------------------
OBJECT_STORAGE_KEYS = (
    Key("endpoint", http, "Its address, where it is not Amazon's.", "Amazon S3"),
    Key("region", text("a region such as us-east-1"), "The store's own name of the region.", "the machine's AWS settings"),
    Key("key", store_secret, "Access key id, by reference.", "the machine's AWS settings"),
    Key("secret", store_secret, "Secret access key, by reference.", "the machine's AWS settings"),
    Key("allow_http", yes_no, "Accept an endpoint without TLS.", "false"),
)  # fmt: skip

# -- the workspace ----------------------------------------------------------------------------------------------
RETENTION_KEYS = (
    Key("answers", duration, "How long texts of answers stay readable.", "365d"),
    Key("personal", duration, "How long personal parts of events stay readable.", "365d"),
)
SHADOW_KEYS = (
    Key("share", number(0, 1), "Share of the questions, from 0 to 1, on which the newest ready index version searches too, after the answer was given.", "0"),
)  # fmt: skip
PARSING_KEYS = (
    Key("max_size", size, "Largest file.", "200 MiB", field="max_bytes"),
    Key("max_pages", whole(1, 100_000), "Most pages of a document.", "5000"),
    Key("max_text", whole(1_000, 1_000_000_000), "Most characters of a document.", "20000000", field="max_text_chars"),
    Key("memory", size, "Memory of one parser process.", "2 GiB", field="memory_bytes"),
    Key("cpu", whole_seconds, "Processor time for one document.", "60s", field="cpu_s"),
    Key("wall", seconds, "Elapsed time for one document.", "120s", field="wall_s"),
    Key("workers", whole(1, 256), "Documents parsed at the same time.", "2"),
    Key("ocr", yes_no, "Read scanned pages with tesseract where it is installed.", "true"),
    Key("ocr_languages", pattern("tesseract languages such as kaz+rus+eng", r"[a-z_]{3,20}(\+[a-z_]{3,20})*"), "What it should expect.", "kaz+rus+eng"),
    Key("ocr_max_pages", whole(0, 100_000), "Most scanned pages of a document.", "200"),
)  # fmt: skip


def _residency(reader: Reader, place: Place) -> tuple[ResidencyRule, ...]:
    found: dict[str, tuple[str, ...]] = _RESIDENCY.read(reader, place)
    return tuple(ResidencyRule(label, regions) for label, regions in found.items())


_RESIDENCY = named(many(REGION, at_least=1), check_name, "label: [region, …]")
RESIDENCY = Kind(_RESIDENCY.label, _residency, item=_RESIDENCY.item)
WORKSPACE_KEYS = (
    Key("name", text("a name"), "The workspace's name.", required=True),
    Key("region", REGION, "Where this workspace runs; a model without a region counts as being here.", "kz"),
    Key("tenants", many(name, at_least=1), "Who shares this workspace; nothing crosses between them.", "[main]"),
    Key("database", database, "`sqlite` keeps `countersign.db` in the state folder.", "sqlite"),
    Key("storage", location, "Where files and derived state are kept.", "./state"),
    Key("object_storage", section(OBJECT_STORAGE_KEYS, ObjectStorage), "How to reach `storage: s3://…`.", "the machine's AWS settings"),
    Key("index", choice("embedded", "lance"), "`embedded`: the passage index lies on this machine. `lance`: on the storage, for several machines.", "lance on Postgres with object storage, else embedded"),
    Key("sources", named(SOURCE, check_name, "a section for each source"), "Where documents come from.", "none"),
    Key("models", named(MODEL, check_name, "a section for each model"), "Language models; `extractive` is always there.", "none"),
    Key("embeddings", EMBEDDINGS, "Where vectors are made. Absent: the embedded model. `none`: search by words only.", "the embedded model"),
    Key("assistants", named(ASSISTANT, check_name, "a section for each assistant"), "Who may be asked.", "none"),
    Key("residency", RESIDENCY, "Where documents with a label may go. A label without a rule stays in its own region.", "{}"),
    Key("notify", NOTIFY, "Who is told about reviews and about sources that are too old.", "nobody"),
    Key("retention", section(RETENTION_KEYS, Retention), "How long texts are kept; the chain of events is kept for ever.", "365d"),
    Key("shadow", section(SHADOW_KEYS, ShadowRules), "Comparing a candidate index version on live questions; only counts are kept.", "off"),
    Key("parsing", section(PARSING_KEYS, ParseLimits), "Limits of reading files.", "as below"),
)  # fmt: skip
WORKSPACE = section(WORKSPACE_KEYS, as_said)


def build_model(model: str, said: dict[str, Any]) -> ModelSettings:
    values: dict[str, Any] = {"dialect": "extractive", **said}
    return ModelSettings(name=model, **values)


def build_source(source: str, said: dict[str, Any]) -> SourceSettings:
    values = dict(said)
    rights: dict[str, Any] = values.pop("rights", {})
    rules: tuple[RightsRule, ...] = (*values.pop("rules", ()), *rights.get("rules", ()))
    return SourceSettings(
        name=source,
        connector=values.pop("connector", ""),
        rights_sidecar=rights.get("sidecar", ""),
        sidecar_keys=rights.get("keys", {}),
        rights_rules=rules,
        rights_posix=rights.get("posix"),
        **values,
    )
