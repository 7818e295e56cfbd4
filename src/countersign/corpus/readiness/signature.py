"""How alike two texts are worded, from 512 bytes each: MinHash over shingles of five words, with every figure masked.

Masking makes the likeness one of wording: two versions of a price list that differ in all their prices are as alike as
two copies. What they differ in is for `statements` to say. Method: Broder 1997, "On the resemblance and containment of
documents"; multiply-shift hashing after Dietzfelbinger et al. 1997.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator, Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from countersign.corpus.terms import fold

PERMUTATIONS = 128
SHINGLE_WORDS = 5
MIN_SHINGLES = 8
"""Fewer say too little: two forms with one line of text are not one document."""
BANDS = 32
"""Of four values each: a pair of likeness 0.6 meets in at least one band with 0.99, one of 0.3 with 0.23."""
CROWD = 48
"""A band that more documents share is a template; each of them is compared with a few of the others only."""
_CROWD_NEIGHBOURS = 6
_BLOCK_SHINGLES = 4_096
_WORD = re.compile(r"[^\W\d_]+|\d+")
_MASK = zlib.crc32(b"#")

_Words = NDArray[np.uint64]
Signatures = NDArray[np.uint32]


def _constants() -> tuple[_Words, _Words]:
    random = np.random.Generator(np.random.PCG64(20_250_101))
    odd = random.integers(0, 2**63, PERMUTATIONS, dtype=np.uint64) * np.uint64(2) + np.uint64(1)
    return odd, random.integers(0, 2**63, PERMUTATIONS, dtype=np.uint64)


def signature(text: str) -> bytes:
    """128 little-endian uint32; empty when the text has fewer than `MIN_SHINGLES` different shingles."""
    shingles = _shingles(_word_hashes(text))
    if len(shingles) < MIN_SHINGLES:
        return b""
    factors, offsets = _constants()
    least = np.full(PERMUTATIONS, np.iinfo(np.uint64).max, dtype=np.uint64)
    for start in range(0, len(shingles), _BLOCK_SHINGLES):
        block = shingles[start : start + _BLOCK_SHINGLES, None]
        least = np.minimum(least, (block * factors + offsets).min(axis=0))
    return (least >> np.uint64(32)).astype("<u4").tobytes()


def stack(signatures: Sequence[bytes]) -> Signatures:
    """Shape (len(signatures), 128). Every signature must be there: leave empty ones out before."""
    joined = b"".join(signatures)
    return np.frombuffer(joined, dtype="<u4").reshape(len(signatures), PERMUTATIONS)


def likeness(first: bytes, second: bytes) -> float:
    """Estimated share of common shingles, 0 to 1 (standard error 0.04); 0 when a signature is empty."""
    if not first or not second:
        return 0.0
    a, b = np.frombuffer(first, dtype="<u4"), np.frombuffer(second, dtype="<u4")
    return float(np.count_nonzero(a == b)) / PERMUTATIONS


def candidates(signatures: Signatures) -> Iterator[tuple[int, int]]:
    """Pairs of rows, each once and the lower first, that share a band: the only ones worth comparing."""
    seen: set[int] = set()
    count = len(signatures)
    rows = PERMUTATIONS // BANDS
    for band in range(BANDS):
        part = np.ascontiguousarray(signatures[:, band * rows : (band + 1) * rows])
        for members in _alike(part):
            for first, second in _pairs(members):
                code = first * count + second
                if code not in seen:
                    seen.add(code)
                    yield first, second


def _alike(part: Signatures) -> Iterator[list[int]]:
    _, inverse, sizes = np.unique(part.view("V16").ravel(), return_inverse=True, return_counts=True)
    order = np.argsort(inverse, kind="stable")
    ends = np.cumsum(sizes)
    for place in np.flatnonzero(sizes > 1):
        yield [int(row) for row in order[ends[place] - sizes[place] : ends[place]]]


def _pairs(members: list[int]) -> Iterator[tuple[int, int]]:
    if len(members) <= CROWD:
        yield from combinations(members, 2)
        return
    for place, member in enumerate(members):
        for other in members[place + 1 : place + 1 + _CROWD_NEIGHBOURS]:
            yield member, other


def _word_hashes(text: str) -> _Words:
    """One hash a word; a run of figures counts as one word whatever it says and however it is grouped."""
    hashes: list[int] = []
    known: dict[str, int] = {}
    for word in _WORD.findall(fold(text)):
        if word[0].isdigit():
            if not hashes or hashes[-1] != _MASK:
                hashes.append(_MASK)
            continue
        found = known.get(word)
        if found is None:
            found = known[word] = zlib.crc32(word.encode())
        hashes.append(found)
    return np.array(hashes, dtype=np.uint64)


def _shingles(words: _Words) -> _Words:
    count = len(words) - SHINGLE_WORDS + 1
    if count < 1:
        return np.empty(0, dtype=np.uint64)
    mixed = np.zeros(count, dtype=np.uint64)
    for place in range(SHINGLE_WORDS):
        mixed = mixed * np.uint64(0x9E3779B97F4A7C15) + words[place : place + count]
    mixed ^= mixed >> np.uint64(29)
    mixed *= np.uint64(0xBF58476D1CE4E5B9)
    return np.unique(mixed ^ (mixed >> np.uint64(32)))
