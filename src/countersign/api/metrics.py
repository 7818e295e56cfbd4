"""What Prometheus reads: counters fed by finished requests and answers, gauges read from the house at each scrape."""

from __future__ import annotations

from collections.abc import Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.process_collector import ProcessCollector

from countersign.app.asking import Asked
from countersign.app.freshness import SourceFreshness
from countersign.app.health import Figures
from countersign.app.house import House
from countersign.app.search import Searched

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_BREAKER = {"closed": 0, "half_open": 1, "open": 2}


class Metrics:
    """One registry of our own, so that two servers in one process do not count for each other."""

    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry()
        ProcessCollector(namespace="countersign", registry=registry)
        self._requests = Counter(
            "countersign_requests", "HTTP requests", ["method", "route", "status"], registry=registry
        )
        self._request_s = Histogram(
            "countersign_request_seconds",
            "Whole HTTP requests",
            ["route"],
            buckets=_SECONDS,
            registry=registry,
        )
        self._answers = Counter(
            "countersign_answers", "Finished questions", ["assistant", "status"], registry=registry
        )
        self._step_s = Histogram(
            "countersign_step_seconds", "Steps of the line", ["step"], buckets=_SECONDS, registry=registry
        )
        self._searches = Counter(
            "countersign_searches",
            "Finished searches: found, empty, refused",
            ["assistant", "outcome"],
            registry=registry,
        )
        self._search_s = Histogram(
            "countersign_search_seconds", "Whole searches", buckets=_SECONDS, registry=registry
        )
        self._calls = Counter(
            "countersign_model_calls", "Drafts asked of models", ["model", "outcome"], registry=registry
        )
        self._tokens = Counter("countersign_tokens", "Tokens", ["model", "direction"], registry=registry)
        self._cost = Counter("countersign_cost", "Money spent", ["model", "currency"], registry=registry)
        self._unpriced = Counter(
            "countersign_unpriced_calls", "Calls whose price is unknown", ["model"], registry=registry
        )
        self._jobs = Gauge("countersign_jobs_pending", "Jobs queued or running", registry=registry)
        self._documents = Gauge("countersign_documents", "Documents", ["status"], registry=registry)
        self._lag = Gauge(
            "countersign_index_lag_seq", "Mutations that an index has not seen", ["tenant"], registry=registry
        )
        self._breaker = Gauge(
            "countersign_breaker_state", "0 closed, 1 half open, 2 open", ["model"], registry=registry
        )
        self._ready = Gauge("countersign_ready", "1 when the house can answer", registry=registry)
        self._sources = _SourceGauges(registry)

    def note_request(self, method: str, route: str, status: int, seconds: float) -> None:
        self._requests.labels(method, route, str(status)).inc()
        self._request_s.labels(route).observe(seconds)

    def note_answer(self, asked: Asked) -> None:
        answer = asked.answer
        self._answers.labels(answer.assistant, answer.status.value).inc()
        for step, seconds in asked.steps_s:
            self._step_s.labels(step).observe(seconds)
        failed, _, reason = answer.degraded_because.partition(": ")
        if failed:
            self._calls.labels(failed, reason).inc()
        if not answer.model:
            return
        self._calls.labels(answer.model, "served").inc()
        self._tokens.labels(answer.model, "input").inc(answer.usage.input_tokens)
        self._tokens.labels(answer.model, "output").inc(answer.usage.output_tokens)
        if answer.cost is None or (answer.cost.amount is None and not answer.cost.unmetered):
            self._unpriced.labels(answer.model).inc()
        elif answer.cost.amount:
            self._cost.labels(answer.model, answer.cost.currency).inc(answer.cost.amount)

    def note_search(self, searched: Searched) -> None:
        results = searched.results
        outcome = "refused" if results.refusal else "found" if results.hits else "empty"
        self._searches.labels(results.assistant, outcome).inc()
        self._search_s.observe(searched.took_s)

    async def scrape(self, house: House) -> bytes:
        """The exposition text. Raises `StorageError` when the database does not answer."""
        figures = await house.health.figures()
        self._ready.set(1 if (await house.health.ready()).ready else 0)
        self._show(figures)
        self._sources.show(await house.freshness.everywhere())
        for ladder in house.asking.line.ladders.values():
            for rung in ladder.rungs:
                if rung.breaker is not None:
                    view = rung.breaker.view
                    self._breaker.labels(view.name).set(_BREAKER[view.state])
        return generate_latest(self._registry)

    def _show(self, figures: Figures) -> None:
        self._jobs.set(figures.jobs_pending)
        self._documents.clear()
        for status, count in figures.documents.items():
            self._documents.labels(status).set(count)
        for tenant, lag in figures.index_lag.items():
            self._lag.labels(tenant).set(lag)


class _SourceGauges:
    """How fresh each source is; a series that has nothing to say yet is absent, not zero."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._lag = Gauge(
            "countersign_source_lag_seconds",
            "Time since the last complete pass over a source",
            ["tenant", "source"],
            registry=registry,
        )
        self._max_age = Gauge(
            "countersign_source_max_age_seconds",
            "How old a source may be",
            ["tenant", "source"],
            registry=registry,
        )
        self._late = Gauge(
            "countersign_source_late",
            "1 when a source is older than that",
            ["tenant", "source"],
            registry=registry,
        )
        self._failures = Gauge(
            "countersign_source_failures",
            "Passes in a row that failed",
            ["tenant", "source"],
            registry=registry,
        )
        self._held = Gauge(
            "countersign_source_held_documents",
            "Removals that wait to be accepted",
            ["tenant", "source"],
            registry=registry,
        )
        self._coverage = Gauge(
            "countersign_source_coverage_ratio",
            "Share of a source's documents that is searchable",
            ["tenant", "source"],
            registry=registry,
        )
        self._duration = Gauge(
            "countersign_source_pass_seconds",
            "How long the newest pass took",
            ["tenant", "source"],
            registry=registry,
        )
        self._pass = Gauge(
            "countersign_source_pass_documents",
            "What the newest pass did: documents listed, new, changed, removed, failed",
            ["tenant", "source", "what"],
            registry=registry,
        )
        self._documents = Gauge(
            "countersign_source_documents",
            "Documents of a source",
            ["tenant", "source", "status"],
            registry=registry,
        )

    def show(self, found: Sequence[SourceFreshness]) -> None:
        for gauge in (self._lag, self._max_age, self._late, self._failures, self._held, self._coverage):
            gauge.clear()
        for gauge in (self._duration, self._pass, self._documents):
            gauge.clear()
        for one in found:
            self._show(one)

    def _show(self, one: SourceFreshness) -> None:
        last, max_age = one.last, one.max_age
        figures = (
            (self._lag, one.lag_s),
            (self._max_age, max_age.total_seconds() if max_age else None),
            (self._late, int(one.is_late)),
            (self._failures, one.failures),
            (self._held, one.held_absent),
            (self._coverage, one.coverage),
            (self._duration, last.duration_s if last else None),
        )
        for gauge, value in figures:
            if value is not None:
                gauge.labels(one.tenant, one.source).set(value)
        for what in ("listed", "new", "changed", "removed", "failed") if last else ():
            self._pass.labels(one.tenant, one.source, what).set(getattr(last, what))
        for status in ("indexed", "queued", "quarantined", "failed"):
            self._documents.labels(one.tenant, one.source, status).set(getattr(one, status))
