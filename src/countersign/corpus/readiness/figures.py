"""The figures and dates of one sentence or cell in Kazakh, Russian or English, each as one comparable value.

`1 250 000 тг`, `1,250,000 KZT` and `1,25 млн тенге` are `1250000 kzt`; `12 марта 2024 г.`, `2024 жылғы 12 наурыз` and
`12.03.2024` are `2024-03-12`. Numbers that only name something (clause 3.2, № 17, a phone) are no values.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal

from countersign.corpus.terms import fold

_MONTHS = (
    "янв|jan|қаңтар", "февр?|feb|ақпан", "мар[та]|mar|наурыз", "апр|apr|сәуір", "ма[йяе]|may|мамыр", "июн|jun|маусым",
    "июл|jul|шілде", "авг|aug|тамыз", "сен|sep|қыркүйек", "окт|oct|қазан", "ноя|nov|қараша", "дек|dec|желтоқсан",
)  # fmt: skip
_MONTH_OF = tuple((re.compile(f"(?:{beginnings})"), number) for number, beginnings in enumerate(_MONTHS, 1))
_MONTH_TEXT = (
    r"(?:январ\w{1,2}|феврал\w{1,2}|март\w{0,2}|апрел\w{1,2}|ма[йяею]|июн\w{1,2}|июл\w{1,2}|август\w{0,2}|сентябр\w{1,2}"
    r"|октябр\w{1,2}|ноябр\w{1,2}|декабр\w{1,2}|january|february|march|april|may|june|july|august|september|october"
    r"|november|december|(?:jan|feb|mar|apr|jun|jul|aug|sept?|oct|nov|dec)\b\.?"
    r"|(?:қаңтар|ақпан|наурыз|сәуір|мамыр|маусым|шілде|тамыз|қыркүйек|қазан|қараша|желтоқсан)\w{0,5})"
)
_YEAR = r"(?:19|20)\d\d"
_OF_YEAR = r"(?:\s*(?:жылғы|жылы|жылдың|ж\.|г\.|года|году|год\b))?"
_DATES: tuple[tuple[re.Pattern[str], bool], ...] = tuple(
    (re.compile(pattern), worded)
    for pattern, worded in (
        (rf"(?<![\d-])(?P<y>{_YEAR})-(?P<m>\d\d)-(?P<d>\d\d)(?!\d)", False),
        (rf"(?<![\d.])(?P<d>\d{{1,2}})[./](?P<m>\d{{1,2}})[./](?P<y>{_YEAR})(?!\d)", False),
        (rf"(?P<y>{_YEAR}){_OF_YEAR},?\s*(?P<d>\d{{1,2}})[-\s–]*(?:шы|ші)?\s*(?P<w>{_MONTH_TEXT})", True),
        (
            rf"(?<!\d)[«\"]?(?P<d>\d{{1,2}})[»\"]?(?:st|nd|rd|th|-го|-е)?\s+(?:of\s+)?(?P<w>{_MONTH_TEXT})"
            rf"(?:,?\s+(?P<y>{_YEAR}){_OF_YEAR})?",
            True,
        ),
        (
            rf"\b(?P<w>{_MONTH_TEXT})\s+(?P<d>\d{{1,2}})(?:st|nd|rd|th)?(?!\d)(?:,?\s+(?P<y>{_YEAR}))?",
            True,
        ),
        (rf"\b(?P<w>{_MONTH_TEXT}),?\s+(?:of\s+)?(?P<y>{_YEAR}){_OF_YEAR}", True),
        (rf"(?P<y>{_YEAR}){_OF_YEAR}\s+(?P<w>{_MONTH_TEXT})", True),
    )
)
_ANY_MONTH = re.compile(_MONTH_TEXT)
_NAMES_SOMETHING = re.compile(
    r"(?:№|#|\bno\.?|\bn°|\bnr\.?|\bп\.|\bпп\.|\bст\.|\bгл\.|\bстр\.|\bрис\.|\bтабл\.|\b(?:пункт|подпункт|стать|глав|раздел"
    r"|приложени|таблиц|форм|рисун|шаг|clause|section|article|chapter|annex|appendix|table|figure|form|step|page|item"
    r"|тарма|бап|бөлім|қосымша|кесте|нысан|қадам|ул|көше|street|avenue|проспект|даңғыл|дом|оф|офис|кв)\w*\.?)"
    r"\s*(?:№|#)?\s*$"
)
_NUMBERED = re.compile(r"(?:№|#|\bno\.?(?=\s*\d)|\bno\.|\bn(?=\s\d))\s*([\w/-]*\d[\w/-]*)")
_IDENTIFIER = re.compile(
    r"(?<![\w-])(?:[^\W\d_]{1,6}[-/]?\d\w*(?:[-/.]\w+)*|\d+(?:[-/]\w+){1,}|\d+(?:\.\d+){2,}|\d{9,}|\+?\d[\d()\s-]{9,}\d)(?![\w-])"
)
_HYPHENED = re.compile(
    r"(?:day|week|month|year|hour|minute|percent|fold|st$|nd$|rd$|th$|дн|недел|месяч|лет|год|час|минут|процент|кратн|го$|й$|я$|е$|х$"
    r"|ти$|ми$|му$|м$|шы$|ші$|ға$|ге$|дан$|ден$|тан$|тен$|қа$|ке$|ын$|ін$|ы$|і$|күн|ай|жыл)"
)
_CLOCK = re.compile(r"(?<![\d:])([01]?\d|2[0-4]):([0-5]\d)(?![\d:])")
_GAP = "[ \u00a0\u202f\u2009]"
_NUMBER = re.compile(
    rf"(?<![\w.,])[+-]?(?:\d{{1,3}}(?:{_GAP}\d{{3}})+(?!\d)(?:[.,]\d+)?"
    r"|\d{1,3}(?:,\d{3})+(?:\.\d+)?(?!\d)|\d{1,3}(?:\.\d{3}){2,}(?!\d)|\d+(?:[.,]\d+)?)"
)
_SCALES = (
    (re.compile(r"\s*(?:тыс\b\.?|тысяч\w*|мың\b|thousand\b|k\b)"), 3),
    (re.compile(r"\s*(?:млн\b\.?|миллион\w*|million\b|mln\b)"), 6),
    (re.compile(r"\s*(?:млрд\b\.?|миллиард\w*|billion\b|bln\b|bn\b)"), 9),
    (re.compile(r"\s*(?:трлн\b\.?|триллион\w*|trillion\b)"), 12),
)
_ANY_SCALE = re.compile(r"\s*(?:[тмkmbt]\w*)")
_MANNER = (
    r"(?:\s*[-–—]?\s*(?:(?P<working>рабоч\w+|жұмыс|business|working|банковск\w+)|календарн\w+|күнтізбелік|calendar"
    r"|полн\w+|consecutive|paid|оплачиваем\w+|ақылы))?"
)
_UNITS: tuple[tuple[str, str, str], ...] = (
    ("percent", "%", r"%|процент\w*|пайыз\w*|percent\b|per\s*cent\b|п\.\s?п\."),
    ("money", "kzt", r"₸|тенге|теңге\w*|тг\b|тнг\b|kzt\b|tenge\b"),
    ("money", "usd", r"\$|usd\b|(?:ақш\s+)?доллар\w*|(?:us\s+)?dollars?\b"),
    ("money", "eur", r"€|eur\b|евро\b|еуро\w*|euros?\b"),
    ("money", "rub", r"₽|руб\w*|rub\b|roubles?\b|rubles?\b"),
    ("duration", "day", r"days?\b|день\b|дня\b|дней\b|дню\b|дням\b|күн\w*|сут\w*"),
    ("duration", "week", r"weeks?\b|недел\w*|апта\w*"),
    ("duration", "month", r"months?\b|месяц\w*|мес\b|ай(?:ға|дан|да|дың|ы|лық|дай)?\b"),
    ("duration", "year", r"years?\b|год(?:а|у|ы|ов)?\b|лет\b|жыл\w*|г\.|ж\."),
    ("duration", "hour", r"hours?\b|час(?:а|ов|ам|у)?\b|сағат\w*"),
    ("duration", "minute", r"minutes?\b|min\b|минут\w*|мин\b"),
    ("duration", "second", r"seconds?\b|секунд\w*"),
    ("number", "gb", r"gb\b|гб\b|гигабайт\w*|gigabytes?\b"),
    ("number", "mb", r"mb\b|мб\b|мегабайт\w*|megabytes?\b"),
    ("number", "mbps", r"mbps\b|mbit/s|мбит\w*(?:/с)?"),
    ("number", "sms", r"sms\b|смс\b"),
)
_UNIT = tuple(
    (kind, unit, re.compile(rf"(?:-?(?:ші|шы|й|я|е|го|му|м|х|ти))?{_MANNER}\s*-?(?:{pattern})"))
    for kind, unit, pattern in _UNITS
)
_RANGE = re.compile(r"\s*(?:[-–—]|to|до|или|or|and|и|бен|мен|пен)\s*")
_SIGNS = {"$": "usd", "€": "eur", "₸": "kzt", "₽": "rub"}
_WHOLE = {"week": ("day", 7), "year": ("month", 12), "hour": ("minute", 60)}
"""Units told in another one, so that a year and twelve months are one value."""
_CURRENCY_FACTORS = {"тыс": 3, "мың": 3, "thousand": 3, "млн": 6, "million": 6, "млрд": 9, "billion": 9}


@dataclass(frozen=True, slots=True)
class Figure:
    """`value` is the figure with its unit (`250000 kzt`, `5 day`) or an ISO date with unknown parts left out
    (`2025-03`, `--03-12`); `start` and `end` are offsets in the folded text."""

    kind: str
    value: str
    start: int
    end: int
    names_period: bool = False
    """A bare year or month: it usually says when, not how much."""


@dataclass(frozen=True, slots=True)
class Reading:
    """`folded` is the text that the offsets speak of, with what was read blanked out in `rest`."""

    folded: str
    rest: str
    figures: tuple[Figure, ...]
    identifiers: tuple[str, ...]
    references: tuple[str, ...] = ()
    """Numbers of clauses, annexes, forms: which one a statement speaks of."""


def read(text: str, default_unit: tuple[str, str, int] = ("", "", 0)) -> Reading:
    """All values of one sentence or cell. `default_unit` is (kind, unit, power of ten) of numbers that say none."""
    folded = fold(text).replace("\u2212", "-")
    found: list[Figure] = []
    rest = _dates(folded, found)
    rest = _clocks(rest, found)
    rest, identifiers = _identifiers(rest)
    references: list[str] = []
    rest = _numbers(rest, found, references, default_unit)
    ordered = tuple(sorted(found, key=lambda figure: figure.start))
    return Reading(folded, rest, ordered, identifiers, tuple(references))


def unit_of_header(header: str) -> tuple[str, str, int]:
    """What a column header says of the numbers under it (`Fee, thousand tenge`): (kind, unit, power of ten)."""
    folded = fold(header)
    power = next((power for word, power in _CURRENCY_FACTORS.items() if word in folded), 0)
    for kind, unit, pattern in _UNITS:
        if re.search(rf"(?:^|[\s,(/])(?:{pattern})", folded):
            return kind, unit, power if kind == "money" else 0
    return "", "", 0


def _blank(text: str, start: int, end: int) -> str:
    return f"{text[:start]}{chr(1) * (end - start)}{text[end:]}"


def _dates(text: str, found: list[Figure]) -> str:
    any_month = _ANY_MONTH.search(text) is not None
    for pattern, worded in _DATES:
        if worded and not any_month:
            continue
        for match in pattern.finditer(text):
            value = _date(match)
            if value:
                period = match.groupdict().get("d") is None
                found.append(Figure("date", value, match.start(), match.end(), period))
                text = _blank(text, match.start(), match.end())
    return text


def _date(match: re.Match[str]) -> str:
    groups = match.groupdict()
    month = _month(groups["w"]) if groups.get("w") else int(groups.get("m") or 0)
    day = int(groups["d"]) if groups.get("d") else 0
    if not 1 <= month <= 12 or day > 31:
        return ""
    year = groups.get("y") or "-"
    return f"{year}-{month:02d}" + (f"-{day:02d}" if day else "")


def _month(word: str) -> int:
    return next((number for pattern, number in _MONTH_OF if pattern.match(word)), 0)


def _clocks(text: str, found: list[Figure]) -> str:
    for match in _CLOCK.finditer(text):
        found.append(Figure("number", f"{int(match[1]):02d}:{match[2]}", match.start(), match.end()))
        text = _blank(text, match.start(), match.end())
    return text


def _identifiers(text: str) -> tuple[str, tuple[str, ...]]:
    found = [re.sub(r"[^\w]", "", match.group(1)) for match in _NUMBERED.finditer(text)]
    if found:
        text = _NUMBERED.sub(lambda match: chr(1) * len(match.group()), text)
    for match in _IDENTIFIER.finditer(text):
        written = match.group()
        if sum(map(str.isdigit, written)) < 2 or _is_value(written, text, match.end()):
            continue
        found.append(re.sub(r"[^\w]", "", written))
        text = _blank(text, match.start(), match.end())
    return text, tuple(found)


def _is_value(written: str, text: str, end: int) -> bool:
    """`1 250 000 тенге`, `10-15 дней`, `30-day`: looks like an identifier, says how much."""
    if _NUMBER.fullmatch(written):
        return not written.isdigit() or len(written) < 9
    if re.fullmatch(r"\d{1,3}-\d{1,3}", written):
        return True
    hyphened = re.fullmatch(r"\d{1,3}-([^\W\d_]+)", written)
    if hyphened is not None:
        return _HYPHENED.match(hyphened.group(1)) is not None
    return re.fullmatch(r"[\d\s]+", written) is not None and any(p.match(text, end) for _, _, p in _UNIT)


def _numbers(
    text: str, found: list[Figure], references: list[str], default_unit: tuple[str, str, int]
) -> str:
    numbers: list[Figure] = []
    rest = text
    for match in _NUMBER.finditer(text):
        figure = _number(text, match, default_unit)
        if figure is None:
            references.append(match.group())
            continue
        rest = _blank(rest, figure.start, figure.end)
        numbers.append(figure)
    found.extend(_with_shared_units(text, numbers))
    return rest


def _number(text: str, match: re.Match[str], default_unit: tuple[str, str, int]) -> Figure | None:
    start, end = match.span()
    named = _NAMES_SOMETHING.search(text, max(0, start - 24), start) is not None
    compact = re.sub(_GAP, "", match.group().lstrip("+"))
    power, end = _scale(text, end)
    kind, unit, end = _unit(text, start, end)
    if re.fullmatch(_YEAR, compact) and not power and unit in ("", "year") and not default_unit[0]:
        return Figure("date", compact, start, end, names_period=True)
    if not kind:
        if named:
            return None
        kind, unit, power = default_unit if default_unit[0] else ("number", "", power)
    return Figure(kind, _value(_decimal(compact) * 10**power, unit), start, end)


def _scale(text: str, at: int) -> tuple[int, int]:
    if _ANY_SCALE.match(text, at):
        for pattern, power in _SCALES:
            match = pattern.match(text, at)
            if match:
                return power, match.end()
    return 0, at


def _unit(text: str, start: int, end: int) -> tuple[str, str, int]:
    for kind, unit, pattern in _UNIT:
        match = pattern.match(text, end)
        if match:
            working = kind == "duration" and match.groupdict().get("working")
            return kind, f"working {unit}" if working else unit, match.end()
    sign = _SIGNS.get(text[:start].rstrip()[-1:], "")
    return ("money", sign, end) if sign else ("", "", end)


def _decimal(compact: str) -> Decimal:
    """The likelier reading of a separator: `1,250,000` and `1.250.000` group, `2,5` and `0.125` do not."""
    if re.fullmatch(r"-?\d{1,3}(?:,\d{3}){2,}(?:\.\d+)?|-?\d{1,3},\d{3}\.\d+|-?[1-9]\d{0,2},000", compact):
        return Decimal(compact.replace(",", ""))
    if re.fullmatch(r"-?\d{1,3}(?:\.\d{3}){2,}|-?[1-9]\d{0,2}\.000", compact):
        return Decimal(compact.replace(".", ""))
    return Decimal(compact.replace(",", "."))


def _value(number: Decimal, unit: str) -> str:
    base, factor = _WHOLE.get(unit, (unit, 1))
    plain = format((number * factor).normalize(), "f")
    return f"{plain} {base}".rstrip()


def _with_shared_units(text: str, numbers: list[Figure]) -> list[Figure]:
    """`10–15 дней`: the first number of a range has the unit of the second."""
    shared = list(numbers)
    for place in range(len(numbers) - 2, -1, -1):
        first, second = shared[place], shared[place + 1]
        between = text[first.end : second.start]
        bare = first.kind == "number" and " " in second.value and " " not in first.value
        if bare and _RANGE.fullmatch(between):
            unit = second.value.split(" ", 1)[1]
            shared[place] = Figure(second.kind, f"{first.value} {unit}", first.start, first.end)
    return shared
