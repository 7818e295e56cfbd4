"""Documents against each other, two at a time: what is said of the pair, and what must not be said."""

from __future__ import annotations

from datetime import timedelta

import pytest

from countersign.corpus.readiness.compare import CompareSettings
from tests.readiness_corpus.audits import Audit, day

RULES = (
    "Правила действуют для всех отделений банка и для всех сотрудников, которые работают с наличными.",
    "Остаток кассы на конец дня не превышает 5 000 000 тенге.",
    "Пересчёт наличных проводят два сотрудника в присутствии заведующего.",
    "Излишки и недостачи записываются в журнал в тот же день.",
)
CHANGED = (RULES[0], "Остаток кассы на конец дня не превышает 3 000 000 тенге.", *RULES[2:])


def pair(
    first: tuple[str, str],
    second: tuple[str, str],
    one: tuple[str, ...] = RULES,
    two: tuple[str, ...] = CHANGED,
) -> Audit:
    return Audit().add(first[0], first[1], *one).add(second[0], second[1], *two)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (("cash_rules_v1.docx", "Правила кассы"), ("cash_rules_v2.docx", "Правила кассы")),
        (("cash_rules.docx", "Правила кассы"), ("cash_rules (1).pdf", "Правила кассы")),
        (("a/cash_rules.docx", ""), ("b/cash_rules.pdf", "")),
        (("cash.docx", "Правила кассы (редакция 1)"), ("kassa_new.docx", "Правила кассы (редакция 2)")),
        (("Копия правила кассы.txt", ""), ("правила кассы.docx", "")),
        (("rules_2024.docx", "Правила кассы"), ("rules_2026.docx", "Правила кассы")),
        (("scan0001.pdf", "Правила кассы"), ("IMG_77.pdf", "Правила кассы")),
    ],
)
def test_one_document_with_two_figures_is_two_versions(
    first: tuple[str, str], second: tuple[str, str]
) -> None:
    findings = [f for f in pair(first, second).findings() if f.code == "versions_differ"]
    assert len(findings) == 1
    found = findings[0]
    assert {found.document.external_id, found.other.external_id if found.other else ""} == {
        first[0],
        second[0],
    }
    shown = found.evidence + found.other_evidence
    assert "5 000 000" in shown and "3 000 000" in shown
    assert (found.page, found.other_page, found.count) == (1, 1, 1)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (("branch_almaty.docx", "Касса: Алматы"), ("branch_astana.docx", "Касса: Астана")),
        (("contract_17.docx", "Договор № 17"), ("contract_18.docx", "Договор № 18")),
        (("kpi_2026_01.xlsx", "Отчёт за январь"), ("kpi_2026_02.xlsx", "Отчёт за февраль")),
        (("report_2024.docx", "Годовой отчёт 2024"), ("report_2025.docx", "Годовой отчёт 2025")),
        (("deposit_altyn.html", "Вклад «Алтын»"), ("deposit_kumis.html", "Вклад «Күміс»")),
        (("2024/report.docx", "Отчёт"), ("2025/report.docx", "Отчёт")),
        (("2026/01/kassa.xlsx", ""), ("2026/02/kassa.xlsx", "")),
        (("114.docx", "Приказ"), ("115.docx", "Приказ № 115")),
        (("q1_plan.docx", "План на I квартал"), ("q2_plan.docx", "План на II квартал")),
    ],
)
def test_two_documents_of_one_series_are_not_versions(
    first: tuple[str, str], second: tuple[str, str]
) -> None:
    assert not pair(first, second).codes() & {"versions_differ", "contradiction", "near_duplicate"}


def test_one_name_in_the_folders_of_two_towns_is_no_error() -> None:
    found = pair(("branches/almaty/hours.docx", ""), ("branches/astana/hours.docx", "")).findings()
    assert all(f.severity != "error" for f in found)


def test_one_form_filled_in_for_two_people_is_not_two_versions() -> None:
    def form(name: str, sum_: str) -> tuple[str, ...]:
        return (
            f"Клиент {name} просит выдать справку о наличии счёта для посольства.",
            f"На счёте {name} лежит {sum_} тенге.",
            *RULES[2:],
        )

    people = form("Асанов", "40 000"), form("Левченко", "70 000")
    for first, second in (
        ("a/request.docx", "b/request.docx"),
        ("asanov.docx", "levchenko.docx"),
        ("1.docx", "2.docx"),
    ):
        assert pair((first, "Заявление"), (second, "Заявление"), *people).codes() == set()


def test_the_record_settles_which_version_is_in_force() -> None:
    ended = (
        Audit()
        .add("rules_v1.docx", "Правила", *RULES, valid_to=day("2026-01-01"))
        .add("rules_v2.docx", "Правила", *CHANGED)
    )
    assert ended.codes() == set()
    linked = (
        Audit()
        .add("rules_v1.docx", "Правила", *RULES)
        .add("rules_v2.docx", "Правила", *CHANGED, supersedes="rules_v1.docx")
    )
    assert linked.codes() == {"superseded_present"}


def test_the_marked_older_version_is_named_first() -> None:
    found = pair(("old/rules.docx", "Правила кассы"), ("rules.docx", "Правила кассы")).findings()
    assert (found[0].code, found[0].document.external_id) == ("versions_differ", "old/rules.docx")


@pytest.mark.parametrize(
    ("one", "two"),
    [
        (("Leave policy", "Annual leave is 24 days."), ("Leave questions", "Annual leave is 28 days.")),
        (
            ("SWIFT tariffs", "The fee for a SWIFT transfer is 5,000 KZT."),
            ("Operator memo", "A SWIFT transfer costs 7 000 tenge."),
        ),
        (
            ("Тарифы", "Комиссия за снятие наличных в банкоматах других банков составляет 1 %."),
            ("Памятка", "За снятие наличных в банкоматах других банков взимается комиссия 1,5 %."),
        ),
        (
            ("Обращения", "Срок рассмотрения обращения клиента составляет 15 календарных дней."),
            ("Вопросы", "Обращения клиентов рассматриваются в течение 10 календарных дней."),
        ),
        (
            ("Шағымдар", "Шағымға жауап 15 күн ішінде жіберіледі."),
            ("Жадынама", "Шағымға жауап 10 күн ішінде жіберіледі."),
        ),
        (
            ("Хранение записей", "Видео банкоматов хранится 60 дней."),
            ("Video rules", "ATM video is kept for 90 days."),
        ),
        (
            ("Data retention", "Customer call recordings are kept for 6 months."),
            ("Manual", "Call recordings are stored for 12 months."),
        ),
    ],
)
def test_two_values_for_one_subject_contradict(one: tuple[str, str], two: tuple[str, str]) -> None:
    audit = Audit().add("a/first.docx", *one).add("b/second.docx", *two)
    found = [f for f in audit.findings() if f.code == "contradiction"]
    assert len(found) == 1 and found[0].severity == "warning"
    assert {found[0].evidence, found[0].other_evidence} == {one[1], two[1]}


@pytest.mark.parametrize(
    ("one", "two"),
    [
        (("Вклад Мерей", "Ставка по вкладу составляет 14 % годовых."), ("Вклад Береке", "Ставка по вкладу составляет 12 % годовых.")),
        (("Report 2023", "The capital ratio of the bank was 18 %."), ("Report 2024", "The capital ratio of the bank was 19 %.")),
        (("Business tariffs", "The fee for a payment order is 500 tenge for companies."), ("Retail tariffs", "The fee for a payment order is 200 tenge for individuals.")),
        (("Протокол 3", "Комитет одобрил кредит в размере 50 000 000 тенге."), ("Протокол 4", "Комитет одобрил кредит в размере 80 000 000 тенге.")),
        (("Камеры", "Видео хранилища хранится 90 дней."), ("Камеры зала", "Видео зала хранится 30 дней.")),
        (("Fees", "In 2019 a paper statement of the account cost 200 tenge."), ("Tariffs", "A paper statement of the account costs 350 tenge.")),
        (("Вклады", "При сумме до 100 000 тенге ставка по вкладу составляет 10 %."), ("Памятка", "При сумме от 500 000 тенге ставка по вкладу составляет 12 %.")),
        (("Expired rule", "The fee for a SWIFT transfer is 5,000 KZT."), ("Expired rule too", "The fee for a SWIFT transfer is 5,000 KZT.")),
    ],
)  # fmt: skip
def test_other_subjects_other_years_and_other_conditions_do_not(
    one: tuple[str, str], two: tuple[str, str]
) -> None:
    assert "contradiction" not in Audit().add("a/first.docx", *one).add("b/second.docx", *two).codes()


def test_what_every_document_says_differently_is_a_field_and_what_one_says_differently_is_not() -> None:
    fields, outlier = Audit(), Audit()
    subjects = {
        "garden": "Roses are cut before the frost.", "kitchen": "Knives hang above the stone table.",
        "library": "Atlases may not leave the reading room.", "theatre": "Latecomers wait behind the red curtain.",
        "harbour": "Boats are tied up with two ropes.", "museum": "Bags stay in the lockers downstairs.",
    }  # fmt: skip
    for number, (subject, line) in enumerate(subjects.items()):
        days = 9 if subject == "theatre" else 5
        fields.add(
            f"{subject}.docx", subject, line, f"The deadline for an answer of the jury is {number + 2} days."
        )
        outlier.add(
            f"{subject}.docx", subject, line, f"The deadline for an answer of the jury is {days} days."
        )
    assert fields.codes() == set()
    assert [(f.code, f.document.external_id) for f in outlier.findings()] == [
        ("contradiction", "theatre.docx")
    ]


def test_a_document_that_is_not_in_force_contradicts_nobody() -> None:
    audit = Audit().add("a.docx", "Leave policy", "Annual leave is 24 days.", valid_to=day("2025-01-01"))
    assert audit.add("b.docx", "Leave questions", "Annual leave is 28 days.").codes() == set()


def test_a_translation_with_another_figure_is_found_across_languages() -> None:
    ru = (
        "Пропуск выдаётся за 3 рабочих дня.",
        "Залог составляет 5 000 тенге.",
        "Гостевой пропуск действует 8 часов.",
    )
    kk = (
        "Рұқсатнама 3 жұмыс күнінде беріледі.",
        "Кепіл 4 000 теңге болады.",
        "Қонақ рұқсатнамасы 8 сағат жарамды.",
    )
    same = (kk[0], "Кепіл 5 000 теңге болады.", kk[2])
    for first, second in (("passes_ru.docx", "passes_kk.docx"), ("ru/passes.docx", "kk/passes.docx")):
        differ = Audit().add(first, "Пропуска", *ru).add(second, "Рұқсатнамалар", *kk).findings()
        assert [(f.code, f.severity, f.count) for f in differ] == [("versions_differ", "warning", 1)]
        assert "000" in differ[0].evidence and "000" in differ[0].other_evidence
        assert Audit().add(first, "Пропуска", *ru).add(second, "Рұқсатнамалар", *same).codes() == set()


def test_copies_point_to_the_original() -> None:
    audit = (
        Audit()
        .add("inbox/rules (1).docx", "Правила кассы", *RULES)
        .add("rules.docx", "Правила кассы", *RULES)
    )
    audit.add("export/rules.pdf", "Правила кассы", *RULES)
    found = {
        f.document.external_id: (f.code, f.other.external_id if f.other else "") for f in audit.findings()
    }
    assert found == {
        "inbox/rules (1).docx": ("exact_duplicate", "rules.docx"),
        "export/rules.pdf": ("exact_duplicate", "rules.docx"),
    }


def test_empty_documents_are_no_copies_of_each_other() -> None:
    assert Audit().add("a.txt", "").add("b.docx", "").codes() == set()


def test_what_says_of_itself_that_it_is_void_and_what_says_so_of_something_else() -> None:
    void = Audit().add("a.docx", "Порядок", "Документ утратил силу с 1 марта 2026 года.", *RULES)
    assert [(f.code, f.evidence) for f in void.findings()] == [
        ("superseded_present", "Документ утратил силу с 1 марта 2026 года.")
    ]
    other = Audit().add("a.docx", "Порядок", "Приказ № 5 утратил силу с 1 марта 2026 года.", *RULES)
    part = Audit().add("a.docx", "Порядок", "Пункт 4 утратил силу.", *RULES)
    assert other.codes() == part.codes() == set()


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("Тариф действует до 31.12.2025.", {"expired"}),
        ("Valid until 1 March 2026.", {"expired"}),
        ("Ереже 2025 жылғы 31 желтоқсанға дейін қолданылады.", {"expired"}),
        ("Вступает в силу с 1 сентября 2026 года.", {"not_yet_valid"}),
        ("Действует с 1 января 2024 года.", set[str]()),
        ("Valid until 1 March 2027.", set[str]()),
        ("Карта действительна до 03/29.", set[str]()),
    ],
)
def test_what_a_document_says_of_its_own_time(line: str, expected: set[str]) -> None:
    assert Audit().add("a.docx", "Порядок", line, *RULES).codes() == expected
    told = Audit().add(
        "a.docx", "Порядок", line, *RULES, valid_from=day("2024-01-01"), valid_to=day("2030-01-01")
    )
    assert told.codes() == set()


def test_a_document_that_replaces_another_by_number() -> None:
    audit = Audit().add("order_114.docx", "Приказ № 114", "О порядке на парковке.")
    audit.add("order_131.docx", "Приказ № 131", "Взамен приказа № 114 от 2 марта 2025 года.")
    found = audit.findings()
    assert [(f.code, f.document.external_id, f.other_evidence) for f in found] == [
        ("superseded_present", "order_114.docx", "Взамен приказа № 114 от 2 марта 2025 года.")
    ]


def test_stale_against_the_rhythm_of_the_source_or_against_what_it_says() -> None:
    audit = Audit()
    for number in range(10):
        audit.add(
            f"{number}.txt",
            f"Note{number}",
            f"Заметка про {RULES[number % 4]}{number}",
            modified=day("2026-06-01"),
        )
    audit.add("fax.txt", "Fax", "Факс стоит у окна.", modified=day("2019-01-01"))
    assert [(f.code, f.document.external_id) for f in audit.findings() if f.code == "stale"] == [
        ("stale", "fax.txt")
    ]

    def with_limit(days: int) -> int:
        settings = CompareSettings(max_age={"files": timedelta(days=days)})
        return sum(f.code == "stale" for f in audit.findings(settings))

    assert (with_limit(1), with_limit(40)) == (11, 11)
    assert with_limit(9999) == 0, "what is said counts, whatever the others do"


def test_an_attachment_that_more_people_may_read_than_its_mail() -> None:
    audit = Audit().add("a.eml", "Mail", "Во вложении список.", readers=("hr",))
    audit.add("a.eml#list.csv", "List", "Список гостей вечера.", readers=("hr", "sales"), parent="a.eml")
    found = audit.findings()
    assert [(f.code, f.document.external_id, f.other_evidence) for f in found] == [
        ("rights_attachment_conflict", "a.eml#list.csv", "group:hr")
    ]
    narrower = Audit().add("a.eml", "Mail", "Во вложении список.", readers=("hr", "sales"))
    assert (
        narrower.add("a.eml#l.csv", "L", "Список гостей.", readers=("hr",), parent="a.eml").codes() == set()
    )
