"""robots.txt (RFC 9309): who may fetch what, and how often. The longest matching rule decides; allow wins a tie."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from urllib.parse import unquote, urlsplit

MAX_BYTES = 512 * 1024
_MAX_RULES = 5_000
_MAX_STARS = 20


@dataclass(frozen=True)
class Robots:
    """Rules for us: (allowed, pattern). `delay_s` is how long to wait between requests, 0 where nothing is said."""

    rules: tuple[tuple[bool, str], ...] = ()
    delay_s: float = 0.0
    sitemaps: tuple[str, ...] = ()

    def allows(self, url: str) -> bool:
        parts = urlsplit(url)
        target = unquote(parts.path or "/") + (f"?{unquote(parts.query)}" if parts.query else "")
        best: tuple[int, bool] = (-1, True)
        for (allowed, text), pattern in zip(self.rules, self._patterns, strict=True):
            if pattern.match(target):
                best = max(best, (len(text), allowed))
        return best[1]

    @cached_property
    def _patterns(self) -> tuple[re.Pattern[str], ...]:
        return tuple(_pattern(text) for _, text in self.rules)


def _pattern(text: str) -> re.Pattern[str]:
    ends = text.endswith("$")
    parts = re.split(r"\*+", unquote(text[:-1] if ends else text), maxsplit=_MAX_STARS)
    # lazy and possessive by construction: each part must follow the one before, found at its first place
    middle = "".join(f"(?>.*?{re.escape(part)})" for part in parts[1:-1])
    last = f".*{re.escape(parts[-1])}$" if ends and len(parts) > 1 else ""
    if not last:
        last = f".*?{re.escape(parts[-1])}" if len(parts) > 1 else ("$" if ends else "")
    return re.compile(re.escape(parts[0]) + middle + last, re.S)


def read_robots(text: str, agent: str) -> Robots:
    """The group that names `agent`, else the one for all. What cannot be read says nothing."""
    agent = re.split(r"[/\s]", agent, maxsplit=1)[0].casefold()
    groups: dict[str, list[tuple[str, str]]] = {}
    names: list[str] = []
    in_rules = False
    sitemaps: list[str] = []
    for line in text[:MAX_BYTES].splitlines():
        key, colon, value = line.partition("#")[0].partition(":")
        key, value = key.strip().casefold(), value.strip()
        if not colon:
            continue
        if key == "user-agent":
            names = [value.casefold()] if in_rules else [*names, value.casefold()]
            in_rules = False
        elif key == "sitemap":
            sitemaps.append(value)
        elif key in ("allow", "disallow", "crawl-delay"):
            in_rules = True
            for name in names:
                groups.setdefault(name, []).append((key, value))
        else:
            continue
        for name in names:
            groups.setdefault(name, [])
    chosen = groups.get(agent, groups.get("*", []))
    rules = tuple((key == "allow", value) for key, value in chosen if key != "crawl-delay" and value)
    return Robots(rules[:_MAX_RULES], _delay(chosen), tuple(sitemaps[:100]))


def _delay(said: list[tuple[str, str]]) -> float:
    try:
        return max([0.0, *(float(value) for key, value in said if key == "crawl-delay")])
    except ValueError:
        return 0.0
