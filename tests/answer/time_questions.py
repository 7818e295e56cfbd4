"""Questions that name a time, in three languages, with the version that was in force then."""

from __future__ import annotations

from datetime import UTC, datetime

NOW = datetime(2026, 11, 22, 10, tzinfo=UTC)

FIRST, SECOND, THIRD = 0, 1, 2
BEGINS = ("2024-01-01T00:00:00+05:00", "2025-01-01T00:00:00+05:00", "2025-07-01T00:00:00+05:00")
"""Midnight in Almaty, so that a day counted in UTC is off by one at every edge."""

TEXTS = {
    "card": {
        "en": ("Gold card", "The annual fee of the Gold card is {} tenge.", ("4100", "5200", "6300")),
        "ru": ("Карта Голд", "Годовое обслуживание карты Голд стоит {} тенге.", ("4100", "5200", "6300")),
        "kk": ("Голд картасы", "Голд картасының жылдық қызмет көрсету құны {} теңге.", ("4100", "5200", "6300")),
    },
    "leave": {
        "en": ("Annual leave", "Employees are entitled to {} days of annual leave.", ("24", "26", "28")),
        "ru": ("Ежегодный отпуск", "Сотрудникам полагается {} дней ежегодного отпуска.", ("24", "26", "28")),
        "kk": ("Жыл сайынғы демалыс", "Қызметкерлерге {} күн жыл сайынғы демалыс беріледі.", ("24", "26", "28")),
    },
    "roaming": {
        "en": ("Roaming tariff", "A minute of roaming costs {} tenge.", ("110", "130", "150")),
        "ru": ("Тариф роуминга", "Минута роуминга стоит {} тенге.", ("110", "130", "150")),
        "kk": ("Роуминг тарифі", "Роумингтің бір минуты {} теңге тұрады.", ("110", "130", "150")),
    },
}  # fmt: skip

ASKED = (
    # English: card
    ("card", "What was the annual fee of the Gold card in March 2024?", FIRST),
    ("card", "What was the annual fee of the Gold card in March 2025?", SECOND),
    ("card", "What was the annual fee of the Gold card in June 2025?", SECOND),
    ("card", "What was the annual fee of the Gold card in July 2025?", THIRD),
    ("card", "What was the annual fee of the Gold card on 31 December 2024?", FIRST),
    ("card", "What was the annual fee of the Gold card on January 1, 2025?", SECOND),
    ("card", "What was the annual fee of the Gold card as of 30 June 2025?", SECOND),
    ("card", "What is the annual fee of the Gold card as of 1 July 2025?", THIRD),
    ("card", "What was the annual fee of the Gold card in the first quarter of 2025?", SECOND),
    ("card", "What was the annual fee of the Gold card in Q4 2024?", FIRST),
    ("card", "What was the annual fee of the Gold card before the increase?", SECOND),
    ("card", "What was the annual fee of the Gold card before 1 January 2025?", FIRST),
    ("card", "What was the annual fee of the Gold card two years ago?", FIRST),
    ("card", "What is the annual fee of the Gold card?", THIRD),
    ("card", "What is the annual fee of the Gold card now?", THIRD),
    ("card", "What was the annual fee of the Gold card last year?", THIRD),
    ("card", "What was the annual fee of the Gold card on 2025-02-15?", SECOND),
    # English: leave and roaming
    ("leave", "How many days of annual leave were employees entitled to in 2024?", FIRST),
    ("leave", "How many days of annual leave were employees entitled to in the spring of 2025?", SECOND),
    ("leave", "How many days of annual leave were employees entitled to at the end of 2025?", THIRD),
    ("leave", "How many days of annual leave are employees entitled to?", THIRD),
    ("roaming", "What did a minute of roaming cost in the first half of 2025?", SECOND),
    ("roaming", "What did a minute of roaming cost at the end of 2024?", FIRST),
    ("roaming", "What does a minute of roaming cost?", THIRD),
    ("roaming", "What did a minute of roaming cost before the price rise?", SECOND),
    # Russian
    ("card", "Сколько стоило годовое обслуживание карты Голд в марте 2024 года?", FIRST),
    ("card", "Сколько стоило годовое обслуживание карты Голд в марте 2025?", SECOND),
    ("card", "Сколько стоило годовое обслуживание карты Голд в августе 2025 г.?", THIRD),
    ("card", "Сколько стоило годовое обслуживание карты Голд 31 декабря 2024 года?", FIRST),
    ("card", "Сколько стоило годовое обслуживание карты Голд по состоянию на 1 января 2025 года?", SECOND),
    ("card", "Сколько стоило годовое обслуживание карты Голд на 30.06.2025?", SECOND),
    ("card", "Сколько стоило годовое обслуживание карты Голд в первом квартале 2025 года?", SECOND),
    ("card", "Сколько стоило годовое обслуживание карты Голд в IV квартале 2024 года?", FIRST),
    ("card", "Сколько стоило годовое обслуживание карты Голд до повышения?", SECOND),
    ("card", "Сколько стоило годовое обслуживание карты Голд до 1 января 2025 года?", FIRST),
    ("card", "Сколько стоило годовое обслуживание карты Голд два года назад?", FIRST),
    ("card", "Сколько стоит годовое обслуживание карты Голд?", THIRD),
    ("card", "Сколько стоило годовое обслуживание карты Голд в прошлом году?", THIRD),
    ("card", "Сколько стоило годовое обслуживание карты Голд в начале 2025 года?", SECOND),
    ("leave", "Сколько дней ежегодного отпуска полагалось сотрудникам в 2024 году?", FIRST),
    ("leave", "Сколько дней ежегодного отпуска полагалось сотрудникам весной 2025 года?", SECOND),
    ("leave", "Сколько дней ежегодного отпуска полагается сотрудникам?", THIRD),
    ("leave", "Сколько дней ежегодного отпуска полагалось сотрудникам в первом полугодии 2025 года?", SECOND),
    ("roaming", "Сколько стоила минута роуминга в конце 2024 года?", FIRST),
    ("roaming", "Сколько стоила минута роуминга летом 2025 года?", THIRD),
    ("roaming", "Сколько стоит минута роуминга?", THIRD),
    ("roaming", "Сколько раньше стоила минута роуминга?", SECOND),
    ("roaming", "Какой тариф роуминга действовал в мае 2025 года: сколько стоила минута?", SECOND),
    # Kazakh
    ("card", "2024 жылғы наурызда Голд картасының жылдық қызмет көрсету құны қандай болды?", FIRST),
    ("card", "2025 жылғы наурызда Голд картасының жылдық қызмет көрсету құны қандай болды?", SECOND),
    ("card", "2025 жылдың тамызында Голд картасының жылдық қызмет көрсету құны қандай болды?", THIRD),
    ("card", "2024 жылғы 31 желтоқсанда Голд картасының жылдық қызмет көрсету құны қанша болды?", FIRST),
    ("card", "2025 жылғы 1 қаңтардағы жағдай бойынша Голд картасының жылдық қызмет көрсету құны қанша?", SECOND),
    ("card", "2025 жылдың бірінші тоқсанында Голд картасының жылдық қызмет көрсету құны қандай болды?", SECOND),
    ("card", "Көтерілгенге дейін Голд картасының жылдық қызмет көрсету құны қандай болды?", SECOND),
    ("card", "2025 жылғы 1 қаңтарға дейін Голд картасының жылдық қызмет көрсету құны қандай болды?", FIRST),
    ("card", "Екі жыл бұрын Голд картасының жылдық қызмет көрсету құны қандай болды?", FIRST),
    ("card", "Голд картасының жылдық қызмет көрсету құны қанша?", THIRD),
    ("card", "Былтыр Голд картасының жылдық қызмет көрсету құны қанша болды?", THIRD),
    ("leave", "2024 жылы қызметкерлерге неше күн жыл сайынғы демалыс берілді?", FIRST),
    ("leave", "2025 жылдың көктемінде қызметкерлерге неше күн жыл сайынғы демалыс берілді?", SECOND),
    ("leave", "Қызметкерлерге неше күн жыл сайынғы демалыс беріледі?", THIRD),
    ("leave", "2025 жылдың бірінші жартысында қызметкерлерге неше күн жыл сайынғы демалыс берілді?", SECOND),
    ("roaming", "2024 жылдың соңында роумингтің бір минуты қанша тұрды?", FIRST),
    ("roaming", "2025 жылғы мамырдағы тариф бойынша роумингтің бір минуты қанша тұрды?", SECOND),
    ("roaming", "Роумингтің бір минуты қанша тұрады?", THIRD),
    ("roaming", "Өткен жылы роумингтің бір минуты қанша тұрды?", THIRD),
)  # fmt: skip

STAYS = (
    "When does the Comfort tariff of 2025 end?",
    "Когда заканчивается тариф Комфорт 2025 года?",
    "2025 жылғы Комфорт тарифі қашан аяқталады?",
    "What was the revenue in 2018?",
    "What was the net PP&E as of December 31, 2018?",
    "Какой была выручка в 2024 году?",
    "What does the report for 2024 say?",
    "Что сказано в отчёте за 2024 год?",
    "2024 жылғы есепте не айтылған?",
    "What does the order of 1 May 2024 say?",
    "Что говорит приказ от 1 мая 2024 года?",
    "2024 жылғы 1 мамырдағы бұйрық не дейді?",
    "What changed in March 2025?",
    "Что изменилось в марте 2025 года?",
    "2025 жылғы наурызда не өзгерді?",
    "What is the penalty for a contract signed in March 2025?",
    "Какой штраф по договору, заключённому в марте 2025 года?",
    "2025 жылғы наурызда ашылған шот үшін комиссия қандай?",
    "If I sign in March 2025, what is the fee?",
    "Is the application due on 31 December 2026?",
    "Что нужно сделать до 1 июля 2025 года?",
    "Compare the fee in March 2025 and in March 2026",
    "What is the fee in November 2026?",
    "What was the fee this year?",
    "What does Law No. 2024 say?",
    "May I pay in cash?",
    "What must I do before the change of my phone number?",
    "Какая сумма указана в договоре от 05.03.2025?",
    "Какой бюджет на 2024 год?",
    "Which documents must be submitted by 1 March 2025?",
)
"""A date that is part of what is asked about: these stay in the present."""
