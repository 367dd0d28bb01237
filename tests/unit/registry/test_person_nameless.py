"""Records that say no given name: whose they may be, and when nobody can tell."""

from __future__ import annotations

from itertools import permutations

import pytest
from tests.support.told_patients import person

from chartloom.registry.persons import (
    Decision,
    Matcher,
    Outcome,
    decide,
    default_parameters,
    nameless,
    standardise,
)

HOME = {"street": "12 Elm St", "phone": "217-555-0101"}
ANN = person("Ann", "Archer", "1961-03-04", "female", **HOME)
TWIN = person("Ivy", "Archer", "1961-03-04", "female", **HOME)
NOBODY_SAID = person("", "Archer", "1961-03-04", "female", **HOME)


def decided(one: dict[str, object], other: dict[str, object]) -> Decision:
    a, b = standardise(one), standardise(other)
    there, back = (decide(x, y, default_parameters()) for x, y in ((a, b), (b, a)))
    assert there == back
    return there


def test_all_but_the_given_name_at_one_home_is_one_person() -> None:
    decision = decided(ANN, NOBODY_SAID)
    assert (decision.outcome, decision.guard) == (Outcome.LINK, "no-given-name")


@pytest.mark.parametrize(
    "other",
    [
        person("", "Archer", "1961-03-04", "male", **HOME),
        person("", "Archer", "1961-03-04", "", street="12 Elm St"),
        person("", "Archer", "1961-03-14", "female", **HOME),
        person("", "Archer", "1961-03-04", "female"),
        person("", "Binder", "1961-03-04", "female", **HOME),
        person("", "Archer", "1961-03-04", "female", ssn="123-45-6780", **HOME),
        person("", "Archer", "1961-03-04", "female", mr="77", **HOME),
        person("", "Archer", "1961-03-04", "female", multipleBirthBoolean=True, **HOME),
        person("", "Archer", "1961-03-04", "female", street="12 Elm St", phone="217-555-0199"),
    ],
    ids=["sex", "no sex", "date", "nothing shared", "family", "number", "record", "twin", "phone"],
)
def test_without_a_given_name_all_else_has_to_fit(other: dict[str, object]) -> None:
    mine = person("Ann", "Archer", "1961-03-04", "female", ssn="987-65-4329", mr="12", **HOME)
    assert decided(mine, other).outcome is Outcome.REVIEW


def test_a_grown_twin_has_an_address_of_e_mail_of_her_own() -> None:
    mail = {"system": "email", "value": "ivy.archer@example.org"}
    other = {"system": "email", "value": "annie1961@example.org"}
    home = [{"system": "phone", "value": HOME["phone"]}]
    mine = {**ANN, "telecom": [*home, mail]}
    assert decided(mine, {**NOBODY_SAID, "telecom": [*home, other]}).outcome is Outcome.REVIEW
    assert decided(mine, {**NOBODY_SAID, "telecom": [*home, mail]}).outcome is Outcome.LINK


def test_where_the_sex_is_not_known_either_two_things_of_a_household_tell() -> None:
    assert decided(ANN, person("", "Archer", "1961-03-04", "", **HOME)).outcome is Outcome.LINK


@pytest.mark.parametrize("order", list(permutations(("ann", "twin", "nobody"))))
def test_of_two_twins_it_is_neither_until_somebody_looks(order: tuple[str, ...]) -> None:
    patients = {"ann": ANN, "twin": TWIN, "nobody": NOBODY_SAID}
    matcher = Matcher(default_parameters())
    for name in order:
        matcher.put(name, standardise(patients[name]))
    found = matcher.clusters()
    assert found.person == {"ann": "ann", "twin": "twin", "nobody": "nobody"}
    reviews = [(r.pair, r.reason) for r in found.reviews]
    assert (("ann", "nobody"), "no-given-name") in reviews
    assert (("nobody", "twin"), "no-given-name") in reviews
    matcher.say(("ann", "nobody"), True, by_person=True)
    assert matcher.clusters().person == {"ann": "ann", "twin": "twin", "nobody": "ann"}
    matcher.say(("ann", "nobody"), None)
    matcher.say(("nobody", "twin"), False, by_person=True)
    assert matcher.clusters().person == {"ann": "ann", "twin": "twin", "nobody": "ann"}
    matcher.say(("nobody", "twin"), None)
    matcher.remove("twin")
    assert matcher.clusters().person == {"ann": "ann", "nobody": "ann"}


def test_two_records_of_one_person_are_no_two() -> None:
    again = person("Ann", "Archer", "1961-03-04", "female", street="9 Oak Ave", phone=HOME["phone"])
    matcher = Matcher(default_parameters())
    for name, patient in (("a", ANN), ("b", again), ("n", NOBODY_SAID)):
        matcher.put(name, standardise(patient))
    assert set(matcher.clusters().person.values()) == {"a"}


def test_a_form_of_her_name_is_no_second_person() -> None:
    annie = person("Annie", "Archer", "1961-03-04", "female", **HOME)
    matcher = Matcher(default_parameters())
    for name, patient in (("a", ANN), ("b", annie), ("n", NOBODY_SAID)):
        matcher.put(name, standardise(patient))
    assert set(matcher.clusters().person.values()) == {"a"}


def test_a_person_of_many_records_is_compared_once_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    compared = []
    monkeypatch.setattr(nameless, "decide", lambda *pair: compared.append(pair) or decide(*pair))
    parameters = default_parameters()
    named = {f"a{n:02}": standardise(ANN) for n in range(20)}
    named |= {f"i{n:02}": standardise(TWIN) for n in range(20)}
    records = named | {"n": standardise(NOBODY_SAID)}
    decisions = {(r, "n"): decide(records[r], records["n"], parameters) for r in named}
    assert nameless.unclear_pairs(records, decisions, {}, parameters) == set(decisions)
    assert len(compared) == 1


def test_a_number_says_whose_of_two_twins_it_is() -> None:
    number = {"ssn": "123-45-6780"}
    ann = person("Ann", "Archer", "1961-03-04", "female", **number, **HOME)
    nobody_said = person("", "Archer", "1961-03-04", "female", **number, **HOME)
    matcher = Matcher(default_parameters())
    for name, patient in (("ann", ann), ("twin", TWIN), ("nobody", nobody_said)):
        matcher.put(name, standardise(patient))
    assert matcher.clusters().person == {"ann": "ann", "twin": "twin", "nobody": "ann"}
