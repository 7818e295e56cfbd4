"""A readiness report arranged for reading: the verdict, what to do first, the codes with their meaning, the documents."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from countersign.corpus.readiness.catalogue import CODES, SEVERITIES
from countersign.corpus.readiness.changes import Changes
from countersign.corpus.readiness.phrases import PHRASES, SOURCE_PROBLEM
from countersign.domain.readiness import (
    CodeMeaning,
    CodeSummary,
    DocumentKey,
    ReadinessFinding,
    ReadinessReport,
    ScoreReason,
    Severity,
    SourceScore,
)
from countersign.web.wording import word

Verdict = Literal["nothing_read", "not_ready", "warnings", "ready"]
Tone = Literal["good", "warn", "bad", "calm"]

FIRST: Final = 5
"""How many actions stand on the first screen."""
_CUT: Final = 20_000
"""From so many findings on, a report may hold not all of them."""
_MAX_LISTED: Final = 20_000
"""Documents in the appendix; the JSON beside the report has all."""
_GOOD, _FAIR = 90.0, 70.0
_SEEN_POINTS: Final = 0.05
_REASONS: Final = 8
_TONES: Final[Mapping[Severity, Tone]] = {"error": "bad", "warning": "warn", "info": "calm"}
_FORMATS: Final[Mapping[str, str]] = {
    "application/pdf": "PDF",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "DOCX",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "XLSX",
    "application/vnd.openxmlformats-officedocument.presentationml.presentation": "PPTX",
    "application/msword": "DOC",
    "application/vnd.ms-excel": "XLS",
    "application/vnd.ms-powerpoint": "PPT",
    "application/rtf": "RTF",
    "text/rtf": "RTF",
    "text/html": "HTML",
    "text/markdown": "Markdown",
    "text/plain": "TXT",
    "text/csv": "CSV",
    "application/json": "JSON",
    "application/xml": "XML",
    "text/xml": "XML",
    "message/rfc822": "EML",
}


@dataclass(frozen=True, slots=True)
class CodeLine:
    """One code as it was found. `gain`: points that all documents together would gain without it. `sources`: places in the
    report's sources of those that it took points from."""

    summary: CodeSummary
    meaning: CodeMeaning
    gain: float
    sources: tuple[int, ...]

    @property
    def anchor(self) -> str:
        return f"{self.summary.severity}-{self.summary.code}"

    @property
    def tone(self) -> Tone:
        return _TONES[self.summary.severity]

    @property
    def is_open(self) -> bool:
        """Something is left that nobody has accepted."""
        return self.summary.findings > 0

    @property
    def has_pairs(self) -> bool:
        return any(finding.other is not None for finding in self.summary.worst)

    @property
    def has_names_only(self) -> bool:
        """There is nothing to show of these but their names."""
        return all(not finding.evidence and finding.count == 1 for finding in self.summary.worst)


@dataclass(frozen=True, slots=True)
class OwnerLine:
    """What one kind of people has to do: their codes, worst first, and the documents that these are about."""

    owner: str
    lines: tuple[CodeLine, ...]
    documents: int


@dataclass(frozen=True, slots=True)
class ScoreLine:
    """`reasons` are the costliest; `smaller` counts the others, which take `rest` points together."""

    score: SourceScore
    tone: Tone
    reasons: tuple[tuple[ScoreReason, CodeMeaning, Tone], ...]
    smaller: int
    rest: float


@dataclass(frozen=True, slots=True)
class Bar:
    name: str
    count: int
    share: float


@dataclass(frozen=True, slots=True)
class Concern:
    """One code in one document, `times` findings of it."""

    meaning: CodeMeaning
    severity: Severity
    accepted: bool
    times: int
    sorts: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Concerned:
    """One document of the appendix with what was found in it, worst first."""

    document: DocumentKey
    concerns: tuple[Concern, ...]

    @property
    def sorts(self) -> frozenset[str]:
        return frozenset[str]().union(*(concern.sorts for concern in self.concerns))


@dataclass(frozen=True, slots=True)
class Sorts:
    """Names by which a report without a script shows a part of itself: classes and style rules, never a word from outside."""

    codes: Mapping[str, int]
    owners: Mapping[str, int]
    sources: Mapping[str, int]

    def of(self, code: str, severity: str, *sources: str) -> frozenset[str]:
        owner = self.owners.get(meaning_of(code).owner)
        numbered = (("k", self.codes.get(code)), ("o", owner), *(("s", self.sources.get(s)) for s in sources))
        return frozenset({f"g{severity}", *(f"{sort}{n}" for sort, n in numbered if n is not None)})


@dataclass(frozen=True, slots=True)
class ReportView:
    """`with_errors` and `with_warnings` count documents, the latter those without an error; `policies` counts documents
    by what indexing would do with them."""

    report: ReadinessReport
    verdict: Verdict
    with_errors: int
    with_warnings: int
    policies: Mapping[str, int]
    scores: tuple[ScoreLine, ...]
    codes: tuple[CodeLine, ...]
    first: tuple[CodeLine, ...]
    owners: tuple[OwnerLine, ...]
    accepted: tuple[tuple[ReadinessFinding, CodeMeaning], ...]
    concerned: tuple[tuple[str, tuple[Concerned, ...]], ...]
    sorts: Sorts
    left_out: int
    """Documents that the appendix leaves to the JSON."""
    changes: Changes | None = None
    """Since an earlier audit, where there is one to compare with."""

    @property
    def severities(self) -> tuple[Severity, ...]:
        found = {line.summary.severity for line in self.codes}
        return tuple(severity for severity in SEVERITIES if severity in found)

    @property
    def filters(self) -> tuple[str, ...]:
        """Every sort that can be chosen."""
        numbered = (("o", self.owners), ("s", self.scores), ("k", self.codes))
        return (
            *(f"g{severity}" for severity in self.severities),
            *(f"{sort}{n}" for sort, rows in numbered for n in range(len(rows))),
        )

    def sorts_of_code(self, line: CodeLine) -> str:
        names = [self.scores[n].score.source for n in line.sources]
        return _classes(self.sorts.of(line.summary.code, line.summary.severity, *names))

    def sorts_of(self, concerned: Iterable[Concerned | Concern]) -> str:
        return _classes(frozenset[str]().union(*(one.sorts for one in concerned)))

    @property
    def tone(self) -> Tone:
        tones: Mapping[Verdict, Tone] = {"not_ready": "bad", "warnings": "warn", "ready": "good"}
        return tones.get(self.verdict, "calm")

    @property
    def reasons(self) -> tuple[CodeLine, ...]:
        """The three codes that the verdict rests on."""
        wanted = {"not_ready": "error", "warnings": "warning"}.get(self.verdict)
        return tuple(line for line in self.codes if line.is_open and line.summary.severity == wanted)[:3]

    @property
    def most_lost(self) -> float:
        """Points of the costliest reason of all, so that the bars of all sources compare; never 0."""
        return (
            max((reason.points for line in self.scores for reason, _, _ in line.reasons), default=0.0) or 1.0
        )

    def bars(self, kind: Literal["parse_statuses", "languages", "formats", "personal"]) -> tuple[Bar, ...]:
        counts: Mapping[str, int] = getattr(self.report, kind)
        total = max(1, self.report.documents)
        if kind == "formats":
            counts = _by_format(counts)
        rows = sorted(counts.items(), key=lambda row: (-row[1], row[0]))
        return tuple(Bar(name, count, min(1.0, count / total)) for name, count in rows)


def meaning_of(code: str) -> CodeMeaning:
    """A code of a newer report that this catalogue does not know is shown by its name, never hidden."""
    return CODES.get(code) or CodeMeaning(
        code, "warning", "index", code.replace("_", " "), "", "", "data owner"
    )


def evidence(translate: Callable[[str], str], finding: ReadinessFinding) -> str:
    """What was seen: a quotation as it is, a check's own words in the reader's language."""
    if not finding.said or not finding.evidence:
        return finding.evidence
    name, *values = finding.said
    if name == SOURCE_PROBLEM:
        return word(translate, "source_problem", "".join(values))
    if name not in PHRASES:
        return finding.evidence
    try:
        return translate(PHRASES[name]).format(*values)
    except IndexError:  # a report of another version, with other places in it
        return finding.evidence


def _classes(sorts: Iterable[str]) -> str:
    return " ".join(("f", *sorted(sorts)))


def view_of(report: ReadinessReport, changes: Changes | None = None) -> ReportView:
    """Everything that a page or a file shows of `report`."""
    counted = [finding for finding in report.findings if finding.accepted is None]
    errors = {finding.document for finding in counted if finding.severity == "error"}
    warnings = {finding.document for finding in counted if finding.severity == "warning"} - errors
    codes = _code_lines(report)
    owners = _owners(codes, counted)
    sorts = Sorts(
        {line.summary.code: n for n, line in enumerate(codes)},
        {line.owner: n for n, line in enumerate(owners)},
        {score.source: n for n, score in enumerate(report.sources)},
    )
    concerned, left_out = _concerned(report.findings, sorts)
    severities: dict[str, Severity] = {summary.code: summary.severity for summary in report.codes}
    return ReportView(
        report=report,
        verdict=_verdict(report, codes),
        with_errors=_at_least(len(errors), report, "error"),
        with_warnings=len(warnings),
        policies=_policies(report.sources),
        scores=tuple(_score_line(score, severities) for score in report.sources),
        codes=codes,
        first=_first(codes),
        owners=owners,
        accepted=tuple((f, meaning_of(f.code)) for f in report.findings if f.accepted is not None),
        concerned=concerned,
        sorts=sorts,
        left_out=left_out,
        changes=changes,
    )


def _at_least(documents: int, report: ReadinessReport, severity: Severity) -> int:
    """A report of very many findings keeps only the first; its sums by code are of all."""
    if len(report.findings) < _CUT:
        return documents
    return max([documents, *(code.documents for code in report.codes if code.severity == severity)])


def _verdict(report: ReadinessReport, codes: Sequence[CodeLine]) -> Verdict:
    """Errors that nobody accepted decide, however few: each is a document that answers wrongly or not at all."""
    if not report.documents:
        return "nothing_read"
    found = {line.summary.severity for line in codes if line.is_open}
    if "error" in found:
        return "not_ready"
    return "warnings" if "warning" in found else "ready"


def _policies(sources: Iterable[SourceScore]) -> Mapping[str, int]:
    total: Counter[str] = Counter()
    for source in sources:
        total.update(source.policies)
    return total


def _code_lines(report: ReadinessReport) -> tuple[CodeLine, ...]:
    lost: defaultdict[str, float] = defaultdict(float)
    places: defaultdict[str, list[int]] = defaultdict(list)
    for place, source in enumerate(report.sources):
        for reason in source.reasons:
            lost[reason.code] += reason.points * source.documents
            places[reason.code].append(place)
    total = max(1, report.documents)
    ordered = sorted(report.codes, key=lambda each: (_rank(each.severity), -each.documents))
    return tuple(
        CodeLine(each, meaning_of(each.code), lost[each.code] / total, tuple(places[each.code]))
        for each in ordered
    )


def _rank(severity: Severity) -> int:
    return SEVERITIES.index(severity)


def _first(codes: Sequence[CodeLine]) -> tuple[CodeLine, ...]:
    """Errors before warnings; among them what costs most. Notes ask for nothing."""
    urgent = [line for line in codes if line.is_open and line.summary.severity != "info"]
    urgent.sort(key=lambda line: (_rank(line.summary.severity), -line.gain, -line.summary.documents))
    return tuple(urgent[:FIRST])


def _owners(codes: Sequence[CodeLine], counted: Sequence[ReadinessFinding]) -> tuple[OwnerLine, ...]:
    lines: defaultdict[str, list[CodeLine]] = defaultdict(list)
    for line in codes:
        if line.is_open and line.summary.severity != "info":
            lines[line.meaning.owner].append(line)
    documents: defaultdict[str, set[DocumentKey]] = defaultdict(set)
    for finding in counted:
        if finding.severity != "info":
            documents[meaning_of(finding.code).owner].add(finding.document)
    found = [OwnerLine(owner, tuple(mine), len(documents[owner])) for owner, mine in lines.items()]
    return tuple(sorted(found, key=lambda owner: -owner.documents))


def _score_line(score: SourceScore, severities: Mapping[str, Severity]) -> ScoreLine:
    """`severities` are those that were found, which may be milder than a code's usual one."""
    worst_first = sorted(score.reasons, key=lambda reason: -reason.points)
    costly = [reason for reason in worst_first if reason.points >= _SEEN_POINTS][:_REASONS]
    seen = [(reason, meaning_of(reason.code)) for reason in costly]
    return ScoreLine(
        score,
        tone_of(score.score),
        reasons=tuple((r, m, _TONES[severities.get(r.code, m.severity)]) for r, m in seen),
        smaller=len(worst_first) - len(costly),
        rest=sum(reason.points for reason in worst_first[len(costly) :]),
    )


def tone_of(score: float | None) -> Tone:
    if score is None:
        return "calm"
    return "good" if score >= _GOOD else "warn" if score >= _FAIR else "bad"


def _by_format(counts: Mapping[str, int]) -> Mapping[str, int]:
    """Media types by the names that people know them by."""
    named: Counter[str] = Counter()
    for mime, count in counts.items():
        plain = mime.partition(";")[0].strip()
        kind, _, name = plain.partition("/")
        named[_FORMATS.get(plain, name.upper() if kind == "image" else mime)] += count
    return named


def _concerned(
    findings: Sequence[ReadinessFinding], sorts: Sorts
) -> tuple[tuple[tuple[str, tuple[Concerned, ...]], ...], int]:
    """By source, documents with the worst first; notes alone concern nobody enough to be listed."""
    by_document: defaultdict[DocumentKey, list[ReadinessFinding]] = defaultdict(list)
    for finding in findings:
        by_document[finding.document].append(finding)
    listed = [
        Concerned(key, _concerns(found, sorts))
        for key, found in by_document.items()
        if any(finding.severity != "info" for finding in found)
    ]
    listed.sort(key=_document_rank)
    shown = sorted(listed[:_MAX_LISTED], key=lambda one: one.document.source)
    return tuple(_by_source(shown)), max(0, len(listed) - _MAX_LISTED)


def _by_source(listed: Iterable[Concerned]) -> Iterator[tuple[str, tuple[Concerned, ...]]]:
    sources: defaultdict[str, list[Concerned]] = defaultdict(list)
    for one in listed:
        sources[one.document.source].append(one)
    for source, documents in sources.items():
        yield source, tuple(documents)


def _concerns(findings: Sequence[ReadinessFinding], sorts: Sorts) -> tuple[Concern, ...]:
    """Open ones before accepted ones, errors before warnings; a code that repeats itself stands once."""
    by_code: defaultdict[tuple[bool, str], list[ReadinessFinding]] = defaultdict(list)
    for finding in findings:
        by_code[finding.accepted is not None, finding.code].append(finding)
    concerns = [
        Concern(
            meaning_of(code), worst, accepted, len(found), sorts.of(code, worst, found[0].document.source)
        )
        for (accepted, code), found in by_code.items()
        for worst in (_worst(found),)
    ]
    return tuple(sorted(concerns, key=lambda one: (one.accepted, _rank(one.severity), one.meaning.code)))


def _worst(findings: Sequence[ReadinessFinding]) -> Severity:
    found = {finding.severity for finding in findings}
    worst: Severity = "info"
    for severity in reversed(SEVERITIES):
        worst = severity if severity in found else worst
    return worst


def _document_rank(one: Concerned) -> tuple[int, int, str]:
    left = [concern for concern in one.concerns if not concern.accepted]
    worst = min((_rank(concern.severity) for concern in left), default=len(SEVERITIES))
    return worst, -len(left), one.document.external_id
