"""The steps of the straight line. Each one does its part, notes what happened as one event, and hands on the turn."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

from countersign.access.principal import Principal
from countersign.answer.citations import Bound, bind, cite_too
from countersign.answer.compose import ABSTAIN, compose
from countersign.answer.confidence import judge_confidence
from countersign.answer.conflicts import find_conflicts, noted
from countersign.answer.decide import decide
from countersign.answer.evidence import Readings
from countersign.answer.finding import find
from countersign.answer.generate import generate_text
from countersign.answer.language import answer_language
from countersign.answer.line import Line
from countersign.answer.staleness import stale_sources
from countersign.answer.timing import asked_period, before_change, said_of_time
from countersign.answer.turn import Turn
from countersign.answer.verify import verify
from countersign.domain.answers import Question, RefusalReason
from countersign.domain.clock import iso
from countersign.domain.errors import NotFound, UsageError
from countersign.domain.events import EventKind
from countersign.guard.findings import GuardFinding
from countersign.guard.output import OutputFilter
from countersign.guard.passages import fence, fence_question, new_datamark, new_marker
from countersign.guard.prompt import new_canary
from countersign.retrieval.retrieve import Retrieved

_DOCUMENT_PASSAGES = 40
"""How many passages of one document a summary may rest on."""


def begin(line: Line, principal: Principal, question: Question, answer_id: str, request_id: str) -> Turn:
    """Pick the assistant and its release. Raises `NotFound` and `UsageError`."""
    turn = opened(line, principal, question, answer_id, request_id)
    assistant = turn.assistant
    if question.task not in assistant.tasks:
        raise UsageError(
            f"this assistant does not {question.task}",
            code="task_not_offered",
            hint=f"It offers: {', '.join(assistant.tasks)}.",
        )
    if question.task == "summarise" and len(question.document_ids) != 1:
        raise UsageError(
            "a summary needs exactly one document", code="document_missing", hint="Give one document id."
        )
    facts = {
        "assistant": assistant.name,
        "task": question.task,
        "release": turn.release,
        "language": turn.language,
        "impersonated_by": principal.impersonated_by,
    }
    return turn.noting(EventKind.ANSWER_ASKED, facts, turn.started, question=question.text)


def opened(line: Line, principal: Principal, question: Question, subject: str, request_id: str) -> Turn:
    """What is known before anything is done: whom this person asks, and for which moment. Raises `NotFound`."""
    assistant = line.assistants.get(question.assistant)
    if assistant is None or (assistant.tenants and principal.tenant not in assistant.tenants):
        raise NotFound("there is no such assistant", code="assistant_not_found")
    now = line.clock.now()
    period = asked_period(question, now)
    asked_for = question.as_of or (period.moment if period else None)
    language = answer_language(question.text, asked_for=question.language, languages=assistant.languages)
    return Turn(
        answer_id=subject,
        question=question,
        principal=principal,
        assistant=assistant,
        release=line.releases[assistant.name],
        started=now,
        as_of=asked_for or now,
        language=language,
        request_id=request_id,
        asked_for=asked_for,
        period=period,
    )


async def guard_question(line: Line, turn: Turn) -> Turn:
    started = time.perf_counter()
    guarded = line.guard.question(turn.question.text)
    history = line.guard.history(turn.question.history)
    findings = (*guarded.findings, *history.findings)
    facts = {"findings": codes(findings), "blocked": guarded.blocked_reason, "duration_ms": _ms(started)}
    turn = turn.noting(EventKind.ANSWER_QUESTION_GUARDED, facts, line.clock.now())
    if guarded.blocked_reason:
        return turn.refused(RefusalReason.QUESTION_BLOCKED, guarded.blocked_reason)
    return replace(turn, asked=guarded.text, history=history.turns)


async def retrieve(line: Line, turn: Turn) -> Turn:
    started = time.perf_counter()
    turn = await before_change(line, turn)
    found = await _found(line, turn)
    passages = found.passages
    facts = {
        "passages": [p.passage_id for p in passages],
        "documents": sorted({p.document_id for p in passages}),
        "denied": found.dropped,
        "lexical_only": found.lexical_only,
        "applied_seq": found.applied_seq,
        "as_of": iso(turn.asked_for) if turn.asked_for else "",
        "duration_ms": _ms(started),
    }
    turn = replace(turn, vectors=found.vectors).noting(EventKind.ANSWER_RETRIEVED, facts, line.clock.now())
    warnings = ("lexical_only",) if found.lexical_only and line.embedder is not None else ()
    if not passages:
        return turn.refused(RefusalReason.NO_EVIDENCE)
    confirmed = [p.synced for p in passages if p.synced is not None]
    return replace(
        turn,
        passages=passages,
        retrieval_features=dict(found.features),
        data_as_of=min(confirmed) if len(confirmed) == len(passages) else None,
        warnings=(*turn.warnings, *warnings),
    )


async def _found(line: Line, turn: Turn) -> Retrieved:
    """A summary rests on one whole document, everything else on what the question finds."""
    assistant, question = turn.assistant, turn.question
    if question.task == "summarise":
        return await line.retriever.document(
            turn.principal,
            question.document_ids[0],
            sources=assistant.sources,
            as_of=turn.as_of,
            limit=_DOCUMENT_PASSAGES,
        )
    return await find(line, turn, assistant.passages)


async def guard_passages(line: Line, turn: Turn) -> Turn:
    started = time.perf_counter()
    guarded = line.guard.passages(turn.passages)
    facts = {
        "findings": codes(guarded.findings),
        "dropped": list(guarded.dropped),
        "duration_ms": _ms(started),
    }
    turn = replace(turn, passages=guarded.passages).noting(
        EventKind.ANSWER_PASSAGES_GUARDED, facts, line.clock.now()
    )
    return turn if guarded.passages else turn.refused(RefusalReason.NO_EVIDENCE)


async def weigh(line: Line, turn: Turn) -> Turn:
    """Whether the passages hold an answer: only for questions, since a summary or a letter rests on whatever there is."""
    if turn.question.task != "answer":
        return turn
    judged = [
        line.answerability.judge(
            wording,
            turn.passages,
            history=turn.history,
            named=bool(turn.question.document_ids or turn.retrieval_features.get("named")),
            model_id=line.embedder.model_id if line.embedder is not None else "",
        )
        for wording in dict.fromkeys((turn.asked, turn.asked_now))
    ]
    likeliest = max((each for each in judged if each is not None), key=lambda each: each.share, default=None)
    if likeliest is None:
        return turn
    answerable = likeliest.share >= line.answerability.least
    return replace(turn, answerable=answerable, doubt="" if answerable else likeliest.cause)


async def compose_prompt(line: Line, turn: Turn) -> Turn:
    texts = [p.text for p in turn.passages]
    marker = new_marker([turn.asked, *texts, *(h.content for h in turn.history)])
    mark = new_datamark([turn.asked, *texts])
    canary = new_canary()
    composed = compose(
        turn.asked,
        turn.passages,
        task=turn.question.task,
        language=turn.language,
        in_force_on=turn.asked_for.date().isoformat() if turn.asked_for else "",
        history=turn.history,
        marker=marker,
        datamark_char=mark,
        canary=canary.line,
        fence=fence,
        fence_question=fence_question,
    )
    user = [message.content for message in composed.messages if message.role != "system"]
    verdict = line.guard.prompt(system=composed.system_prompt, user=user, canary=canary, marker=marker)
    if verdict.blocked_reason:
        return turn.refused(RefusalReason.QUESTION_BLOCKED, verdict.blocked_reason)
    return replace(turn, composed=composed, canary=canary.value, datamark=mark)


async def generate(line: Line, turn: Turn) -> Turn:
    """What was asked is on record before anything leaves for a model."""
    await line.answers.append(turn.events)
    return await generate_text(line, replace(turn, events=()))


async def guard_output(line: Line, turn: Turn) -> Turn:
    started = time.perf_counter()
    filtering = output_filter(line, turn)
    text = filtering.feed(turn.draft) + filtering.finish()
    blocked = filtering.blocked_reason
    if not blocked and line.guard.examine_output(text).action != "allow":
        blocked = "check_blocked"
    turn = note_output(line, turn, filtering.findings, blocked, started)
    if blocked:
        return replace(turn, draft="").refused(RefusalReason.OUTPUT_BLOCKED, blocked)
    return replace(turn, draft=text)


def output_filter(line: Line, turn: Turn) -> OutputFilter:
    """What stands between the draft of this turn and its reader."""
    return line.guard.output_filter(
        canary=turn.canary,
        system_prompt=turn.composed.system_prompt if turn.composed else "",
        allowed_hosts=turn.assistant.allowed_link_hosts,
        may_see_personal=sees_personal(turn),
        tenant_key=line.tenant_keys(turn.principal.tenant),
        datamark=turn.datamark,
        spoken=(ABSTAIN,),
    )


def note_output(
    line: Line, turn: Turn, findings: Sequence[GuardFinding], blocked: str, started: float
) -> Turn:
    facts = {"findings": codes(findings), "blocked": blocked, "duration_ms": _ms(started)}
    return turn.noting(EventKind.ANSWER_OUTPUT_GUARDED, facts, line.clock.now())


async def bind_citations(line: Line, turn: Turn) -> Turn:
    return with_bound(turn, bind(turn.draft, turn.passages))


def with_bound(turn: Turn, bound: Bound) -> Turn:
    warnings = ("invented_citation",) if bound.dropped else ()
    return replace(
        turn,
        draft=bound.text,
        claims=bound.claims,
        citations=bound.citations,
        cited=bound.cited,
        warnings=(*turn.warnings, *warnings),
    )


async def verify_claims(line: Line, turn: Turn) -> Turn:
    started = time.perf_counter()
    readings = Readings()
    may_compare = all(line.may_embed(passage.residency) for passage in turn.passages)
    embedder = line.embedder if may_compare else None
    claims = await verify(turn.claims, turn.cited, turn.language, embedder, readings=readings)
    found = find_conflicts(turn.passages, turn.asked, readings)
    sides = [
        (side, f"{conflict.text} {value}")
        for conflict in found
        for side, value in zip(conflict.sides, conflict.values, strict=True)
    ]
    citations, cited = cite_too(sides, turn.citations, turn.cited)
    conflicts = noted(found, citations)
    facts = {
        "claims": len(claims),
        "unsupported": sum(not claim.supported for claim in claims),
        "conflicts": len(conflicts),
        "duration_ms": _ms(started),
    }
    turn = turn.noting(EventKind.ANSWER_VERIFIED, facts, line.clock.now())
    return replace(turn, claims=claims, conflicts=conflicts, citations=citations, cited=cited)


async def judge(line: Line, turn: Turn) -> Turn:
    """Confidence from recorded features, then the assistant's rules: deliver, hold or refuse."""
    confidence = judge_confidence(
        question=turn.asked,
        passages=turn.passages,
        claims=turn.claims,
        citations=turn.citations,
        conflicts=turn.conflicts,
        retrieval=turn.retrieval_features,
        language=turn.language,
        now=turn.started,
    )
    decision = decide(
        turn.assistant,
        claims=turn.claims,
        confidence=confidence,
        conflicts=turn.conflicts,
        passages=turn.passages,
        data_age=turn.data_age,
        degraded_because=turn.served.degraded_because if turn.served else "",
    )
    late = stale_sources(turn.cited or turn.passages, line.max_ages, turn.started)
    warnings = (*turn.warnings, *_doubted(turn), *late)
    return said_of_time(replace(turn, confidence=confidence, decision=decision, warnings=warnings))


def _doubted(turn: Turn) -> tuple[str, ...]:
    """A doubt is about the passages in the question's language; of an answer that cites another it says nothing."""
    if not turn.doubt:
        return ()
    judged_in = (turn.passages[0].language, "und")
    return (turn.doubt,) if not turn.cited or any(p.language in judged_in for p in turn.cited) else ()


def sees_personal(turn: Turn) -> bool:
    """Personal data is shown to the groups that the assistant names; to nobody when it names none."""
    return bool(turn.principal.groups & set(turn.assistant.personal_visible_to))


def codes(findings: Sequence[GuardFinding]) -> dict[str, int]:
    """Code → how often: what a record says of findings."""
    counts: dict[str, int] = {}
    for finding in findings:
        counts[finding.code] = counts.get(finding.code, 0) + finding.count
    return counts


def _ms(started: float) -> float:
    return round((time.perf_counter() - started) * 1000, 2)
