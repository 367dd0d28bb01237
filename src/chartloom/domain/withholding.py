"""What a patient withholds by class of data: which resources of a chart, and no others.

A FHIR R4 Consent can name classes, codes, labels, single resources and times, with exceptions
inside exceptions. What is left of it for one question (who asks, for what, now) is a tree of
:class:`Rule`; a :class:`~chartloom.domain.grant.Grant` carries it, signed, to whatever reads.
Judged by :mod:`chartloom.guard.withholding`.
"""

from __future__ import annotations

import msgspec

DENY, PERMIT, OPEN, NONE = "deny", "permit", "open", ""


class Rule(msgspec.Struct, frozen=True):
    """One provision. ``None`` of a condition: it names none, so everything meets it.

    effect: ``deny``; ``permit`` (opened by name); ``open`` (not withheld); ``""``: only its
    exceptions count. labels: sensitivity labels, ``""`` for what has none. types: of resources.
    codes: (system, code), system ``""`` if it was not said. drugs: ingredients of those that name
    drugs, ``""`` among them if one is not known. data: (meaning, resource id). span:
    times of the data, UTC microseconds: from when perhaps, from when surely, until when surely,
    until when perhaps. fine: one of the conditions is about single things in the chart.
    certain: that it is about this question; if not, it withholds and opens nothing, nor does what
    is within. inner: exceptions, within what this rule is about.
    """

    effect: str
    labels: tuple[str, ...] | None = None
    types: tuple[str, ...] | None = None
    codes: tuple[tuple[str, str], ...] | None = None
    data: tuple[tuple[str, str], ...] | None = None
    span: tuple[int, int, int, int] | None = None
    fine: bool = False
    certain: bool = True
    inner: tuple[Rule, ...] = ()
    drugs: tuple[str, ...] | None = None


class Withholding(msgspec.Struct, frozen=True):
    """What one Consent withholds from one who asks. source_patients: whose data it is about.
    base: what holds where no rule says anything: ``deny``, ``open`` or ``""``."""

    source_patients: tuple[str, ...]
    base: str
    rules: tuple[Rule, ...]
