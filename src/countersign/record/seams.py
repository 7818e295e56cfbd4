"""What other rooms need of the record: to append to it and to read its views."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from countersign.domain.events import Event


class Recorder(Protocol):
    async def append(self, events: Sequence[Event]) -> None:
        """Chain `events` in this order; when it returns they are committed. All or none are recorded."""
        ...


class Signer(Protocol):
    """Signs checkpoints and backup manifests. The default is Ed25519; another scheme brings its own verifier."""

    @property
    def key_id(self) -> str: ...

    def sign(self, message: bytes) -> bytes: ...
