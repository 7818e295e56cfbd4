"""What counts as a server's "there is none", in three languages, and what only speaks about such messages."""

from __future__ import annotations

import pytest

from countersign.sources.error_page import asks_to_sign_in, error_words, looks_html

ERRORS = [
    # title, heading, text below
    ("404 Not Found", "404 Not Found", "nginx/1.24.0"),
    ("404 Not Found", "Not Found", "The requested URL was not found on this server. Apache/2.4 Server at x Port 80"),
    ("502 Bad Gateway", "", "502 Bad Gateway"),
    ("Error 503", "", "Service Unavailable"),
    ("403 - Forbidden: Access is denied.", "Server Error", "You do not have permission to view this directory."),
    ("IIS 10.0 Detailed Error - 404.0 - Not Found", "HTTP Error 404.0 - Not Found", "The resource has been removed."),
    ("Page not found | Tolkyn Bank", "Sorry, this page does not exist", "Cards Deposits Loans " * 30 + "Back to home page"),
    ("Tolkyn Bank", "The page you are looking for could not be found", "Check the address."),
    ("Tolkyn Bank", "", "Your session has expired. Sign in again."),
    ("Ошибка 404", "", "Страница не найдена. Проверьте адрес."),
    ("404 — Страница не найдена", "", "Извините"),
    ("Толқын Банк", "Страница не существует", "Карты Вклады Кредиты " * 30 + "Вернитесь на главную"),
    ("Доступ запрещён", "403", "Обратитесь к администратору"),
    ("Внутренняя ошибка сервера", "", "Попробуйте позже"),
    ("Сайт временно недоступен", "", "На сайте ведутся технические работы."),
    ("", "", "Запрошенная страница не найдена."),
    ("Қате 500", "", ""),
    ("Қате 404", "Бет табылмады", "Басты бетке оралыңыз."),
    ("Толқын Банк", "Сұралған бет табылмады", "Мекенжайды тексеріңіз."),
    ("Рұқсат жоқ", "", "Әкімшіге хабарласыңыз."),
    ("Ішкі сервер қатесі", "", "Кейінірек қайталап көріңіз."),
]  # fmt: skip
PROSE = "When the terminal shows this message, the card was read but the bank did not answer in time. "
DOCUMENTS = [
    ("Error 404: what it means and how to fix it", "", "The page is not found when its address is wrong."),
    ("Ошибка 404: что делать", "", "Страница не найдена, если адрес введён неверно. Проверьте адрес."),
    ("Қате 404: не істеу керек", "", "Мекенжайды тексеріңіз."),
    ("Codes of the terminal", "Error 503", PROSE * 8),
    ("Доступ запрещён", "", "Сообщение появляется на банкомате, когда карта заблокирована. " * 6),
    ("Кіруге рұқсат жоқ", "", "Бұл хабарлама карта бұғатталғанда банкоматта шығады. " * 6),
    ("Lost and found", "", "Items found in a branch are kept for a month."),
    ("Access to documents", "Who is denied access", "Access is denied to leavers at once."),
    ("Тариф 500", "", "Абонентская плата 500 тенге."),
    ("Room 404", "", "The archive is in room 404."),
    ("404", "", "Приказ № 404 об отпусках."),
    ("Порядок действий при ошибке сервера", "", "Доступ запрещён всем, кроме дежурного."),
    ("Work orders", "", "Order 502. Not found in stock: two cables."),
    ("Fees", "", "The fee is 990 tenge."),
    ("Бет", "", "Құжат жоқ болса, өтініш беріңіз."),
    ("", "", ""),
]
SIGN_IN = [("Sign in", ""), ("Log in to Tolkyn", ""), ("Толқын Банк", "Вход в личный кабинет"), ("Кіру", "")]


@pytest.mark.parametrize(("title", "heading", "text"), ERRORS)
def test_a_page_that_says_there_is_none(title: str, heading: str, text: str) -> None:
    assert error_words((title, heading), f"{title} {heading} {text}")


@pytest.mark.parametrize(("title", "heading", "text"), DOCUMENTS)
def test_a_page_that_speaks_of_errors_is_a_document(title: str, heading: str, text: str) -> None:
    assert not error_words((title, heading), f"{title} {heading} {text}")


def test_a_page_that_bids_one_sign_in() -> None:
    for heads in SIGN_IN:
        assert asks_to_sign_in(heads, "Name Password")
        assert not asks_to_sign_in(heads, "A whole manual. " * 300)
    assert not asks_to_sign_in(("How to sign in", "Как войти в систему"), "Open the page.")


def test_what_begins_as_html_does() -> None:
    for start in (
        b"<!DOCTYPE html>",
        b"\xef\xbb\xbf\r\n <html lang=kk>",
        b'<?xml version="1.0"?>\n<!-- x --><HTML>',
    ):
        assert looks_html(start)
    for start in (b"", b"%PDF-1.7 <html>", b"text <html>", b"<p>", b"<!--" + b"x" * 2000):
        assert not looks_html(start)
    assert not looks_html(b"<!---->" * 140), "read once, however often it could end"
