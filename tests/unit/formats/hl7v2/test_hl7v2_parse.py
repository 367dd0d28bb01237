"""The tree: segments, values, spans, limits."""

from __future__ import annotations

import pytest

from chartloom.formats.hl7v2 import Leaf, ParseLimits, Tree, parse, serialise

MESSAGE = (
    b"MSH|^~\\&|LAB|HOSP^1.2.3^ISO|EHR|CITY|20260101120000||ORU^R01^ORU_R01|M-1|P|2.5.1\r"
    b"PID|1||100^^^HOSP&1.2.3&ISO^MR~X9^^^STATE^SS||Doe^Jane||19700101|F\r"
    b'PV1|1|I|""\r'
    b"OBX|1|NM|718-7^Hb^LN||13.50|g/dL\r"
    b"OBX|2|ST|X||a\\T\\b\r"
    b"ZPI|1|own\r"
)


def tree_of(*segments: str, msh: str = "MSH|^~\\&|A|B|C|D|20260101||ADT^A01|1|P|2.5") -> Tree:
    return parse("\r".join((msh, *segments)).encode())


def codes_of(tree: Tree) -> list[str]:
    return [issue.code for issue in tree.issues]


def leaf_at(tree: Tree, path: str) -> Leaf:
    return next(x for s in tree.segments for x in s.leaves() if x.path == path)


def test_header() -> None:
    tree = parse(MESSAGE)
    assert (tree.fatal, tree.issues) == (False, [])
    assert (tree.control_id, tree.message_type, tree.structure, tree.version) == (
        "M-1",
        "ORU^R01",
        "ORU_R01",
        "2.5.1",
    )


def test_segments_know_their_place() -> None:
    tree = parse(MESSAGE)
    assert [s.name for s in tree.segments] == ["MSH", "PID", "PV1", "OBX", "OBX", "ZPI"]
    second = tree.segments_named("OBX")[1]
    assert (second.index, second.ordinal, second.path) == (4, 2, "OBX[2]")
    assert MESSAGE[second.start : second.end] == b"OBX|2|ST|X||a\\T\\b"
    assert tree.first("AL1") is None
    assert tree.segments_named("AL1") == []


def test_fields_have_hl7_numbers() -> None:
    tree = parse(MESSAGE)
    msh, pid = tree.segments[:2]
    assert msh.fields[:4] == ["MSH", "|", "^~\\&", "LAB"]
    assert pid.fields[3] == "100^^^HOSP&1.2.3&ISO^MR~X9^^^STATE^SS"


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ((1,), "1"),
        ((2,), ""),
        ((3,), "100"),
        ((3, 1, 4), "HOSP"),
        ((3, 1, 4, 2), "1.2.3"),
        ((3, 1, 4, 9), ""),
        ((3, 2), "X9"),
        ((3, 2, 5), "SS"),
        ((3, 3), ""),
        ((5, 1, 2), "Jane"),
        ((5, 2, 2), ""),
        ((8, 1, 1, 1), "F"),
        ((8, 1, 2), ""),
        ((8, 1, 1, 2), ""),
        ((99,), ""),
    ],
)
def test_value(place: tuple[int, ...], value: str) -> None:
    assert parse(MESSAGE).segments[1].value(*place) == value


def test_header_delimiters_are_values_of_their_own() -> None:
    msh = parse(MESSAGE).segments[0]
    assert (msh.value(1), msh.value(2), msh.value(2, 1, 2)) == ("|", "^~\\&", "")
    assert (msh.reps(2), msh.components(2)) == (["^~\\&"], ["^~\\&"])
    assert [MESSAGE[slice(*msh.span(n))] for n in (0, 1, 2, 3)] == [b"MSH", b"|", b"^~\\&", b"LAB"]


def test_null_is_not_absent() -> None:
    pv1 = parse(MESSAGE).segments[2]
    assert (pv1.is_null(3), pv1.value(3)) == (True, "")
    assert (pv1.is_null(4), pv1.is_null(2), pv1.is_null(77)) == (False, False, False)
    null = next(leaf for leaf in pv1.leaves() if leaf.field == 3)
    assert (null.null, null.text, null.raw) == (True, "", '""')


def test_null_in_a_component() -> None:
    pid = tree_of('PID|||1||Doe^""^X').segments[1]
    assert [(x.comp, x.text, x.null) for x in pid.leaves() if x.field == 5] == [
        (1, "Doe", False),
        (2, "", True),
        (3, "X", False),
    ]


def test_repetitions_and_components_are_raw() -> None:
    tree = parse(MESSAGE)
    pid = tree.segments[1]
    assert pid.reps(3) == ["100^^^HOSP&1.2.3&ISO^MR", "X9^^^STATE^SS"]
    assert pid.components(3, 2) == ["X9", "", "", "STATE", "SS"]
    assert (pid.reps(2), pid.reps(44), pid.components(3, 3)) == ([], [], [])
    assert tree.repetitions(pid.fields[3]) == pid.reps(3)
    assert tree.components(pid.reps(3)[1]) == pid.components(3, 2)
    assert tree.subcomponents("HOSP&1.2.3&ISO") == ["HOSP", "1.2.3", "ISO"]
    assert (tree.unescape("a\\T\\b"), tree.unescape('""')) == ("a&b", "")


@pytest.mark.parametrize(
    ("path", "raw", "text"),
    [
        ("MSH-1", b"|", "|"),
        ("MSH-2", b"^~\\&", "^~\\&"),
        ("MSH-4[1].2", b"1.2.3", "1.2.3"),
        ("PID-3[1].1", b"100", "100"),
        ("PID-3[1].4.2", b"1.2.3", "1.2.3"),
        ("PID-3[2].5", b"SS", "SS"),
        ("PID-8", b"F", "F"),
        ("OBX-5", b"13.50", "13.50"),
        ("OBX[2]-5", b"a\\T\\b", "a&b"),
        ("ZPI-2", b"own", "own"),
    ],
)
def test_leaf_paths_and_spans(path: str, raw: bytes, text: str) -> None:
    leaf = leaf_at(parse(MESSAGE), path)
    assert MESSAGE[leaf.start : leaf.end] == raw
    assert leaf.text == text


def test_path_of_repetition_without_components_and_of_lone_subcomponents() -> None:
    paths = [x.path for x in tree_of("PID|a~b|c&d|^e").segments[1].leaves()]
    assert paths == [
        "PID-1[1]",
        "PID-1[2]",
        "PID-2[1].1.1",
        "PID-2[1].1.2",
        "PID-3[1].2",
    ]


def test_spans_of_wholes_and_of_the_absent() -> None:
    pid = parse(MESSAGE).segments[1]
    assert MESSAGE[slice(*pid.span(3))] == b"100^^^HOSP&1.2.3&ISO^MR~X9^^^STATE^SS"
    assert MESSAGE[slice(*pid.span(3, 2))] == b"X9^^^STATE^SS"
    assert MESSAGE[slice(*pid.span(3, 1, 4))] == b"HOSP&1.2.3&ISO"
    assert pid.span(50) == (pid.end, pid.end)
    start, end = pid.span(3, 7)
    assert start == end == pid.span(3)[1]


@pytest.mark.parametrize("version", ["2.1", "2.2", "2.3", "2.4", "2.5", "2.5.1", "2.7", "2.8.2"])
def test_versions(version: str) -> None:
    assert tree_of(msh=f"MSH|^~\\&|A|B|C|D|20260101||ADT^A01|1|P|{version}").issues == []


@pytest.mark.parametrize("version", ["", "3", "2.", "2.5.1x"])
def test_unknown_version_is_an_issue(version: str) -> None:
    tree = tree_of(msh=f"MSH|^~\\&|A|B|C|D|20260101||ADT^A01|1|P|{version}")
    assert codes_of(tree) == ["hl7v2-version-unknown"]


def test_missing_control_id_and_type_are_issues() -> None:
    tree = parse(b"MSH|^~\\&|A\rPID|1")
    assert codes_of(tree) == [
        "hl7v2-no-control-id",
        "hl7v2-version-unknown",
        "hl7v2-no-message-type",
    ]
    assert [i.location for i in tree.issues] == ["MSH-10", "MSH-12", "MSH-9"]


def test_event_may_stand_in_evn_only() -> None:
    msh = "MSH|^~\\&|A|B|C|D|20260101||ADT|1|P|2.1"
    assert tree_of("EVN|A01|20260101", msh=msh).message_type == "ADT^A01"


@pytest.mark.parametrize(
    "data", [b"", b"\r\n", b"MSH", b"MSHx", b"PID|1", b"\xff\xfe", b"\x00" * 9, b"MSH\r^~\\&|"]
)
def test_without_header_the_tree_is_fatal_and_keeps_the_bytes(data: bytes) -> None:
    tree = parse(data)
    assert tree.fatal
    assert tree.segments == []
    assert codes_of(tree) == ["hl7v2-no-msh"]
    assert (tree.message_type, tree.control_id, tree.header) == ("", "", None)
    assert serialise(tree) == data


LIMITS = ParseLimits(
    message_size_bytes_max=400, segments_max=4, fields_max=15, repetitions_max=3, parts_max=200
)


@pytest.mark.parametrize(
    ("segments", "code", "fatal"),
    [
        (["PID|" + "x" * 500], "hl7v2-too-large", True),
        (["PID|" + "^" * 300], "hl7v2-too-many-parts", True),
        (["NTE|1"] * 9, "hl7v2-segments-limit", False),
        (["PID" + "|x" * 20], "hl7v2-fields-limit", False),
        (["PID|||" + "a~" * 9], "hl7v2-repetitions-limit", False),
    ],
)
def test_limits_are_issues(segments: list[str], code: str, fatal: bool) -> None:
    msh = "MSH|^~\\&|A|B|C|D|20260101||ADT^A01|1|P|2.5"
    data = "\r".join((msh, *segments)).encode()
    tree = parse(data, limits=LIMITS)
    assert codes_of(tree) == [code]
    assert tree.fatal == fatal
    assert serialise(tree) == data
    assert parse(data).issues == []


def test_beyond_the_limit_of_fields_the_rest_stays_together() -> None:
    tree = parse(
        b"MSH|^~\\&|A|B|C|D|1||ADT^A01|1|P|2.5\rPID|1|2|3|4", limits=ParseLimits(fields_max=12)
    )
    assert tree.segments[1].fields == ["PID", "1", "2", "3", "4"]
    tree = parse(
        b"MSH|^~\\&|A|B|C|D|1||ADT^A01|1|P|2.5\rPID|1|2|3|4", limits=ParseLimits(fields_max=2)
    )
    assert tree.segments[1].fields == ["PID", "1", "2|3|4"]


def test_the_same_issue_everywhere_is_named_a_few_times_and_counted() -> None:
    tree = tree_of(*["pid|x"] * 50)
    assert codes_of(tree) == ["hl7v2-segment-name"] * 11
    assert tree.issues[-1].detail == "in 40 more places"
