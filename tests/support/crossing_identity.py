"""Attempts at the pages and operations of identity: pairs of records, merges."""

from __future__ import annotations

from collections.abc import Iterator

from tests.support.crossing import Attempt, Crossing


def pairs(of: Crossing, subject: str, method: str) -> Iterator[Attempt]:
    """Two records: of the same group, of both, of nobody; looked at or spoken about."""
    route = "/identity/pairs/{first}/{second}"
    ids, works = sorted(of.house.source_patients), subject == "steward"
    nobody = list(of.absent())
    open_ = of.house.pairs | {(b, a) for a, b in of.house.pairs}
    some = [(a, b) for a in ids[:6] for b in ids[:6]]
    for a, b, expected in [
        *((a, b, "any" if works and (a, b) in open_ else "forbidden") for a, b in some),
        *((a, nobody[0], "absent") for a in (ids[0], nobody[1])),
    ]:
        path = f"/identity/pairs/{a}/{b}"
        form = (("word", "nonsense"),) if method == "POST" else ()
        yield Attempt(subject, route, path, method, form, target=path, expected=expected)


def merges(of: Crossing, subject: str) -> Iterator[Attempt]:
    """What would be if two records were merged; nothing is said by it."""
    ids, works = sorted(of.house.source_patients), subject == "steward"
    nobody = list(of.absent())
    for operation in ("$merge", "$unmerge"):
        path = f"/fhir/R4/Patient/{operation}"
        for a, b, expected in [
            *((a, b, "any" if works else "forbidden") for a in ids[:4] for b in ids[:4]),
            (ids[0], nobody[0], "absent"),
        ]:
            if a != b:
                form = (("source-patient", a), ("target-patient", b), ("preview", "true"))
                yield Attempt(subject, path, path, "POST", form, target=a, expected=expected)
