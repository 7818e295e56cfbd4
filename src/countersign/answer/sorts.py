"""Sorts of things that questions ask for by name (`what sport`, `в какой валюте`, `қай тілде`) and the words that answer:
a thing of a sort is told by a common word, which capital letters do not give away.

A short list in Kazakh, Russian and English, of what people in offices and readers of reference works ask about. Words of
one member mean the same thing: `football` beside `soccer`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

# A sort is its asking words, then its members, apart by `|`. Words are beginnings, folded; `=` ends a whole word.
_SORTS: tuple[str, ...] = (
    "currency currencies валют валюта | tenge kzt= тенге теңге | dollar usd= доллар | euro= euros= eur= евро еуро | "
    "rouble ruble rub= рубл | yuan cny= юан | pound gbp= фунт | franc франк | yen= иен= иены=",
    "language languages язык языке языком тіл= тілде тілі | kazakh казахск қазақ | russian русск орыс | english английск ағылшын | "
    "turkish турецк түрік | uzbek узбекск өзбек | chinese mandarin китайск қытай | german немецк неміс | french французск француз | "
    "spanish испанск испан | italian итальянск | arabic арабск араб | hindi= хинди | urdu= урду | punjabi= панджаб | bengali | tamil | "
    "telugu | malayalam | kannada | marathi | persian farsi персидск парсы | japanese японск жапон | korean корейск корей | portuguese | "
    "polish польск | ukrainian украинск украин | dutch | swedish | greek | latin= латин | hebrew | tagalog | indonesian | malay=",
    "often frequency frequently часто периодичност жиі жиілік | daily every=day ежедневн күнделікті күн=сайын | weekly every=week еженедельн "
    "апта=сайын | monthly every=month ежемесячн ай=сайын | quarterly every=quarter ежеквартальн тоқсан=сайын | "
    "half-yearly semi-annual twice=a=year полугод жартыжылд | annual= annually yearly every=year once=a=year ежегодн жыл=сайын",
    "channel канал арна= арнасы | branch отделени филиал бөлімше | app= application приложени қосымша | website site= сайт | "
    "telephone phone call=cent телефон колл=центр | atm= банкомат | e-mail email почт пошта",
    "colour color цвет түс= түсі | red= красн қызыл | blue= синий синего көк= | green= зелен жасыл | yellow желт сары= | black= черн қара= | "
    "white= бел= белый белого ақ= | orange оранжев | grey gray= серый сұр=",
    "sport sports спорт | football soccer футбол | rugby регби | cricket крикет | tennis теннис | golf гольф | basketball баскетбол | "
    "baseball бейсбол | hockey хоккей | volleyball волейбол | handball гандбол | boxing boxer бокс | wrestl борьба борец күрес | "
    "swim плаван жүзу | athletics sprinter runner running атлетик атлет | cycling cyclist велосип велогон | chess шахмат | badminton | "
    "skiing skier лыж шаңғы | skating skater | rowing rower | gymnast гимнаст | judo= дзюдо | karate каратэ | motor=rac racing=driver автогон | "
    "bodybuild | snooker | softball | lacrosse | polo= | fencing fencer | sailing sailor | archery archer | weightlift штанг ауыр=атлет",
    "profession occupation job= professions career професс профессия должност кәсіб мамандығ лауазым | actor actress актер актриса | "
    "singer певец певица әнші | politician политик саясаткер | lawyer attorney barrister solicitor юрист адвокат заңгер | judge судья судья= төреші | "
    "engineer инженер | teacher учител мұғалім | professor профессор | physician doctor= surgeon врач хирург дәрігер | chemist химик | "
    "physicist физик | biologist биолог | economist экономист | historian историк тарихшы | writer author= novelist писател жазушы | "
    "poet= poets поэт ақын | journalist журналист | painter художник суретші | architect архитектор сәулетші | composer композитор | "
    "musician музыкант | chef= cook= повар аспаз | priest chaplain clergy vicar bishop священник | soldier officer= general= военный офицер | "
    "diplomat дипломат | accountant бухгалтер есепші | auditor аудитор | manager менеджер | director= директор | cashier кассир | "
    "footballer футболист | cricketer | boxer= боксер | wrestler | naturalist | anatomist | geologist геолог | mathematician математик | "
    "philosopher философ | photographer фотограф | broadcaster presenter | producer продюсер | game=designer | designer дизайнер | "
    "merchant купец | businessman entrepreneur предпринимател кәсіпкер | farmer фермер | economist= | sculptor скульптор | astronomer | "
    "botanist | nurse медсестра | pilot летчик ұшқыш | dancer | comedian | screenwriter | translator переводчик аудармашы | notary нотариус | "
    "hydrologist гидролог | librarian библиотекар | operator оператор | specialist специалист маман= | analyst аналитик",
    "position позици позиция | forward striker нападающ шабуылшы | defender centre-back full-back защитник қорғаушы | midfielder полузащитник | "
    "goalkeeper вратар қақпашы | quarterback | pitcher | linebacker | wide=receiver | running=back | guard= | winger | catcher | tight=end",
    "rank звани шені | generalmajor major=general генерал-майор | lieutenant=general generalleutnant генерал-лейтенант | "
    "brigadier | colonel полковник | captain капитан | major= майор | lieutenant лейтенант | sergeant сержант | admiral адмирал | "
    "commodore | commander | marshal маршал | corporal | private=",
    "medium genre жанр | film films movie кино фильм | novel novels роман | play= plays пьеса | album альбом | song= песня | "
    "television tv= series= сериал телесериал | radio радио | opera опера | musical= мюзикл | comic comics комикс | poem poetry стих поэм | "
    "magazine журнал | newspaper газет | painting живопис | sculpture | video=game | documentary документальн | comedy комеди | drama= драма | "
    "thriller триллер | horror ужас | western= вестерн | romance | science=fiction фантаст | action= боевик | telenovela | "
    "jazz джаз | rock= рок= | pop= | hip=hop | classical | country=music | folk= | ballet балет",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Sort:
    """`members` has one group a member, in order: the number of the group that matched says which member it is."""

    asking: re.Pattern[str]
    members: re.Pattern[str]


def sort_of(folded: str) -> Sort | None:
    """The sort that a folded question asks for by name."""
    return next((sort for sort in _sorts() if sort.asking.search(folded)), None)


@lru_cache(maxsize=1)
def _sorts() -> tuple[Sort, ...]:
    return tuple(_sort(line) for line in _SORTS)


def _sort(line: str) -> Sort:
    asking, *members = line.split("|")
    groups = "|".join(f"({'|'.join(map(_beginning, member.split()))})" for member in members)
    asked = "|".join(map(_beginning, asking.split()))
    return Sort(re.compile(rf"(?<!\w)(?:{asked})"), re.compile(rf"(?<!\w)(?:{groups})"))


def _beginning(word: str) -> str:
    """`=` inside stands for a space or a hyphen."""
    whole = word.endswith("=")
    inner = re.escape(word.rstrip("=")).replace("=", r"[\s-]")
    return f"{inner}(?!\\w)" if whole else f"{inner}\\w*"
