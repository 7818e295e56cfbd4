"""Two current documents that state different values for one subject. Precision before recall.

A subject counts when its words are specific enough, few documents speak of it, and they agree on at most a few values:
what every contract fills in differently is a form's field, not a contradiction. Documents of one wording (versions,
forms) and documents about different things (two products, two towns, two years) are never set against each other.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from countersign.corpus.readiness.compare_known import (
    CompareSettings,
    Known,
    Library,
    finding,
    in_force,
)
from countersign.corpus.readiness.labels import Label
from countersign.corpus.readiness.seams import Statement
from countersign.corpus.readiness.statements import About
from countersign.domain.readiness import ReadinessFinding

MIN_SURE_WORDS = 3
"""Words that a subject must have when nothing else ties two clauses together."""
MIN_WORDS = 2
_MAX_SAYING = 40
_MAX_VALUES = 3
_KINDS = frozenset({"money", "percent", "duration"})
_EMPTY_TEXT = (
    # says that something is so much, not what it is
    "необходим состав составля установл устан равн равен размер размер длин продолжительн длительн величин предоставля предоставл "
    "взима действ дейст начисл начисля осуществля производ определ достиг включ общ кажд следующ данн указан настоящ "
    "соответств течен истечен момент пор порядк подлеж необходим долж сво включительн "
    "сто тұр тұрад тұрады цен charg cost pay receiv get need must set equal last length duration size provid grant entitl appli follow given accord current stand within "
    "құра тең мөлшер ұзақт белгі белг беріл алын жүзег құрай құрайд бойын артық аспай"
)
_EMPTY = frozenset(_EMPTY_TEXT.split()) | {
    "~amount", "~term", "~day", "~month", "~year", "~hour", "~minute", "~week", "~number", "~rule", "~document", "~mandatory", "~monday", "~tuesday", "~wednesday",
    "~thursday", "~friday", "~saturday", "~sunday", "~weekend", "~morning", "~evening", "phone", "hour", "тенг", "теңге", "теңг", "tenge", "kzt", "usd", "eur", "rub", "доллар", "евр", "процент", "percent", "пайыз",
}  # fmt: skip
_ACTORS = frozenset({
    "~employee", "~customer", "~bank", "~working", "~calendar", "~contract", "~service", "paid", "оплачива", "ақылы", "company",
    "компан",
})  # fmt: skip
_VERBS = frozenset({
    "~issue", "~submit", "~store", "~change", "~review", "~answer", "~notify", "~request", "~approve", "~register",
})  # fmt: skip
_ONE_SIDED = _ACTORS | _VERBS
"""Who does it and what is done: one of two clauses about one thing may leave it out."""
_MONEY = frozenset({"~fee", "~price", "~payment", "стоимост", "плат", "цен", "құн", "құны"})
"""One for the other: what a thing costs."""
_SORTS_TEXT = (
    "guid handbook manual memo faq procedur instruct leaflet standard checklist hint tip question regul proced polici term "
    "памятк инструкц положен регламент порядок порядк справочник вопрос руководств методик стандарт подсказк услов перечен "
    "нұсқа жадын тәрті анықт сұрақ қағид әдіст"
)
_SORTS = frozenset(_SORTS_TEXT.split())


@dataclass(frozen=True, slots=True)
class _Claim:
    place: int
    value: str
    number: int
    """Which of the document's statements it is."""


class Contradictions:
    """`families`: place → places of documents of the same wording."""

    def __init__(
        self,
        documents: Sequence[Known],
        library: Library,
        families: Mapping[int, set[int]],
        now: datetime,
        settings: CompareSettings,
    ) -> None:
        self._documents = {
            document.place: document for document in documents if in_force(document.profile, now)
        }
        self._library = library
        self._families = families
        self._limit = settings.max_contradictions

    def findings(self) -> Iterator[ReadinessFinding]:
        told: dict[tuple[int, int], list[tuple[Statement, Statement]]] = defaultdict(list)
        for claims in self._claims().values():
            if len(told) >= self._limit:
                break
            for first, second in self._clashes(claims):
                pair = self._statements(first, second)
                if pair is not None:
                    told[first.place, second.place].append(pair)
        for (first, second), pairs in told.items():
            mine, theirs = pairs[0]
            yield finding(
                "contradiction", "warning", self._documents[first], evidence=mine.text, page=mine.page,
                other=self._documents[second], other_evidence=theirs.text, other_page=theirs.page, count=len(pairs),
            )  # fmt: skip

    def _claims(self) -> dict[bytes, list[_Claim]]:
        """About → who says what of it; only subjects with several values among them are worth keeping."""
        by_subject: dict[bytes, list[_Claim]] = defaultdict(list)
        for place, document in self._documents.items():
            mine: dict[bytes, list[_Claim]] = defaultdict(list)
            for number, statement in enumerate(self._library.said(document.key).statements):
                key = _key(statement)
                if key:
                    mine[key].append(_Claim(place, statement.value, number))
            for key, claims in mine.items():
                if len({claim.value for claim in claims}) == 1:  # a range, or two cases of one rule
                    by_subject[key].append(claims[0])
        return {
            key: claims for key, claims in by_subject.items() if len({claim.value for claim in claims}) > 1
        }

    def _clashes(self, claims: list[_Claim]) -> Iterator[tuple[_Claim, _Claim]]:
        """Pairs with different values, the less common value first; none where every document has its own."""
        values = Counter(claim.value for claim in claims)
        if (
            len(claims) > _MAX_SAYING
            or len(values) > _MAX_VALUES
            or (len(values) > 2 and len(values) == len(claims))
        ):
            return
        usual = max(values, key=lambda value: (values[value], value))
        for claim in claims:
            against = [
                other for other in claims if other.value == usual != claim.value and self._may(claim, other)
            ]
            if against:
                spoken = self._documents[claim.place].profile.language
                yield (
                    claim,
                    min(against, key=lambda other: self._documents[other.place].profile.language != spoken),
                )

    def _may(self, first: _Claim, second: _Claim) -> bool:
        """Whether the two documents can be about the same thing at the same time."""
        if first.place == second.place or second.place in self._families.get(first.place, ()):
            return False
        a, b = self._documents[first.place], self._documents[second.place]
        if a.profile.parent == b.key.external_id or b.profile.parent == a.key.external_id:
            return False
        return not (_apart(a.name, b.name) or _apart(a.title, b.title))

    def _statements(self, first: _Claim, second: _Claim) -> tuple[Statement, Statement] | None:
        mine = self._library.said(self._documents[first.place].key).statements[first.number]
        theirs = self._library.said(self._documents[second.place].key).statements[second.number]
        a, b = About.decode(mine.subject), About.decode(theirs.subject)
        here, there = a.core & _ONE_SIDED, b.core & _ONE_SIDED
        if not (here <= there or there <= here):
            return None
        said = (
            len(_specific(a))
            + len(here & there)
            + len(_measures(a) & _measures(b))
            + bool(a.core & _MONEY and b.core & _MONEY)
        )
        if said < MIN_WORDS or (said < MIN_SURE_WORDS and not self._tied(first, second, a, b)):
            return None
        return mine, theirs

    def _tied(self, first: _Claim, second: _Claim, a: About, b: About) -> bool:
        """A short subject counts when one of the documents is about it by its title, or when titles and headings of
        both share a word that says something."""
        mine = a.context | self._documents[first.place].title.words | self._documents[first.place].name.words
        theirs = (
            b.context | self._documents[second.place].title.words | self._documents[second.place].name.words
        )
        return bool((_specific(a) & (mine | theirs)) or (mine & theirs) - _EMPTY - _ONE_SIDED - {"~policy"})


def _apart(first: Label, second: Label) -> bool:
    """Labels of two things of one sort: two products, towns, contracts, years. Words that the glossary knows and the
    sorts of documents there are tell topics apart, not things."""
    if not first.words & second.words:
        return False
    if first.periods != second.periods or (first.dates and second.dates and first.dates != second.dates):
        return True
    if first.numbers and second.numbers and first.numbers != second.numbers:
        return True
    mine, theirs = first.words - second.words, second.words - first.words
    return all(any(_is_name(word) for word in words) for words in (mine, theirs))


def _is_name(word: str) -> bool:
    return not word.startswith("~") and word not in _SORTS


def _specific(about: About) -> frozenset[str]:
    return about.core - _EMPTY - _ONE_SIDED - _MONEY


def _measures(about: About) -> frozenset[str]:
    """`annual`, `monthly`, `term`: too little alone, and something beside a word that says more."""
    return frozenset(word for word in about.core & _EMPTY if word.startswith("~"))


def _key(statement: Statement) -> bytes:
    """What must be equal for two statements to be of one subject; empty for one that cannot contradict."""
    measured = statement.kind == "number" and (" " in statement.value or ":" in statement.value)
    if not measured and statement.kind not in _KINDS:
        return b""
    about = About.decode(statement.subject)
    words, clock = _specific(about), ":" in statement.value
    if len(words) < MIN_WORDS:
        words |= about.core & _VERBS
    if not words or len(about.core) < MIN_WORDS or (clock and len(words) < MIN_SURE_WORDS):
        return b""  # opening hours are said of every place in the same words
    unit = (
        statement.value.rpartition(" ")[2] if statement.kind in ("duration", "number") and not clock else ""
    )
    text = f"{statement.kind}|{unit}|{' '.join(sorted(words))}|{';'.join(sorted(about.others))}"
    return hashlib.blake2b(text.encode(), digest_size=12).digest()
