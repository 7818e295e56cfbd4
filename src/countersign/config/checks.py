"""What one section says must agree with the others."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit

from countersign.config.reading import ConfigProblem, Reader
from countersign.domain.errors import ConfigError
from countersign.domain.workspace import Assistant, ModelSettings, Money, SourceSettings, Workspace
from countersign.sources.options import Objection
from countersign.sources.registry import PUSH, connector_type, installed

_PUSH_LACKS = {
    "schedule": "documents are pushed to it; it reads nothing",
    "watch": "documents are pushed to it; it reads nothing",
    "rate_limit": "documents are pushed to it; it reads nothing",
    "url": "documents are pushed to it; it reads nothing",
    "rights": "the rights of a pushed document come with the request",
    "rules": "the rights of a pushed document come with the request",
}


_RIGHTS_SAID_HERE = ("files", "git", "web")
"""Connectors whose documents bring no rights of their own."""


def _objections(source: SourceSettings) -> Iterable[Objection]:
    """What the connector itself says of the settings, where it has something to say."""
    try:
        judge = getattr(connector_type(source.connector), "objections", None)
    except ConfigError:
        return ()
    return judge(source) if judge is not None else ()


def _needs_url(connector: str) -> bool:
    try:
        return bool(getattr(connector_type(connector), "NEEDS_URL", False))
    except ConfigError:  # told where its options are read
        return False


def cross_check(workspace: Workspace, reader: Reader) -> None:
    """Add to the reader's problems whatever does not fit together."""
    check = _Checks(workspace, reader)
    for source in workspace.sources.values():
        check.source(source)
    for model in workspace.models.values():
        check.model(model)
    for assistant in workspace.assistants.values():
        check.assistant(assistant)
    check.storage()
    check.webhook()
    check.mail()
    if not workspace.assistants:
        check.doubtful("assistants", "no assistant is described, so nobody can ask anything")


class _Checks:
    def __init__(self, workspace: Workspace, reader: Reader) -> None:
        self._workspace = workspace
        self._reader = reader

    def wrong(self, where: str, message: str, hint: str = "", code: str = "config_invalid") -> None:
        self._add(ConfigProblem(self._line(where), where, message, hint, code))

    def doubtful(self, where: str, message: str, hint: str = "") -> None:
        self._add(ConfigProblem(self._line(where), where, message, hint, "config_doubtful", "warning"))

    def _add(self, problem: ConfigProblem) -> None:
        self._reader.problems.append(problem)

    def _said(self, where: str) -> bool:
        return where in self._reader.lines

    def _line(self, where: str) -> int | None:
        while where and where not in self._reader.lines:
            where = where.rpartition(".")[0]
        return self._reader.lines.get(where)

    def _known(
        self, where: str, names: Iterable[str], known: Mapping[str, object] | tuple[str, ...], what: str
    ) -> None:
        if not self._said(where):
            return
        for index, name in enumerate(names):
            if name not in known:
                close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
                hint = f"did you mean `{close[0]}`?" if close else f"known: {', '.join(known) or 'none'}"
                self.wrong(f"{where}[{index}]", f"there is no {what} `{name}`", hint, "config_unknown_name")

    # -- sources ------------------------------------------------------------------------------------------------
    def source(self, source: SourceSettings) -> None:
        where = f"sources.{source.name}"
        self._known(f"{where}.tenants", source.tenants, self._workspace.tenants, "tenant")
        if source.connector == PUSH:
            for key, why in _PUSH_LACKS.items():
                if self._said(f"{where}.{key}"):
                    self.wrong(f"{where}.{key}", "a push source has no such setting", why)
        elif source.connector and source.connector not in installed():
            known = ", ".join((*sorted(installed()), PUSH))
            self.wrong(
                f"{where}.connector", f"there is no connector `{source.connector}`", f"installed: {known}"
            )
        elif source.connector:
            self._read(source, where)

    def _read(self, source: SourceSettings, where: str) -> None:
        """A source that is read: by a connector, whichever."""
        if not source.url and not self._said(f"{where}.url") and _needs_url(source.connector):
            self.wrong(where, "`url` is missing", "write what it reads, such as ./files")
        said = [bool(source.rights_sidecar), bool(source.rights_rules), source.rights_posix is not None]
        if sum(said) > 1:
            self.wrong(
                f"{where}.rights",
                "rights come from a manifest, from rules or from the file system, not from several of them",
                "keep one of them",
            )
        if source.rights_posix is not None and source.connector != "files":
            self.wrong(
                f"{where}.rights.posix", "only files have rights of this kind", "use rules or a manifest"
            )
        if source.sidecar_keys and not source.rights_sidecar:
            self.wrong(
                f"{where}.rights.keys",
                "`keys` renames keys of a manifest, and none is named",
                "add `sidecar: FILE`",
            )
        if source.watch and (source.connector != "files" or "://" in source.url):
            self.wrong(f"{where}.watch", "only a folder of this machine can be watched", "write a `schedule`")
        for objection in _objections(source):
            at = f"{where}.{objection.where}" if objection.where else where
            self.wrong(at, objection.message, objection.hint)
        if source.connector in _RIGHTS_SAID_HERE and not any(said) and not self._said(f"{where}.rights"):
            self.doubtful(where, "nothing says who may see its documents, so nobody may", "add `rights`")

    # -- models -------------------------------------------------------------------------------------------------
    def model(self, model: ModelSettings) -> None:
        where = f"models.{model.name}"
        if model.dialect == "extractive":
            for key in ("base_url", "key", "model"):
                if self._said(f"{where}.{key}"):
                    self.wrong(f"{where}.{key}", "the extractive model calls no endpoint", "leave it out")
            return
        if model.name == "extractive":
            self.wrong(where, "the name `extractive` belongs to the embedded model", "choose another name")
        for key, value in (("base_url", model.base_url), ("model", model.model)):
            if not value and not self._said(f"{where}.{key}"):
                self.wrong(where, f"`{key}` is missing", f"an endpoint of dialect {model.dialect} needs it")
        if model.first_byte_timeout_s > model.timeout_s and self._said(f"{where}.first_byte_timeout"):
            self.wrong(f"{where}.first_byte_timeout", "is longer than `timeout`", "make it shorter")

    # -- storage ------------------------------------------------------------------------------------------------
    def storage(self) -> None:
        workspace = self._workspace
        remote = "://" in workspace.storage
        if workspace.index == "lance" and remote and not workspace.storage.startswith("s3://"):
            self.wrong("index", "`lance` needs s3:// or a folder", "use `embedded`, or another `storage`")
        settings = workspace.object_storage
        if settings.endpoint.startswith("http://") and not settings.allow_http:
            self.wrong(
                "object_storage.endpoint",
                "documents would leave this machine without encryption",
                "use https, or say `allow_http: true`",
            )
        if self._said("object_storage.key") != self._said("object_storage.secret"):
            self.wrong("object_storage", "`key` and `secret` belong together", "say both or none")

    # -- notices ------------------------------------------------------------------------------------------------
    def webhook(self) -> None:
        webhook = self._workspace.webhook
        if webhook is None:
            return
        address = urlsplit(webhook.url)
        if address.scheme == "http" and address.hostname not in ("127.0.0.1", "::1", "localhost"):
            self.doubtful("notify.webhook.url", "notices leave this machine without encryption", "use https")

    def mail(self) -> None:
        mail = self._workspace.mail
        if mail is None:
            return
        if mail.tls == "none" and mail.host not in ("127.0.0.1", "::1", "localhost"):
            self.doubtful("notify.email.tls", "notices leave this machine without encryption", "use starttls")
        if bool(mail.user) != (mail.password is not None):
            self.wrong("notify.email", "`user` and `password` belong together", "say both or neither")

    # -- assistants ---------------------------------------------------------------------------------------------
    def assistant(self, assistant: Assistant) -> None:
        where = f"assistants.{assistant.name}"
        self._known(f"{where}.sources", assistant.sources, self._workspace.sources, "source")
        self._known(f"{where}.models", assistant.models, self._workspace.models, "model")
        self._known(f"{where}.tenants", assistant.tenants, self._workspace.tenants, "tenant")
        self._tenants_meet(assistant, where)
        self._residency(assistant, where)
        self._delivery(assistant, where)
        self._budget(assistant, where)
        if assistant.holds.any and not assistant.process.reviewer_groups:
            self.doubtful(
                f"{where}.process",
                "its answers can be held, but no reviewer is named",
                "add `reviewer: {groups: […]}`",
            )
        if (
            assistant.process.risk == "high"
            and self._said(f"{where}.hold_when.everything")
            and not assistant.holds.everything
        ):
            self.doubtful(
                f"{where}.hold_when.everything", "risk is high, yet not every answer waits for a reviewer"
            )

    def _tenants_meet(self, assistant: Assistant, where: str) -> None:
        asking = set(assistant.tenants or self._workspace.tenants)
        sources = [
            self._workspace.sources[name] for name in assistant.sources if name in self._workspace.sources
        ]
        for source in sources:
            if source.tenants and not asking & set(source.tenants):
                self.doubtful(
                    f"{where}.sources", f"nobody who may ask can see `{source.name}`: no tenant in common"
                )

    def _residency(self, assistant: Assistant, where: str) -> None:
        rules = {rule.label: rule.regions for rule in self._workspace.residency}
        models = [self._workspace.models[name] for name in assistant.models if name in self._workspace.models]
        regions = {
            model.region or self._workspace.region for model in models if model.dialect != "extractive"
        }
        for name in assistant.sources:
            source = self._workspace.sources.get(name)
            label = source.residency if source else ""
            if label and regions and not regions & set(rules.get(label, (label,))):
                self.doubtful(
                    f"{where}.models",
                    f"documents of `{name}` are labelled {label} and may go to none of these models",
                )

    def _delivery(self, assistant: Assistant, where: str) -> None:
        if assistant.delivery != "live":
            return
        if assistant.process.risk != "low":
            self.wrong(
                f"{where}.delivery",
                f"`live` needs a process of low risk, and this one is {assistant.process.risk}",
                "use `verified`",
                "config_live_delivery",
            )
        elif assistant.holds.any:
            self.wrong(
                f"{where}.delivery",
                "`live` cannot take back text that a rule of `hold_when` would hold",
                "use `verified`, or remove the rules",
                "config_live_delivery",
            )

    def _budget(self, assistant: Assistant, where: str) -> None:
        caps: dict[str, Money | None] = {
            "per_user_per_day": assistant.budget.per_user_per_day,
            "per_month": assistant.budget.per_month,
        }
        currencies = {cap.currency for cap in caps.values() if cap is not None}
        if len(currencies) > 1:
            self.wrong(f"{where}.budget", "its caps are in different currencies", "use one currency")
        for index, name in enumerate(assistant.models if currencies else ()):
            model = self._workspace.models.get(name)
            if model is None or model.dialect == "extractive":
                continue
            at = f"{where}.models[{index}]"
            if model.price is None:
                self.doubtful(
                    at,
                    f"`{name}` has no price, so under this budget every call to it is refused",
                    "add `price`",
                )
            elif not model.price.unmetered and model.price.currency not in currencies:
                self.wrong(
                    f"{where}.budget",
                    f"`{name}` is priced in {model.price.currency}",
                    f"use {model.price.currency}, or give its price in the budget's currency",
                )
