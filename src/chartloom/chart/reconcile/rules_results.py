"""What the table of results says, typed."""

from __future__ import annotations

from typing import Annotated

import msgspec


class ResultRules(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``results.toml``; the comments there say what each value decides."""

    version: str
    same_seconds: Annotated[int, msgspec.Meta(ge=0, le=86_400)]
    same_share: Annotated[float, msgspec.Meta(ge=0, le=1)]
    points: Annotated[int, msgspec.Meta(ge=1, le=1000)]
    discrepancies: tuple[str, ...]
