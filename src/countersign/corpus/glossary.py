"""A small Kazakh–Russian–English glossary of banking, telecom and office words, as word beginnings.

It lets texts of different languages be compared on *which things they speak of* without a model: two sentences that
share no concept are hardly about the same subject. A word beginning ending in `=` must match the whole word.
"""

from __future__ import annotations

import re
from functools import lru_cache

from countersign.corpus.terms import fold, words, words_of

# concept: beginnings in Kazakh, Russian and English together (the script keeps them apart)
_CONCEPTS: dict[str, str] = {
    "loan": "несие қарыз кредит заем= займ заём loan= loans= lend credit borrow",
    "mortgage": "ипотек mortgage",
    "deposit": "депозит салым вклад deposit",
    "card": "sim-карт сим-карт sim-card карта карты карту карте картам картой карточ card= cards=",
    "account": "шот= шоты шотт шотқ счет= счета= счету= счетом счёт account",
    "transfer": "аудар перевод перевест переведен переводит transfer remit",
    "payment": "төле төлем плат плата платы плату платеж оплат уплат выплат pay payment paid",
    "fee": "комиссия комисси алым плата платы плату құны құнын стоимост төлем fee= fees= commission charge charges charged",
    "tariff": "тариф tariff",
    "rate": "мөлшерлеме ставк rate= rates=",
    "interest": "сыйақы процент вознагражден interest",
    "bonus": "бонус премия преми сыйлықақы bonus",
    "limit": "лимит шект лимиті ограничен предел limit cap= capped ceiling",
    "cash": "қолма наличн cash",
    "withdraw": "алу= алудың алуға шешіп снят снима withdraw",
    "refund": "қайтар возврат возвращ refund return",
    "penalty": "айыппұл өсімпұл тұрақсыздық штраф пеня пени= неустойк penalt fine= fines=",
    "early": "мерзімінен досрочн early prepay",
    "repay": "өтеу= өтей өтел погаш погас repay repaid",
    "term": "мерзім срок term= terms= period deadline",
    "day": "суточн күн= күні күнд күнн дня= день= дней= дню= дням сутк day= days= daily",
    "working": "жұмыс рабоч работ working business work= works=",
    "calendar": "күнтізбе календарн calendar",
    "month": "айлық айын айда ай= айы= ежемес месяц monthly month",
    "year": "жыл год= года= году= годов лет= ежегод year annual",
    "hour": "сағат час= часа= часов= часам hour",
    "minute": "минут minute",
    "week": "апта недел week",
    "customer": "клиент тұтынушы абонент покупател customer client subscriber",
    "employee": "қызметкер жұмыскер сотрудник работник персонал employee staff worker",
    "manager": "басшы басқарушы менеджер руководител начальник manager head= supervisor",
    "director": "директор director",
    "board": "кеңес совет правлени board",
    "branch": "филиал бөлімше отделени branch",
    "bank": "банк bank",
    "contract": "шарт= шарты шартт келісімшарт договор контракт contract agreement",
    "complaint": "шағым жалоб претензи complaint",
    "request": "өтініш өтінім сұрау заявк заявлени запрос обращени application apply applies request",
    "document": "құжат документ document",
    "policy": "саясат политик policy policies",
    "rule": "ереже қағида правил rule= rules= regulation",
    "password": "құпиясөз құпия парол password",
    "security": "қауіпсізд безопасн security secure",
    "incident": "инцидент оқиға инцидент incident",
    "fraud": "алаяқ мошенн fraud",
    "data": "дерек деректер данны data=",
    "personal": "дербес персональн личн personal",
    "identity": "куәлік куәліг удостоверени паспорт identity passport identification",
    "signature": "қолтаңба қойған қойды қойыл подпис sign= signed signature",
    "vacation": "демалыс отпуск leave= vacation holiday",
    "sick": "ауру науқас болезн больнич нетрудоспос sick illness",
    "salary": "жалақы еңбекақы зарплат оклад заработн salary wage wages",
    "probation": "сынақ испытательн probation",
    "dismissal": "увольнен уволен dismiss terminat",
    "overtime": "үстеме сверхурочн overtime",
    "training": "оқыту оқу= оқудан обучен тренинг training course",
    "internet": "интернет internet",
    "mobile": "мобил ұялы мобильн сотов mobile",
    "roaming": "роуминг roaming",
    "call": "қоңырау звон вызов call= calls= calling",
    "message": "хабарлама сообщени смс message sms",
    "traffic": "трафик traffic",
    "speed": "жылдам скорост speed",
    "gigabyte": "гб= гигабайт gb= gigabyte",
    "sim": "sim= сим= сим-карт sim-карт sim-card",
    "subscription": "жазылым абонентск подписк subscription",
    "number": "нөмір номер number",
    "replace": "ауыстыр алмастыр замен replac",
    "block": "бұғатта блокир заблокир block freeze frozen",
    "unblock": "бұғаттан разблок unblock",
    "activate": "белсенд қосыл активир активац подключ activat connect",
    "cancel": "күшін отмен аннулир расторг расторж cancel",
    "approve": "бекіт мақұлда утвержд утверд одобр approv",
    "reject": "қабылдама отклон отказ reject refus declin denied",
    "notify": "хабарла хабардар ескерт уведом извещ notif inform",
    "register": "тірке регистр register registration",
    "submit": "ұсын тапсыр береді беру= подать подает подач предостав представ submit provid",
    "store": "сақта хран store stored storage retain retention kept",
    "delete": "жой жоюу удал стира delet erase remov destroy",
    "change": "өзгер ауыстыр измен меня chang alter",
    "open": "аш ашу ашыл открыт откры open",
    "close": "жабу жабыл жап закрыт закры close",
    "issue": "шығару беріле выпуск выдач выда issue issuance",
    "delivery": "жеткіз доставк доставл deliver",
    "free": "тегін бесплатн free=",
    "discount": "жеңілд скидк discount",
    "price": "баға құны құнын стоимост цен price cost",
    "amount": "сома мөлшер сумм размер amount sum=",
    "minimum": "төменгі минимал кемінде менее минимум minimum least",
    "maximum": "жоғары максимал барынша максимум maximum",
    "income": "табыс кіріс доход income",
    "tax": "салық налог tax",
    "profit": "пайда прибыл profit",
    "revenue": "түсім выручк revenue",
    "reserve": "резерв reserve",
    "currency": "валюта валют currency",
    "exchange": "айырбас обмен exchange conversion конверт",
    "insurance": "сақтандыр страхов insur",
    "guarantee": "кепілдік гарант guarantee",
    "collateral": "кепіл залог collateral pledge",
    "guarantor": "кепілгер поручит guarantor",
    "overdraft": "овердрафт overdraft",
    "cashback": "кешбэк кэшбэк cashback",
    "terminal": "терминал terminal",
    "atm": "банкомат atm=",
    "treasury": "қазынашыл казначей treasury",
    "audit": "аудит audit",
    "risk": "тәуекел риск risk",
    "committee": "комитет committee",
    "supplier": "жеткізуші поставщик supplier vendor",
    "delay": "кешік кідір просроч задерж delay overdue late=",
    "network": "желі сеть= сети= сетев network",
    "outage": "апат ақау авари сбой перебо outage failure",
    "engineer": "инженер engineer",
    "server": "сервер server",
    "backup": "резервтік сақтық резервн резервир backup",
    "access": "қолжетім доступ access",
    "code": "код code",
    "age": "жас= жасы жаста жасқа возраст age= aged",
    "child": "бала ребен дет child",
    "marriage": "неке үйлен брак свадьб marriage wedding",
    "travel": "іссапар сапар командиров поездк trip= trips= travel",
    "expense": "шығын шығыс расход spend spent суточн expense allowance",
    "car": "көлік автомоб машин car= vehicle",
    "medical": "медицин medical health",
    "video": "бейне видео video",
    "recording": "жазба запис record recording",
    "postpone": "кейінге қалдыру отсроч отлож postpone defer",
    "disconnect": "ажырат өшір отключ disconnect stop= stops stopped",
    "borrower": "заемщик заёмщик borrower қарызгер",
    "service": "қызмет= қызметі обслуж веден service maintenance",
    "flat": "пәтер квартир flat= flats apartment",
    "crypto": "биткоин bitcoin крипто crypto",
    "dividend": "дивиденд dividend",
    "safe": "сейф safe= safes жәшік ячейк",
    "key": "кілт ключ key= keys",
    "lost": "жоғал утер утрат потер lost= loss=",
    "advance": "аванс advance=",
    "purchase": "сатып закуп purchas procure",
    "remote": "қашықтан удален дистанц remote",
    "queue": "кезек очеред queue",
    "pension": "зейнетақы пенси pension",
    "student": "студент шәкірт студенч student",
    "pin": "пин-код pin= пин=",
    "cable": "кабель кабел cable",
    "surveillance": "бақылау наблюден surveillance monitoring мониторинг",
    "proxy": "сенімхат доверенн proxy attorney",
    "chair": "төраға председател chair",
    "office": "кеңсе офис office",
    "city": "қала город city",
    "equipment": "жабдық құрал оборудован equipment device құрылғы устройств",
    "router": "роутер маршрутизатор router",
    "repair": "жөндеу ремонт repair fix=",
    "warranty": "кепілдік гарантийн warranty",
    "answer": "жауап ответ отвеч answer respon repl",
    "review": "қарау қаралу қарайды рассмотр рассматр review consider",
    "check": "тексер провер check verif",
    "report": "есеп хабарла отчет отчёт сообщ report",
    "weekend": "выходн weekend",
    "corporate": "корпоратив заңды юридическ corporate business",
    "individual": "физическ individual",
    "grace": "жеңілдік льготн grace",
    "monday": "дүйсенбі понедельник monday",
    "tuesday": "сейсенбі вторник tuesday",
    "wednesday": "сәрсенбі сред среда среду wednesday",
    "thursday": "бейсенбі четверг thursday",
    "friday": "жұма= жұмаға= жұмада= жұмадан= пятниц friday",
    "saturday": "сенбі суббот saturday",
    "sunday": "жексенбі воскресен sunday",
    "morning": "таңғы утр morning",
    "evening": "кешкі вечер evening",
    "night": "түн ноч night",
    "abroad": "шетел границ зарубеж abroad foreign",
    "domestic": "внутрен domestic",
    "written": "жазбаша письменн written writing",
    "oral": "ауызша устн oral verbal",
    "electronic": "электронд электронн electronic online онлайн",
    "personnel": "кадр hr= personnel",
    "uzbekistan": "өзбекстан узбекистан uzbekistan",
    "kyrgyzstan": "қырғызстан кыргызстан киргиз kyrgyz",
    "kazakhstan": "қазақстан казахстан kazakhstan",
    "russia": "ресей росси russia",
    "china": "қытай кита china chinese",
    "turkey": "түркия түрік турци турец turkey türkiye turkish",
    "georgia": "грузия грузи georgia",
    "emirates": "әмірлік эмират emirates uae=",
    "germany": "германия герман germany",
    "usa": "ақш= америка сша= америк usa= america",
    "almaty": "алматы almaty",
    "astana": "астан astana",
    "shymkent": "шымкент shymkent",
    "karaganda": "қарағанды караганд karagand",
    "aktobe": "ақтөбе актобе aktobe",
    "aktau": "ақтау актау aktau",
    "atyrau": "атырау atyrau",
    "kostanay": "қостанай костанай kostanay",
    "pavlodar": "павлодар pavlodar",
    "taraz": "тараз taraz",
    "mandatory": "міндет обязат обязан mandator must= required oblig",
}


@lru_cache(maxsize=1)
def _by_first_letters() -> dict[str, tuple[tuple[str, bool, str], ...]]:
    table: dict[str, list[tuple[str, bool, str]]] = {}
    for concept, beginnings in _CONCEPTS.items():
        for beginning in beginnings.split():
            bare = beginning.rstrip("=")
            table.setdefault(bare[:2], []).append((bare, beginning.endswith("="), concept))
    return {letters: tuple(rows) for letters, rows in table.items()}


@lru_cache(maxsize=65_536)
def _concepts_of(word: str) -> frozenset[str]:
    rows = _by_first_letters().get(word[:2], ())
    found = [
        (len(bare), concept)
        for bare, whole, concept in rows
        if word == bare or (not whole and word.startswith(bare))
    ]
    longest = max((length for length, _ in found), default=0)
    return frozenset(concept for length, concept in found if length == longest)


def concepts(text: str) -> frozenset[str]:
    """The glossary concepts that a text mentions, whatever its language among Kazakh, Russian and English."""
    return frozenset[str]().union(*map(_concepts_of, _words(text)))


# Concepts that say how rather than what: their absence does not make another subject.
_CIRCUMSTANTIAL_TEXT = (
    "term day working calendar month year hour minute week amount number request document rule change submit issue "
    "answer check report minimum maximum price mandatory customer data payment rate limit delivery individual "
    "approve reject notify store written electronic personal review access morning evening night early message"
)
_CIRCUMSTANTIAL = frozenset(_CIRCUMSTANTIAL_TEXT.split())
_PLACES_TEXT = (
    "uzbekistan kyrgyzstan kazakhstan russia china turkey georgia emirates germany usa "
    "almaty astana shymkent karaganda aktobe aktau atyrau kostanay pavlodar taraz"
)
_PLACES = frozenset(_PLACES_TEXT.split())
_DOLLAR = re.compile(r"(?i)\b(?:ақш|us|u\.s\.)\s+(?=доллар|dollar)|(?<=доллар)(\w*)\s+сша\b")


def similarity(mine: frozenset[str], theirs: frozenset[str]) -> float:
    """Share of `mine` in `theirs`, in [0, 1]; concepts of time, amount and manner count half."""
    total = sum(_weight(concept) for concept in mine)
    return sum(_weight(concept) for concept in mine & theirs) / total if total else 0.0


def foreign_subjects(text: str, source: frozenset[str]) -> list[str]:
    """Things that `text` speaks of and `source` does not: words none of whose meanings is among the concepts there."""
    missing: list[str] = []
    for word in _words(text):
        meanings = _concepts_of(word)
        if meanings and not meanings & source and not meanings & _CIRCUMSTANTIAL:
            missing.append(min(meanings))
    return list(dict.fromkeys(missing))


def places(text: str) -> frozenset[str]:
    """The countries and towns of the glossary that a text names."""
    return concepts(text) & _PLACES


def _weight(concept: str) -> float:
    return 0.5 if concept in _CIRCUMSTANTIAL else 1.0


def _words(text: str) -> list[str]:
    folded = fold(text)
    if "доллар" in folded or "dollar" in folded:
        return words(_DOLLAR.sub(lambda match: match.group(1) or "", text))
    return words_of(folded)
