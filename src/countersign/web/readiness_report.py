"""A readiness report as one file that explains itself: to be opened anywhere, printed, and handed to who acts on it.

No script, no address of anything elsewhere, and every word of the documents escaped: the file is safe to mail and to open.
"""

from __future__ import annotations

from countersign.corpus.readiness.changes import Changes
from countersign.domain.readiness import ReadinessReport
from countersign.web.environment import make_environment
from countersign.web.i18n import LANGUAGES, SOURCE_LANGUAGE
from countersign.web.readiness_view import view_of

POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
"""Written into the file: its own style is all that a browser may use."""


def render(
    report: ReadinessReport,
    language: str = "en",
    *,
    title: str = "",
    changes: Changes | None = None,
    rights_known: bool = True,
) -> str:
    """`report` as an HTML page in `language` (`kk`, `ru`, `en`; another one falls back to English). `title` says what was
    audited; without it the names of the sources do. `changes` are those since an earlier audit. `rights_known`: somebody has said who may read the documents, so that what is
    not said of rights is no gap."""
    chosen = language if language in LANGUAGES else SOURCE_LANGUAGE
    template = make_environment(chosen).get_template("readiness_report.html")
    named = title or ", ".join(score.source for score in report.sources)
    return template.render(
        view=view_of(report, changes), report=report, rights_known=rights_known, title=named, policy=POLICY
    )
