"""A workspace as its owner describes it: sources, models and assistants, each assistant beginning with its process.

Values only; `config.py` reads and validates the file. Secrets are `Secret` values resolved at the edge and never printed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Literal

from countersign.domain.answers import Task
from countersign.domain.readiness import Policy
from countersign.domain.schedule import Schedule

Risk = Literal["low", "medium", "high"]
Delivery = Literal["verified", "live"]
IndexKind = Literal["embedded", "lance"]
Dialect = Literal["openai", "anthropic", "extractive"]


@dataclass(frozen=True, slots=True, repr=False)
class Secret:
    """A value that shows itself only when asked to, with the reference it came from (`${env:NAME}`) for messages."""

    reference: str
    value: str

    def __repr__(self) -> str:
        return f"Secret({self.reference})"

    __str__ = __repr__


@dataclass(frozen=True, slots=True)
class Price:
    """Per million tokens. `unmetered` is said, never assumed; no Price at all is the state *unknown*."""

    currency: str = "USD"
    input_per_million: float = 0.0
    output_per_million: float = 0.0
    unmetered: bool = False


@dataclass(frozen=True, slots=True)
class ModelSettings:
    name: str
    dialect: Dialect
    base_url: str = ""
    model: str = ""
    key: Secret | None = None
    region: str = ""
    """Empty counts as the workspace's own region."""
    price: Price | None = None
    max_output_tokens: int = 1024
    context_tokens: int = 16_000
    timeout_s: float = 60.0
    first_byte_timeout_s: float = 20.0
    max_concurrent: int = 16


@dataclass(frozen=True, slots=True)
class EmbeddingSettings:
    """`base_url` empty means the embedded model."""

    name: str = "embedded"
    base_url: str = ""
    model: str = "multilingual-e5-small"
    key: Secret | None = None
    region: str = ""
    dimension: int = 384
    timeout_s: float = 30.0
    max_concurrent: int = 4
    texts_per_s: float | None = None
    """Passages that are sent in a second on average; None = as fast as it answers. Questions never wait for it."""

    @property
    def model_id(self) -> str:
        """Names the vectors of an endpoint: of one model and one length. Empty for the embedded model."""
        return f"{self.model}/{self.dimension}@endpoint" if self.base_url else ""


@dataclass(frozen=True, slots=True)
class ObjectStorage:
    """How to reach the object store of `storage: s3://…`; what is empty comes from the machine's own AWS settings."""

    endpoint: str = ""
    region: str = ""
    key: Secret | None = None
    secret: Secret | None = None
    allow_http: bool = False


@dataclass(frozen=True, slots=True)
class WebhookSettings:
    """Where another system is told that a review opened, is overdue or was decided."""

    url: str
    secret: Secret
    """Shared with the receiver; every notice is signed with it."""
    region: str = ""
    """Empty counts as the workspace's own region."""
    timeout_s: float = 10.0


@dataclass(frozen=True, slots=True)
class MailSettings:
    """Where people are told by e-mail, over one SMTP server."""

    host: str
    sender: str
    to: tuple[str, ...]
    port: int = 587
    tls: Literal["starttls", "implicit", "none"] = "starttls"
    user: str = ""
    password: Secret | None = None
    region: str = ""
    """Empty counts as the workspace's own region."""
    timeout_s: float = 30.0
    about: tuple[Literal["sources", "reviews"], ...] = ("sources",)


@dataclass(frozen=True, slots=True)
class RightsRule:
    """A glob over external ids; the first match decides."""

    match: str
    any_of: tuple[str, ...]
    all_of: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RateLimit:
    """How much of a source may be read in a second; None = as fast as it goes."""

    documents_per_s: float | None = None
    bytes_per_s: int | None = None


@dataclass(frozen=True, slots=True)
class PosixRights:
    """What users and groups of a file system are called here. Whom nothing names gets nothing."""

    groups: Mapping[str, str] = field(default_factory=dict[str, str])
    """Name or number of theirs → a term of ours."""
    users: Mapping[str, str] = field(default_factory=dict[str, str])
    everyone: tuple[str, ...] = ()
    """Whom "others" means: terms of which one is enough; empty = nobody."""
    same_names: bool = False
    """Accounts that nothing names are called the same here."""


@dataclass(frozen=True, slots=True)
class SourceSettings:
    name: str
    connector: str
    url: str = ""
    tenants: tuple[str, ...] = ()
    """Tenants that this source may speak for; empty = every tenant of the workspace."""
    rights_sidecar: str = ""
    sidecar_keys: Mapping[str, str] = field(default_factory=dict[str, str])
    """Our name of a sidecar key → theirs, where a manifest names it otherwise."""
    rights_rules: tuple[RightsRule, ...] = ()
    rights_posix: PosixRights | None = None
    residency: str = ""
    publisher_groups: tuple[str, ...] = ()
    max_age: timedelta | None = None
    """How long ago its last complete pass may be."""
    documents_max_age: timedelta | None = None
    """How long ago a document of it may have changed; None = judged by the other documents."""
    schedule: Schedule | None = None
    """When a process that owns the workspace reads it again; None = only when somebody asks."""
    watch: bool = False
    """Whether a change in a local folder begins a pass at once."""
    rate_limit: RateLimit = RateLimit()
    readiness: Mapping[str, Policy] = field(default_factory=dict[str, Policy])
    """Readiness code → what is done with a document that has it, where it is not what the catalogue says."""
    options: Mapping[str, object] = field(default_factory=dict[str, object], repr=False)
    """What the connector declares in its `OPTIONS`, read as the kinds that it names."""


@dataclass(frozen=True, slots=True)
class Process:
    """The business process that the assistant serves: who asks, what follows, what a wrong answer costs, who reviews."""

    asks: str
    decides: str
    wrong_answer_costs: str
    risk: Risk
    reviewer_groups: tuple[str, ...]
    deadline: timedelta = timedelta(hours=4)


@dataclass(frozen=True, slots=True)
class HoldRules:
    """When an answer waits for a human; `hold_rules_for` says what holds where the file is silent."""

    everything: bool = False
    confidence_below: float | None = None
    unsupported_claims: bool = False
    conflicts: bool = False
    classification: tuple[str, ...] = ()

    @property
    def any(self) -> bool:
        return bool(
            self.everything
            or self.confidence_below is not None
            or self.unsupported_claims
            or self.conflicts
            or self.classification
        )


def hold_rules_for(risk: Risk) -> HoldRules:
    """What is held where the file says nothing: high everything, medium what is doubtful, low nothing (marked instead)."""
    if risk == "high":
        return HoldRules(everything=True)
    if risk == "medium":
        return HoldRules(unsupported_claims=True, conflicts=True, confidence_below=0.6)
    return HoldRules()


@dataclass(frozen=True, slots=True)
class RefuseRules:
    no_evidence: bool = True
    source_older_than: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Money:
    amount: float
    currency: str


@dataclass(frozen=True, slots=True)
class BudgetRules:
    per_user_per_day: Money | None = None
    per_month: Money | None = None

    @property
    def any(self) -> bool:
        return self.per_user_per_day is not None or self.per_month is not None


@dataclass(frozen=True, slots=True)
class Assistant:
    name: str
    process: Process
    sources: tuple[str, ...]
    models: tuple[str, ...]
    """The ladder, best first."""
    tasks: tuple[Task, ...] = ("answer",)
    languages: tuple[str, ...] = ("kk", "ru", "en")
    tenants: tuple[str, ...] = ()
    """Who may ask it; empty = every tenant."""
    delivery: Delivery = "verified"
    hold_when: HoldRules | None = None
    """None = by the risk of the process."""
    refuse_when: RefuseRules = RefuseRules()
    budget: BudgetRules = BudgetRules()
    allowed_link_hosts: tuple[str, ...] = ()
    personal_visible_to: tuple[str, ...] = ()
    """Groups that see personal data in answers and quotes; everyone else sees a token in its place."""
    max_output_tokens: int = 1024
    passages: int = 8
    """How many passages a question may put before the model."""

    @property
    def holds(self) -> HoldRules:
        """The rules in force: those of the file, completed by the risk where it says nothing."""
        return self.hold_when or hold_rules_for(self.process.risk)


@dataclass(frozen=True, slots=True)
class ResidencyRule:
    """Documents labelled `label` may go only to these regions; a label without a rule may go only to its own region."""

    label: str
    regions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Retention:
    """How long texts stay readable; the chain itself is kept."""

    answers: timedelta = timedelta(days=365)
    personal: timedelta = timedelta(days=365)


@dataclass(frozen=True, slots=True)
class ShadowRules:
    """Share (0 to 1) of the questions on which a ready index version searches too, unseen, after the answer was given."""

    share: float = 0.0


@dataclass(frozen=True, slots=True)
class ParseLimits:
    max_bytes: int = 200 * 1024 * 1024
    max_pages: int = 5_000
    max_text_chars: int = 20_000_000
    memory_bytes: int = 2 * 1024**3
    cpu_s: int = 60
    wall_s: float = 120.0
    workers: int = 2
    ocr: bool = True
    ocr_languages: str = "kaz+rus+eng"
    ocr_max_pages: int = 200


@dataclass(frozen=True, slots=True)
class Workspace:
    name: str
    root: Path
    database: str = field(repr=False)
    """SQLAlchemy URL; it may hold a password, so it is never printed."""
    storage: str
    """Folder or fsspec URL for blobs and derived state."""
    state: Path
    """Local folder for locks, index, keys and checkpoints, always on this machine."""
    region: str = "kz"
    tenants: tuple[str, ...] = ("main",)
    sources: Mapping[str, SourceSettings] = field(default_factory=dict[str, SourceSettings])
    models: Mapping[str, ModelSettings] = field(default_factory=dict[str, ModelSettings])
    embeddings: EmbeddingSettings | None = EmbeddingSettings()
    """What a new workspace, and a new index version, is for; None = lexical only."""
    other_embeddings: tuple[EmbeddingSettings, ...] = ()
    """Endpoints that index versions may be built for besides."""
    assistants: Mapping[str, Assistant] = field(default_factory=dict[str, Assistant])
    residency: tuple[ResidencyRule, ...] = ()
    webhook: WebhookSettings | None = None
    """None = no other system is notified."""
    mail: MailSettings | None = None
    """None = nobody is told by e-mail."""
    retention: Retention = Retention()
    shadow: ShadowRules = ShadowRules()
    parsing: ParseLimits = ParseLimits()
    object_storage: ObjectStorage = ObjectStorage()
    index: IndexKind = "embedded"
    """`embedded`: on this machine beside the process that owns it. `lance`: on the storage, for any number of machines."""
