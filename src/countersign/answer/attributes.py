"""Words that ask for one attribute of a thing and words that state it: `founded` beside `established`, `population`
beside `inhabitants`. Kazakh, Russian and English; a small list of what documents and questions word differently.
"""

from __future__ import annotations

import re
from functools import lru_cache

from countersign.corpus.terms import fold

BIRTH, DEATH = 0, 1
"""The numbers of these two attributes."""

# Each line is one attribute, as beginnings of folded words; `=` ends a whole word.
_ATTRIBUTES: tuple[tuple[str, ...], ...] = tuple(
    tuple(line.split())
    for line in (
        "born= birth= birthdate родил рожден туған= туды= туылған",
        "die= died= death= dies= умер= умерл смерт скончал қайтыс өлді= өлген",
        "establish found= founded founding foundation created creat formed form= formation incorporat institut основан основал создан создал учрежд образова құрыл құрғ негізі",
        "built build construct erect complet построен построй постройк возвед салынған салынды сооруж тұрғыз",
        "open= opened opens opening launch start= starts started began begin= begins begun introduc inaugurat commission releas premier "
        "откры запущ запуст начал введен введён ашыл іске басталды шыққан",
        "closed close= closes closing abolish dissolv disband ended ends end= закрыт упраздн ликвидир жабыл таратыл аяқтал",
        "population populat inhabitant resident people= population= населени численност жител халық халқы тұрғын",
        "artist singer band= musician album= recorded performer исполнитель певец певиц группа әнші орындаушы",
        "director directed direct= режисс режиссер қойылым",
        "author wrote written writer write= автор написа жазған авторы жазушы",
        "located location situated lies= locat располож находит орналас",
        "head= heads headed chair chairs chaired chairman chairwoman lead= leads led= leader leading president director= возглавл руководит председател "
        "басқар жетекші төраға",
        "fee= fees charge charges charged commission cost costs price комисси плат стоимост сбор ақы құны комиссия баға",
        "rate rates interest ставк мөлшерлеме пайыз",
        "deadline term= period days within срок период дней мерзім күн",
        "limit maximum max= cap= лимит максимал предел шек ең",
        "employ staff workforce headcount сотрудник работник персонал қызметкер",
        "length long= длин протяж ұзындық",
        "height high= tall= elevat высот биікт",
        "area size acre площад размер аумағ көлем",
    )
)  # fmt: skip


ALL = frozenset(range(len(_ATTRIBUTES)))


def attributes(text: str, among: frozenset[int] = ALL) -> frozenset[int]:
    """Those of the attributes `among` that a text speaks of, as numbers that mean the same for every text."""
    if not among:
        return among
    folded, patterns = fold(text), _patterns()
    return frozenset(n for n in among if patterns[n].search(folded))


@lru_cache(maxsize=4_096)
def attribute_of(word: str) -> frozenset[int]:
    """The attributes of one word (or its stem)."""
    return attributes(word)


@lru_cache(maxsize=256)
def pattern_of(wanted: frozenset[int]) -> re.Pattern[str] | None:
    """Any folded word that speaks of one of these attributes; None for none."""
    if not wanted:
        return None
    return re.compile("|".join(_patterns()[n].pattern for n in sorted(wanted)))


@lru_cache(maxsize=1)
def _patterns() -> tuple[re.Pattern[str], ...]:
    return tuple(re.compile(r"(?<!\w)(?:" + "|".join(map(_beginning, line)) + ")") for line in _ATTRIBUTES)


def _beginning(word: str) -> str:
    return f"{re.escape(word[:-1])}(?!\\w)" if word.endswith("=") else f"{re.escape(word)}\\w*"
