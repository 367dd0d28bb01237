"""Named functions for what tables cannot say; importing this package registers them all."""

from chartloom.normalize.functions import (
    codes,
    contact,
    encounter,
    identifiers,
    numbers,
    observation,
    orders,
    organisations,
    patient,
    report,
    text,
    times,
)

__all__ = [
    "codes",
    "contact",
    "encounter",
    "identifiers",
    "numbers",
    "observation",
    "orders",
    "organisations",
    "patient",
    "report",
    "text",
    "times",
]
