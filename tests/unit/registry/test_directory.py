"""People and places: numbers, golden records, what differs, places as messages name them."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chartloom.domain.errors import ConfigurationError
from chartloom.registry.directory import (
    NPI_SYSTEM,
    NUMBER_SHARED,
    Directory,
    DirectoryKind,
    builtin_rules,
    golden_records,
    is_npi,
    load_directory,
    read_nppes,
    taken_rows,
)

PRACTITIONERS = b"""source,key,npi,identifiers,family,given,department,phone,at
hr,E17,1234567893,urn:id:EHR|4711,Okafor,Ngozi,Cardiology,480-112-0001,2024-05-01
ehr,4711,,urn:id:EHR|4711,OKAFOR,N.,,480-112-9999,2026-01-01
hr,E18,,urn:id:EHR|4712,Lindqvist,Per,Surgery,,2024-05-01
"""
LOCATIONS = b"""source,key,kind,name,part_of,ward,room,bed,facility
ehr,main,site,Main Hospital,,,,,
ehr,cardio,department,Cardiology,main,,,,
ehr,4W,ward,4 West,cardio,4W,,,MAIN
ehr,4W-12,room,4 West 12,4W,4W,12,,MAIN
ehr,4W-12-A,bed,4 West 12 A,4W-12,4W,12,A,MAIN
"""
HEADER = (
    '"NPI","Entity Type Code","Provider Organization Name (Legal Business Name)",'
    '"Provider Last Name (Legal Name)","Provider First Name","Last Update Date",'
    '"NPI Deactivation Date","NPI Reactivation Date","Healthcare Provider Taxonomy Code_1",'
    '"Healthcare Provider Primary Taxonomy Switch_1","Healthcare Provider Taxonomy Code_2",'
    '"Healthcare Provider Primary Taxonomy Switch_2"'
)


def directory(**files: bytes) -> Directory:
    return load_directory({f"{name}.csv": content for name, content in files.items()})


@pytest.mark.parametrize("npi", ["1234567893", "1245319599", "1679576722"])
def test_an_npi_fits_its_check_digit(npi: str) -> None:
    assert is_npi(npi)
    wrong = npi[:-1] + str((int(npi[-1]) + 1) % 10)
    assert not is_npi(wrong)


@pytest.mark.parametrize("text", ["", "123456789", "3234567893", "12345678 3", "\u0661234567893"])
def test_what_is_no_npi(text: str) -> None:
    assert not is_npi(text)


@given(st.text(max_size=12))
@settings(max_examples=60, deadline=None)
def test_any_text_is_judged(text: str) -> None:
    assert is_npi(text) in (True, False)


def test_sources_that_share_a_number_are_one_person() -> None:
    found = directory(practitioners=PRACTITIONERS)
    one = found.find(DirectoryKind.PRACTITIONER, "urn:id:EHR", "4711")
    assert one is not None
    assert one.id == f"{NPI_SYSTEM}|1234567893"
    assert one.members == ("ehr|4711", "hr|E17")
    assert (one.text("family"), one.attributes["family"].source) == ("Okafor", "hr")
    phone = one.attributes["phone"]
    assert (phone.text, phone.rule, phone.others) == (
        "480-112-9999",
        "newest",
        (("hr", "480-112-0001"),),
    )


def test_a_number_under_two_names_joins_nobody() -> None:
    content = PRACTITIONERS + b"cred,9,1234567893,,Whitfield,Rosa,,,2025-01-01\n"
    found = directory(practitioners=content)
    assert len(found.golden) == 3
    (question,) = (q for q in found.questions if q.code == "directory-number-shared")
    assert question.where == ("practitioners.csv:2", "practitioners.csv:5")


def test_a_wrong_number_does_not_keep_the_others_apart() -> None:
    content = PRACTITIONERS + b"aaa,9,1234567893,,Whitfield,Rosa,,,2025-01-01\n"
    nppes = f'{HEADER}\n"1234567893","1","","OKAFOR","NGOZI","05/23/2025","","","","","",""\n'
    found = directory(practitioners=content, nppes=nppes.encode())
    assert [g.members for g in found.golden if g.text("family") == "Okafor"] == [
        ("ehr|4711", "hr|E17", "nppes|1234567893")
    ]


def test_values_that_nothing_decides_are_asked_about() -> None:
    content = PRACTITIONERS + b"lab,L1,,urn:id:EHR|4712,Lindqvist,Per,,1,2024-05-01\n"
    content += b"rad,R1,,urn:id:EHR|4712,Lindqvist,Per,,2,2024-05-01\n"
    found = directory(practitioners=content)
    assert [(q.code, q.attribute) for q in found.questions] == [
        ("directory-values-differ", "phone")
    ]


def test_golden_records_do_not_depend_on_order() -> None:
    rows, _ = read_nppes("nppes.csv", [HEADER, '"1234567893","1","","OKAFOR","NGOZI","05/23/2025"'])
    whole = directory(practitioners=PRACTITIONERS, locations=LOCATIONS)
    again = load_directory({"locations.csv": LOCATIONS, "practitioners.csv": PRACTITIONERS})
    assert whole.golden == again.golden
    assert golden_records(rows, builtin_rules()) == golden_records(rows[::-1], builtin_rules())


def test_a_place_is_found_as_messages_name_it_and_leads_to_its_department() -> None:
    found = directory(locations=LOCATIONS)
    bed = found.place("MAIN", "4w", "12", "A")
    assert bed is not None
    assert [p.text("name") for p in found.path(bed)] == [
        "4 West 12 A",
        "4 West 12",
        "4 West",
        "Cardiology",
        "Main Hospital",
    ]
    assert found.place("MAIN", "4W", "77") is found.place("MAIN", "4W")
    assert found.place("MAIN", "9N") is None


def test_parts_of_nothing_and_of_themselves_are_asked_about() -> None:
    content = LOCATIONS + b"ehr,x,ward,X,nowhere,X,,,\nehr,y,ward,Y,z,Y,,,\nehr,z,ward,Z,y,Z,,,\n"
    asked = [q.id for q in directory(locations=content).questions]
    assert asked == ["ehr|x", "ehr|y", "ehr|z"]


def test_what_messages_name_is_known_or_not() -> None:
    found = directory(practitioners=PRACTITIONERS, locations=LOCATIONS)

    def resolves(kind: str, **more: object) -> bool:
        return found.resolves({"resourceType": kind, "id": "x", **more})

    known = {"system": "urn:id:EHR", "value": "4711"}
    assert resolves("Practitioner", identifier=[known])
    assert not resolves("Practitioner", identifier=[{**known, "value": "9999"}])
    assert resolves("Practitioner", identifier=[{"system": "urn:oid:npi", "value": "1234567893"}])
    assert resolves("Practitioner", name=[{"family": "Nobody"}])
    assert resolves("Location", name="4W 12 A")
    assert not resolves("Location", name="9N")
    assert resolves("Organization", identifier=[known]), "no organisations are listed"


def test_nppes_says_who_and_who_is_no_more() -> None:
    rows = [
        HEADER,
        '"1234567893","1","","OKAFOR","NGOZI","05/23/2025","","","207R00000X","N","207RC0000X","Y"',
        '"1245319599","2","RIVER CLINIC","","","01/02/2020","","","","","",""',
        '"1679576722","","","","","","03/04/2021","","","","",""',
        '"1234567890","1","","WRONG","DIGIT","05/23/2025","","","","","",""',
    ]
    said, issues = read_nppes("npi.csv", rows)
    assert [(s.key, s.kind.value, s.until) for s in said] == [
        ("1234567893", "Practitioner", ""),
        ("1245319599", "Organization", ""),
        ("1679576722", "Practitioner", "2021-03-04"),
    ]
    assert said[0].attributes["taxonomy"] == "207RC0000X"
    assert said[0].at == "2025-05-23"
    assert [(i.code, i.location) for i in issues] == [("npi-check-digit", "npi.csv:5")]
    golden, _ = golden_records(said, builtin_rules())
    assert [g.active for g in golden if g.id.endswith("1679576722")] == [False]


@pytest.mark.parametrize(
    ("name", "content", "where"),
    [
        ("people.csv", b"source,key\n", "people.csv"),
        ("practitioners.csv", b"source,key,at\nhr,1,yesterday\n", "practitioners.csv:2"),
        ("practitioners.csv", b"source,key\nhr,1\nhr,1\n", "practitioners.csv:3"),
        ("practitioners.csv", b"source,key\nhr,\n", "practitioners.csv:2"),
        ("locations.csv", b"source,key,kind\nehr,1,castle\n", "locations.csv:2"),
        ("nppes.csv", b"a,b\n1,2\n", "nppes.csv:1"),
        ("survivorship.csv", b"kind,attribute,rule\nLocation,*,best\n", "survivorship.csv:2"),
        ("survivorship.csv", b"kind,attribute,rule\nBed,*,newest\n", "survivorship.csv:2"),
    ],
)
def test_mistakes_have_their_line(name: str, content: bytes, where: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_directory({name: content})
    assert caught.value.where == where


def test_an_npi_with_a_wrong_digit_identifies_nobody() -> None:
    found = directory(practitioners=b"source,key,npi\nhr,1,1234567890\n")
    assert [i.code for i in found.issues] == ["npi-check-digit"]
    assert found.golden[0].identifiers == ()


@pytest.mark.parametrize(
    ("file", "rows"),
    [
        (
            "practitioners",
            "source,key,family,given,identifiers\nehr,1,Lopez,Maria,{0}\nlab,9,Kim,Maria,{0}\n",
        ),
        (
            "locations",
            "source,key,name,identifiers\nehr,1,Intensive care,{0}\nlab,9,Cafeteria,{0}\n",
        ),
    ],
)
def test_a_number_in_common_joins_nobody_of_another_name(file: str, rows: str) -> None:
    kind = DirectoryKind.PRACTITIONER if file == "practitioners" else DirectoryKind.LOCATION
    for number, asked in (("1001", 0), ("urn:house|1001", 1)):
        found = load_directory({f"{file}.csv": rows.format(number).encode()})
        assert [len(g.members) for g in found.golden] == [1, 1]
        assert len({g.id for g in found.golden}) == 2
        assert len([q for q in found.questions if q.code == NUMBER_SHARED]) == asked
        if not asked:
            assert found.find(kind, "", "1001") is None, "of two who have it, none is meant"


def test_who_marries_keeps_the_npi() -> None:
    rows = "source,key,family,given,npi\nehr,1,Lopez,Maria,1234567893\nlab,9,Kim,Maria,1234567893\n"
    (one,) = load_directory({"practitioners.csv": rows.encode()}).golden
    assert one.members == ("ehr|1", "lab|9")


@pytest.mark.parametrize("quoted", [True, False])
def test_rows_of_some_are_taken_without_reading_the_others(quoted: bool) -> None:
    def line(*cells: str) -> str:
        return ",".join(f'"{c}"' if quoted or "\n" in c else c for c in cells) + "\n"

    lines = [
        line("NPI", "Entity Type Code", "Name"),
        line("1234567893", "1", "KEPT"),
        line("1245319599", "2", "LEFT"),
        line("1679576722", "2", "TWO\nLINES"),
        line("12345678930", "1", "LONGER"),
    ]
    text = "".join(lines).splitlines(keepends=True)
    taken = list(taken_rows("npi.csv", text, {"1234567893", "1679576722"}))
    assert [(npi, cells[-1]) for _, npi, cells in taken if cells] == [
        ("", "Name"),
        ("1234567893", "KEPT"),
        ("1679576722", "TWO\nLINES"),
    ]
    assert taken[-1][0] == 4
    mixed = ["A,NPI,Entity Type Code\n", "x,1234567893,1\n", "y,1245319599,2\n"]
    assert [n for _, n, _ in taken_rows("npi.csv", mixed, {"1245319599"})] == ["", "1245319599", ""]
    with pytest.raises(ConfigurationError):
        list(taken_rows("npi.csv", ["a,b\n"], {"1"}))
