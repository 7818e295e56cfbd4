"""Which moment a question is answered for, and what to say when only the past holds an answer.

The version in force at the moment asked about answers; without one, what is in force now. What no longer is never
answers for the present: of it only the day is told until which it was in force, and only to whom may read it.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from countersign.answer.finding import find
from countersign.answer.line import Line
from countersign.answer.period import Period, asks_before_change, period_of
from countersign.answer.turn import Turn
from countersign.domain.answers import Question, RefusalReason
from countersign.gateway.extractive import ExtractiveSettings
from countersign.gateway.selection import candidates, rank

ANOTHER_DAY = "as_of_another_day"
ONLY_SUPERSEDED = "only_superseded"
CHANGED_IN_PERIOD = "changed_in_period"
_INSTANT = timedelta(seconds=1)


def asked_period(question: Question, now: datetime) -> Period | None:
    """What the words of a question say of its time; a date given beside them is the last word, and letters have none."""
    if question.as_of is not None or question.task != "answer":
        return None
    return period_of(question.text, now)


async def before_change(line: Line, turn: Turn) -> Turn:
    """`До повышения`: the moment before the version that last ceased to answer did so; the same turn where none did."""
    if turn.asked_for is not None or turn.question.task != "answer" or not asks_before_change(turn.asked):
        return turn
    ended = await _ended(line, turn)
    return turn if ended is None else replace(turn, asked_for=ended - _INSTANT, as_of=ended - _INSTANT)


async def tell_of_superseded(line: Line, turn: Turn) -> Turn:
    """A refusal for want of evidence says so when a version that is no longer in force would have answered."""
    decision = turn.decision
    if (
        decision is None
        or decision.refusal is not RefusalReason.NO_EVIDENCE
        or decision.warnings
        or turn.left
    ):
        return turn
    if turn.question.task != "answer":
        return turn
    ended = await _ended(line, turn)
    if ended is None:
        return turn
    return replace(turn, in_force_until=ended, warnings=(*turn.warnings, ONLY_SUPERSEDED))


async def _ended(line: Line, turn: Turn) -> datetime | None:
    """When the latest version ended that answers the question, among those that ended by `turn.as_of`."""
    found = await find(line, turn, turn.assistant.passages, ended=True)
    passages, settings = found.passages, ExtractiveSettings()
    ranked = rank(turn.asked_now, turn.language, candidates(passages), passages)
    least = max(settings.least_score, settings.near * max((item.score for item in ranked), default=0.0))
    answering = {
        passages[item.candidate.passage].valid_to
        for item in ranked
        if item.score >= (max(least, settings.least_across) if item.across else least)
    }
    return max(filter(None, answering), default=None)


def said_of_time(turn: Turn) -> Turn:
    """The turn with its warnings about time, once it is known what it cites."""
    if turn.asked_for is None or turn.asked_for.date() == turn.started.date() or not turn.cited:
        return turn
    warnings = [ANOTHER_DAY]
    ends = [passage.valid_to for passage in turn.cited]
    if turn.asked_for < turn.started and all(end is not None and end <= turn.started for end in ends):
        turn = replace(turn, in_force_until=max(filter(None, ends)))
        warnings.append(ONLY_SUPERSEDED)
    period = turn.period
    starts = [p.valid_from for p in turn.cited if p.valid_from is not None]
    if period is not None and any(period.begins < start <= period.moment for start in starts):
        warnings.append(CHANGED_IN_PERIOD)
    return replace(turn, warnings=(*turn.warnings, *warnings))


def last_day(end: datetime) -> datetime:
    """The last day of what is in force until `end`, which is exclusive."""
    return (end - _INSTANT).astimezone(UTC)
