"""Which release is in force for each assistant: one id for everything that shapes its answers."""

from __future__ import annotations
