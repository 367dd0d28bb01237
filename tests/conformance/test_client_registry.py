"""The OpenHIE client-registry cases through the real doors: ADT messages through the hot path, each
query through the socket of the HL7 v2 door.

Every query case stands in one of the two tables below: what must be answered, or why it is not.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from tests.support.corpora import corpora_dir
from tests.support.identity_doors import IdentityDoors, fields, numbers_of, open_doors
from tests.support.postgres import StoreFactory
from tests.support.site import ShiftedClock, Site

from chartloom.formats.hl7v2 import Tree, parse, serialise
from chartloom.serve.client_registry import Domain

FOLDER = "openhie-client-registry/SanteMPI.Test/Resources/HL7"
#: Authorities that the cases take for registered.
DOMAINS = (
    Domain("TEST", "2.16.840.1.113883.3.72.5.9.1", "http://ohie.org/test/test"),
    Domain("TEST_A", "2.16.840.1.113883.3.72.5.9.2"),
    Domain("TEST_B", "2.16.840.1.113883.3.72.5.9.3"),
    Domain("NID", "2.16.840.1.113883.3.72.5.9.9"),
)


class Answer(NamedTuple):
    """What a query must be answered: MSA-1, QAK-2, identifiers that are there and that are not,
    place of the error (ERR-2) and number of persons (-1: any)."""

    code: str = "AA"
    status: str = "OK"
    has: tuple[str, ...] = ()
    lacks: tuple[str, ...] = ()
    place: str = ""
    persons: int = -1


UNKNOWN_NUMBER = Answer("AE", "AE", place="QPD^1^3^1^1")
UNKNOWN_DOMAIN = Answer("AE", "AE", place="QPD^1^3^1^4")
UNKNOWN_TARGET = Answer("AE", "AE", place="QPD^1^4^1^4")
UNKNOWN_WANTED = Answer("AE", "AE", place="QPD^1^8^1^4")
NOBODY = Answer("AA", "NF", persons=0)

CASES: dict[str, Answer] = {
    "02-20": Answer(has=("RJ-438",)),
    "02-40": Answer(has=("RJ-439",)),
    "05-30": Answer(has=("RJ-441",)),
    "06-40": Answer(has=("RJ-449", "NID-000345435")),
    "07-30": Answer(has=("RJ-440",)),
    "07-40": Answer(has=("RJ-440",), persons=1),
    "08-30": Answer(has=("RJ-442",), persons=1),
    "09-10": UNKNOWN_NUMBER,
    "09-20": UNKNOWN_DOMAIN,
    "09-40": Answer(has=("RJ-443",)),
    "10-20": Answer(has=("RJ-444",)),
    "10-30": UNKNOWN_TARGET,
    "10-40": NOBODY,
    "11-20": Answer(has=("RJ-439",), persons=1),
    "11-30": NOBODY,
    "11-40": Answer("AE", "AE", place="QPD^1^3^2^1"),
    "11-50": Answer(has=("RJ-439",), persons=1),
    "11-60": NOBODY,
    "11-70": UNKNOWN_WANTED,
    "12-20": Answer(has=("RJ-439",), persons=1),
    "12-30": NOBODY,
    "12-40": Answer(has=("RJ-439",), persons=1),
    "12-45": UNKNOWN_WANTED,
    "12-50": Answer(has=("RJ-439",), persons=1),
    "13-20": Answer(has=("RJ-440",), lacks=("RJ-439",), persons=1),
    "14-20": Answer(has=("RJ-439",)),
    "14-30": Answer(has=("RJ-439",)),
    "14-40": Answer(has=("RJ-439",)),
    "14-50": NOBODY,
    "15-20": Answer(has=("RJ-439",), persons=1),
    "15-30": Answer(has=("RJ-439",), persons=1),
    "15-40": Answer(has=("RJ-439",)),
    "15-50": NOBODY,
    "15-60": NOBODY,
    "16-20": Answer(has=("RJ-439", "RJ-999")),
    "16-40": Answer(has=("RJ-439",), lacks=("RJ-999",), persons=1),
    "16-50": Answer(has=("RJ-439",), lacks=("RJ-999",), persons=1),
    "16-60": Answer(has=("RJ-439",), lacks=("RJ-999",), persons=1),
    "18-40": Answer("AE", "AE", place="QPD^1^3^1"),
}
#: Not answered as the case asks, and why.
OUT_OF_SCOPE = {
    "12-60": "QPD-5 asks for a search by sound: names are kept as blind fingerprints, exactly or "
    "by their first letters; the matcher ($match) compares sounds, with a date of birth or home",
    "12-70": "QPD-4 asks for a confidence of a half by alias: the same",
    "13-30": "PID-6 alone: the mother's name is not in the child's message, and is not indexed",
}


def case_of(path: Path) -> str:
    return path.stem.removeprefix("OHIE-CR-")


def message_of(path: Path) -> bytes:
    """One line per segment, as MLLP carries it; the files end lines as text files do."""
    data = path.read_bytes().removeprefix(b"\xef\xbb\xbf")
    return re.sub(rb"[\r\n]+", b"\r", data).strip() + b"\r"


@pytest.fixture(scope="module")
def steps() -> dict[str, bytes]:
    folder = corpora_dir() / FOLDER
    found = {case_of(f): message_of(f) for f in sorted(folder.glob("OHIE-CR-*.txt"))}
    if not found:
        pytest.skip(f"no client-registry cases in {folder}; set CHARTLOOM_CORPORA")
    return found


@pytest.fixture
def doors(
    postgres_server: object, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[IdentityDoors]:
    factory = StoreFactory(postgres_server, tmp_path_factory.mktemp("registry"))
    clock = ShiftedClock()
    site = Site(factory(clock=clock), clock)
    with open_doors(site, DOMAINS) as opened:
        yield opened
    factory.close()


def is_query(message: bytes) -> bool:
    return parse(message).message_type.startswith("QBP")


SCENARIOS = ("02", "05", "06", "07", "08", "09", "10", "11", "12", "13", "14", "15", "16", "18")


def check(case: str, answer: Tree, asked: bytes) -> None:
    expected = CASES[case]
    assert not answer.fatal, case
    assert fields(answer, "MSA", (1,), (2,)) == [expected.code, parse(asked).control_id], case
    assert fields(answer, "QAK", (2,)) == [expected.status], case
    error = answer.first("ERR")
    assert (error.fields[2] if error else "") == expected.place, case
    numbers = {number for number, _, _ in numbers_of(answer)}
    assert numbers >= set(expected.has), case
    assert not numbers & set(expected.lacks), case
    if expected.persons >= 0:
        assert len(answer.segments_named("PID")) == expected.persons, case
    assert serialise(answer) == answer.data
    assert answer.issues == [], case


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_scenario_is_answered_as_it_must_be(
    scenario: str, steps: dict[str, bytes], doors: IdentityDoors
) -> None:
    queries = 0
    for case, message in steps.items():
        if not case.startswith(scenario):
            continue
        if not is_query(message):
            doors.site.land("adt", message)
            doors.site.apply()
        elif case in OUT_OF_SCOPE:
            queries += 1
            assert fields(doors.ask(message), "MSA", (1,)) == ["AE"], case
        else:
            queries += 1
            check(case, doors.ask(message), message)
    assert len(doors.events()) == queries  # each is on record, once


def test_every_query_case_has_an_answer_or_a_reason(steps: dict[str, bytes]) -> None:
    queries = {case for case, message in steps.items() if is_query(message)}
    assert queries == CASES.keys() | OUT_OF_SCOPE.keys()
    assert {case[:2] for case in queries} == set(SCENARIOS)


def test_an_authority_is_told_by_all_its_names(
    steps: dict[str, bytes], doors: IdentityDoors
) -> None:
    doors.site.land("adt", steps["02-10"])
    doors.site.apply()
    answer = doors.ask(steps["02-20"])
    assert numbers_of(answer) == {("RJ-438", "TEST", "2.16.840.1.113883.3.72.5.9.1")}
    by_name = steps["02-20"].replace(b"&2.16.840.1.113883.3.72.5.9.1&ISO", b"TEST")
    assert numbers_of(doors.ask(by_name)) == numbers_of(answer)


#: ADT cases that a registry is to refuse, and why they are taken here. The others set up queries.
TAKEN_ALL_THE_SAME = {
    "01-10": "no assigning authority in PID-3",
    "03-10": "an authority (by OID) that is not registered",
    "03-20": "an authority (by name) that is not registered",
    "04-30": "an authority that belongs to another sender",
    "17-40": "a merge of a record whose authority belongs to another sender",
    "17-50": "a merge of a record that nobody knows",
}


def test_messages_that_a_registry_refuses_are_kept_and_said_to_be(
    steps: dict[str, bytes], doors: IdentityDoors
) -> None:
    """AA says that a message is durable, not that it is believed: what a feed may send is for its
    mapping and its Issues. Nothing of these cases is told by a door that does not know the
    authority."""
    site = doors.site
    for case in TAKEN_ALL_THE_SAME:
        assert site.land("adt", steps[case])[0] > 0, case
    site.apply()
    for number in ("RJ-999-2^^^&2.16.840.1.113883.3.72.5.9.4&ISO", "RJ-999-2^^^TEST_BLOCK"):
        asked = steps["02-20"].replace(
            b"RJ-438^^^&2.16.840.1.113883.3.72.5.9.1&ISO", number.encode()
        )
        assert fields(doors.ask(asked), "MSA", (1,)) == ["AE"]


def test_a_merge_across_authorities_is_followed(
    steps: dict[str, bytes], doors: IdentityDoors
) -> None:
    for case in ("17-15", "17-20", "17-30"):
        doors.site.land("adt", steps[case])
        doors.site.apply()
    asked = steps["16-50"].replace(b"RJ-999^^^TEST^PI|^^^TEST", b"RJ-292^^^TEST_A")
    answer = doors.ask(asked)
    assert {number for number, _, _ in numbers_of(answer)} == {"RJ-203"}


def test_every_adt_case_is_set_up_by_a_scenario_or_stands_here(steps: dict[str, bytes]) -> None:
    messages = {case for case, message in steps.items() if not is_query(message)}
    for_queries = {case for case in messages if case[:2] in SCENARIOS}
    here = {*TAKEN_ALL_THE_SAME, "17-15", "17-20", "17-30"}
    # 04-20 and 17-25 set up what 04-30 and 17-40 are to refuse; 06-20 and 06-30 are of scenario 06.
    assert messages - for_queries - here == {"04-20", "17-25"}


#: The FHIR cases are feeds by IHE PMIR (ITI-93): a Bundle of type message that holds a Bundle of
#: type history. Feeds by FHIR are transactions, batches and collections here (docs/howto).
PMIR = "openhie-client-registry/SanteMPI.Test/Resources/FHIR"


def test_fhir_cases_are_all_of_a_kind_that_is_out_of_scope() -> None:
    files = sorted((corpora_dir() / PMIR).glob("*.json"))
    if not files:
        pytest.skip(f"no FHIR cases in {corpora_dir() / PMIR}; set CHARTLOOM_CORPORA")
    kinds = {json.loads(f.read_text(encoding="utf-8-sig")).get("type") for f in files}
    assert kinds == {"message"}
