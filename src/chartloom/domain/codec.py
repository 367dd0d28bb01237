"""JSON for our own values: fast, and exact for decimals (1.50 is written and read as 1.50)."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec

_ENCODER = msgspec.json.Encoder(decimal_format="number")
_SORTED_ENCODER = msgspec.json.Encoder(decimal_format="number", order="sorted")
_DECODER = msgspec.json.Decoder(float_hook=Decimal)


def encode(value: Any) -> bytes:
    """Compact JSON; ``Decimal`` becomes a JSON number with its digits kept."""
    return _ENCODER.encode(value)


def encode_sorted(value: Any) -> bytes:
    """Like :func:`encode`, with keys sorted: equal values give equal bytes."""
    return _SORTED_ENCODER.encode(value)


def decode(data: bytes) -> Any:
    """The inverse of :func:`encode`: JSON numbers with a fraction or exponent become ``Decimal``.

    For data that we wrote ourselves. Outside JSON goes through ``chartloom.formats.fhir``.
    """
    return _DECODER.decode(data)
