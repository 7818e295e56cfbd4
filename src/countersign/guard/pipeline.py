"""The guard as the straight line uses it: four stages, configured once, holding nothing of any request."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from countersign.domain.answers import HistoryTurn
from countersign.domain.documents import Passage
from countersign.guard.checks import Check, CheckContext, Verdict
from countersign.guard.findings import GuardFinding, Stage
from countersign.guard.output import OutputFilter, OutputRules
from countersign.guard.passages import GuardedPassages, PassagePolicy, guard_passages
from countersign.guard.personal import ALWAYS_REDACTED, KINDS, Kind, plain_token, pseudonym, redact
from countersign.guard.prompt import Canary, PromptVerdict, check_prompt
from countersign.guard.question import (
    MAX_HISTORY_CHARS,
    MAX_HISTORY_TURNS,
    MAX_QUESTION_CHARS,
    GuardedHistory,
    GuardedText,
    guard_history,
    guard_question,
)

_NOTHING_KNOWN = CheckContext()


@dataclass(frozen=True, slots=True)
class GuardSettings:
    max_question_chars: int = MAX_QUESTION_CHARS
    max_history_chars: int = MAX_HISTORY_CHARS
    max_history_turns: int = MAX_HISTORY_TURNS
    passage_policy: PassagePolicy = PassagePolicy()  # noqa: RUF009 frozen
    redacted_kinds: tuple[Kind, ...] = KINDS
    secrets: tuple[str, ...] = ()
    """Values that may never stand in a prompt or an output, such as provider keys."""

    def __repr__(self) -> str:
        return f"GuardSettings(max_question_chars={self.max_question_chars}, secrets={len(self.secrets)})"


class Guard:
    """Holds the settings and the added checks; every method is a plain function of its arguments."""

    def __init__(self, settings: GuardSettings | None = None, checks: Iterable[Check] = ()) -> None:
        self.settings = settings or GuardSettings()
        self._checks = tuple(checks)

    def question(self, text: str, principal_facts: CheckContext = _NOTHING_KNOWN) -> GuardedText:
        """The question as it goes on, or the reason why it does not."""
        guarded = guard_question(text, max_chars=self.settings.max_question_chars)
        if guarded.blocked_reason:
            return guarded
        verdict = self._examine("question", guarded.text, principal_facts)
        findings = (*guarded.findings, *verdict.findings)
        if verdict.action != "allow":
            blocked = GuardFinding("checks", "question", "check_blocked", "error")
            return replace(guarded, text="", findings=(*findings, blocked), blocked_reason="check_blocked")
        return replace(guarded, findings=findings)

    def history(self, turns: tuple[HistoryTurn, ...]) -> GuardedHistory:
        """A client's history, assistant turns included, as the untrusted text that it is."""
        settings = self.settings
        return guard_history(
            turns, max_turns=settings.max_history_turns, max_chars=settings.max_history_chars
        )

    def passages(
        self, passages: tuple[Passage, ...], principal_facts: CheckContext = _NOTHING_KNOWN
    ) -> GuardedPassages:
        """The passages that may be put before a model, cleaned; the ids that policy or a check left out."""
        guarded = guard_passages(passages, self.settings.passage_policy)
        kept: list[Passage] = []
        dropped, findings = list(guarded.dropped), list(guarded.findings)
        for passage in guarded.passages:
            context = replace(principal_facts, subject=passage.passage_id)
            verdict = self._examine("passages", passage.text, context)
            findings.extend(verdict.findings)
            if verdict.action == "allow":
                kept.append(passage)
            else:
                dropped.append(passage.passage_id)
                findings.append(
                    GuardFinding(
                        "checks", "passages", "passage_dropped", "warning", subject=passage.passage_id
                    )
                )
        return GuardedPassages(tuple(kept), tuple(dropped), tuple(findings))

    def prompt(self, *, system: str, user: Iterable[str], canary: Canary, marker: str) -> PromptVerdict:
        """The last look before the wire; a `blocked_reason` forbids the call."""
        messages = tuple(user)
        verdict = check_prompt(
            system=system,
            user=messages,
            canary=canary,
            marker=marker,
            secret_values=self.settings.secrets,
        )
        added = self._examine("prompt", "\n".join(messages), _NOTHING_KNOWN)
        reason = verdict.blocked_reason or ("check_blocked" if added.action != "allow" else "")
        return PromptVerdict((*verdict.findings, *added.findings), reason)

    def output_filter(
        self,
        *,
        canary: Canary | str,
        system_prompt: str,
        allowed_hosts: tuple[str, ...] = (),
        may_see_personal: bool = False,
        tenant_key: bytes = b"",
        datamark: str = "",
        spoken: tuple[str, ...] = (),
    ) -> OutputFilter:
        """One answer's output filter; see `OutputRules` for what each argument allows."""
        return OutputFilter(
            OutputRules(
                canary=canary.value if isinstance(canary, Canary) else canary,
                secrets=self.settings.secrets,
                system_prompt=system_prompt,
                spoken=spoken,
                allowed_hosts=allowed_hosts,
                redacted_kinds=self.settings.redacted_kinds,
                may_see_personal=may_see_personal,
                tenant_key=tenant_key,
                datamark=datamark,
            )
        )

    def examine_output(self, text: str, principal_facts: CheckContext = _NOTHING_KNOWN) -> Verdict:
        """What the added checks say about a whole filtered answer. Anything but `allow` means: do not deliver."""
        return self._examine("output", text, principal_facts)

    def redact(self, text: str, *, may_see_personal: bool, tenant_key: bytes = b"") -> str:
        """A quotation or title as this reader may see it."""
        kinds = ALWAYS_REDACTED if may_see_personal else self.settings.redacted_kinds
        return redact(text, kinds, pseudonym(tenant_key) if tenant_key else plain_token)

    def _examine(self, stage: Stage, text: str, context: CheckContext) -> Verdict:
        verdicts = [check.examine(text, context) for check in self._checks if check.stage == stage]
        actions = {verdict.action for verdict in verdicts}
        action = "block" if "block" in actions else "drop" if "drop" in actions else "allow"
        return Verdict(action, tuple(f for verdict in verdicts for f in verdict.findings))
