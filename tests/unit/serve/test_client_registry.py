"""The pure parts of the doors for other systems: dates, domains, criteria, persons, answers."""

from __future__ import annotations

from datetime import date

import pytest

from chartloom.domain.resource import FhirJson, ResourceState, Stamp
from chartloom.formats.hl7v2 import Authority
from chartloom.serve.client_registry import people
from chartloom.serve.client_registry.criteria import (
    FIELDS,
    Criterion,
    Search,
    fits,
    indexed,
    terms_of,
)
from chartloom.serve.client_registry.dates import Span, asked_span, both, span_of
from chartloom.serve.client_registry.domains import Domain, Domains
from chartloom.serve.client_registry.fhir_answers import grade, score
from chartloom.serve.client_registry.fhir_params import PARAMETERS
from chartloom.serve.client_registry.registry import Match

TEST = Domain("TEST", "1.2.3", "http://test.example/ids")
OTHER = Domain("OTHER")
NAMED = Domains([TEST, OTHER])


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("1984", "1984-01-01", "1984-12-31"),
        ("1984-02", "1984-02-01", "1984-02-29"),
        ("1984-12", "1984-12-01", "1984-12-31"),
        ("1984-02-29", "1984-02-29", "1984-02-29"),
        ("eq1984-02", "1984-02-01", "1984-02-29"),
        ("ge1984-02", "1984-02-01", "2199-12-31"),
        ("gt1984-02", "1984-03-01", "2199-12-31"),
        ("le1984-02", "1800-01-01", "1984-02-29"),
        ("lt1984-02", "1800-01-01", "1984-01-31"),
    ],
)
def test_spans(text: str, first: str, last: str) -> None:
    span = asked_span(text)
    assert span is not None
    assert (span.first.isoformat(), span.last.isoformat()) == (first, last)


@pytest.mark.parametrize(
    "text", ["", "84", "1984-13", "1984-02-30", "1984-2-3", "xx1984", "9999", "0000", "19840125"]
)
def test_what_is_no_date(text: str) -> None:
    assert asked_span(text) is None


def test_a_year_is_looked_up_by_all_its_dates() -> None:
    year = span_of("1984")
    assert year is not None
    values = year.values()
    assert len(values) == 366 + 12 + 1
    assert {"1984", "1984-02", "1984-02-29"} <= set(values)
    assert all(year.holds(value) for value in values)
    assert not year.holds("1985-01-01")
    half = Span(date(1984, 1, 15), date(1984, 3, 2))
    assert "1984-02" in half.values()
    assert {"1984", "1984-01", "1984-03"}.isdisjoint(half.values())
    decade = Span(date(1980, 1, 1), date(1989, 12, 31))
    assert decade.values() == []
    assert both(decade, year).values() == values
    assert both(year, Span(date(1990, 1, 1), date(1990, 1, 1))).values() == []


@pytest.mark.parametrize(
    ("authority", "domain"),
    [
        (Authority("TEST"), TEST),
        (Authority("", "1.2.3", "ISO"), TEST),
        (Authority("TEST", "1.2.3", "ISO"), TEST),
        (Authority("", "http://test.example/ids", "URI"), TEST),
        (Authority("OTHER"), OTHER),
        (Authority("OTHER", "1.2.3", "ISO"), None),
        (Authority("TEST", "9.9", "ISO"), None),
        (Authority("NOBODY"), None),
        (Authority("test"), None),
    ],
)
def test_an_authority_is_known_by_each_of_its_names(
    authority: Authority, domain: Domain | None
) -> None:
    assert NAMED.of_authority(authority) == domain


def test_without_names_all_that_is_said_is_a_domain() -> None:
    anybody = Domains()
    assert anybody.of_authority(Authority("X")) == Domain("X")
    assert anybody.of_authority(Authority("", "1.2", "ISO")) == Domain(oid="1.2")
    both_names = anybody.of_authority(Authority("X", "1.2", "ISO"))
    assert both_names == Domain("X", "1.2")
    assert both_names.systems == ("urn:oid:1.2", "urn:id:X")
    uuid = Authority("", "ABCD", "UUID")
    assert anybody.of_authority(uuid) == Domain(uri="urn:uuid:abcd")
    assert anybody.of_system("") is None


@pytest.mark.parametrize("domains", [Domains(), Domains([Domain("USA")])])
def test_numbers_for_other_ends_are_told_only_where_their_domain_is_named(domains: Domains) -> None:
    insurance = {
        "type": {"coding": [{"code": "SS"}]},
        "system": "urn:id:USA",
        "value": "1",
    }
    told = domains.of_identifier(insurance)
    assert told == (Domain("USA") if domains.named else None)
    assert domains.of_identifier({"value": "1"}) is None
    assert domains.of_identifier({"system": "urn:id:USA"}) is None


PATIENT: FhirJson = {
    "resourceType": "Patient",
    "id": "a",
    "identifier": [{"system": "urn:oid:1.2.3", "value": "A 1"}],
    "name": [{"family": "Von  Stein", "given": ["Ada", "Ruth"]}, {"family": "Berg"}],
    "birthDate": "1984-01",
    "gender": "female",
    "telecom": [{"value": "+49 (30) 555-1234"}, {"value": "ada@example.org"}],
    "address": [{"line": ["1 Mill Lane"], "city": "Marsh", "postalCode": "10115"}],
    "extension": [
        {"url": "x/patient-mothersMaidenName", "valueString": "Olsen, Eva"},
        {"url": "x/mothers-identifier", "valueIdentifier": {"system": "urn:id:X", "value": "M1"}},
    ],
}


@pytest.mark.parametrize(
    ("criterion", "fit"),
    [
        (Criterion("identifier", "a 1", domain=TEST), True),
        (Criterion("identifier", "a 1"), True),
        (Criterion("identifier", "a 1", domain=OTHER), False),
        (Criterion("identifier", "a", whole=False), False),
        (Criterion("family", "von stein"), True),
        (Criterion("family", "stein"), False),
        (Criterion("family", "VON", whole=False), True),
        (Criterion("family", "von"), False),
        (Criterion("family", "berg"), True),
        (Criterion("given", "ruth"), True),
        (Criterion("birthdate", span=span_of("1984")), True),
        (Criterion("birthdate", span=span_of("1984-01")), True),
        (Criterion("birthdate", span=span_of("1984-01-25")), False),
        (Criterion("gender", "female"), True),
        (Criterion("gender", "unknown"), False),
        (Criterion("telecom", "030 5551234"), True),
        (Criterion("telecom", "040 5551234"), False),
        (Criterion("telecom", "30 5551234"), True),
        (Criterion("telecom", "1234"), False),
        (Criterion("telecom", "ADA@example.org"), True),
        (Criterion("address", "marsh"), True),
        (Criterion("address", "1 mill", whole=False), True),
        (Criterion("address-postalcode", "101", whole=False), True),
        (Criterion("address-city", "Marshes"), False),
        (Criterion("mothersMaidenName", "olsen"), True),
        (Criterion("mothersMaidenName", "berg"), False),
        (Criterion("mothers-identifier", "m1", domain=Domain("X")), True),
        (Criterion("mothers-identifier", "m1", domain=OTHER), False),
        (Criterion("active", "true"), True),
        (Criterion("active", "false"), False),
    ],
)
def test_whether_a_record_has_what_is_looked_for(criterion: Criterion, fit: bool) -> None:
    assert fits(PATIENT, Search(((criterion,),))) is fit
    assert fits(PATIENT, Search(((criterion,), (Criterion("given", "nobody"),)))) is False
    assert fits(PATIENT, Search(((criterion, Criterion("given", "ada")),))) is True


def test_records_of_any_shape_can_be_asked() -> None:
    odd: list[FhirJson] = [
        {}, {"identifier": [{}]}, {"name": [{"family": 7, "given": [None]}]}, {"birthDate": 1984},
        {"telecom": [{"value": None}]}, {"extension": [{"url": "mothersMaidenName"}]},
    ]  # fmt: skip
    for patient in odd:
        for field in FIELDS - {"active", "gender"}:
            assert not fits(patient, Search(((Criterion(field, "x", span=span_of("1984")),),)))


def test_what_an_index_answers_comes_with_the_rarest_first() -> None:
    name, day = Criterion("family", "x" * 3), Criterion("birthdate", span=span_of("1984-01-25"))
    number = Criterion("identifier", "1")
    wanted = tuple((c,) for c in (name, Criterion("gender", "male"), day, number))
    fields = [keys[0][0] for keys in indexed(Search(wanted))]
    assert fields == ["identifier", "birthdate", "family"]
    assert indexed(Search(((Criterion("family", "xy", whole=False),),))) == []
    assert indexed(Search(((Criterion("family", "xyz", whole=False),),))) == [
        [("family", "xyz"), ("family^", "xyz")]
    ]
    # One of the alternatives would need a scan: then all of them would.
    assert indexed(Search(((name, Criterion("family", "x", whole=False)),))) == []
    assert indexed(Search(((Criterion("gender", "male"),),))) == []
    for value, keys in (
        ("+49 30 555-1234", [("phone", "5551234")]),
        ("a@b.example", [("email", "a@b.example")]),
        ("123456", None),
    ):
        contact = Criterion("telecom", value)
        assert indexed(Search(((contact,),))) == ([keys] if keys else [])


def test_terms_for_the_record_name_their_fields() -> None:
    search = Search(((Criterion("family", "A  B"), Criterion("family", "c")),), ids=("i",))
    assert terms_of(search) == {"family": "a b c", "id": "i"}


def state(id: str, said_us: int, **more: object) -> ResourceState:
    resource = {"resourceType": "Patient", "id": id, **more}
    return ResourceState(resource, id, {"id": Stamp(1, said_us, 1)})


def numbered(value: str, system: str = "urn:id:TEST") -> list[FhirJson]:
    return [{"system": system, "value": value}]


def test_a_person_is_what_the_newest_record_says_with_the_numbers_of_all() -> None:
    old = state("a", 1, identifier=numbered("1"), birthDate="1950", photo=[{}], contact=[{}])
    new = state("b", 2, identifier=numbered("9", "urn:id:OTHER"), gender="male", text={"div": ""})
    person = people.known("a", ("a", "b"), {"a": old, "b": new})
    assert person is not None
    told = people.resource(person, NAMED)
    assert told == {
        "resourceType": "Patient",
        "id": "a",
        "gender": "male",
        "identifier": [
            {"system": "urn:id:OTHER", "value": "9"},
            {"system": "http://test.example/ids", "value": "1"},
        ],
    }
    only = people.resource(person, NAMED, (OTHER,))["identifier"]
    assert [n["value"] for n in only] == ["9"]
    assert people.known("a", ("a",), {}) is None


@pytest.mark.parametrize("told_by", ["replaces", "replaced-by"])
def test_numbers_of_merged_records_are_not_told_any_more(told_by: str) -> None:
    kept, gone = state("a", 1, identifier=numbered("1")), state("b", 2, identifier=numbered("2"))
    whose, other = (kept, "b") if told_by == "replaces" else (gone, "a")
    whose.resource["link"] = [{"other": {"reference": f"Patient/{other}"}, "type": told_by}]
    person = people.known("a", ("a", "b"), {"a": kept, "b": gone})
    assert person is not None
    assert [n.value for n in people.numbers(person, NAMED)] == ["1"]
    # A link to somebody who is not of this person (any more) takes nothing away.
    alone = people.known("b", ("b",), {"b": gone})
    assert alone is not None
    assert [n.value for n in people.numbers(alone, NAMED)] == ["2"]


def test_what_people_merged_is_merged_as_well() -> None:
    kept, gone = state("a", 1, identifier=numbered("1")), state("b", 2, identifier=numbered("2"))
    states = {"a": kept, "b": gone}
    person = people.known("a", ("a", "b"), states, {"b": "a"})
    assert person is not None
    assert [n.value for n in people.numbers(person, NAMED)] == ["1"]
    assert [s.id for s in person.merged] == ["b"]
    elsewhere = people.known("b", ("b",), states, {"b": "a"})
    assert elsewhere is not None
    assert elsewhere.merged == ()
    served = people.replaced("b", "a")
    assert (served["active"], served["link"][0]["type"]) == (False, "replaced-by")


def test_records_that_replace_each_other_both_count() -> None:
    one, two = state("a", 1, identifier=numbered("1")), state("b", 2, identifier=numbered("2"))
    for record, other in ((one, "b"), (two, "a")):
        record.resource["link"] = [{"other": {"reference": f"Patient/{other}"}, "type": "replaces"}]
    person = people.known("a", ("a", "b"), {"a": one, "b": two})
    assert person is not None
    assert len(person.states) == 2


def test_of_each_domain_one_number_is_told() -> None:
    old, new = state("a", 1, identifier=numbered("1")), state("b", 2, identifier=numbered("2"))
    person = people.known("a", ("a", "b"), {"a": old, "b": new})
    assert person is not None
    every = people.numbers(person, NAMED)
    assert [n.value for n in people.one_per_domain(every)] == ["2"]
    assert [n.value for n in people.one_per_domain(every, (TEST, "1"))] == ["1"]
    assert [n.value for n in people.one_per_domain(every, (OTHER, "1"))] == ["2"]


@pytest.mark.parametrize(
    ("outcome", "weight", "expected"),
    [
        ("link", 30.0, ("certain", 1.0)),
        ("link", 2.0, ("certain", 0.95)),
        ("review", 30.0, ("probable", 0.94)),
        ("review", 9.0, ("probable", 0.5)),
        ("new", 30.0, ("possible", 0.49)),
        ("new", -3.0, ("possible", 0.01)),
    ],
)
def test_only_who_would_be_linked_is_certain(
    outcome: str, weight: float, expected: tuple[str, float]
) -> None:
    person = people.known("a", ("a",), {"a": state("a", 1)})
    assert person is not None
    match = Match(person, outcome, weight)
    assert (grade(match), score(match, 18.0)) == expected


def test_every_search_parameter_has_a_test() -> None:
    assert set(PARAMETERS) - {"_id"} <= FIELDS


def test_a_date_has_the_digits_of_a_date() -> None:
    assert span_of("\u0661970") is None
    assert span_of("1970") is not None
