"""Attempts at the pages of the directory, which names nobody who is treated: patients are tried in
the place of its records and questions."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import quote

from tests.support.crossing import Attempt, Crossing

ROUTES = ("/directory/records/{handle}", "/directory/questions/{key}")


def attempts(of: Crossing, route: str, subject: str, method: str) -> Iterator[Attempt]:
    """Ids of patients and of persons, as they are and as records of the directory are called."""
    base = route[: route.index("{")]
    form = (("word", "nonsense"), ("text", "x")) if method == "POST" else ()
    ids = dict.fromkeys(of.house.source_patients | of.house.persons, "forbidden") | of.absent()
    for id, expected in ids.items():
        for key in (id, f"Patient~{id}", f"patient:{id}"):
            path = base + quote(key, safe="")
            yield Attempt(subject, route, path, method, form, target=id, expected=expected)
