"""The templates' environment: filters, words and helpers of one language, for pages and for files that are handed on."""

from __future__ import annotations

import hashlib
from datetime import datetime, time
from functools import cache, partial
from importlib.resources import files
from typing import Any, cast

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from countersign.access.decide import Action, Permit, may
from countersign.access.principal import Principal
from countersign.corpus.readiness.catalogue import CODES
from countersign.domain.answers import Cost
from countersign.domain.clock import from_iso, iso
from countersign.record.views import CostLine
from countersign.web import i18n
from countersign.web.differences import differing
from countersign.web.i18n import N_
from countersign.web.marks import coded, unmarked, visible
from countersign.web.readiness_view import evidence
from countersign.web.wording import NOTICE, word


def make_environment(language: str) -> Environment:
    """Templates that escape everything and refuse a name that nobody gave them."""
    environment = Environment(
        loader=PackageLoader("countersign.web"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    catalogue = i18n.load_translations(language)
    environment.install_gettext_translations(catalogue, newstyle=True)  # pyright: ignore[reportAttributeAccessIssue]
    names: dict[str, Any] = cast("dict[str, Any]", environment.globals)
    names.update(
        language=language,
        languages=[(code, i18n.NAMES[code]) for code in i18n.LANGUAGES],
        notices=frozenset(NOTICE),
        meanings=CODES,
        months=i18n.month_names(language),
        word=partial(word, catalogue.gettext),
        asset=_asset,
        may=_may,
    )
    filters: dict[str, Any] = cast("dict[str, Any]", environment.filters)
    filters |= {
        "time": partial(_time, language),
        "unmarked": unmarked,
        "span": partial(i18n.show_span, language=language),
        "number": partial(i18n.show_number, language=language),
        "seconds": partial(i18n.show_seconds, language=language),
        "share": partial(i18n.show_share, language=language),
        "language_name": partial(i18n.language_name, language=language),
        "said": catalogue.gettext,
        "coded": coded,
        "visible": visible,
        "differing": differing,
        "evidence": partial(evidence, catalogue.gettext),
        "percent": partial(i18n.show_percent, language=language),
        "bytes": partial(i18n.show_bytes, language=language),
        "cost": partial(_cost, language, catalogue.gettext),
        "spent": partial(_spent, language, catalogue.gettext),
    }
    return environment


def _may(me: Principal | None, action: str) -> bool:
    """Which ways the navigation offers; what is behind them decides for itself."""
    return me is not None and isinstance(may(me, Action(action)), Permit)


def _time(language: str, moment: datetime | str | None) -> Markup:
    """A `<time>` element that the browser turns into the reader's own time; midnight is a date and stays one."""
    if not moment:
        return Markup("—")
    at = from_iso(moment) if isinstance(moment, str) else moment
    if at.timetz() == time(tzinfo=at.tzinfo):
        return Markup('<time datetime="{}">{}</time>').format(
            at.date().isoformat(), i18n.show_date(at, language)
        )
    shown = escape(i18n.show_time(at, language))
    return Markup('<time datetime="{}">{}</time>').format(iso(at), shown)


def _cost(language: str, translate: Any, cost: Cost | None) -> str:
    if cost is None:
        return "—"
    if cost.unmetered:
        return translate(N_("not metered"))
    if cost.amount is None:
        return translate(N_("price unknown"))
    return i18n.show_amount(cost.amount, cost.currency, language)


def _spent(language: str, translate: Any, line: CostLine) -> str:
    unmetered = line.unmetered_calls and not line.amount
    return (
        translate(N_("not metered"))
        if unmetered
        else i18n.show_amount(line.amount, line.currency or "USD", language)
    )


@cache
def _asset(name: str) -> str:
    """The address of a static file; its content is part of the address, so that a browser may keep it for ever."""
    content = (files("countersign.web") / "static" / name).read_bytes()
    return f"/static/{name}?v={hashlib.sha256(content).hexdigest()[:12]}"
