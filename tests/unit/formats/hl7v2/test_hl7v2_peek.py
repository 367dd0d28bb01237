"""The quick look, and which identifier names the patient."""

from __future__ import annotations

import pytest

from chartloom.formats.hl7v2 import PatientKey, parse, peek, pick_patient

MSH = (
    "MSH|^~\\&|LAB^1|HOSP|EHR|CITY|20260101120000+0100||ADT^A01^ADT_A01|M-1|P^T|2.5.1"
    "|||AL|ER||8859/1"
)


def pid(field3: str, field2: str = "") -> bytes:
    return f"{MSH}\rEVN|A01|2026\rPID|1|{field2}|{field3}||Doe^Jane\rPV1|1|I\r".encode()


def test_header() -> None:
    seen = peek(pid("1"))
    assert (seen.control_id, seen.message_type, seen.event, seen.structure) == (
        "M-1",
        "ADT^A01",
        "A01",
        "ADT_A01",
    )
    assert (seen.sending_application, seen.sending_facility) == ("LAB", "HOSP")
    assert (seen.receiving_application, seen.receiving_facility) == ("EHR", "CITY")
    assert (seen.timestamp, seen.version, seen.processing_id) == (
        "20260101120000+0100",
        "2.5.1",
        "P",
    )
    assert (seen.accept_ack, seen.application_ack, seen.enhanced) == ("AL", "ER", True)
    assert (seen.charset, seen.codec, seen.fatal) == ("8859/1", "iso8859-1", False)


def test_fatal() -> None:
    seen = peek(b"GET / HTTP/1.1\r\n")
    assert seen.fatal
    assert (seen.control_id, seen.version, seen.enhanced, seen.codec) == ("", "", False, "ascii")


@pytest.mark.parametrize(
    ("field3", "field2", "authority", "identifier"),
    [
        ("1", "", "", "1"),
        ("1^^^HOSP", "", "HOSP", "1"),
        ("1^^^HOSP&1.2&ISO", "", "HOSP", "1"),
        ("1^^^&1.2&ISO", "", "1.2", "1"),
        # type MR wins wherever it stands, else the first PI, PT or untyped, else the first
        ("9^^^N^NI~1^^^H^MR", "", "H", "1"),
        ("9^^^N^PI~1^^^H^mr", "", "H", "1"),
        ("8^^^N^SS~9^^^N^PI~1^^^H^PT", "", "N", "9"),
        ("8^^^N^SS~9^^^N~1^^^H^PT", "", "N", "9"),
        ("8^^^N^SS~7^^^D^DL", "2", "N", "8"),
        # unusable repetitions are skipped
        ('~""^^^H^MR~^^^H^MR~ ^^^H^MR~5^^^P', "", "P", "5"),
        (" 5 ^^^ P ", "", "P", "5"),
        # PID-2 only where PID-3 has nothing but visit numbers
        ("", "2^^^E", "E", "2"),
        ('""', "2", "", "2"),
        ("77^^^H^AN", "2^^^E", "E", "2"),
        ("77^^^H^AN", "", "H", "77"),
        ("77^^^H^VN~5^^^H^XX", "", "H", "5"),
        ("", "", "", ""),
        ("", '""', "", ""),
        # escapes are read, so that equal identifiers are equal
        ("a\\T\\b^^^H\\F\\I^MR", "", "H|I", "a&b"),
    ],
)
def test_patient(field3: str, field2: str, authority: str, identifier: str) -> None:
    data = pid(field3, field2)
    seen = peek(data)
    assert (seen.patient_authority, seen.patient_identifier) == (authority, identifier)
    assert pick_patient(parse(data).first("PID")) == PatientKey(authority, identifier)


def test_prior_patient_of_a_merge() -> None:
    mrg = parse(f"{MSH}\rPID|1||5^^^H^MR\rMRG|8^^^H^AN~4^^^H^MR|||3^^^E".encode()).first("MRG")
    assert pick_patient(mrg, field=1, fallback=4) == PatientKey("H", "4")


def test_no_segment_no_patient() -> None:
    assert pick_patient(None) == PatientKey("", "")


@pytest.mark.parametrize(
    "data",
    [
        pid("5^^^H^MR").replace(b"\r", b"\n"),
        pid("5^^^H^MR").replace(b"\r", b"\r\n"),
        b"\x0b" + pid("5^^^H^MR") + b"\x1c\r",
        b"\xef\xbb\xbf" + pid("5^^^H^MR"),
        pid("5^^^H^MR").replace(b"PID", b"pid"),
        pid("5^^^H^MR").replace(b"PID", b"  PID"),
        pid("5^^^H^MR") + b"PID|1||6^^^H^MR",
        MSH.encode() + b"\rNTE|1||PID||\rPID|1||5^^^H^MR",
        MSH.encode() + b"\rPID|1||5^^^H^MR",
    ],
)
def test_sloppy_messages(data: bytes) -> None:
    seen = peek(data)
    assert (seen.control_id, seen.patient_authority, seen.patient_identifier) == ("M-1", "H", "5")


def test_identifier_over_two_lines_is_the_same_as_in_the_tree() -> None:
    data = MSH.encode() + b"\rPID|1||5\n6\n7^^^H^MR\rPV1|1"
    seen = peek(data)
    assert (seen.patient_authority, seen.patient_identifier) == ("H", "5\n6\n7")
    assert pick_patient(parse(data).first("PID")) == ("H", "5\n6\n7")


def test_event_from_evn() -> None:
    data = MSH.replace("ADT^A01^ADT_A01", "ADT").encode() + b"\rEVN|A08\rPID|1||5"
    assert (peek(data).message_type, peek(data).event) == ("ADT^A08", "A08")
