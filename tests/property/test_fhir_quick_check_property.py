"""The quick check accepts nothing that the exact schema or a rule refuses."""

from __future__ import annotations

import copy
import gzip
import random
from collections.abc import Iterator
from decimal import Decimal
from functools import cache
from typing import Any

import pytest
from tests.support.corpora import corpora_dir
from tests.support.derive import FEED, MAPPING, message

from chartloom.domain.ids import EXAMPLE_NAMESPACE
from chartloom.formats.fhir import decode_json
from chartloom.formats.fhir.invariants import findings
from chartloom.formats.fhir.primitives import PRIMITIVES
from chartloom.formats.fhir.schema import choice_names, tables
from chartloom.formats.fhir.shapes import accepts
from chartloom.formats.fhir.validation import _validator
from chartloom.simulate import traffic

Json = dict[str, Any]

#: What is put in place of any value.
ODD: list[Any] = [
    None, True, False, 0, 1, -1, 2**31, 2**63, 10**400, 1.5, float("nan"), float("inf"), -0.0,
    Decimal("1.50"), Decimal("NaN"), Decimal("sNaN"), Decimal("-Infinity"), Decimal("1E+9999"),
    Decimal("-1"), "", " ", "\t", "x", " x", "x ", "x\n", "\nx", "x  y", "x y", "\x00", "a\x00b",
    "\x1c", "a\x1cb", "\x7f", "\x85", "a\x85b", "\u00a0", "a\u00a0b", "\u2028x", "\u3000",
    "\ufeff", "\u200b", "é", "\ud800", "a\udfffb", "😀", "a" * 64, "a" * 65, "-", ".", "a_b",
    "٣", "a\u0661",
    "2024", "2024-02", "2024-02-29", "2023-02-29", "0000", "2024-1-1", "2024-01-01T00:00:00",
    "2024-01-01T00:00:00Z", "2024-01-01T24:00:00Z", "2024-01-01T23:59:60Z", "1999-01-01",
    "2024-01-01T00:00:00.123+14:00", "2024-01-01T00:00:00+14:01", "2024-01-01\n", "12:00:00",
    "9999-12-31T23:59:59-13:59", "٢٠٢٤", "Patient/1", "Patient/", "Nothing/1", "Patient/a b", "#",
    "#a", "#a b", "urn:", "urn:x", "urn:x y", "http://x/Patient/1", "http://x", "Patient?x=1",
    "Patient/1\n",
    "Group/x", "Device/x/_history/2", "Patient/1/2", "urn:oid:1.2", "urn:oid:1.02", "urn:oid:3.1",
    "urn:uuid:c757873d-ec9a-4326-a141-556f43239520", "urn:uuid:C757873D", "QUJD", "QUI=", "QQ==",
    "Q", "QQ=", "<div>x</div>", "<p>x</p>", "<div><script>x</script></div>", "<div>\ud800</div>",
    "<div>< ſcript >x", "<div><\u00a0script>", "entered-in-error", "resolved", "final", "home",
    "active", "problem-list-item", "Observation", "d",
    [], {}, [None], [[]], [{}], [""], ["x"], ["system", "code"], ["reference"],
    ["url", "valueString"],
    [None, None], (), ("reference",), {"x": 1}, {"id": "x"}, {"url": "x"}, {"extension": []},
    {"url": "urn:x", "valueString": "x"}, {"reference": "Patient/1"}, {"reference": "#"},
    {"start": "2024", "end": "2023"}, {"start": "2023", "end": "2024"},
    {"coding": [{"system": "x", "code": "y", "userSelected": True}]},
    {"coding": [{"system": "x", "code": "y", "userSelected": 1}]},
    {"resourceType": "Patient"}, {"resourceType": "Nothing"}, {"value": 1, "comparator": "<"},
    {1: 2}, {"\ud800": "x"},
]  # fmt: skip


def exact(resource: Json) -> bool:
    """Whether the exact schema and the rules find nothing (a raise is no acceptance)."""
    kind = resource["resourceType"]
    try:
        valid = _validator(kind, "contained" in resource).is_valid(resource)
    except (ValueError, TypeError):
        return False
    return valid and not list(findings(resource))


def nodes(value: Any) -> Iterator[tuple[Any, Any]]:
    """(container, key) of every value in a resource, the resource's type aside."""
    items: Any = value.items() if type(value) is dict else enumerate(value)
    for key, child in items:
        if key != "resourceType":
            yield value, key
        if type(child) in (dict, list):
            yield from nodes(child)


@cache
def names() -> list[str]:
    """The names of all elements, as they stand in JSON."""
    found = set()
    for elements in tables().types.values():
        for element, about in elements.items():
            types = about.get("t") or [about["c"]]
            found.update(choice_names(element, types) if "[x]" in element else [element])
    return sorted(found)


def mutate(resource: Json, draw: random.Random, donors: list[Any]) -> None:
    """Changes one place of a resource."""
    places = list(nodes(resource))
    if not places:
        return
    container, key = draw.choice(places)
    value = container[key]
    how = draw.randrange(10)
    if how < 4:
        container[key] = copy.deepcopy(draw.choice(ODD))
    elif how == 4:
        del container[key]
    elif how == 5 and type(container) is dict:
        name = draw.choice([*names(), f"_{key}", "nonsense"])
        container[name] = copy.deepcopy(draw.choice([*ODD, value]))
    elif how == 6 and type(container) is dict:
        stem = next((k for k in container if str(k).startswith("value")), str(key))
        container[f"{stem[:5]}{draw.choice(['String', 'Quantity', 'DateTime'])}"] = "x"
    elif how == 7:
        container[key] = [value] if type(value) is not list else (value or [None])[0]
    elif how == 8:
        container[key] = copy.deepcopy(draw.choice(donors))
    elif type(value) is str:
        at = draw.randrange(len(value) + 1)
        container[key] = value[:at] + draw.choice([str(o) for o in ODD if type(o) is str])


def campaign(resources: list[Json], rounds: int, seed: int) -> tuple[int, int]:
    """(how many changed resources were valid, how many of these the quick check accepted)."""
    draw = random.Random(seed)
    donors = [c[k] for r in resources[:200] for c, k in nodes(r)]
    valid = quick = 0
    for i in range(rounds):
        resource = copy.deepcopy(resources[i % len(resources)])
        for _ in range(draw.choice((1, 1, 1, 2, 4))):
            mutate(resource, draw, donors)
        resource["resourceType"] = resources[i % len(resources)]["resourceType"]
        accepted = accepts(resource, resource["resourceType"], "contained" in resource)
        good = exact(resource)
        assert good or not accepted, resource
        valid += good
        quick += accepted
    return valid, quick


@cache
def simulated() -> list[Json]:
    """The resources of simulated traffic."""
    found: list[Json] = []
    for sent in traffic(seed=5, n=400):
        derived = MAPPING.derive(message(sent.body), FEED, EXAMPLE_NAMESPACE)
        found += [c.resource for c in derived.contributions]
        found += [derived.provenance] if derived.provenance else []
    return found


def test_changed_resources_of_traffic() -> None:
    resources = simulated()
    assert all(accepts(r, r["resourceType"], "contained" in r) for r in resources)
    valid, quick = campaign(resources, 12_000, 1)
    assert valid > 500
    assert quick > 0.8 * valid


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2, 12))
def test_changed_resources_of_traffic_at_length(seed: int) -> None:
    campaign(simulated(), 60_000, seed)


def test_changed_resources_of_a_bulk_export() -> None:
    found = sorted((corpora_dir() / "synthea-bulk-10").glob("*.ndjson.gz"))
    if not found:
        pytest.skip("no corpora")
    lines = [x for f in found for x in gzip.decompress(f.read_bytes()).splitlines()[:30]]
    valid, quick = campaign([decode_json(x)[0] for x in lines], 6_000, 3)
    assert valid > 300
    assert quick > 0.8 * valid


def _holder(name: str, value: Any) -> Json:
    """A resource with a value of a primitive type in an extension, which may be of any."""
    extension = {"url": "urn:x", choice_names("value[x]", [name])[0]: value}
    return {"resourceType": "Basic", "code": {"text": "x"}, "extension": [extension]}


@pytest.mark.parametrize("name", sorted(set(PRIMITIVES) - {"xhtml"}))
def test_every_primitive_type_with_every_odd_value(name: str) -> None:
    for value in [*ODD, *(chr(c) for c in range(0x3100)), *(f"a{chr(c)}b" for c in range(0x3100))]:
        resource = _holder(name, value)
        assert not accepts(resource, "Basic", False) or exact(resource), ascii(value)


def test_a_concept_that_is_only_equal_to_a_valid_one_is_not_accepted() -> None:
    def resource(selected: Any) -> Json:
        coding = {"system": "urn:x", "code": "only-equal", "userSelected": selected}
        return {"resourceType": "Basic", "code": {"coding": [coding]}}

    assert accepts(resource(True), "Basic", False)
    assert not accepts(resource(1), "Basic", False)
    changed = resource(True)
    del changed["code"]["coding"][0]["userSelected"]
    assert accepts(changed, "Basic", False)
    changed["code"]["coding"][0]["display"] = ""
    assert not accepts(changed, "Basic", False)
    assert not accepts(copy.deepcopy(changed), "Basic", False)


def test_an_element_called_resource_type_is_tested() -> None:
    def scenario(code: Any) -> Json:
        instance = {"resourceId": "x", "resourceType": code}
        return {"resourceType": "ExampleScenario", "status": "draft", "instance": [instance]}

    assert accepts(scenario("Patient"), "ExampleScenario", False)
    for code in ("Nothing", "", 1, ["Patient"]):
        assert not accepts(scenario(code), "ExampleScenario", False)
