"""The web connector: the pages of a site, from its sitemaps or by following links, as documents.

    seeds → robots → fetch (conditional) → judged: page, gone, or not to be believed → document, and links to follow

A page is named by the address that it was finally found at, and rights are matched with that address: a redirect never
brings a page under the rights of the address that led to it.
"""

from __future__ import annotations

import mimetypes
import posixpath
from collections.abc import Iterator
from datetime import datetime
from urllib.parse import unquote, urlsplit

from countersign.domain.documents import Rights, SourceDocument
from countersign.domain.errors import ConfigError, SourceError
from countersign.domain.workspace import SourceSettings
from countersign.sources.connector import Listed
from countersign.sources.facts import Given, tenant_of
from countersign.sources.options import Option
from countersign.sources.registry import Surroundings
from countersign.sources.sidecar import said_by_rules
from countersign.sources.web_address import Site, normal
from countersign.sources.web_cache import Kept, PageCache, Pages
from countersign.sources.web_crawl import Crawl, Found, Plan
from countersign.sources.web_fetch import Fetcher
from countersign.sources.web_judge import HTML


class WebConnector:
    """`url` is where the site begins."""

    NEEDS_URL = True
    OPTIONS: tuple[Option, ...] = (
        Option(
            "sitemaps", "names", "Addresses of sitemaps; with them no links are followed.", "follow links"
        ),
        Option("hosts", "names", "Further hosts that belong to the site, `host` or `host:port`.", "none"),
        Option("depth", "whole", "How many links away from `url` a page may lie.", "5"),
        Option("max_pages", "whole", "More addresses than this end the pass with an error.", "10000"),
        Option("max_size", "size", "Largest page or file.", "20 MB"),
        Option(
            "delay",
            "duration",
            "Least time between two requests; robots.txt may ask for more, up to 60s.",
            "500ms",
        ),
        Option("timeout", "duration", "How long one request may take in all.", "30s"),
        Option("include", "names", "Patterns of paths; other pages are followed, not taken in.", "all"),
        Option("exclude", "names", "Patterns of paths that are not fetched.", "none"),
        Option(
            "content_types", "names", "What is taken in, `type/*` too.", "pages, text, PDF and office files"
        ),
        Option(
            "allow_private_hosts",
            "names",
            "Hosts that may lie in an inner network or on this machine.",
            "none",
        ),
        Option("user_agent", "text", "The name that it goes by.", "Countersign/VERSION"),
    )

    def __init__(self, settings: SourceSettings, around: Surroundings) -> None:
        given = Given(settings.options)
        if settings.rights_sidecar:
            raise ConfigError(
                f"source {settings.name}: a manifest cannot speak of pages",
                hint="Say `rules` with patterns of paths.",
            )
        self._settings = settings
        self._tenants = settings.tenants or around.tenants
        self._site = Site.of(
            settings.name, settings.url, given.names("hosts"), given.names("allow_private_hosts")
        )
        self._plan = Plan.of(given)
        self._fetcher = Fetcher(
            self._site,
            self._plan.user_agent,
            given.seconds("timeout", 30.0),
            given.whole("max_size", 20_000_000),
        )
        self._cache = PageCache(around.cache)

    def list(self) -> Iterator[Listed]:
        with self._cache.opened() as pages:
            pages.forget_bodies()
            crawl = Crawl(self._settings.name, self._site, self._plan, self._fetcher, pages)
            for found in crawl.found():
                yield self._listed(found)
            crawl.require_whole()
            pages.finish()

    def read(self, external_id: str, max_bytes: int) -> bytes:
        if normal(external_id) != external_id or not self._site.allows(external_id):
            raise SourceError(f"{external_id[:300]!r} is not a page of this site", code="source_file_gone")
        with self._cache.opened() as pages:
            body = pages.body(external_id)
            if body is None:
                body = self._anew(external_id, pages)
        if len(body) > max_bytes:
            raise SourceError(
                f"{external_id} is larger than {max_bytes} bytes",
                code="source_file_too_large",
                hint="Raise `parsing.max_bytes`.",
            )
        return body

    def _anew(self, url: str, pages: Pages) -> bytes:
        """It did not come with the listing, or the cache was lost since: fetched and judged once more."""
        listed = pages.get(url)
        crawl = Crawl(self._settings.name, self._site, self._plan, self._fetcher, pages)
        found = crawl.look(url, conditional=False)
        if found is None or found.problem or found.url != url or found.page is None:
            code = found.problem if found and found.problem else "source_file_gone"
            raise SourceError(f"{url} cannot be fetched as it was", code=code)
        if listed is not None and listed.digest != found.page.digest:
            raise SourceError(f"{url} changed after it was listed", code="source_changed_while_read")
        return pages.body(url) or b""

    def close(self) -> None:
        self._cache.forget_bodies()

    def _listed(self, found: Found) -> Listed:
        page = found.page
        document = self._document(found.url, page, found.modified)
        size, revision = (page.size, page.digest) if page else (0, "")
        return Listed(document, size, revision, found.problem)

    def _document(self, url: str, page: Kept | None, modified: datetime | None) -> SourceDocument:
        said = said_by_rules(self._site.rule_path(url), self._settings)
        tenant, foreign = tenant_of("", self._tenants)
        problem = said.problem or foreign
        mime = page.mime if page else HTML[0]
        return SourceDocument(
            source=self._settings.name,
            external_id=url,
            tenant=tenant,
            title="",
            filename=_filename(url, mime),
            mime=mime,
            rights=Rights() if problem else said.rights,
            rights_origin=said.origin,
            residency=self._settings.residency,
            modified=modified,
            quarantine=problem,
        )


def _filename(url: str, mime: str) -> str:
    """The last part of the path, with an ending that fits what the server says it is."""
    name = unquote(posixpath.basename(urlsplit(url).path)).replace("/", "_")[-100:] or "index"
    ending = ".html" if mime in HTML else mimetypes.guess_extension(mime) or ""
    guessed = mimetypes.guess_type(name)[0]
    return name if not ending or guessed == mime else f"{name}{ending}"
