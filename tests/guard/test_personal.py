"""Identifiers are found by structure, control digit and context; random numbers mostly are not."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from countersign.guard import checksums
from countersign.guard.personal import KINDS, find, pseudonym, redact
from tests.guard.samples import CARD, IBAN, IIN, make_iin


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (f"ЖСН {IIN}", "iin"),
        (f"ИИН: {IIN[:6]} {IIN[6:]}", "iin"),
        (f"ID{IIN}.", "iin"),
        ("\n".join(IIN), "iin"),
        ("ИИН 900101300999", "iin"),
        ("БИН 000940000000", "bin"),
        (f"карта {CARD[:4]} {CARD[4:8]} {CARD[8:12]} {CARD[12:]}", "card"),
        ("٤١١١١١١١١١١١١١١١", "card"),
        ("41111111I1111111", "card"),
        (IBAN, "iban"),
        ("КZ86 125K ZT50 0410 0100", "iban"),
        ("DE89370400440532013000", "iban"),
        ("тел. +7 (701) 123-45-67", "phone"),
        ("87011234567", "phone"),
        ("8 747 123 45 67", "phone"),
        ("aigerim.s@mail.example", "email"),
        ("hr.aigerim@bank.example", "email"),
        ("ИНН 500100732259", "inn"),
        ("112-233-445 95", "snils"),
        ("паспорт 45 12 345678", "passport"),
        ("удостоверение личности № 012345678", "identity_card"),
        ("AKIAABCDEFGHIJKLMNOP", "key"),
        ("eyJhbGciOiJI.eyJzdWIiOiIx.SflKxwRJSM", "key"),
    ],
)
def test_found(text: str, kind: str) -> None:
    assert [hit.kind for hit in find(text)] == [kind]
    assert not any(c.isdigit() for c in redact(text)) or kind in ("email", "key")


@pytest.mark.parametrize(
    "text",
    [
        "в 2024, 2025 и 2026 гг. 450 000 ₸, 1 200 000 ₸",
        "| 4500 | 3200 | 1800 | 2400 |",
        "8 (727) 250-00-00, 1414, +7 7172 55 00 00",
        "info@bank.example, hr@bank.example, support.kz@bank.example",
        "договор № 123456789012 от 01.02.2024",
        "45 12 345678",
        "012345678",
        "версия 1.2.3.4, ГОСТ 12345-2020",
    ],
)
def test_left_alone(text: str) -> None:
    assert redact(text) == text


@pytest.mark.parametrize(("size", "ceiling"), [(12, 0.007), (16, 0.03), (11, 0.035), (9, 0.0), (10, 0.0)])
def test_random_numbers_without_context_are_rarely_taken(size: int, ceiling: float) -> None:
    rng = random.Random(size)
    count = 4000
    hits = sum(bool(find(f"{rng.randrange(10**size):0{size}}")) for _ in range(count))
    assert hits / count <= ceiling


def test_context_raises_confidence() -> None:
    alone, named = find(IIN)[0], find(f"ИИН {IIN}")[0]
    assert alone.confidence < named.confidence


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 10**6), st.text(max_size=20), st.text(max_size=20))
def test_a_valid_iin_never_survives(seed: int, before: str, after: str) -> None:
    value = make_iin(seed)
    out = redact(f"{before} {value} {after}")
    assert value not in out


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="0123456789 -KZkz@.aИН:\n", max_size=80))
def test_redaction_is_stable_and_spans_are_ordered(text: str) -> None:
    hits = find(text)
    assert all(a.end <= b.start for a, b in pairwise(hits))
    assert all(0 <= hit.start < hit.end <= len(text) for hit in hits)
    assert redact(text, kinds=()) == text


def test_control_digits_catch_every_single_wrong_digit_of_a_card_and_an_iban() -> None:
    for at in range(16):
        wrong = CARD[:at] + str((int(CARD[at]) + 1) % 10) + CARD[at + 1 :]
        assert not checksums.luhn(wrong)
    for at in range(4, 20):
        wrong = IBAN[:at] + ("1" if IBAN[at] != "1" else "2") + IBAN[at + 1 :]
        assert not checksums.iban(wrong)


def test_tokens_hold_no_digits() -> None:
    token = pseudonym(b"key")
    out = redact(f"{IIN} {CARD} {IBAN}", KINDS, token)
    assert not any(c.isdigit() for c in out)
    assert IIN not in repr(find(IIN))
