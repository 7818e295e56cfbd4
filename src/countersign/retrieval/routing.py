"""Which documents a question names: the company, product or body that titles and file names begin with, and the year.

What counts as a name is learned from the titles alone: the words a title begins with, up to the first one that holds a
figure or that follows many different beginnings (`10-K`, `Earnings`, `tariffs`: kinds of documents, not whose they are).
Only titles of a series count, which a year, a number or a form tells apart: other titles are topics, not names.
A question names it in the same words, run together or apart, by its initials, or by an abbreviation that begins it; as
names are written: with a capital, and not only as the first word of the question. A title or file name that is one word
with a figure or a point in it (`LN-2023/114`, `example.com`) is its own name, whoever else is called so.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from countersign.retrieval.analysis import fold

_WORD = re.compile(r"[^\W_]+(?:['’.][^\W_]+)*|&")
_YEAR = re.compile(r"(?<!\d)(?:19|20)\d\d(?!\d)")
_ASKED_YEAR = re.compile(r"(?<!\d)((?:19|20)\d\d)(?!\d)")
_QUARTER = re.compile(r"\bq([1-4])|([1-4])q\b")
_KIND_FOLLOWS = 3
"""A word that follows this many different beginnings says what kind of document it is."""
_MAX_NAME_WORDS = 5
_MAX_TITLE_WORDS = 12
"""A longer one is a sentence."""
_TOKEN = re.compile(r"[^\s\"'’«»“”()<>\[\]{},;:!?]+")
_IDENTIFIER = re.compile(r"(?=.{5,80}$)(?=.*[^\W\d_])(?=.*(?:\d|\w\.\w))[^\W_]\S*")
_LEAST_LETTERS = 3
_MAX_ENDING = 4
"""Letters that Russian and Kazakh may add to a name."""


@dataclass(frozen=True, slots=True)
class Route:
    """Documents that the question names; `likely` says by document how well its label fits the year and quarter asked."""

    documents: frozenset[str]
    likely: Mapping[str, float]
    identified: frozenset[str] = frozenset()
    """Those that an identifier names."""

    @property
    def likeliest(self) -> frozenset[str]:
        """Those of the year and quarter that the question names; empty where it names none that tells them apart."""
        most = max(self.likely.values(), default=0.0)
        found = frozenset(document for document, score in self.likely.items() if score == most)
        return found if most > 0 and found != self.documents else frozenset()

    def reasons(self, document_id: str) -> tuple[str, ...]:
        """What of this document the question says: `identifier` or `name`, and `period`, its year or quarter."""
        if document_id not in self.documents:
            return ()
        named = "identifier" if document_id in self.identified else "name"
        return (named, "period") if self.likely.get(document_id, 0.0) > 0 else (named,)


@dataclass(slots=True)
class Routing:
    """Derived data of one tenant: fed with titles as documents change, asked with questions."""

    _titles: dict[str, tuple[str, str]] = field(default_factory=dict[str, tuple[str, str]])
    _names: dict[str, frozenset[str]] | None = None
    """Name without spaces → its documents."""
    _short: dict[str, frozenset[str]] = field(default_factory=dict[str, frozenset[str]])
    _identifiers: dict[str, frozenset[str]] = field(default_factory=dict[str, frozenset[str]])

    def add(self, document_id: str, title: str, filename: str = "") -> None:
        self._titles[document_id] = (title, filename)
        self._names = None

    def remove(self, document_id: str) -> None:
        if self._titles.pop(document_id, None) is not None:
            self._names = None

    def route(self, question: str) -> Route | None:
        """None where the question names no document, or so many that it might as well name none."""
        names = self._learned()
        found = self._named(question, names)
        documents = frozenset[str]().union(*(names.get(name) or self._short[name] for name in found))
        identified = frozenset[str]().union(
            *(self._identifiers.get(word, ()) for word in _identifiers(question))
        )
        documents |= identified
        if not documents:
            return None
        if 2 * len(documents) > len(self._titles):
            return None
        return Route(documents, self._likely(question, documents), identified)

    def _learned(self) -> dict[str, frozenset[str]]:
        if self._names is None:
            self._names, self._short = _learn(self._titles)
            self._identifiers = _identified(self._titles)
        return self._names

    def _named(self, question: str, names: Mapping[str, frozenset[str]]) -> list[str]:
        """Longest first; a part of a longer one is not said again."""
        words = [match.group() for match in _WORD.finditer(question)]
        found: list[str] = []
        taken: set[int] = set()
        for size in range(_MAX_NAME_WORDS, 0, -1):
            for start in range(len(words) - size + 1):
                places = set(range(start, start + size))
                said = words[start : start + size]
                if places & taken or not _written_as_name(said, start):
                    continue
                name = self._known(_joined(said), len(said[-1]), names)
                if name and (len(name) > _LEAST_LETTERS or _capitals(said) > 1):
                    found.append(name)
                    taken |= places
        return found

    def _known(self, said: str, last: int, names: Mapping[str, frozenset[str]]) -> str:
        if said in names or said in self._short:
            return said
        cuts = range(1, min(_MAX_ENDING, last - _LEAST_LETTERS) + 1)
        begun = (said[:-cut] for cut in cuts)
        return next((word for word in begun if word in names or (word in self._short and len(word) > 4)), "")

    def _likely(self, question: str, documents: frozenset[str]) -> dict[str, float]:
        years = set(_ASKED_YEAR.findall(question))
        quarters = {a or b for a, b in _QUARTER.findall(fold(question))}
        likely: dict[str, float] = {}
        for document in documents:
            label = fold(" ".join(self._titles[document]))
            own = set(_YEAR.findall(label))
            newest = max(years, default="")
            score = 0.6 * bool(own & years) + 0.4 * (newest in own) if years else 0.0
            theirs = {a or b for a, b in _QUARTER.findall(label.replace("_", " ").replace("q", " q"))}
            likely[document] = score + 0.5 * bool(quarters & theirs)
        return likely


def _learn(
    titles: Mapping[str, tuple[str, str]],
) -> tuple[dict[str, frozenset[str]], dict[str, frozenset[str]]]:
    """Names, and what is short for one of them: initials, its first word, or the beginning of a long one."""
    labels = {part for pair in titles.values() for part in pair if part}
    beginnings: dict[str, set[str]] = defaultdict(set)
    words_of = {label: [fold(word) for word in _WORD.findall(label.replace("_", " "))] for label in labels}
    for words in words_of.values():
        for word in words[1:]:
            beginnings[word].add(words[0])
    kinds = {word for word, first in beginnings.items() if len(first) >= _KIND_FOLLOWS and word != "&"}
    name_of = {label: _name(words, kinds) for label, words in words_of.items()}
    names: dict[str, set[str]] = defaultdict(set)
    short: dict[str, set[str]] = defaultdict(set)
    for document, pair in titles.items():
        for label in pair:
            name = name_of.get(label, ())
            if name:
                names[_joined(name)].add(document)
    for name in {name for name in name_of.values() if name}:
        for alias in _aliases(name):
            short[alias].add(_joined(name))
    unique = {alias: frozenset(names[next(iter(full))]) for alias, full in short.items() if len(full) == 1}
    return {name: frozenset(documents) for name, documents in names.items()}, unique


def _identifiers(text: str) -> set[str]:
    """The words of a text that can be no other word: folded, without the mark that ends a sentence."""
    words = (word.rstrip(".") for word in _TOKEN.findall(fold(text)))
    return {word for word in words if _IDENTIFIER.fullmatch(word)}


def _identified(titles: Mapping[str, tuple[str, str]]) -> dict[str, frozenset[str]]:
    """Documents by the identifier that is their whole title, their file name, or it without its ending."""
    found: dict[str, set[str]] = defaultdict(set)
    for document, (title, filename) in titles.items():
        for label in {title, filename, filename.rpartition(".")[0]}:
            for word in _identifiers(label) if len(label.split()) == 1 else ():
                found[word].add(document)
    return {word: frozenset(documents) for word, documents in found.items()}


def _name(words: list[str], kinds: set[str]) -> tuple[str, ...]:
    """Whose document it is; nobody's where the label gives no year, number or form: it is not one of a series then."""
    if len(words) > _MAX_TITLE_WORDS:
        return ()
    name: list[str] = []
    for word in words[:_MAX_NAME_WORDS]:
        if any(map(str.isdigit, word)) or (word in kinds and name):
            break
        name.append(word)
    if not any(any(map(str.isdigit, word)) for word in words[len(name) :]):
        return ()
    return tuple(name) if len(_joined(name)) >= _LEAST_LETTERS else ()


def _aliases(name: tuple[str, ...]) -> set[str]:
    """`Johnson & Johnson`: `jnj`, `jj`; `MGM Resorts`: `mgm`; `JPMorgan`: `jpm`."""
    found = {"".join("n" if word == "&" else word[0] for word in name), name[0]}
    found.add("".join(word[0] for word in name if word != "&"))
    if len(name) == 1 and len(name[0]) >= 6:
        found.add(name[0][:3])
    return {alias for alias in found if len(alias) >= 2}


def _joined(words: Iterable[str]) -> str:
    return "".join(re.sub(r"['’]s?$|['’.]", "", fold(word)) for word in words if word != "&")


def _written_as_name(words: list[str], start: int) -> bool:
    """With a capital; a lone first word of a question has one anyway, unless it has two."""
    if words[0] == "&" or words[-1] == "&" or not words[0][:1].isupper():
        return False
    return start > 0 or len(words) > 1 or _capitals(words) > 1


def _capitals(words: Iterable[str]) -> int:
    return sum(char.isupper() for word in words for char in word)
