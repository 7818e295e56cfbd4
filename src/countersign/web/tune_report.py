"""A measurement of retrieval as one file that explains itself: candidates side by side, a plot, and what to do.

No script and no address of anything elsewhere; every word of questions and documents is escaped.
"""

from __future__ import annotations

from countersign.evaluation.candidates import LEARNED, LIVE
from countersign.evaluation.intervals import LEAST_QUESTIONS, RESAMPLES, WIDEST, Interval, verdict
from countersign.evaluation.learn import FOLDS
from countersign.evaluation.recommend import LOSS
from countersign.evaluation.tuned import Tuned
from countersign.web.environment import make_environment
from countersign.web.i18n import LANGUAGES, N_, SOURCE_LANGUAGE
from countersign.web.readiness_report import POLICY
from countersign.web.tune_plot import NARROW, WIDE, ordered, plot_of

NAMES = (
    N_("live"), N_("passages of 120"), N_("passages of 320"), N_("words share 25 %"), N_("words share 75 %"),
    N_("no neighbours"), N_("no routing"), N_("words only"), N_("meaning only"), N_("meaning share 20%"),
    N_("meaning share 40%"), N_("meaning share 60%"), N_("meaning share 80%"), N_("learned shares"),
    N_("learned order"), N_("learned means and order"),
)  # fmt: skip
"""What the usual candidates are called; a name from somebody's file is shown as it stands there."""

VERDICTS = {
    "better": (N_("better"), "good"),
    "worse": (N_("worse"), "bad"),
    "same": (N_("the same"), "calm"),
    "unknown": (N_("cannot be told"), ""),
}
ADVICES = {
    "too_few_questions": N_(
        "There are not enough questions to tell: at least {least} are needed, better 100. Keep what answers now, and confirm more questions."
    ),
    "mostly_drafted": N_(
        "Most questions stand as they were drafted, in the words of the documents: that makes words look better than meaning. Keep what answers now; put the questions as people would, or bring questions that were asked."
    ),
    "live_is_as_good": N_(
        "No candidate is better than what answers now, and none as good is cheaper, beyond what chance explains."
    ),
    "better_than_live": N_(
        "Take “{chosen}”: it is better than what answers now, and of all that are as good as the best (“{best}”) it costs least per question."
    ),
    "cheaper_than_live": N_(
        "Take “{chosen}”: it finds as much as what answers now, and as the best (“{best}”), and costs less per question."
    ),
}
HEADLINES = {
    "too_few_questions": (N_("Not enough questions to tell"), "warn"),
    "mostly_drafted": (N_("Ask as people ask"), "warn"),
    "live_is_as_good": (N_("Keep what answers now"), "good"),
    "better_than_live": (N_("A better way was found"), "calm"),
    "cheaper_than_live": (N_("A cheaper way was found"), "calm"),
}


def render(tuned: Tuned, language: str = "en") -> str:
    """As an HTML page in `language` (`kk`, `ru`, `en`; another one falls back to English)."""
    chosen = language if language in LANGUAGES else SOURCE_LANGUAGE
    point = "." if chosen == "en" else ","

    def figure(value: float, digits: int = 3) -> str:
        return f"{value:.{digits}f}".replace(".", point)

    def spread(of: Interval) -> str:
        return f"{figure(of.low, 2)} – {figure(of.high, 2)}"

    def said(of: Interval) -> tuple[str, str]:
        return VERDICTS[verdict(of)]

    environment = make_environment(chosen)
    return environment.get_template("tune_report.html").render(
        tuned=tuned,
        measured=tuned.measured,
        policy=POLICY,
        ordered=ordered(tuned),
        plots=(plot_of(tuned, WIDE, point), plot_of(tuned, NARROW, point)),
        figure=figure,
        spread=spread,
        verdict=said,
        headline=HEADLINES[tuned.recommendation.reason],
        advice=ADVICES[tuned.recommendation.reason],
        names=frozenset(NAMES),
        least=LEAST_QUESTIONS,
        resamples=RESAMPLES,
        widest=WIDEST,
        loss=LOSS,
        folds=FOLDS,
        live=LIVE,
        learned=LEARNED,
    )
