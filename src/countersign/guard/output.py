"""The output filter: the last thing between a model and a reader, streaming or whole.

A chain of stages, each giving the same output however its input is cut:
invisible characters → character references → tags → canary and secrets → the system prompt's words → Markdown →
addresses, e-mail, keys → numbers → Markdown. A hit on canary, secret or system prompt ends the output before its first
character; everything else is rewritten in place. Delay is at most 64 characters for numbers and 2,048 for links.

What it cannot do: data spelled out in words or in an encoding that it does not know passes any pattern. Only keeping
such data out of the context helps, which is what rights inside retrieval are for.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from countersign.guard.findings import GuardFinding, Severity, inert
from countersign.guard.literals import FixedStringHold, FixedStrings, PromptWordHold, PromptWords
from countersign.guard.markup import IMAGE_NOTE, Entities, Hosts, Links, Tags, Visible, Words
from countersign.guard.normalise import matching_view
from countersign.guard.personal import (
    ALWAYS_REDACTED,
    KINDS,
    LOOKBEHIND,
    MIN_CONFIDENCE,
    NUMBER_START,
    Kind,
    Token,
    decided,
    match_number,
    plain_token,
    pseudonym,
    redact,
    skip_number,
)
from countersign.guard.streams import Notice, TextStage

_HARD = frozenset({"canary_leaked", "secret_leaked", "system_prompt_overlap"})
_SHOWN = frozenset({"url_defanged", "image_removed", "html_removed"})
"""Codes whose evidence may be shown inert: addresses and mark-up, never personal data."""


@dataclass(frozen=True, slots=True, repr=False)
class OutputRules:
    """What may leave. Nothing said is the strict reading: no active links, no personal data."""

    canary: str = ""
    secrets: tuple[str, ...] = ()
    system_prompt: str = ""
    spoken: tuple[str, ...] = ()
    """Sentences of the system prompt that the model is asked to say, such as how to decline."""
    allowed_hosts: tuple[str, ...] = ()
    redacted_kinds: tuple[Kind, ...] = KINDS
    may_see_personal: bool = False
    tenant_key: bytes = b""
    """Makes tokens consistent (`[IIN-fadeda]`); empty gives plain ones (`[IIN]`)."""
    datamark: str = ""
    image_note: str = IMAGE_NOTE

    @property
    def kinds(self) -> frozenset[Kind]:
        """The kinds that this reader may not see."""
        return frozenset(ALWAYS_REDACTED if self.may_see_personal else self.redacted_kinds)

    @property
    def token(self) -> Token:
        return pseudonym(self.tenant_key) if self.tenant_key else plain_token


@dataclass(frozen=True, slots=True)
class Filtered:
    """`blocked_reason` is empty, or the code of the hard hit that ended the text early."""

    text: str
    findings: tuple[GuardFinding, ...] = ()
    blocked_reason: str = ""


class Numbers:
    """Redacts identifiers, cards, accounts and mobile numbers; `personal` says how far it looks."""

    def __init__(self, notice: Notice, kinds: frozenset[Kind], token: Token) -> None:
        self._notice = notice
        self._kinds = kinds
        self._token = token
        self._pending = ""
        self._behind = ""

    def feed(self, text: str) -> str:
        return self._run(self._pending + text, final=False)

    def finish(self) -> str:
        return self._run(self._pending, final=True)

    def _run(self, text: str, *, final: bool) -> str:
        view = matching_view(text)
        out: list[str] = []
        at = 0
        while start := NUMBER_START.search(view, at):
            out.append(text[at : start.start()])
            at = start.start()
            if not (final or decided(view, at)):
                break
            replacement, end = self._at(view, at)
            if replacement is not None:
                view = f"{view[: end - 1]} {view[end:]}"  # a number may begin right after a redacted one
            out.append(text[at:end] if replacement is None else replacement)
            at = end
        else:
            out.append(text[at:])
            at = len(text)
        self._behind = (self._behind + view[:at])[-LOOKBEHIND:]
        self._pending = text[at:]
        return "".join(out)

    def _at(self, view: str, at: int) -> tuple[str | None, int]:
        left = (self._behind + view[max(0, at - LOOKBEHIND) : at])[-LOOKBEHIND:]
        hit = match_number(view, at, left)
        if hit is None or hit.confidence < MIN_CONFIDENCE:
            return None, skip_number(view, at)
        if hit.kind not in self._kinds:
            return None, hit.end
        self._notice("personal_redacted", hit.kind)
        return self._token(hit), hit.end


class OutputFilter:
    """One answer's filter. `feed` pieces, then `finish` once. An instance serves one answer."""

    def __init__(self, rules: OutputRules) -> None:
        self._counts: Counter[str] = Counter()
        self._kinds: Counter[str] = Counter()
        self._evidence: dict[str, str] = {}
        self._blocked = ""
        strings = FixedStrings(
            {value: "secret_leaked" for value in rules.secrets}
            | ({rules.canary: "canary_leaked"} if rules.canary else {})
        )
        hosts = Hosts(rules.allowed_hosts)
        self._before: tuple[TextStage, ...] = (
            Visible(self._notice, rules.datamark),
            Entities(self._notice),
            Tags(self._notice, strings),
        )
        self._strings = FixedStringHold(strings)
        self._words = PromptWordHold(PromptWords(rules.system_prompt, spoken=rules.spoken))
        self._after: tuple[TextStage, ...] = (
            Links(self._notice, hosts, rules.image_note),
            Words(self._notice, hosts, rules.kinds, rules.token),
            Numbers(self._notice, rules.kinds, rules.token),
            Links(
                self._notice, hosts, rules.image_note
            ),  # once more: a token before "(" must not make a link
        )

    @property
    def blocked_reason(self) -> str:
        """Empty, or the code of the hard hit; nothing more will be emitted."""
        return self._blocked

    @property
    def findings(self) -> tuple[GuardFinding, ...]:
        """What was noticed so far: one finding a code, with its count."""
        return tuple(
            GuardFinding("output", "output", code, _severity(code), self._shown(code), count=count)
            for code, count in sorted(self._counts.items())
        )

    def feed(self, text: str) -> str:
        """The text that may leave now. Empty once blocked."""
        if self._blocked or not text:
            return ""
        for stage in self._before:
            text = stage.feed(text)
        return self._judge(self._words.feed(self._strings.feed(text)), final=False)

    def finish(self) -> str:
        """The rest. Call once, after the last `feed`."""
        if self._blocked:
            return ""
        text = _flush(self._before, "")
        text = self._strings.feed(text) + self._strings.finish()
        return self._judge(self._words.feed(text), final=True)

    def _judge(self, text: str, *, final: bool) -> str:
        """Send `text` on; at a hard hit everything before it is flushed and the output ends there."""
        if final or self._strings.stopped:
            text += self._words.finish()
        if reason := "system_prompt_overlap" if self._words.stopped else self._strings.stopped:
            self._blocked = reason
            self._counts[reason] += 1
            return _flush(self._after, text)
        if final:
            return _flush(self._after, text)
        for stage in self._after:
            text = stage.feed(text)
        return text

    def _notice(self, code: str, text: str) -> None:
        self._counts[code] += 1
        if code == "personal_redacted":
            self._kinds[text] += 1
        elif code in _SHOWN and code not in self._evidence:
            self._evidence[code] = inert(text)

    def _shown(self, code: str) -> str:
        if code == "personal_redacted":
            return ", ".join(f"{kind} {count}" for kind, count in sorted(self._kinds.items()))
        return self._evidence.get(code, "")


def _flush(stages: Iterable[TextStage], text: str) -> str:
    for stage in stages:
        text = stage.feed(text) + stage.finish()
    return text


def _severity(code: str) -> Severity:
    if code in _HARD:
        return "error"
    return "info" if code in ("output_invisible_characters", "entity_decoded", "html_defused") else "warning"


def filter_whole(text: str, rules: OutputRules) -> Filtered:
    """`text` as a stream of any cut would have left."""
    stream = OutputFilter(rules)
    emitted = stream.feed(text) + stream.finish()
    return Filtered(emitted, stream.findings, stream.blocked_reason)


def filter_quote(quote: str, rules: OutputRules) -> str:
    """A verbatim quotation as this reader may see it: personal data redacted, the rest untouched."""
    return redact(quote, rules.kinds, rules.token)
