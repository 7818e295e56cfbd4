"""Chat-control tokens and fence imitations: what a model family may obey as structure is taken apart in untrusted text."""

from __future__ import annotations

import re
from typing import Final

_TOKENS: Final = (
    r"<\s*[|｜][^<>\n]{1,64}[|｜]\s*>",  # <|im_start|>, <|eot_id|>, <｜begin▁of▁sentence｜>
    r"\[\s*/?\s*INST\s*\]",
    r"<<\s*/?\s*SYS\s*>>",
    r"<\s*/?\s*(?:s|bos|eos|pad|unk|mask)\s*>",
    r"<\s*/?\s*(?:start|end)_of_(?:turn|image|text)\s*>",
    r"\[\s*/?\s*(?:SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_CALLS|TOOL_RESULTS|TOOL_CONTENT)\s*\]",
    r"<\s*/?\s*(?:system|assistant|user|human|tool_call|tool_response|function_calls|invoke|thinking|think)\b[^<>\n]{0,64}>",
)
_TOKEN: Final = re.compile("|".join(_TOKENS), re.IGNORECASE)
_HEADER: Final = re.compile(
    r"^([ \t>]*)#{2,4}[ \t]*(?=(?:instruction|response|system|assistant|user|human|input|output)s?[ \t]*:?[ \t]*$)",
    re.IGNORECASE | re.MULTILINE,
)
_ROLE: Final = re.compile(
    r"^([ \t>*_]*(?:human|assistant|system|user|ai))([ \t*_]{0,3})[:：]", re.IGNORECASE | re.MULTILINE
)
_FENCE: Final = re.compile(r"<<(?=[ \t]*(?:END|PASSAGE|QUESTION|HISTORY)\b)", re.IGNORECASE)
_SUSPICIOUS: Final = re.compile(
    r"[<\[#]|\b(?:human|assistant|system|user|ai)[ \t*_]{0,3}[:：]", re.IGNORECASE
)
"""Cheap test before the real ones: most text has none of these."""


def control_tokens(text: str) -> list[str]:
    """Every chat-control token in `text`, for checking that none reaches the wire."""
    return [m.group() for pattern in (_TOKEN, _HEADER, _ROLE) for m in pattern.finditer(text)]


def defuse_control(text: str) -> tuple[str, int]:
    """`text` without chat-control tokens, and how many there were.

    Repeated until nothing is left, so that a token inside a token does not survive. Role markers at the start of a
    line keep their word and lose the colon ("Human: hi" becomes "Human - hi"): people read the same, models do not.
    """
    total = 0
    while _SUSPICIOUS.search(text):
        text, tokens = _TOKEN.subn(" ", text)
        text, headers = _HEADER.subn(r"\1", text)
        text, roles = _ROLE.subn(r"\1\2 -", text)
        if not (tokens or headers or roles):
            break
        total += tokens + headers + roles
    return text, total


def defuse_fences(text: str) -> tuple[str, int]:
    """`text` with imitations of our own fence lines taken apart, and how many there were."""
    return _FENCE.subn("< <", text) if "<<" in text else (text, 0)
