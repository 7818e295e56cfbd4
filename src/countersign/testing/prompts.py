"""Reading a prompt back: what a model server was sent, with its fenced passages and question found again.

A passage stands between the lines `<<PASSAGE n MARKER>>` and `<<END n MARKER>>`, the question between
`<<QUESTION MARKER>>` and `<<END QUESTION MARKER>>`; the marker changes with each request. Where words are joined by a
datamark character, the system prompt says which: `datamark: X`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

WireName = Literal["openai", "anthropic"]

_PASSAGE = re.compile(r"^<<PASSAGE (\d+) (\S+)>>[^\S\n]*\n(.*?)^<<END \1 \2>>", re.MULTILINE | re.DOTALL)
_QUESTION = re.compile(r"^<<QUESTION (\S+)>>[^\S\n]*\n(.*?)^<<END QUESTION \1>>", re.MULTILINE | re.DOTALL)
_DATAMARK = re.compile(r"datamark:\s*[\"'`«]?(\S)")
_ABSTAIN = re.compile(r"\b(?:abstain:|exactly)\s+[\"'`«]?([A-Z][A-Z_]{4,})")
_HEADER = re.compile(r"\A\s*\([^\n]*\)[^\S\n]*\n")
"""A passage's title and headings, in brackets on a line of their own."""


@dataclass(frozen=True)
class SeenPrompt:
    """One request as the server received it."""

    wire: WireName
    model: str
    messages: tuple[tuple[str, str], ...]
    """(role, content), the system prompt included whatever the wire calls it."""
    max_tokens: int | None
    stream: bool

    @cached_property
    def text(self) -> str:
        return "\n\n".join(content for _, content in self.messages)

    @cached_property
    def system(self) -> str:
        return "\n\n".join(content for role, content in self.messages if role == "system")

    @cached_property
    def passages(self) -> tuple[tuple[int, str], ...]:
        """(n, text) of every fenced passage, without datamarks and without its header line."""
        found = _PASSAGE.findall(self.text)
        return tuple((int(n), _HEADER.sub("", self.undatamarked(text)).strip()) for n, _, text in found)

    @cached_property
    def question(self) -> str:
        """The last fenced question, or the last user message when nothing is fenced."""
        if fenced := _QUESTION.findall(self.text):
            return self.undatamarked(fenced[-1][1]).strip()
        users = [content for role, content in self.messages if role == "user"]
        return users[-1] if users else ""

    @cached_property
    def datamark(self) -> str:
        found = _DATAMARK.search(self.system)
        return found.group(1) if found else ""

    @cached_property
    def abstain_token(self) -> str:
        """What the system prompt says to answer when the passages do not hold the answer."""
        found = _ABSTAIN.search(self.system)
        return found.group(1) if found else "NO_ANSWER"

    def undatamarked(self, text: str) -> str:
        return text.replace(self.datamark, " ") if self.datamark else text


def read_prompt(wire: WireName, body: dict[str, Any]) -> SeenPrompt:
    messages = [(str(message["role"]), _plain(message["content"])) for message in body["messages"]]
    if wire == "anthropic" and body.get("system"):
        messages.insert(0, ("system", _plain(body["system"])))
    limit = body.get("max_tokens", body.get("max_completion_tokens"))
    return SeenPrompt(wire, str(body.get("model", "")), tuple(messages), limit, bool(body.get("stream")))


def _plain(content: Any) -> str:
    """A message's text, also where a client sends it as a list of parts."""
    if isinstance(content, str):
        return content
    return "".join(str(part.get("text", "")) for part in content or [])
