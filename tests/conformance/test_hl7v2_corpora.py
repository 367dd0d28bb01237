"""All shared HL7 v2 messages: parsed or with precise issues, byte-identical, spans exact."""

from __future__ import annotations

from tests.support.corpora import hl7v2_messages

from chartloom.formats.hl7v2 import parse, peek, pick_patient, serialise, split_batch

#: What is really wrong with the files, looked at one by one; everything else parses without issue.
KNOWN_ISSUES = {
    # A control character (DEL, 0x7f, or similar) inside MSH-10.
    "OHIE-CR-18-20.txt": {("hl7v2-control-character", "MSH-10")},
    "OHIE-CR-18-30.txt": {("hl7v2-control-character", "MSH-10")},
    # MSH-10 is broken over two lines.
    "OHIE-CR-18-40.txt": {("hl7v2-embedded-newline", "MSH-10")},
}


def test_every_message_is_read_without_issue_or_with_the_right_one() -> None:
    found = {
        name.rpartition("/")[2]: {(i.code, i.location) for i in tree.issues}
        for name, data in hl7v2_messages()
        if (tree := parse(data)).issues
    }
    assert found == KNOWN_ISSUES


def test_every_message_is_written_back_byte_for_byte() -> None:
    different = [name for name, data in hl7v2_messages() if serialise(parse(data)) != data]
    assert different == []


def test_every_leaf_has_its_exact_span_and_one_value_by_every_way() -> None:
    leaves = 0
    for name, data in hl7v2_messages():
        tree = parse(data)
        for segment in tree.segments:
            for leaf in segment.leaves():
                leaves += 1
                where = (name, leaf.path)
                raw = data[leaf.start : leaf.end].decode(tree.charset, tree.source.errors)
                assert raw == leaf.raw, where
                place = (leaf.field, leaf.rep, leaf.comp, leaf.sub)
                assert segment.value(*place) == leaf.text, where
                assert segment.span(*place) == (leaf.start, leaf.end), where
    assert leaves > 50_000


def test_every_byte_is_a_leaf_a_delimiter_a_name_or_a_terminator() -> None:
    for name, data in hl7v2_messages():
        tree = parse(data)
        rest = bytearray(data)
        for segment in tree.segments:
            start = segment.start
            rest[start : start + len(segment.name)] = b" " * len(segment.name)
            for leaf in segment.leaves():
                rest[leaf.start : leaf.end] = b" " * (leaf.end - leaf.start)
        allowed = {*b" \t\r\n\xef\xbb\xbf", *tree.delimiters.field.encode()}
        allowed |= set(tree.delimiters.encoding.encode())
        assert set(rest) <= allowed, name


def test_a_quick_look_agrees_with_the_tree() -> None:
    for name, data in hl7v2_messages():
        tree, seen = parse(data), peek(data)
        assert (seen.control_id, seen.message_type) == (tree.control_id, tree.message_type), name
        patient = pick_patient(tree.first("PID"))
        assert (seen.patient_authority, seen.patient_identifier) == patient, name


def test_single_messages_are_batches_of_one() -> None:
    for name, data in hl7v2_messages():
        split = split_batch(data)
        assert len(split) == 1, name
        assert split.issues == (), name


def test_joined_messages_are_cut_apart_again() -> None:
    messages = [data for _, data in hl7v2_messages()]
    joined = b"".join(data.rstrip(b"\r\n") + b"\r\n" for data in messages)
    cut = [parse(joined[start:end]).control_id for start, end in split_batch(joined)]
    assert cut == [parse(data).control_id for data in messages]
