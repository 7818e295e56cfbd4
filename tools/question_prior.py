"""Makes `src/countersign/retrieval/question_prior.json` from the texts in `tools/question_prior`: `kk.txt` holds
questions, `kk-statement.txt` what does not ask.

python tools/question_prior.py
"""

from __future__ import annotations

import asyncio
import json
import tempfile
from pathlib import Path

import numpy as np

from countersign.corpus.embedding import EmbeddedE5
from countersign.retrieval.prior import encode

ROOT = Path(__file__).resolve().parents[1]
QUESTIONS = Path(__file__).resolve().parent / "question_prior"


async def mean_of(embedder: EmbeddedE5, kind: str) -> str:
    texts = (QUESTIONS / f"{kind}.txt").read_text("utf-8").splitlines()
    return encode(np.mean([await embedder.embed_query(text) for text in texts], axis=0))


async def means(embedder: EmbeddedE5) -> dict[str, str]:
    return {path.stem: await mean_of(embedder, path.stem) for path in sorted(QUESTIONS.glob("*.txt"))}


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        embedder = EmbeddedE5(Path(folder))
        made = {"model": embedder.model_id, "means": asyncio.run(means(embedder))}
        embedder.close()
    target = ROOT / "src" / "countersign" / "retrieval" / "question_prior.json"
    target.write_text(json.dumps(made, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
