"""`tune` measures the embedding models that are configured, and what it embedded is not embedded again for the version that it recommends."""

from __future__ import annotations

from pathlib import Path

import pytest

from countersign.access.principal import Principal
from countersign.app.house import House
from countersign.app.library import Submission
from countersign.app.questions import Questions
from countersign.app.tuning import Tuning, Wanted
from countersign.domain.errors import UsageError
from countersign.evaluation import candidates
from countersign.evaluation.questions import Expected, NewQuestion
from countersign.evaluation.tuned import Tuned
from countersign.retrieval.version import IndexVersion
from countersign.testing.embedding_server import EmbeddingServer
from tests.journeys.test_embedders import bank, endpoint, finish, only_endpoints, people_of, settings_of

__all__ = ["only_endpoints"]
pytestmark = pytest.mark.anyio

WORDS = [
    first + second
    for first in ("bal", "kor", "mir", "tal", "zen", "dur")
    for second in ("ado", "eki", "ipu", "oru")
]
"""Of documents; a question says the same with another word, which one of the two models knows."""
SAME = {word[::-1]: word for word in WORDS}


async def tuned(house: House, operator: Principal) -> Tuned:
    workspace, database, clock = house.workspace, house.database, house.clock
    models = {
        name: candidates.Model(model, embedder.dimension)
        for name, model in house.embedders.names.items()
        if (embedder := house.embedders.of(model)) is not None
    }
    live = (await house.shelves.current()).version
    compared = candidates.said(live, {"candidates": [{"name": "other", "embedder": "two"}]}, models)
    tuning = Tuning(workspace, database, house.blobs, house.parser, house.embedders, clock)
    return await tuning.run(Wanted("words", operator, tuple(compared)), lambda done, total, what: None)


async def test_another_model_is_measured_recommended_and_not_embedded_twice(tmp_path: Path) -> None:
    async with EmbeddingServer(48) as one, EmbeddingServer(64, same=SAME) as two:
        settings = settings_of(tmp_path, endpoint("one", one), endpoint("two", two))
        async with bank(settings) as house:
            operator, _ = await people_of(house)
            for word in WORDS:
                text = f"# {word}\n\n{word}".encode()
                said = Submission(filename=f"{word}.md", mime="text/markdown", any_of=("tenant:*",))
                await house.library.put(operator, "push", word, text, said)
            await house.worker.drain()
            asked = [NewQuestion(word[::-1], "en", (Expected("push", word),)) for word in WORDS]
            await Questions(house.database, settings, house.clock).bring(operator, "words", asked)

            found = await tuned(house, operator)
            assert found.recommendation.chosen.name == "other"
            assert found.recommendation.reason == "better_than_live"
            chosen = found.recommendation.chosen.version
            assert (chosen.embedder, chosen.dimension) == ("model-two/64@endpoint", 64)
            other = found.chosen.run
            assert other.built.embedded == len(WORDS)
            assert other.cpu_ms >= 0 and two.texts

            sent = len(two.texts)
            assert (await tuned(house, operator)).recommendation.chosen.version == chosen
            added = await house.index_versions.build(chosen, "", "askar")
            await finish(house)
            ready = await house.index_versions.one(added.stored.id)
            assert (ready.stored.state, ready.stored.documents) == ("ready", len(WORDS))
            assert len(two.texts) == sent, "nothing is embedded twice"
            await _is_removed_by_an_erasure(house, operator)


async def _is_removed_by_an_erasure(house: House, operator: Principal) -> None:
    kept = house.workspace.state / "tune" / "vectors.db"
    assert kept.is_file()
    listed = await house.library.list(operator, limit=1)
    job_id = await house.library.erase(operator, listed[0].document_id)
    await house.worker.drain()
    done = await house.library.job(operator, job_id)
    assert done.result is not None and done.result["complete"], done.result
    assert not kept.exists()


async def test_only_models_that_are_configured_can_be_candidates() -> None:
    live = IndexVersion(embedder="m", dimension=3)
    models = {"other": candidates.Model("n", 5)}
    listed = candidates.said(live, {"candidates": [{"name": "a", "embedder": "other"}]}, models)
    assert (listed[1].version.embedder, listed[1].version.dimension) == ("n", 5)
    assert [each.name for each in candidates.usual(live, models)].count("embedder other") == 1
    with pytest.raises(UsageError) as unknown:
        candidates.said(live, {"candidates": [{"name": "a", "embedder": "third"}]}, models)
    assert unknown.value.code == "tune_candidates_invalid" and "other" in unknown.value.message
