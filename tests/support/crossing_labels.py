"""Attempts at seeing and saying what is labelled: privacy officers may, of whoever withholds not
everything; to all others a person is like nobody."""

from __future__ import annotations

from collections.abc import Iterator

from tests.support.crossing import Attempt, Crossing

ROUTES = ("/labels/{person}",)
OFFICER = "officer"


def attempts(of: Crossing, route: str, subject: str, method: str) -> Iterator[Attempt]:
    """About each person; nothing is said that could be meant by whoever may."""
    secret = next(id for id, (_, labelled) in of.house.resources.items() if labelled)
    form = (("resource", secret), ("label", "HIV"), ("said", "lift"), ("reason", "rule-wrong"))
    if subject == OFFICER:
        form = (*form[:2], ("said", "nonsense"))
    for person, usual in of.persons_for(subject).items():
        expected = usual if usual == "absent" or not may(of, subject, person) else "any"
        expected = "forbidden" if expected == "any" and not may(of, subject, person) else expected
        path = route.replace("{person}", person)
        sent = form if method == "POST" else ()
        yield Attempt(subject, route, path, method, sent, target=person, expected=expected)


def may(of: Crossing, subject: str, person: str) -> bool:
    """Whether somebody may see what of a person is labelled."""
    house = of.house
    p = house.source_patients.get(person) or house.persons.get(person)
    return subject == OFFICER and p is not None and p.kind != "withheld"
