"""The fixed sentences of the product in Kazakh, Russian and English: what a person reads when there is no answer to read.

Every sentence carries the answer's id, so that it can be asked about. Other languages read English.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from countersign.domain.answers import RefusalReason
from countersign.domain.documents import Language

_Texts = dict[str, str]

_HELD: _Texts = {
    "en": "Your answer is ready and is being checked by a colleague. You will get it as soon as it is approved. Answer id: {id}.",
    "ru": "Ответ подготовлен и передан сотруднику на проверку. Вы получите его сразу после одобрения. Номер ответа: {id}.",
    "kk": "Жауап дайындалып, тексеру үшін қызметкерге жіберілді. Ол мақұлданған соң бірден сізге жетеді. Жауап нөмірі: {id}.",
}

_REFUSED: dict[RefusalReason, _Texts] = {
    RefusalReason.NO_EVIDENCE: {
        "en": "I did not find an answer in the documents available to you, so I will not guess. Answer id: {id}.",
        "ru": "В доступных вам документах ответа на этот вопрос не нашлось, а гадать я не буду. Номер ответа: {id}.",
        "kk": "Сізге қолжетімді құжаттардан бұл сұраққа жауап табылмады, сондықтан болжап айтпаймын. Жауап нөмірі: {id}.",
    },
    RefusalReason.SOURCE_TOO_OLD: {
        "en": "The source of this answer has not been confirmed recently enough to rely on. Please ask the owner of the documents. Answer id: {id}.",
        "ru": "Источник для этого ответа давно не обновлялся, и полагаться на него нельзя. Обратитесь к владельцу документов. Номер ответа: {id}.",
        "kk": "Бұл жауаптың дереккөзі көптен бері жаңартылмаған, сондықтан оған сүйенуге болмайды. Құжат иесіне хабарласыңыз. Жауап нөмірі: {id}.",
    },
    RefusalReason.QUESTION_BLOCKED: {
        "en": "This question cannot be processed under the rules of the service. Please rephrase it. Answer id: {id}.",
        "ru": "Этот вопрос не может быть обработан по правилам сервиса. Пожалуйста, сформулируйте его иначе. Номер ответа: {id}.",
        "kk": "Сервис ережелеріне сәйкес бұл сұрақты өңдеу мүмкін емес. Сұрақты басқаша қойып көріңіз. Жауап нөмірі: {id}.",
    },
    RefusalReason.OUTPUT_BLOCKED: {
        "en": "The prepared text did not pass a safety check and was not shown. Answer id: {id}.",
        "ru": "Подготовленный текст не прошёл проверку безопасности и не был показан. Номер ответа: {id}.",
        "kk": "Дайындалған мәтін қауіпсіздік тексеруінен өтпегендіктен көрсетілмеді. Жауап нөмірі: {id}.",
    },
    RefusalReason.BUDGET_EXCEEDED: {
        "en": "The spending limit for this assistant has been reached. Please try later or contact its owner. Answer id: {id}.",
        "ru": "Лимит расходов этого помощника исчерпан. Попробуйте позже или обратитесь к его владельцу. Номер ответа: {id}.",
        "kk": "Бұл көмекшінің шығын лимиті таусылды. Кейінірек қайталап көріңіз немесе оның иесіне хабарласыңыз. Жауап нөмірі: {id}.",
    },
    RefusalReason.NO_MODEL_ALLOWED: {
        "en": "The rules on where this data may be processed leave no permitted model for this question. Answer id: {id}.",
        "ru": "По правилам размещения данных ни одна модель не может обработать этот вопрос. Номер ответа: {id}.",
        "kk": "Деректерді орналастыру ережелері бойынша бұл сұрақты өңдей алатын рұқсат етілген модель жоқ. Жауап нөмірі: {id}.",
    },
    RefusalReason.MODEL_UNAVAILABLE: {
        "en": "The service cannot prepare an answer at the moment. Please try again in a few minutes. Answer id: {id}.",
        "ru": "Сейчас сервис не может подготовить ответ. Пожалуйста, повторите попытку через несколько минут. Номер ответа: {id}.",
        "kk": "Қазір сервис жауап дайындай алмай тұр. Бірнеше минуттан кейін қайталап көріңіз. Жауап нөмірі: {id}.",
    },
    RefusalReason.REJECTED_BY_REVIEWER: {
        "en": "A colleague checked the prepared answer and did not approve it. Answer id: {id}.",
        "ru": "Сотрудник проверил подготовленный ответ и не одобрил его. Номер ответа: {id}.",
        "kk": "Қызметкер дайындалған жауапты тексеріп, мақұлдамады. Жауап нөмірі: {id}.",
    },
}

_ADVICE: dict[str, _Texts] = {
    "subject_not_found": {
        "en": "None of what was found mentions the name you ask about: check how it is written, or ask the owner of the documents to add what is missing.",
        "ru": "Ни в одном из найденных документов не упомянуто название из вопроса: проверьте, как оно написано, или попросите владельца документов добавить недостающее.",
        "kk": "Табылған құжаттардың ешқайсысында сұрақтағы атау аталмаған: оның жазылуын тексеріңіз немесе құжат иесінен жетіспейтін құжатты қосуды сұраңыз.",
    },
    "period_not_found": {
        "en": "What was found is about other years than the one you ask about: ask about one of those, or ask the owner of the documents to add what is missing.",
        "ru": "Найденные документы относятся к другим годам, а не к тому, о котором вы спрашиваете: спросите о другом годе или попросите владельца документов добавить недостающее.",
        "kk": "Табылған құжаттар сіз сұраған жылға емес, басқа жылдарға қатысты: басқа жыл туралы сұраңыз немесе құжат иесінен жетіспейтін құжатты қосуды сұраңыз.",
    },
    "question_unclear": {
        "en": "The question points to something without naming it: please say which one you mean.",
        "ru": "В вопросе не названо, о чём именно идёт речь: уточните, пожалуйста, что вы имеете в виду.",
        "kk": "Сұрақта нақты не туралы екені аталмаған: нені айтып тұрғаныңызды нақтылаңыз.",
    },
}

_DEGRADED: _Texts = {
    "en": "The usual model was not available, so this answer was prepared in a simpler way. Answer id: {id}.",
    "ru": "Основная модель была недоступна, поэтому ответ подготовлен упрощённым способом. Номер ответа: {id}.",
    "kk": "Негізгі модель қолжетімсіз болғандықтан, жауап жеңілдетілген тәсілмен дайындалды. Жауап нөмірі: {id}.",
}

_SUPERSEDED: _Texts = {
    "en": "The only documents available to you that answer this were in force until {day}. Nothing that is in force at the moment asked about answers it, so I will not state it. To see what applied then, ask as of that day. Answer id: {id}.",
    "ru": "Доступные вам документы, которые отвечают на этот вопрос, действовали только до {day} включительно. Среди действующих на указанный момент ответа нет, поэтому я его не даю. Чтобы узнать, как было тогда, задайте вопрос на эту дату. Номер ответа: {id}.",
    "kk": "Бұл сұраққа жауап беретін, сізге қолжетімді құжаттар {day} дейін (сол күнді қоса) ғана күшінде болған. Сұралған сәтте күшінде тұрған құжаттарда жауап жоқ, сондықтан жауап бермеймін. Ол кездегі тәртіпті білу үшін сол күнге сұрақ қойыңыз. Жауап нөмірі: {id}.",
}

_AS_OF: _Texts = {
    "en": "As of {day}.",
    "ru": "По состоянию на {day}.",
    "kk": "{day} жағдай бойынша.",
}

_NO_LONGER: _Texts = {
    "en": "What this rests on was in force until {day} and no longer is.",
    "ru": "Документы, на которых основан ответ, действовали до {day} включительно и сейчас не действуют.",
    "kk": "Жауап негізделген құжаттар {day} дейін (сол күнді қоса) күшінде болған, қазір күшінде емес.",
}

_DISAGREE: _Texts = {
    "en": "The documents contradict each other: {sides}.",
    "ru": "Документы противоречат друг другу: {sides}.",
    "kk": "Құжаттар бір-біріне қайшы келеді: {sides}.",
}

_WHICH: _Texts = {
    "en": "The documents speak of different things of this name: {sides}. Please say which one you mean.",
    "ru": "В документах под этим названием описаны разные вещи: {sides}. Уточните, что имеется в виду.",
    "kk": "Құжаттарда осы атаумен әртүрлі нәрселер сипатталған: {sides}. Қайсысы туралы сұрағаныңызды нақтылаңыз.",
}

_MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)

_AI_GENERATED: _Texts = {
    "en": "Generated automatically from the organisation's documents. Check the cited sources. Answer id: {id}.",
    "ru": "Сформировано автоматически по документам организации. Сверяйтесь с указанными источниками. Номер ответа: {id}.",
    "kk": "Ұйым құжаттары негізінде автоматты түрде жасалды. Көрсетілген дереккөздермен салыстырып тексеріңіз. Жауап нөмірі: {id}.",
}


def sentence_for_hold(language: Language, answer_id: str) -> str:
    """What the asker reads while an answer waits for a reviewer."""
    return _in(_HELD, language).format(id=answer_id)


def sentence_for_refusal(reason: RefusalReason, language: Language, answer_id: str) -> str:
    """What the asker reads instead of an answer. It never says which documents exist."""
    return _in(_REFUSED[reason], language).format(id=answer_id)


def advice_for(doubt: str, language: Language) -> str:
    """What to do where it is known why no answer was found; empty where it is not."""
    advice = _ADVICE.get(doubt)
    return _in(advice, language) if advice else ""


def notice_of_degradation(language: Language, answer_id: str) -> str:
    return _in(_DEGRADED, language).format(id=answer_id)


def mark_of_generation(language: Language, answer_id: str) -> str:
    """The mark that a text was generated, to show beside every answer."""
    return _in(_AI_GENERATED, language).format(id=answer_id)


def sentence_for_superseded(last: date, language: Language, answer_id: str) -> str:
    """What the asker reads when only versions answer that ended on `last`, the last day of the latest of them."""
    return _in(_SUPERSEDED, language).format(day=_day(last, language), id=answer_id)


def note_of_time(language: Language, day: date, until: date | None) -> str:
    """Under an answer for another day than today: which one, and until when it held if it no longer does."""
    notes = [_in(_AS_OF, language).format(day=_day(day, language))]
    if until is not None:
        notes.append(_in(_NO_LONGER, language).format(day=_day(until, language)))
    return " ".join(notes)


def note_of_conflict(
    language: Language, values: Sequence[str], citations: Sequence[int], *, same_name: bool = False
) -> str:
    """Under an answer whose documents disagree, or speak of two things of one name: each side with its citation."""
    sides = " / ".join(f"«{value}» [{n}]" for value, n in zip(values, citations, strict=True))
    return _in(_WHICH if same_name else _DISAGREE, language).format(sides=sides)


def _day(day: date, language: Language) -> str:
    if language in ("ru", "kk"):
        return f"{day:%d.%m.%Y}"
    return f"{day.day} {_MONTHS[day.month - 1]} {day.year}"


def _in(texts: _Texts, language: Language) -> str:
    return texts.get(language, texts["en"])
