"""Personal data in text: identifiers found by structure, control digits and context words, then redacted or pseudonymised.

A control digit alone is a poor detector: one random 12-digit number in ten passes the modulo-11 test, one 16-digit
number in ten passes Luhn. Structure brings 12-digit numbers to 0.4 % (IIN and BIN together), leading digits bring
cards to about 2.4 %. A context word near by (ЖСН, ИИН, карта …) raises the confidence, and is required where
structure says little.

Numbers are matched at the start of a group of digits, over whole groups only, looking at most `LOOKAHEAD` characters
ahead and `LOOKBEHIND` characters back. A stream can therefore be decided as it comes, and the stream and the whole text
give the same result.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final, Literal

from countersign.guard import checksums
from countersign.guard.normalise import TO_LATIN, matching_view

Kind = Literal[
    "iin", "bin", "iban", "card", "phone", "email", "inn", "snils", "passport", "identity_card", "key"
]
KINDS: Final[tuple[Kind, ...]] = (
    "iin", "bin", "iban", "card", "phone", "email", "inn", "snils", "passport", "identity_card", "key",
)  # fmt: skip
ALWAYS_REDACTED: Final[tuple[Kind, ...]] = ("key",)
"""Access keys are nobody's to read in an answer."""

LOOKAHEAD: Final = 64
LOOKBEHIND: Final = 48
NUMBER_START: Final = re.compile("[0-9+KkКк]")
"""Where, in a matching view, a number or an IBAN may begin."""
MIN_CONFIDENCE: Final = 0.5


@dataclass(frozen=True, slots=True, repr=False)
class PersonalData:
    """One sighting. `value` is normalised: digits, or upper case without separators."""

    kind: Kind
    start: int
    end: int
    value: str
    confidence: float

    def __repr__(self) -> str:
        return f"PersonalData({self.kind}, {self.start}, {self.end}, confidence={self.confidence})"


Token = Callable[[PersonalData], str]
"""What stands in the place of a sighting."""


def plain_token(found: PersonalData) -> str:
    return f"[{found.kind.upper()}]"


def pseudonym(tenant_key: bytes) -> Token:
    """Tokens such as `[IIN-fadeda]`: the same value gives the same token within a tenant, and tells nothing without its key.

    Letters only, so that no token ever looks like a figure of the answer.
    """

    def token(found: PersonalData) -> str:
        digest = hmac.new(tenant_key, f"{found.kind}:{found.value}".encode(), hashlib.sha256).digest()
        number, letters = int.from_bytes(digest[:8]), ""
        for _ in range(6):
            number, rest = divmod(number, 6)
            letters += "abcdef"[rest]
        return f"[{found.kind.upper()}-{letters}]"

    return token


def find(text: str, *, min_confidence: float = MIN_CONFIDENCE) -> tuple[PersonalData, ...]:
    """Every sighting in `text`, in order, none overlapping. Offsets are in characters of `text`."""
    found: list[PersonalData] = []
    for word in re.finditer(r"\S+", text):
        found.extend(_shifted(hit, word.start()) for hit in find_in_word(word.group()))
    taken = [(hit.start, hit.end) for hit in found]
    found.extend(
        hit for hit in _numbers(text) if not any(start < hit.end and hit.start < end for start, end in taken)
    )
    return tuple(sorted((h for h in found if h.confidence >= min_confidence), key=lambda h: h.start))


def redact(text: str, kinds: Iterable[Kind] = KINDS, token: Token = plain_token) -> str:
    """`text` with every sighting of `kinds` replaced. Doing it twice changes nothing more."""
    wanted = frozenset(kinds)
    pieces: list[str] = []
    at = 0
    for hit in find(text):
        if hit.kind in wanted:
            pieces += [text[at : hit.start], token(hit)]
            at = hit.end
    return "".join([*pieces, text[at:]])


# Words ------------------------------------------------------------------------------------------------------------

_EMAIL = re.compile(r"[\w.%+\-]{1,64}@[\w\-]{1,63}(?:\.[\w\-]{1,63})+", re.UNICODE)
_MAILBOX_OF_A_ROLE = re.compile(
    r"(?:info|support|help|helpdesk|hr|sales|office|contact|press|admin|no-?reply|hotline|service|security|"
    r"compliance|legal|finance|reception|abuse|postmaster|webmaster|feedback|team|mail|call-?cent(?:er|re)|quality|"
    r"career|jobs|billing|privacy|dpo|marketing|procurement|tender)(?:[._\-]?(?:kz|ru|en|kk|almaty|astana|\d{1,3}))?",
    re.IGNORECASE,
)
_KEY = re.compile(
    r"\b(?:sk-[A-Za-z0-9_\-]{16,}|(?:AKIA|ASIA)[0-9A-Z]{16}|gh[pousr]_[A-Za-z0-9]{30,}|github_pat_\w{30,}|"
    r"glpat-[\w\-]{18,}|xox[abeprs]-[A-Za-z0-9\-]{10,}|AIza[\w\-]{30,}|hf_[A-Za-z0-9]{30,}|"
    r"eyJ[\w\-]{8,}\.eyJ[\w\-]{8,}\.[\w\-]{8,})"
)
_WHOLE_IBAN = re.compile(r"(?<![A-Za-z0-9])[A-Za-z]{2}\d{2}[A-Za-z0-9]{11,30}(?![A-Za-z0-9])")
_WORD_SIGNS = re.compile(r"[@\-_]|[A-Z]{4}|[A-Za-z]{2}\d{2}\w{11}|eyJ")


def find_in_word(word: str) -> list[PersonalData]:
    """E-mail addresses, access keys and unbroken IBANs inside one run of characters without spaces."""
    if not _WORD_SIGNS.search(word):
        return []
    found = [PersonalData("key", *match.span(), match.group(), 0.95) for match in _KEY.finditer(word)]
    found += [
        PersonalData("email", *match.span(), match.group().lower(), 0.9)
        for match in _EMAIL.finditer(word)
        if not _MAILBOX_OF_A_ROLE.fullmatch(match.group().partition("@")[0])
    ]
    found += [
        PersonalData("iban", *match.span(), match.group().upper(), 0.95)
        for match in _WHOLE_IBAN.finditer(word)
        if checksums.iban(match.group())
    ]
    found.sort(key=lambda hit: hit.start)
    return [hit for n, hit in enumerate(found) if n == 0 or hit.start >= found[n - 1].end]


# Numbers ----------------------------------------------------------------------------------------------------------

_GROUP = re.compile(r"[0-9](?:[0-9]|[OoОоlIІЗз](?=[0-9]))*")
_GAP = r"[ \t\r\n\-._/,:|*()·•'=]"
_RUN = re.compile(rf"\+?[ (]?{_GROUP.pattern}(?:{_GAP}{{1,3}}{_GROUP.pattern})*")
_GAPS = re.compile(f"{_GAP}{{1,3}}")
_ENOUGH_DIGITS = re.compile(rf"\+?[ (]?(?:[0-9OoОоlIІЗз]{_GAP}{{0,3}}){{9}}")
"""What every number of interest begins with; years, amounts and list numbers do not, and need no closer look."""
_AS_DIGITS = str.maketrans("OoОоlIІЗз", "000011133")
_WIDE_GAP = re.compile(r"[\n\r,:|=]")
_IBAN_START = re.compile(r"[KkКк][Zz]")
_IBAN = re.compile(r"[KkКк][Zz](?:[ \-.]{0,2}[0-9]){5}(?:[ \-.]{0,2}[A-Za-z0-9А-Яа-я]){13}")

_CONTEXT: Final[dict[Kind, re.Pattern[str]]] = {
    "iin": re.compile(r"\b(?:ЖСН|ИИН|IIN|ЖИН|individual identification)", re.IGNORECASE),
    "bin": re.compile(r"\b(?:БСН|БИН|BIN|business identification)", re.IGNORECASE),
    "card": re.compile(r"\b(?:карт\w*|card|visa|mastercard|мир|pan)\b", re.IGNORECASE),
    "phone": re.compile(
        r"\b(?:тел\w*|phone|mobile|cell|моб\w*|ұялы|байланыс|whatsapp|сот\w*|звон\w*|қоңырау\w*)",
        re.IGNORECASE,
    ),
    "inn": re.compile(r"\b(?:ИНН|INN)\b", re.IGNORECASE),
    "snils": re.compile(r"\b(?:СНИЛС|SNILS)\b", re.IGNORECASE),
    "passport": re.compile(r"\b(?:паспорт\w*|passport|төлқұжат\w*)", re.IGNORECASE),
    "identity_card": re.compile(
        r"(?:удостоверени\w+ личности|жеке куәлі\w*|identity card|\bID card|куәлік №)", re.IGNORECASE
    ),
}


@dataclass(frozen=True, slots=True)
class _Window:
    """Consecutive groups of digits: what a rule looks at."""

    digits: str
    lengths: tuple[int, ...]
    gaps: tuple[str, ...]
    left: str
    plus: bool
    end: int

    def near(self, kind: Kind) -> bool:
        return _CONTEXT[kind].search(self.left) is not None

    @property
    def tight(self) -> bool:
        """No gap that usually separates two different numbers."""
        return not any(_WIDE_GAP.search(gap) for gap in self.gaps)

    @property
    def even(self) -> bool:
        """One group, or groups of at most eight digits with the same single separator between them."""
        return not self.gaps or (
            len(set(self.gaps)) == 1 and len(self.gaps[0]) == 1 and max(self.lengths) <= 8
        )

    @property
    def one_per_line(self) -> bool:
        return len(self.gaps) > 5 and set(self.lengths) == {1}


def match_number(view: str, at: int, left: str) -> PersonalData | None:
    """The sighting that begins exactly at `at` of a matching view, looking at `view[at:at + LOOKAHEAD]` only.

    `left` is what stands before (the last `LOOKBEHIND` characters count).
    """
    left = left[-LOOKBEHIND:]
    if _IBAN_START.match(view, at):
        return _match_iban(view, at, left)
    if left[-1:].isdigit() or not _ENOUGH_DIGITS.match(view, at, at + LOOKAHEAD):
        return None
    best: PersonalData | None = None
    for window in _windows(view, at, left):
        verdict = _judge(window)
        if verdict and (best is None or verdict[1] >= best.confidence or window.end > best.end):
            best = PersonalData(verdict[0], at, window.end, window.digits, verdict[1])
    return best


def skip_number(view: str, at: int) -> int:
    """Where to go on after nothing matched at `at`: past the group of digits, or past one character."""
    group = _GROUP.match(view, at, at + LOOKAHEAD)
    return group.end() if group else at + 1


def decided(view: str, at: int) -> bool:
    """True when more text after `view` cannot change what `match_number(view, at, …)` says."""
    limit = at + LOOKAHEAD
    if len(view) >= limit + 1:
        return True
    if view[at] in "KkКк":
        return len(view) > at + 1 and not _IBAN_START.match(view, at)
    run = _RUN.match(view, at, limit)
    end = run.end() if run else at + 1
    return len(view) >= end + 6


def _windows(view: str, at: int, left: str) -> Iterator[_Window]:
    limit = at + LOOKAHEAD
    plus = view[at] == "+"
    start = at + 1 if plus else at
    if plus and view[start : start + 1] in ("(", " "):
        start += 1
    digits, lengths, gaps = "", (), ()
    group = _GROUP.match(view, start, limit)
    while group and len(digits) <= 19:
        digits += group.group().translate(_AS_DIGITS)
        lengths = (*lengths, group.end() - group.start())
        yield _Window(digits, lengths, gaps, left, plus, group.end())
        gap = _GAPS.match(view, group.end(), limit)
        group = _GROUP.match(view, gap.end(), limit) if gap else None
        if gap:
            gaps = (*gaps, gap.group())


def _judge(window: _Window) -> tuple[Kind, float] | None:
    size = len(window.digits)
    if window.plus or size in (10, 11):
        return _judge_phone(window) or (_judge_eleven(window) if not window.plus else None)
    if size == 12:
        return _judge_twelve(window)
    if size in (15, 16, 19):
        return _judge_card(window)
    if size == 9 and window.tight and window.near("identity_card"):
        return ("identity_card", 0.85)
    return None


def _judge_twelve(window: _Window) -> tuple[Kind, float] | None:
    if not (window.tight or window.even or window.one_per_line):
        return None
    if checksums.iin(window.digits):
        return ("iin", 0.98 if window.near("iin") else 0.7)
    if checksums.bin_number(window.digits):
        return ("bin", 0.98 if window.near("bin") else 0.6)
    if not window.tight:
        return None
    if checksums.ru_inn(window.digits) and window.near("inn"):
        return ("inn", 0.95)
    # A mistyped number beside its own name still tells who is meant.
    named: tuple[Kind, ...] = ("iin", "bin")
    return next(((kind, 0.5) for kind in named if window.near(kind) and len(window.lengths) <= 4), None)


def _judge_card(window: _Window) -> tuple[Kind, float] | None:
    if not window.even or not checksums.card_scheme(window.digits) or not checksums.luhn(window.digits):
        return None
    return ("card", 0.95 if window.near("card") else 0.6)


def _judge_eleven(window: _Window) -> tuple[Kind, float] | None:
    if len(window.digits) == 10 and window.tight and window.near("passport"):
        return ("passport", 0.85)
    if len(window.digits) != 11 or not window.tight or not checksums.snils(window.digits):
        return None
    return ("snils", 0.95) if window.near("snils") or window.lengths == (3, 3, 3, 2) else None


def _judge_phone(window: _Window) -> tuple[Kind, float] | None:
    """Mobile numbers. Landlines and short numbers belong to organisations and are left alone."""
    if not window.tight:
        return None
    digits = window.digits
    if len(digits) == 11 and digits[0] in "78":
        mobile = digits[1:3] in ("70", "74", "75", "76", "77") or digits[1] == "9"
        written_so = window.plus or window.lengths[0] in (1, 4, 11)
        return (
            ("phone", 0.9 if window.plus or window.near("phone") else 0.6) if mobile and written_so else None
        )
    if window.plus:
        return ("phone", 0.7) if 11 <= len(digits) <= 14 and digits[0] != "7" else None
    if len(digits) == 10 and digits[:2] in ("70", "74", "75", "76", "77") and window.near("phone"):
        return ("phone", 0.7)
    return None


def _match_iban(view: str, at: int, left: str) -> PersonalData | None:
    match = _IBAN.match(view, at, at + LOOKAHEAD)
    if not match:
        return None
    value = re.sub(r"[ \-.]", "", match.group()).translate(TO_LATIN).upper()
    if checksums.iban(value):
        return PersonalData("iban", at, match.end(), value, 0.95)
    apart = not left[-1:].isalnum() and not view[match.end() : match.end() + 1].isalnum()
    return PersonalData("iban", at, match.end(), value, 0.55) if apart else None


def _numbers(text: str) -> Iterator[PersonalData]:
    view = matching_view(text)
    at = 0
    while start := NUMBER_START.search(view, at):
        at = start.start()
        hit = match_number(view, at, view[max(0, at - LOOKBEHIND) : at])
        if hit and hit.confidence >= MIN_CONFIDENCE:
            yield hit
            at = hit.end
            view = f"{view[: at - 1]} {view[at:]}"  # a number may begin right after a found one
        else:
            at = skip_number(view, at)


def _shifted(hit: PersonalData, by: int) -> PersonalData:
    return PersonalData(hit.kind, hit.start + by, hit.end + by, hit.value, hit.confidence)
