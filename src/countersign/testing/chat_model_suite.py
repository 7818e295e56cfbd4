"""What every `ChatModel` must do, as tests to inherit.

    class TestMyModel(ChatModelSuite):
        @asynccontextmanager
        async def healthy(self):
            async with HttpClient() as http, MyServer() as server:
                yield MyModel(..., http)

Override `hanging`, `failing` and `endless` too where the model depends on something that can hang, fail or never end.
"""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from typing import Any

import pytest

from countersign.domain.documents import Passage
from countersign.domain.errors import ProviderError, ProviderTimeout
from countersign.gateway.seams import ChatModel, Delta, Done, Message, ModelRequest
from countersign.gateway.streams import closing
from countersign.gateway.tokens import estimate_tokens

PASSAGE = Passage(
    passage_id="1",
    document_id="doc_1",
    version=1,
    external_id="tariffs.md",
    source="files",
    tenant="main",
    title="Tariffs",
    text="The monthly fee of the Altyn card is 500 tenge. It is charged on the first day of the month.",
    ordinal=0,
    language="en",
    score=1.0,
    features={"dense": 0.9, "lexical": 5.0},
)
QUESTION = "What is the monthly fee of the Altyn card?"
REQUEST = ModelRequest(
    messages=(
        Message("system", "Answer from the passages only and cite them as [n]. abstain: NO_ANSWER"),
        Message(
            "user",
            f"<<PASSAGE 1 k3>>\n{PASSAGE.text}\n<<END 1 k3>>\n\n<<QUESTION k3>>\n{QUESTION}\n<<END QUESTION k3>>",
        ),
    ),
    max_output_tokens=200,
    question=QUESTION,
    passages=(PASSAGE,),
    language="en",
    deadline_s=60.0,
)


async def collect(
    model: ChatModel, request: ModelRequest = REQUEST
) -> tuple[str, list[Done], list[Delta | Done]]:
    """The text, every `Done`, and all values in order."""
    async with closing(model.stream(request)) as stream:
        values = [value async for value in stream]
    text = "".join(value.text for value in values if isinstance(value, Delta))
    return text, [value for value in values if isinstance(value, Done)], values


def other_tasks() -> set[asyncio.Task[Any]]:
    return asyncio.all_tasks() - {asyncio.current_task()}  # type: ignore[arg-type]


@pytest.mark.anyio
class ChatModelSuite:
    def healthy(self) -> AbstractAsyncContextManager[ChatModel]:
        """A model that answers `REQUEST` from its passage."""
        raise NotImplementedError

    def hanging(self) -> AbstractAsyncContextManager[ChatModel]:
        """A model that never says anything."""
        pytest.skip("this model depends on nothing that can hang")

    def failing(self) -> AbstractAsyncContextManager[ChatModel]:
        """A model whose provider always fails."""
        pytest.skip("this model depends on nothing that can fail")

    def endless(self) -> AbstractAsyncContextManager[ChatModel]:
        """A model whose provider never stops."""
        pytest.skip("this model depends on nothing that can go on for ever")

    async def test_streams_text_and_then_exactly_one_done(self) -> None:
        async with self.healthy() as model:
            text, done, values = await collect(model)
        assert "500" in text
        assert len(done) == 1
        assert values[-1] is done[0]
        assert done[0].finish_reason == "stop"
        assert done[0].usage.output_tokens > 0

    async def test_says_its_name_and_region(self) -> None:
        async with self.healthy() as model:
            assert model.name
            assert isinstance(model.region, str)

    async def test_serves_concurrent_requests_independently(self) -> None:
        async with self.healthy() as model:
            results = await asyncio.gather(*(collect(model) for _ in range(5)))
        assert len({text for text, _, _ in results}) == 1

    async def test_a_stream_left_early_leaves_no_task_behind(self) -> None:
        async with self.healthy() as model:
            await collect(model)
            before = other_tasks()
            async with closing(model.stream(REQUEST)) as stream:
                async for _ in stream:
                    break
            if ending := other_tasks() - before:
                _, left = await asyncio.wait(ending, timeout=30.0)
                assert not left
            text, _, _ = await collect(model)
        assert "500" in text

    async def test_a_cancelled_caller_is_cancelled_at_once(self) -> None:
        async with self.hanging() as model:
            caller = asyncio.ensure_future(collect(model, replace(REQUEST, deadline_s=300.0)))
            await asyncio.sleep(0.1)
            caller.cancel()
            async with asyncio.timeout(30):
                with pytest.raises(asyncio.CancelledError):
                    await caller

    async def test_keeps_its_deadline(self) -> None:
        async with self.hanging() as model:
            clock = asyncio.get_running_loop()
            began = clock.time()
            with pytest.raises(ProviderTimeout):
                await collect(model, replace(REQUEST, deadline_s=0.3))
            assert clock.time() - began < 30.0

    async def test_failure_is_a_typed_error_with_a_hint(self) -> None:
        async with self.failing() as model:
            with pytest.raises(ProviderError) as caught:
                await collect(model)
        assert caught.value.code
        assert caught.value.hint

    async def test_output_ends_at_the_reservation(self) -> None:
        async with self.endless() as model:
            text, done, _ = await collect(model, replace(REQUEST, max_output_tokens=40))
        assert estimate_tokens(text) <= 40
        assert done[0].finish_reason == "length"
        assert not done[0].usage.reported
