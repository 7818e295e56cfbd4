"""One pass over a site, page by page: what may be fetched, what is there, what it leads to."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from fnmatch import fnmatchcase
from hashlib import sha256
from importlib.metadata import version
from urllib.parse import urlsplit

from countersign.domain.clock import SystemClock
from countersign.domain.errors import SourceError
from countersign.sources.facts import Given, believable
from countersign.sources.web_address import Site, normal
from countersign.sources.web_cache import Kept, Pages
from countersign.sources.web_fetch import Fetcher, Reply
from countersign.sources.web_judge import HTML, UNAVAILABLE, Judge, Verdict
from countersign.sources.web_robots import Robots, read_robots
from countersign.sources.web_sitemap import read_sitemap

TYPES = (
    *HTML,
    "text/plain",
    "text/markdown",
    "text/csv",
    "application/pdf",
    "application/rtf",
    "application/msword",
    "application/vnd.ms-excel",
    "application/vnd.ms-powerpoint",
    "application/vnd.openxmlformats-officedocument.*",
    "application/vnd.oasis.opendocument.*",
)
_MAX_DELAY_S = 60.0
_MAX_SITEMAPS = 1_000
_PATIENCE = 2
"""How many passes in a row a page of which nothing is known must fail before it no longer stops removals."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How far, how fast and what for a site is read."""

    sitemaps: tuple[str, ...]
    depth: int
    max_pages: int
    delay_s: float
    include: tuple[str, ...]
    exclude: tuple[str, ...]
    types: tuple[str, ...]
    user_agent: str

    @classmethod
    def of(cls, given: Given) -> Plan:
        return cls(
            sitemaps=given.names("sitemaps"),
            depth=given.whole("depth", 5),
            max_pages=given.whole("max_pages", 10_000),
            delay_s=given.seconds("delay", 0.5),
            include=given.names("include"),
            exclude=given.names("exclude"),
            types=given.names("content_types") or TYPES,
            user_agent=given.text("user_agent") or f"Countersign/{version('countersign')}",
        )


@dataclass(frozen=True, slots=True)
class Found:
    """A page at its final address, or a reason code why what is known of it stays as it is."""

    url: str
    page: Kept | None = None
    problem: str = ""
    modified: datetime | None = None
    follow: tuple[str, ...] = ()


@dataclass(slots=True)
class Crawl:
    """One pass over a site, page by page."""

    source: str
    site: Site
    plan: Plan
    fetcher: Fetcher
    pages: Pages
    _robots: dict[str, Robots] = field(default_factory=dict[str, Robots])
    _judges: dict[str, Judge] = field(default_factory=dict[str, Judge])
    _seen: set[str] = field(default_factory=set[str])
    _done: set[str] = field(default_factory=set[str])
    _there: set[str] = field(default_factory=set[str])
    _asked_at: float = float("-inf")
    _in_doubt: list[str] = field(default_factory=list[str])

    def found(self) -> Iterator[Found]:
        """Each page once. Raises `SourceError` when the site as a whole cannot be read."""
        ahead = deque((url, 0) for url in self._seeds())
        self._seen.update(url for url, _ in ahead)
        aside: dict[str, Found] = {}
        while ahead:
            url, depth = ahead.popleft()
            found = self.look(url)
            if url == self.site.start and not self.plan.sitemaps:
                self._require_start(found)
            if found is None or found.url in self._done:
                continue
            self._note(found)
            canonical = self._canonical(found)
            ahead.extend((link, depth + 1) for link in self._to_follow(found, depth))
            if canonical:
                aside[found.url] = found
                ahead.extend((link, depth) for link in [canonical] if self._is_new(link))
            elif self._is_wanted(found):
                yield found
        yield from self._left_over(aside)

    def _note(self, found: Found) -> None:
        self._done.add(found.url)
        if found.page is not None or self.pages.get(found.url) is not None:
            self._there.add(found.url)

    def _to_follow(self, found: Found, depth: int) -> list[str]:
        if self.plan.sitemaps or depth >= self.plan.depth:
            return []
        return [link for link in found.follow if self._is_new(link)]

    def require_whole(self) -> None:
        """Raises when pages that others may hang on could not be read: what hangs on them must not count as removed."""
        if self._in_doubt:
            raise SourceError(
                f"source {self.source}: {len(self._in_doubt)} pages of which nothing is known could not be fetched",
                code="source_pages_unavailable",
                hint=f"First of them: {self._in_doubt[0][:200]}. Nothing was removed from the index.",
            )

    def look(self, url: str, *, conditional: bool = True) -> Found | None:
        """What is at an address; None when there is nothing to take in."""
        if not self._may_fetch(url):
            return None
        reply = self._get(url, conditional=conditional)
        if reply.url != url and not self._may_fetch(reply.url):
            return None
        if reply.status in (404, 410) or (reply.status in (401, 403) and not reply.redirected):
            return None  # gone, or closed to us: then nobody may have it from us
        kept = self.pages.get(reply.url)
        if reply.status == 304 and kept is not None:
            self.pages.still(reply.url)
            return self._good(url, kept, reply)
        verdict = self._judge(reply).verdict(url, reply)
        if verdict.problem:
            return self._bad(url if reply.redirected else reply.url, verdict)
        if verdict.page is None:
            return None
        self.pages.put(verdict.page, verdict.body)
        return self._good(url, verdict.page, reply)

    # -- what to fetch --------------------------------------------------------------------------------------------
    def _seeds(self) -> list[str]:
        if not self.plan.sitemaps:
            return [self.site.start]
        found: dict[str, None] = {}
        waiting, read = deque(self.plan.sitemaps), 0
        while waiting:
            read += 1
            addresses, is_index = self._sitemap(waiting.popleft())
            if is_index:
                waiting.extend(addresses)
            else:
                urls = (normal(address, self.site.start) for address in addresses)
                found |= dict.fromkeys(url for url in urls if url and self.site.allows(url))
            if read > _MAX_SITEMAPS or len(found) > self.plan.max_pages:
                raise self._too_large()
        return list(found)

    def _require_start(self, found: Found | None) -> None:
        if found is not None and not found.problem:
            return
        if not self._robots_of(self.site.start).allows(self.site.start):
            raise SourceError(
                f"source {self.source}: robots.txt of the site does not let {self.plan.user_agent} in",
                code="source_robots_refused",
                hint="Ask the site's owner to allow it. Nothing was removed from the index.",
            )
        raise SourceError(
            f"source {self.source}: the site's first page cannot be read",
            code=found.problem if found else "source_unavailable",
            hint="Open it as the service would, without signing in. Nothing was removed from the index.",
        )

    def _sitemap(self, said: str) -> tuple[tuple[str, ...], bool]:
        url = normal(said, self.site.start)
        reply = self._get(url, conditional=False) if url and self.site.allows(url) else None
        read = read_sitemap(reply.body) if reply and not reply.problem and reply.status == 200 else None
        if read is None:
            raise SourceError(
                f"source {self.source}: the sitemap {said[:200]!r} cannot be read",
                code="source_sitemap_unreadable",
                hint="Check `sitemaps` and `hosts`. Nothing was removed from the index.",
            )
        return read

    def _is_new(self, url: str) -> bool:
        if url in self._seen or not self.site.allows(url):
            return False
        if len(self._seen) >= self.plan.max_pages:
            raise self._too_large()
        self._seen.add(url)
        return True

    def _too_large(self) -> SourceError:
        return SourceError(
            f"source {self.source}: the site has more than {self.plan.max_pages} addresses",
            code="source_too_large",
            hint="Raise `max_pages`, or leave paths out with `exclude`. Nothing was removed from the index.",
        )

    def _may_fetch(self, url: str) -> bool:
        return not _matches(self.site.rule_path(url), self.plan.exclude) and self._robots_of(url).allows(url)

    def _robots_of(self, url: str) -> Robots:
        """Raises `SourceError` when the site does not say what it allows."""
        parts = urlsplit(url)
        where = f"{parts.scheme}://{parts.netloc}"
        if where not in self._robots:
            reply = self._get(f"{where}/robots.txt", conditional=False)
            if reply.problem or reply.status >= 500:
                raise SourceError(
                    f"source {self.source}: robots.txt of {parts.hostname} cannot be read",
                    code=reply.problem if reply.problem == "source_address_refused" else "source_unavailable",
                    hint="Check `url`; a host of an inner network must stand in `allow_private_hosts`. "
                    "Nothing was removed from the index.",
                )
            text = reply.body.decode("utf-8", "replace") if reply.status == 200 else ""
            self._robots[where] = read_robots(text, self.plan.user_agent)
        return self._robots[where]

    # -- fetching and judging ---------------------------------------------------------------------------------------
    def _get(self, url: str, *, conditional: bool = True) -> Reply:
        """One request, with the pause that is due before it; a server that asks for patience is asked once more."""
        parts = urlsplit(url)
        robots = self._robots.get(f"{parts.scheme}://{parts.netloc}", Robots())
        pause_s = max(self.plan.delay_s, min(robots.delay_s, _MAX_DELAY_S))
        for attempt in (1, 2):
            time.sleep(max(0.0, self._asked_at + pause_s - time.monotonic()))
            reply = self.fetcher.get(url, self._validators) if conditional else self.fetcher.get(url)
            self._asked_at = time.monotonic()
            patience = reply.header("retry-after")
            if attempt == 2 or reply.status not in (429, 503) or not patience.isdecimal():
                return reply
            pause_s = max(pause_s, min(float(patience), _MAX_DELAY_S))
        raise AssertionError("the second attempt returns")

    def _validators(self, url: str) -> Mapping[str, str]:
        kept = self.pages.get(url)
        said = {"If-None-Match": kept.etag, "If-Modified-Since": kept.changed} if kept else {}
        return {name: value for name, value in said.items() if value}

    def _judge(self, reply: Reply) -> Judge:
        """Of the host that answered: how it says that a page does not exist was asked once."""
        parts = urlsplit(reply.url)
        where = f"{parts.scheme}://{parts.netloc}"
        if where not in self._judges:
            probe = f"{where}/countersign-{sha256(where.encode()).hexdigest()[:16]}-is-no-page"
            robots = self._robots.get(where, Robots())
            answer = (
                self._get(probe, conditional=False) if robots.allows(probe) and not reply.problem else None
            )
            if reply.problem:
                return Judge(self.plan.types, "")
            self._judges[where] = Judge.of(self.plan.types, answer)
        return self._judges[where]

    def _good(self, asked: str, page: Kept, reply: Reply) -> Found:
        if asked != page.url:
            self.pages.led(asked, page.url)
        modified = _moment(reply.header("last-modified") or page.changed)
        return Found(page.url, page, modified=modified, follow=page.links)

    def _bad(self, asked: str, verdict: Verdict) -> Found:
        """What is known of the page stays, and so does what it led to."""
        url = self.pages.led_to(asked) or asked
        kept = self.pages.get(url)
        self.pages.still(url)
        may_lead_on = kept is None and not self.plan.sitemaps and verdict.problem == UNAVAILABLE
        if may_lead_on and self.pages.failed(url) < _PATIENCE:
            self._in_doubt.append(url)
        if kept is None:
            return Found(url, problem=verdict.problem)
        return Found(url, problem=verdict.problem, modified=_moment(kept.changed), follow=kept.links)

    def _canonical(self, found: Found) -> str:
        """The address that a page names as its own, where that is another one of this site."""
        canonical = found.page.canonical if found.page else ""
        return canonical if canonical and canonical != found.url and self.site.allows(canonical) else ""

    def _is_wanted(self, found: Found) -> bool:
        path = self.site.rule_path(found.url)
        noindex = found.page is not None and found.page.noindex
        return not noindex and (not self.plan.include or _matches(path, self.plan.include))

    def _left_over(self, aside: Mapping[str, Found]) -> Iterator[Found]:
        """A page that names another one as its own stands for itself when the other one is not there."""
        for found in aside.values():
            canonical = self._canonical(found)
            if (canonical not in self._there or canonical in aside) and self._is_wanted(found):
                yield found


def _matches(path: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(path, pattern.removeprefix("/")) for pattern in patterns)


def _moment(said: str) -> datetime | None:
    """When the server says that it changed, unless that cannot be."""
    try:
        moment = parsedate_to_datetime(said) if said else None
        moment = moment if moment is None or moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return moment if believable(moment, SystemClock().now()) else None
