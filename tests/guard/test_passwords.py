"""A password that a text gives away, and texts that only speak about passwords, in three languages."""

from __future__ import annotations

import pytest

from countersign.guard.passwords import given_passwords

GIVEN = {
    "Пароль администратора: Zx8kTr41": "Zx8kTr41",
    "Пароль от Wi-Fi в отделении: tolkyn2024!": "tolkyn2024",
    "Пароль для входа в систему — Kf7!mmQw": "Kf7!mmQw",
    "логин admin, пароль: «Zx8kTr41»": "Zx8kTr41",
    "Құпиясөз: Zx8kTr41": "Zx8kTr41",
    "Құпия сөз: Жаңа2024": "Жаңа2024",
    "Әкімшінің құпиясөзі: Zx8kTr41.": "Zx8kTr41",
    "Жүйеге кіру құпиясөзі - qwer_19ty": "qwer_19ty",
    "Admin password: Zx8kTr41": "Zx8kTr41",
    "Password for the router (branch 12): Zx8kTr41": "Zx8kTr41",
    "Admin password: 83920174": "83920174",
    "**Password:** `Zx8kTr41`": "Zx8kTr41",
    "password=Zx8kTr41": "Zx8kTr41",
    "client_secret = q9w8e7r6t5": "q9w8e7r6t5",
    "Токен доступа: 8f3a77c0de": "8f3a77c0de",
}
SPOKEN_OF = [
    "Никому не сообщайте пароль: сотрудники банка его не спрашивают.",
    "Пароль: не менее 8 символов, буквы и цифры.",
    "Пароль администратора: выдаётся под подпись.",
    "Пароль должен содержать: буквы A-Z, цифры 0-9.",
    "Пароль пользователя: см. раздел 3.2.1",
    "Пароль: ********",
    "Пароль: 01.03.2024 был изменён",
    "Смена пароля — ежеквартально, по приказу № 12345678.",
    "Құпиясөз: кемінде 8 таңба.",
    "Құпиясөзді ешкімге айтпаңыз: банк қызметкері оны сұрамайды.",
    "Құпиясөз: әкімші береді.",
    "Password: required*",
    "Password: 8-12 characters",
    "Password: SHA-256",
    "Password: varchar(64)",
    "Password: xxxxxxxx",
    "Password: <your-password-1>",
    "Password: ${env:PASSWORD_1}",
    "Password reset: https://portal.example.kz/reset1",
    "Do not tell anyone your password: we never ask for it.",
    "The password must contain: letters1 and signs",
    "Secret: restricted to the board.",
]


@pytest.mark.parametrize("text", GIVEN)
def test_a_password_that_is_given_away(text: str) -> None:
    assert list(given_passwords(text)) == [GIVEN[text]]


@pytest.mark.parametrize("text", SPOKEN_OF)
def test_a_text_that_speaks_about_passwords(text: str) -> None:
    assert list(given_passwords(text)) == []


def test_many_words_cost_little() -> None:
    assert list(given_passwords("пароль " * 20_000 + "- " * 20_000)) == []
