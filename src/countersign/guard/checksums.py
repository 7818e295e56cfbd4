"""Control digits of the identifiers that appear in Kazakh and Russian documents. Digits only, as strings."""

from __future__ import annotations

from typing import Final

IBAN_LENGTHS: Final = {
    "KZ": 20, "AE": 23, "AZ": 28, "BY": 28, "CH": 21, "DE": 22, "ES": 24, "FR": 27, "GB": 22, "GE": 22,
    "IT": 27, "NL": 18, "PL": 28, "RU": 33, "TR": 26,
}  # fmt: skip
_DAYS: Final = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


def _weighted(digits: str, weights: tuple[int, ...]) -> int:
    return sum(int(d) * w for d, w in zip(digits, weights, strict=False))


def kz_control(digits: str) -> bool:
    """The control digit of a Kazakh IIN or BIN: weights 1-11 modulo 11, and weights 3-11, 1, 2 when that gives 10."""
    control = _weighted(digits[:11], tuple(range(1, 12))) % 11
    if control == 10:
        control = _weighted(digits[:11], (3, 4, 5, 6, 7, 8, 9, 10, 11, 1, 2)) % 11
    return control != 10 and control == int(digits[11])


def iin(digits: str) -> bool:
    """An individual's number: a birth date, a century-and-sex digit of 1 to 6, a control digit."""
    return (
        len(digits) == 12
        and _is_month_day(digits[2:4], digits[4:6])
        and digits[6] in "123456"
        and kz_control(digits)
    )


def bin_number(digits: str) -> bool:
    """An organisation's number: year and month of registration, kind 4-6, department 0-4, a control digit."""
    return (
        len(digits) == 12
        and 1 <= int(digits[2:4]) <= 12
        and digits[4] in "456"
        and digits[5] in "01234"
        and kz_control(digits)
    )


def luhn(digits: str) -> bool:
    """The control digit of payment cards (ISO/IEC 7812-1)."""
    total = 0
    for place, d in enumerate(reversed(digits)):
        value = int(d) * (1 + place % 2)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


def card_scheme(digits: str) -> bool:
    """True when length and leading digits belong to Visa, Mastercard, Mir, UnionPay, American Express or JCB."""
    length, two, four = len(digits), int(digits[:2]), int(digits[:4])
    if length == 15:
        return two in (34, 37)
    if length in (16, 19) and (digits[0] == "4" or two == 62 or 2200 <= four <= 2204):
        return True
    return length == 16 and (51 <= two <= 55 or 2221 <= four <= 2720 or 3528 <= four <= 3589)


def iban(value: str) -> bool:
    """Country length and modulo 97 (ISO 13616). `value` has no separators."""
    value = value.upper()
    if len(value) != IBAN_LENGTHS.get(value[:2]) or not value.isalnum() or not value.isascii():
        return False
    return int("".join(str(int(c, 36)) for c in value[4:] + value[:4])) % 97 == 1


def ru_inn(digits: str) -> bool:
    """A person's Russian taxpayer number: twelve digits with two control digits."""
    if len(digits) != 12:
        return False
    first = _weighted(digits, (7, 2, 4, 10, 3, 5, 9, 4, 6, 8)) % 11 % 10
    second = _weighted(digits, (3, 7, 2, 4, 10, 3, 5, 9, 4, 6, 8)) % 11 % 10
    return (first, second) == (int(digits[10]), int(digits[11]))


def snils(digits: str) -> bool:
    """A Russian insurance number: nine digits and a control number modulo 101."""
    if len(digits) != 11:
        return False
    return _weighted(digits, (9, 8, 7, 6, 5, 4, 3, 2, 1)) % 101 % 100 == int(digits[9:])


def _is_month_day(month: str, day: str) -> bool:
    return 1 <= int(month) <= 12 and 1 <= int(day) <= _DAYS[int(month) - 1]
