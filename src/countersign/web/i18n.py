"""The desk in three languages: one catalogue each, read from the .po files that translators edit.

A catalogue is compiled in memory when its language is first needed, so that no compiled file can be out of date.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from gettext import GNUTranslations, NullTranslations
from importlib.resources import files
from io import BytesIO

LANGUAGES: tuple[str, ...] = ("kk", "ru", "en")
NAMES = {"kk": "Қазақша", "ru": "Русский", "en": "English"}
SOURCE_LANGUAGE = "en"


def N_(text: str) -> str:
    """Marks a text for translation where it is written; it is translated where it is shown."""
    return text


def load_translations(language: str) -> NullTranslations:
    """The catalogue of `language`; English is the source and needs none."""
    if language == SOURCE_LANGUAGE:
        return NullTranslations()
    from babel.messages.mofile import write_mo
    from babel.messages.pofile import read_po

    path = files("countersign.web") / "locale" / language / "LC_MESSAGES" / "messages.po"
    compiled = BytesIO()
    with path.open("rb") as source:
        write_mo(compiled, read_po(source, locale=language))
    compiled.seek(0)
    return GNUTranslations(compiled)


def choose_language(chosen: str, accept_language: str) -> str:
    """What the person chose; else the first language of the browser that we speak; else English."""
    if chosen in LANGUAGES:
        return chosen
    for wanted in accept_language[:200].split(","):
        code = wanted.split(";")[0].strip().lower()[:2]
        if code in LANGUAGES:
            return code
    return SOURCE_LANGUAGE


# -- times and amounts ------------------------------------------------------------------------------------------
def show_time(moment: datetime, language: str) -> str:
    """A moment in UTC; the browser replaces it by the reader's own time where it may run scripts."""
    from babel.dates import format_datetime

    return f"{format_datetime(moment, 'd MMM yyyy, HH:mm', locale=language)} UTC"


def show_date(moment: datetime, language: str) -> str:
    from babel.dates import format_date

    return format_date(moment, "d MMM yyyy", locale=language)


def month_names(language: str) -> str:
    """The twelve short names that `show_time` uses, for the browser to use them too."""
    from babel.dates import get_month_names

    names = get_month_names("abbreviated", "format", locale=language)
    return "|".join(names[month] for month in range(1, 13))


def show_span(span: timedelta, language: str, *, direction: bool = False) -> str:
    """`30 minutes`, or with a direction `in 30 minutes` and `30 minutes ago`."""
    from babel.dates import format_timedelta

    return format_timedelta(span, threshold=1.2, add_direction=direction, locale=language)


def show_seconds(seconds: float, language: str) -> str:
    """`3 hours` for 10,800; less than one second is said so."""
    if seconds < 1:
        return f"< {show_span(timedelta(seconds=1), language)}"
    return show_span(timedelta(seconds=seconds), language)


def show_amount(amount: float, currency: str, language: str) -> str:
    """Small amounts keep the digits that tell them from nothing; the code says the currency everywhere alike."""
    return f"{show_number(amount, language, 2 if abs(amount) >= 0.01 or not amount else 6)} {currency}"


def show_number(number: float, language: str, decimals: int = 0) -> str:
    from babel.numbers import format_decimal

    return format_decimal(round(number, decimals), "#,##0." + "#" * decimals, locale=language)


def show_percent(share: float, language: str) -> str:
    from babel.numbers import format_percent

    return format_percent(share, locale=language)


def show_share(share: float, language: str) -> str:
    """A share that is not nothing is never shown as nothing, nor one that is not all as all."""
    if 0 < share < 0.01:
        return f"< {show_percent(0.01, language)}"
    if 0.99 < share < 1:
        return f"> {show_percent(0.99, language)}"
    return show_percent(share, language)


def language_name(code: str, language: str) -> str:
    """`Russian` for `ru`; a code that nobody knows stays a code."""
    from babel import Locale

    return str(Locale.parse(language).languages.get(code, code))


def show_bytes(size: int, language: str) -> str:
    units = ("B", "kB", "MB", "GB")
    value, unit = float(size), 0
    while value >= 1000 and unit < len(units) - 1:
        value, unit = value / 1000, unit + 1
    return f"{show_number(value, language, 1 if unit else 0)} {units[unit]}"
