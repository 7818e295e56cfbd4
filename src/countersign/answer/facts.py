"""The checkable facts of a text: numbers with their units, dates, times, identifiers and names, made comparable.

`1 250 000`, `1,250,000` and `1,25 млн` are one number; `12 марта 2024`, `2024 жылғы 12 наурыз` and `12.03.2024` are one
date. A form with two readings (`1,250`) keeps both.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache

from countersign.corpus.terms import fold, is_stop_word
from countersign.corpus.transliterate import skeleton

_MONTH_BEGINNINGS: tuple[tuple[str, ...], ...] = (
    ("january", "jan", "январ", "қаңтар"),
    ("february", "feb", "феврал", "ақпан"),
    ("march", "mar", "март", "наурыз"),
    ("april", "apr", "апрел", "сәуір"),
    ("may", "май", "мая", "мае", "маю", "мамыр"),
    ("june", "jun", "июн", "маусым"),
    ("july", "jul", "июл", "шілде"),
    ("august", "aug", "август", "тамыз"),
    ("september", "sep", "sept", "сентябр", "қыркүйек"),
    ("october", "oct", "октябр", "қазан"),
    ("november", "nov", "ноябр", "қараша"),
    ("december", "dec", "декабр", "желтоқсан"),
)
_MONTH_OF = {name: month for month, names in enumerate(_MONTH_BEGINNINGS, 1) for name in names}
MONTH_PATTERN = (
    r"(?P<{0}>(?:january|february|march|april|june|july|august|september|october|november|december|"
    r"jan|feb|mar|apr|may|jun|jul|aug|sept|sep|oct|nov|dec)\b\.?|"
    r"(?:январ|феврал|март|апрел|июн|июл|август|сентябр|октябр|ноябр|декабр)\w{{0,3}}|ма[йяею]\b|"
    r"(?:қаңтар|ақпан|наурыз|сәуір|мамыр|маусым|шілде|тамыз|қыркүйек|қазан|қараша|желтоқсан)\w{{0,5}})"
)
_YEAR = r"(?P<{0}>(?:19|20)\d\d)"
_YEAR_TAIL = r"(?:\s*(?:жылғы|жылы|жылдың|ж\.|г\.|года|году|год))?"
_ANY_DIGIT = re.compile(r"\d")
_ANY_MONTH = re.compile(MONTH_PATTERN.format("w"))
_MONTH_LETTERS = tuple(sorted({name[:3] for name in _MONTH_OF}))
"""Without any of these a text names no month, and the dear searches for one may be left out."""
_DATES_IN_FIGURES: tuple[re.Pattern[str], ...] = (
    re.compile(r"(?<!\d)" + _YEAR.format("y") + r"-(?P<m>\d\d)-(?P<d>\d\d)(?!\d)"),
    re.compile(r"(?<![\d.])(?P<d>\d{1,2})[./](?P<m>\d{1,2})[./]" + _YEAR.format("y") + r"(?!\d)"),
)
_DATES_WITH_MONTH: tuple[re.Pattern[str], ...] = tuple(
    re.compile(pattern)
    for pattern in (
        _YEAR.format("y")
        + _YEAR_TAIL
        + r",?\s*(?P<d>\d{1,2})[-\s–]*(?:шы|ші)?\s*"
        + MONTH_PATTERN.format("w"),
        r"(?<!\d)(?P<d>\d{1,2})(?:st|nd|rd|th|-го|-е)?\s+(?:of\s+)?"
        + MONTH_PATTERN.format("w")
        + r"(?:,?\s+"
        + _YEAR.format("y")
        + r")?",
        r"\b"
        + MONTH_PATTERN.format("w")
        + r"\s+(?P<d>\d{1,2})(?:st|nd|rd|th)?(?!\d)(?:,?\s+"
        + _YEAR.format("y")
        + r")?",
        r"\b" + MONTH_PATTERN.format("w") + r",?\s+(?:of\s+)?" + _YEAR.format("y"),
        _YEAR.format("y") + _YEAR_TAIL + r"\s+" + MONTH_PATTERN.format("w"),
    )
)
_CLOCK = re.compile(r"(?<![\d:])([01]?\d|2[0-4]):([0-5]\d)(?![\d:])")
_IDENTIFIER = re.compile(
    r"(?<![\w-])(?:"
    r"[^\W\d_]{1,6}[-/]?\d[\w]*(?:[-/.]\w+)*"  # ДБ-17, KZ12345, R102/7
    r"|\d+[-/]\d+[-/][\w/-]+"  # 12-34-56
    r"|\d+[-/][A-Za-zА-Яа-яӘІҢҒҮҰҚӨҺәіңғүұқөһ]{1,2}\d\w*"
    r"|\d+(?:\.\d+){2,}"  # clause 3.2.1
    r")(?![\w-])"
)
_SPACE = "[ \u00a0\u202f\u2009]"
_NUMBER = re.compile(
    r"(?<![\w.,])[+−-]?(?:\d{1,3}(?:" + _SPACE + r"\d{3})+(?!\d)(?:[.,]\d+)?"
    r"|\d{1,3}(?:,\d{3})+(?:\.\d+)?(?!\d)|\d{1,3}(?:\.\d{3}){2,}(?!\d)|\d+(?:[.,]\d+)?)"
)
_SCALE = (
    (re.compile(r"\s*(?:тыс\b\.?|тысяч\w*|мың\b|thousand\b|k\b)"), 1_000),
    (re.compile(r"\s*(?:млн\b\.?|миллион\w*|million\b|mln\b|mn\b|m\b)"), 1_000_000),
    (re.compile(r"\s*(?:млрд\b\.?|миллиард\w*|billion\b|bln\b|bn\b)"), 1_000_000_000),
    (re.compile(r"\s*(?:трлн\b\.?|триллион\w*|trillion\b)"), 1_000_000_000_000),
)
_ORDINAL = r"(?:\s*-?(?:ші|шы|й|я|е|го|му|м|х|ти|дневн\w*|day|th|st|nd|rd)\b)?"
_FILLER = r"(?:\s*(?:[-–—]\s*)?(?:рабочих|рабочего|рабочие|календарных|календарного|полных|жұмыс|күнтізбелік|business|working|calendar|банковских|банктік|consecutive|paid|оплачиваемых)\b)?"
_UNITS: tuple[tuple[str, str], ...] = (
    ("percent", r"%|процент\w*|пайыз\w*|percent\w*|per\s*cent"),
    ("kzt", r"₸|тенге|теңге\w*|тг\b|тнг\b|kzt\b|tenge"),
    ("usd", r"\$|usd\b|(?:ақш\s+)?доллар\w*|(?:us\s+)?dollars?\b"),
    ("eur", r"€|eur\b|евро\b|еуро\w*|euros?\b"),
    ("rub", r"₽|руб\w*|rub\b|roubles?\b|rubles?\b"),
    ("day", r"days?\b|день\b|дня\b|дней\b|дню\b|дням\b|күн\w*|сут\w*"),
    ("week", r"weeks?\b|недел\w*|апта\w*"),
    ("month", r"months?\b|месяц\w*|мес\b|ай(?:ға|дан|да|дың|ы|лық|дай)?\b"),
    ("year", r"years?\b|год\w*|лет\b|жыл\w*|ж\.|г\."),
    ("hour", r"hours?\b|час(?:а|ов|ам|ы)?\b|сағат\w*"),
    ("minute", r"minutes?\b|min\b|минут\w*|мин\b"),
    ("second", r"seconds?\b|секунд\w*"),
    ("gb", r"gb\b|гб\b|гигабайт\w*|gigabytes?\b"),
    ("mb", r"mb\b|мб\b|мегабайт\w*|megabytes?\b"),
    ("mbps", r"mbps\b|mbit/s|мбит/с\w*|мбит\b"),
    ("sms", r"sms\b|смс\b"),
)
_UNIT = tuple((unit, re.compile(_ORDINAL + _FILLER + r"\s*(?:" + pattern + ")")) for unit, pattern in _UNITS)
_ANY_UNIT_TEXT = "|".join(pattern for _, pattern in _UNITS)
_ANY_UNIT = re.compile(_ORDINAL + _FILLER + r"\s*(?:" + _ANY_UNIT_TEXT + ")")
"""Cheap test before the single ones, which are tried in their order."""
_CURRENCIES = frozenset({"kzt", "usd", "eur", "rub"})
_SIGN_BEFORE = {"$": "usd", "€": "eur", "₸": "kzt", "₽": "rub"}
_NUMBER_WORDS: dict[str, int] = {
    word: value
    for value, names in {
        2: "two два две двух двумя двум екі", 3: "three три трех тремя трем үш", 4: "four четыре четырех төрт",
        5: "five пять пяти пятью бес", 6: "six шесть шести алты", 7: "seven семь семи жеті",
        8: "eight восемь восьми сегіз", 9: "nine девять девяти тоғыз", 10: "ten десять десяти он",
        11: "eleven одиннадцать одиннадцати", 12: "twelve двенадцать двенадцати", 14: "fourteen четырнадцать четырнадцати",
        15: "fifteen пятнадцать пятнадцати", 20: "twenty двадцать двадцати жиырма", 30: "thirty тридцать тридцати отыз",
        40: "forty сорок сорока қырық", 45: "forty-five", 50: "fifty пятьдесят пятидесяти елу",
        60: "sixty шестьдесят шестидесяти алпыс", 90: "ninety девяносто тоқсан", 100: "hundred сто ста жүз",
    }.items()
    for word in names.split()
}  # fmt: skip
_WORD = re.compile(r"[^\W\d_]+(?:[-'’][^\W\d_]+)*")
_NOT_NAMES = frozenset(
    [
        "january",
        "february",
        "march",
        "april",
        "may",
        "june",
        "july",
        "august",
        "september",
        "october",
        "november",
        "december",
        "monday",
        "tuesday",
        "wednesday",
        "thursday",
        "friday",
        "saturday",
        "sunday",
    ]
)


@dataclass(frozen=True, slots=True)
class Number:
    """`values` are the readings of one written number (one, or two when the separator is ambiguous); unit or ``."""

    values: frozenset[Decimal]
    unit: str
    start: int
    end: int
    text: str

    @property
    def kind(self) -> str:
        """The unit, with all currencies as one: a sum in tenge may stand beside a sum in dollars."""
        return "money" if self.unit in _CURRENCIES else self.unit


@dataclass(frozen=True, slots=True)
class Date:
    """A part that the text does not give is None."""

    year: int | None
    month: int | None
    day: int | None
    text: str

    def within(self, other: Date) -> bool:
        """Every part given here is given there and equal."""
        pairs = ((self.year, other.year), (self.month, other.month), (self.day, other.day))
        return all(mine is None or mine == theirs for mine, theirs in pairs)


@dataclass(frozen=True, slots=True)
class Facts:
    numbers: tuple[Number, ...] = ()
    dates: tuple[Date, ...] = ()
    times: frozenset[str] = frozenset()
    identifiers: tuple[str, ...] = ()
    names: tuple[str, ...] = ()

    @property
    def any_exact(self) -> bool:
        return bool(self.numbers or self.dates or self.times or self.identifiers)


def facts(text: str) -> Facts:
    """All checkable facts of `text`, which should be one sentence, row or short passage."""
    folded = unicodedata.normalize("NFC", text).replace("\u2212", "-")
    lowered = folded.casefold() if len(folded.casefold()) == len(folded) else folded.lower()
    names = _names(folded)
    if not _ANY_DIGIT.search(lowered):  # every other fact is written with figures
        return Facts(numbers=tuple(_number_words(lowered)), names=names)
    dates, rest = _take_dates(lowered)
    times, rest = _take_times(rest)
    identifiers, rest = _take_identifiers(rest)
    return Facts((*_numbers(rest), *_number_words(rest)), dates, times, identifiers, names)


def normalised_identifier(text: str) -> str:
    """Letters as a Latin skeleton, digits kept, separators dropped: `ДБ-17/к` and `ДБ 17к` agree."""
    parts = re.findall(r"\d+|[^\W\d_]+", fold(text))
    return "".join(part if part.isdigit() else skeleton(part) or part for part in parts)


def _take_dates(text: str) -> tuple[tuple[Date, ...], str]:
    dates: list[Date] = []
    with_year = _DATES_IN_FIGURES if "19" in text or "20" in text else ()
    for pattern in (*with_year, *(_DATES_WITH_MONTH if _names_month(text) else ())):
        while (match := pattern.search(text)) is not None:
            found = _date(match)
            if found is not None:
                dates.append(found)
            text = text[: match.start()] + "\x01" * (match.end() - match.start()) + text[match.end() :]
    return tuple(dates), text


def _names_month(text: str) -> bool:
    return any(letters in text for letters in _MONTH_LETTERS) and _ANY_MONTH.search(text) is not None


def _date(match: re.Match[str]) -> Date | None:
    groups = match.groupdict()
    month = month_of(groups["w"]) if groups.get("w") else int(groups.get("m") or 0)
    day = int(groups["d"]) if groups.get("d") else None
    if not 1 <= month <= 12 or (day is not None and not 1 <= day <= 31):
        return None
    year = int(groups["y"]) if groups.get("y") else None
    return Date(year, month, day, match.group().strip())


def month_of(word: str) -> int:
    """The number of a month from its name in any of its forms; 0 for another word."""
    return next((month for name, month in _MONTH_OF.items() if word.startswith(name)), 0)


def _take_times(text: str) -> tuple[frozenset[str], str]:
    if ":" not in text:
        return frozenset(), text
    times = frozenset(f"{int(hour):02d}:{minute}" for hour, minute in _CLOCK.findall(text))
    return times, _CLOCK.sub(lambda match: "\x01" * len(match.group()), text)


def _take_identifiers(text: str) -> tuple[tuple[str, ...], str]:
    found: list[str] = []

    def take(match: re.Match[str]) -> str:
        if sum(map(str.isdigit, match.group())) < 2:
            return match.group()
        found.append(match.group())
        return "\x01" * len(match.group())

    rest = _IDENTIFIER.sub(take, text)
    return tuple(found), rest


def _numbers(text: str) -> list[Number]:
    found: list[Number] = []
    for match in _NUMBER.finditer(text):
        end = match.end()
        scale, end = _scale(text, end)
        unit, end = _unit(text, match.start(), end)
        values = frozenset(value * scale for value in _readings(match.group().lstrip("+-−")))
        found.append(Number(values, unit, match.start(), end, text[match.start() : end].strip()))
    return _share_range_units(text, found)


def _share_range_units(text: str, found: list[Number]) -> list[Number]:
    """`10–15 дней`: the first number of a range has the unit of the second."""
    shared = list(found)
    for index in range(len(found) - 2, -1, -1):
        first, second = shared[index], shared[index + 1]
        between = text[first.end : second.start]
        if not first.unit and second.unit and re.fullmatch(r"\s*(?:[-–—]|to|до|или|or|and|и)\s*", between):
            shared[index] = Number(first.values, second.unit, first.start, first.end, first.text)
    return shared


def _readings(written: str) -> list[Decimal]:
    compact = re.sub(_SPACE, "", written)
    if re.fullmatch(r"\d{1,3}(?:,\d{3}){2,}(?:\.\d+)?|\d{1,3},\d{3}\.\d+", compact):
        return [Decimal(compact.replace(",", ""))]
    if re.fullmatch(r"\d{1,3}(?:\.\d{3}){2,}", compact):
        return [Decimal(compact.replace(".", ""))]
    readings = [Decimal(compact.replace(",", "."))]
    if re.fullmatch(r"[1-9]\d{0,2}[.,]\d{3}", compact):
        readings.append(Decimal(re.sub(r"[.,]", "", compact)))
    return readings[-1:] if compact.endswith("000") else readings


def _scale(text: str, at: int) -> tuple[int, int]:
    for pattern, factor in _SCALE:
        match = pattern.match(text, at)
        if match:
            return factor, match.end()
    return 1, at


def _unit(text: str, start: int, end: int) -> tuple[str, int]:
    for unit, pattern in _UNIT if _ANY_UNIT.match(text, end) else ():
        match = pattern.match(text, end)
        if match:
            return unit, match.end()
    return _SIGN_BEFORE.get(text[:start].rstrip()[-1:], ""), end


def _number_words(text: str) -> list[Number]:
    found: list[Number] = []
    for match in _WORD.finditer(text):
        value = _number_word(match.group())
        if value is not None:
            unit, end = _unit(text, match.start(), match.end())
            if unit:  # a bare "two" or "он" (also a pronoun) says too little
                found.append(Number(frozenset({Decimal(value)}), unit, match.start(), end, match.group()))
    return found


@lru_cache(maxsize=16_384)
def _number_word(word: str) -> int | None:
    return _NUMBER_WORDS.get(fold(word))


def _names(text: str) -> tuple[str, ...]:
    """Capitalised words that do not open the sentence, and an opening one that another capitalised word follows."""
    matches = list(_WORD.finditer(text))
    names: list[str] = []
    for index, match in enumerate(matches):
        word = match.group()
        if not word[0].isupper() or len(word) < 3 or _never_a_name(word):
            continue
        if _opens(text, match.start()) and not _followed_by_capital(text, matches, index):
            continue
        names.append(word)
    return tuple(names)


@lru_cache(maxsize=16_384)
def _never_a_name(word: str) -> bool:
    folded = fold(word)
    return (
        is_stop_word(folded)
        or folded in _NOT_NAMES
        or _ANY_UNIT.fullmatch(folded) is not None
        or folded in ("мбит", "кбит", "гбит")
    )


def _opens(text: str, start: int) -> bool:
    before = text[:start].rstrip(" \t\n«\"“'([-–—•*")
    return not before or before[-1] in ".!?:|;" or before.rstrip("0123456789").endswith(("[", "\n"))


def _followed_by_capital(text: str, matches: list[re.Match[str]], index: int) -> bool:
    if index + 1 >= len(matches):
        return False
    following = matches[index + 1]
    return following.group()[0].isupper() and text[matches[index].end() : following.start()].strip() in (
        "",
        ".",
    )
