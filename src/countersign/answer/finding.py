"""What a turn's question finds: the one place that says which of its words, rights and day a search is made with."""

from __future__ import annotations

from countersign.answer.line import Line
from countersign.answer.turn import Turn
from countersign.retrieval.retrieve import Retrieved


async def find(
    line: Line, turn: Turn, limit: int, *, ended: bool = False, explain: bool = False
) -> Retrieved:
    """`ended`: only among what was in force before the turn's day and no longer is. `explain`: with the places in the legs."""
    return await line.retriever.retrieve(
        turn.principal,
        turn.asked,
        sources=turn.assistant.sources,
        as_of=turn.as_of,
        document_ids=turn.question.document_ids,
        history=turn.history,
        limit=limit,
        ended=ended,
        explain=explain,
        vectors=turn.vectors,
    )
