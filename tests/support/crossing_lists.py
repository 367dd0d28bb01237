"""Attempts at deciding about lists of a chart: of one's own patients, of others, of nobody."""

from __future__ import annotations

from collections.abc import Iterator

from tests.support.crossing import Attempt, Crossing

ROUTES = tuple(
    f"/chart/{{person}}/{kind}/decide" for kind in ("medications", "allergies", "problems")
)


def attempts(of: Crossing, route: str, subject: str, method: str) -> Iterator[Attempt]:
    """About a line that there is not: whoever may decide is told no more than that."""
    form = (("line", "no such line"), ("said", "refuted"))
    for person, expected in of.persons_for(subject).items():
        path = route.replace("{person}", person)
        yield Attempt(subject, route, path, method, form, target=person, expected=expected)
