"""The tokenizer of multilingual-e5 as a sentencepiece model built from the vocabulary, and its normalisation.

Normalisation is a table by code point, applied after NFC (the table cannot compose `и` + breve, which PDF text often
has). Special pieces are of type CONTROL, so that `<s>` or `<mask>` in a text are ordinary characters.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from countersign.corpus.e5.weights import Weights

MODEL_FILE, TABLE_FILE = "tokenizer.model", "normalisation.json"
BEGIN, PAD, END, UNKNOWN = 0, 1, 2, 3
_CONTROL = frozenset({"<s>", "<pad>", "</s>", "<mask>"})
_SPACES = re.compile(" +")


def write_tokenizer(weights: Weights, folder: Path) -> None:
    from importlib import import_module

    proto: Any = import_module("sentencepiece.sentencepiece_model_pb2")  # generated: it has no types
    model = proto.ModelProto()
    kinds = proto.ModelProto.SentencePiece
    for piece, score in zip(weights.pieces, weights.scores.tolist(), strict=True):
        kind = kinds.UNKNOWN if piece == "<unk>" else kinds.CONTROL if piece in _CONTROL else kinds.NORMAL
        model.pieces.add(piece=piece, score=score, type=kind)
    trainer = model.trainer_spec
    trainer.model_type = proto.TrainerSpec.UNIGRAM
    trainer.vocab_size = len(weights.pieces)
    trainer.unk_id, trainer.bos_id, trainer.eos_id, trainer.pad_id = UNKNOWN, BEGIN, END, PAD
    normalizer = model.normalizer_spec
    normalizer.name = "identity"
    normalizer.add_dummy_prefix = True
    normalizer.remove_extra_whitespaces = False
    normalizer.escape_whitespaces = True
    (folder / MODEL_FILE).write_bytes(model.SerializeToString())
    table = {str(point): text for point, text in weights.normalisation.items()}
    (folder / TABLE_FILE).write_text(json.dumps(table, ensure_ascii=True), encoding="utf-8")


class Tokens:
    """Text to token ids, specials not included. Safe to share between threads."""

    def __init__(self, folder: Path) -> None:
        from sentencepiece import SentencePieceProcessor

        self._model = SentencePieceProcessor(model_file=str(folder / MODEL_FILE))
        table = json.loads((folder / TABLE_FILE).read_text(encoding="utf-8"))
        self._table: dict[int, str] = {int(point): text for point, text in table.items()}

    def normalise(self, text: str) -> str:
        composed = unicodedata.normalize("NFC", text).translate(self._table)
        return _SPACES.sub(" ", composed).strip(" ")

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        normal = [self.normalise(text) for text in texts]
        return self._model.encode(normal, out_type=int, num_threads=1)
