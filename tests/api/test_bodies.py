"""Properties of what is read and written, whatever the client sends."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from countersign.api.chat import ChatBody, pieces, question_of
from countersign.api.errors import error_body, invalid, known, status_of
from countersign.api.schemas import zoned
from countersign.domain import errors
from countersign.domain.clock import from_iso
from countersign.domain.errors import CountersignError, NotFound, UsageError

scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
)
parts = st.fixed_dictionaries(
    {"type": st.sampled_from(["text", "image_url", "x"])}, optional={"text": values}
)
messages = st.fixed_dictionaries(
    {
        "role": st.sampled_from(["user", "system", "assistant", "tool", "developer", "?"]),
        "content": st.text(max_size=50) | st.lists(parts | values, max_size=3) | scalars,
    }
)
bodies = st.fixed_dictionaries(
    {"model": st.just("a") | values, "messages": st.lists(messages | values, max_size=4) | values},
    optional={
        name: values
        for name in (
            "n",
            "tools",
            "stream",
            "temperature",
            "max_tokens",
            "countersign",
            "stream_options",
            "user",
        )
    },
)


@given(bodies)
def test_any_chat_body_becomes_a_question_or_an_error_of_ours(body: dict[str, Any]) -> None:
    try:
        question = question_of(ChatBody.model_validate(body))
    except (UsageError, ValidationError):
        return
    assert question.text.strip()
    question.text.encode()
    assert all(turn.content.encode() is not None for turn in question.history)


@given(st.text(max_size=400))
def test_a_text_in_pieces_is_the_same_text(text: str) -> None:
    assert "".join(pieces(text)) == text


@given(
    st.lists(st.text(max_size=60) | st.integers(), max_size=3),
    st.sampled_from(["missing", "string_type", "?"]),
)
def test_a_validation_error_never_repeats_what_is_no_name(path: list[str | int], kind: str) -> None:
    told = invalid([{"type": kind, "loc": ("body", *path), "msg": "is wrong", "input": "s3cret"}])
    assert "s3cret" not in told.message
    assert "\n" not in told.message
    assert told.code == "body_invalid"


def test_every_kind_of_error_has_a_status_and_a_body_in_both_dialects() -> None:
    kinds = [k for k in vars(errors).values() if isinstance(k, type) and issubclass(k, CountersignError)]
    for kind in kinds:
        error = kind("what happened", hint="what to do")
        assert 400 <= status_of(error) < 600
        assert set(error_body(error, "/api/x", "r")["error"]) == {"code", "message", "hint", "request_id"}
        openai = error_body(error, "/v1/x", "r")["error"]
        assert set(openai) == {"code", "message", "hint", "request_id", "type", "param"}


def test_what_is_not_there_is_always_told_with_the_same_words() -> None:
    told = {str(error_body(NotFound(m, hint=h), "/api", "r")) for m, h in (("a", ""), ("b", "c"))}
    assert len(told) == 1


def test_configuration_and_integrity_are_nobodys_business_outside() -> None:
    for error in (
        errors.ConfigError("postgres://secret"),
        errors.IntegrityError("seq 7"),
        ValueError("secret"),
    ):
        assert known(error, "r").code == "internal"
        assert "secret" not in known(error, "r").message


def test_times_at_the_edge_of_the_calendar_are_refused() -> None:
    assert zoned(from_iso("9999-12-31T23:59:59Z")) is not None
    for text in ("0001-01-01T00:00:00+10:00", "9999-12-31T23:59:59-10:00"):
        with pytest.raises(UsageError):
            zoned(from_iso(text))
