"""Whether two sentences that share words say the same or the opposite: negations and opposite words in kk, ru and en.

A heuristic, and a cautious one: it may call a faithful paraphrase a mismatch; it is there to catch a lost or an added
"not" and an exchanged opposite, the errors that word overlap and embeddings do not see.
"""

from __future__ import annotations

import re
from functools import lru_cache

from countersign.corpus.terms import fold

_WORD = re.compile(r"\w+")
_NEGATION = re.compile(
    r"\b(?:not|no|never|none|nor|neither|cannot|without|unable|free|prohibit\w+|forbid\w*|\w+n['’]t|"
    r"не|нет|нельзя|ни|без|никогда|никак\w*|невозможно|запрещ\w+|недопустим\w+|бесплатн\w+|"
    r"емес\w*|жоқ\w*|тыйым|тегін|ешқандай|ешқашан|ешкім\w*|"
    r"\w{2,}(?:майды|мейді|байды|бейді|пайды|пейді|майтын\w*|мейтін\w*|байтын\w*|бейтін\w*|пайтын\w*|пейтін\w*|"
    r"маса|месе|баса|бесе|паса|песе|маған\w*|меген\w*|баған|беген\w*|паған\w*|пеген\w*|"
    r"мау|меу|бау|беу|пау|пеу|мауы|меуі|бауы|беуі|пауы|пеуі)|"
    r"\w{3,}(?:май|мей|бей|пай|пей))\b"
)
# Words that only look like a negative, and a "not" that negates a comparison (не позднее, no later than).
_NOT_NEGATION = re.compile(
    r"\b(?:не\s+(?:менее|более|позднее|позже|ранее|раньше|реже|чаще|выше|ниже|только|свыше|меньше|больше|превыша\w+)|"
    r"не\s+(?:должн\w+|мо[гж]\w+)\s+превыша\w+|"
    r"(?:not|no)\s+(?:later|less|more|fewer|earlier|sooner|only|lower|higher|exceed\w*)|no\.?\s*[\w-]*\d|"
    r"(?:may|must|shall|can|does|do)?\s*not\s+exceed|\w*асп(?:ауы|ауға|айды|ай|айтын)\w*|кем\s+болма\w+|аспа\w*|"
    r"тапсырмай|әлдеқалай|кешіктірмей|кідіртпей|қалмай)\b"
)

# Each line: one side / the other side, as beginnings of folded words.
_OPPOSITES: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...] = tuple(
    (tuple(left.split()), tuple(right.split()))
    for left, right in (
        ("increas rais grow rise rose повыш увелич вырас возрос рост= көтеріл арттыр ұлғай өсті өсе= өсу",
         "decreas reduc lower= lowered fell fall declin сниж сниз уменьш сократ упал паден төменде азай қысқар"),
        ("allow permit may= разреш допуска рұқсат",
         "prohibit forbid ban= banned запрещ запрет тыйым"),
        ("approv одобр утвержд утверд мақұлда бекіт", "reject declin refus отклон отказ қабылдамай"),
        ("mandatory compulsory required обязател міндетті", "optional voluntary необязател добровол ерікті"),
        ("open= opens opened opening откры ашыл ашу ашад", "clos закры жабы жаба"),
        ("before= prior перед= дейін бұрын", "after= после= кейін соң="),
        ("minimum минимал минимум кемінде least менее төменгі", "maximum максимал максимум аспай most= более= exceed превыш жоғары"),
        ("working business рабоч жұмыс", "calendar календарн күнтізбе"),
        ("fixed фиксирован тұрақты", "floating variable плавающ құбылмалы"),
        ("debit= debited списыв списан списа= шегер", "credited зачисл есепке"),
        ("incoming входящ кіріс", "outgoing исходящ шығыс"),
        ("daily ежеднев күнделікті күнде", "monthly ежемесяч ай= айлық"),
        ("annual yearly ежегод жылдық жыл=", "monthly ежемесяч айлық"),
        ("week недел апта", "day days daily день= дня= дней= ежеднев күн= күні күнд күнін сутк month месяц айлық"),
        ("written письмен жазбаша", "oral verbal устн ауызша"),
        ("domestic внутр ішкі", "international foreign abroad международ зарубеж границ халықаралық шетел"),
        ("paid= платн ақылы оплачив", "unpaid free= бесплатн тегін ақысыз неоплачив"),
        ("internal внутрен ішкі", "external внешн сыртқы"),
        ("employer работодател жұмыс= беруші", "employee работник сотрудник қызметкер"),
        ("first перв бірінші", "last= последн соңғы"),
        ("online онлайн", "branch отделени бөлімше филиал"),
        ("individual физическ", "legal= corporate юридическ заңды"),
        ("enable включ қос=", "disable отключ өшір ажырат"),
        ("with= ", "without без= "),
    )
)  # fmt: skip


def negated(text: str) -> bool:
    """An odd number of negations: two of them cancel."""
    return len(_NEGATION.findall(_NOT_NEGATION.sub(" ", fold(text)))) % 2 == 1


def opposites(first: str, second: str) -> str:
    """A short `this/that` when one text has one side of an opposite and the other text only the other; else empty."""
    for (left, right), (left_there, right_there) in zip(_sides(first), _sides(second), strict=True):
        if left and not right and right_there and not left_there:
            return f"{left}/{right_there}"
        if right and not left and left_there and not right_there:
            return f"{right}/{left_there}"
    return ""


def _sides(text: str) -> tuple[tuple[str, str], ...]:
    """For every pair of opposites, the first word of either side that the text has."""
    first: dict[tuple[int, int], str] = {}
    for word in _WORD.findall(fold(text)):
        for place in _places_of(word):
            first.setdefault(place, word)
    return tuple((first.get((pair, 0), ""), first.get((pair, 1), "")) for pair in range(len(_OPPOSITES)))


@lru_cache(maxsize=65_536)
def _places_of(word: str) -> tuple[tuple[int, int], ...]:
    """The (pair, side)s of opposites that a folded word belongs to."""
    rows = _by_first_letters().get(word[:2], ())
    return tuple(
        (pair, side)
        for beginning, whole, pair, side in rows
        if (word == beginning if whole else word.startswith(beginning))
    )


@lru_cache(maxsize=1)
def _by_first_letters() -> dict[str, list[tuple[str, bool, int, int]]]:
    """(beginning, whether it is the whole word, pair, side) by their first two letters."""
    table: dict[str, list[tuple[str, bool, int, int]]] = {}
    for pair, sides in enumerate(_OPPOSITES):
        for side, beginnings in enumerate(sides):
            for written in beginnings:
                bare = written.rstrip("=")
                table.setdefault(bare[:2], []).append((bare, bare != written, pair, side))
    return table
