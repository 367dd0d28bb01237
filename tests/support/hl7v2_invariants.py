"""What must hold for any bytes whatsoever; asked by property tests, fuzzing and conformance."""

from __future__ import annotations

from chartloom.domain.issues import CATALOGUE
from chartloom.formats.hl7v2 import (
    AckError,
    acknowledge,
    parse,
    peek,
    pick_patient,
    serialise,
    split_batch,
)


def check_any_bytes(data: bytes, charset: str = "utf-8", *, leaves_max: int = 20_000) -> None:
    """Raises AssertionError if any invariant of the HL7 v2 reader is broken for ``data``."""
    tree = parse(data, charset=charset)
    assert serialise(tree) == data
    assert tree.fatal == (not tree.segments)
    _check_issues(data, tree.issues)
    done = leaves = 0
    for segment in tree.segments:
        assert done <= segment.start <= segment.end <= len(data)
        done = segment.start
        for leaf in segment.leaves():
            leaves += 1
            assert done <= leaf.start < leaf.end <= segment.end
            done = leaf.end
            if leaves <= leaves_max:
                _check_leaf(data, leaf)
        done = segment.end
    seen = peek(data, charset)
    assert seen.fatal == tree.fatal
    if not tree.fatal:
        assert (seen.control_id, seen.message_type) == (tree.control_id, tree.message_type)
        key = pick_patient(tree.first("PID"))
        assert (seen.patient_authority, seen.patient_identifier) == key
    _check_answer(seen, tree)
    _check_split(data)


def _check_issues(data, issues) -> None:
    for issue in issues:
        assert issue.code in CATALOGUE
        if issue.span is not None:
            assert 0 <= issue.span[0] <= issue.span[1] <= len(data)


def _check_leaf(data, leaf) -> None:
    source = leaf.segment.source
    piece = data[leaf.start : leaf.end]
    if source.reversible:  # else there may be shift states, and no reading from the middle
        assert piece.decode(source.codec, source.errors) == leaf.raw
    place = (leaf.field, leaf.rep, leaf.comp, leaf.sub)
    assert leaf.segment.value(*place) == leaf.text
    assert leaf.segment.span(*place) == (leaf.start, leaf.end)
    leaf.text.encode()  # no lone surrogates: it can be stored


def _check_answer(seen, tree) -> None:
    errors = [AckError.from_issue(issue) for issue in tree.issues]
    answer = acknowledge(seen, "AE", control_id="1", now_us=1_767_323_045_678_901, errors=errors)
    back = parse(answer, charset=seen.codec)
    assert not back.fatal
    assert back.segments[1].fields[0] == "MSA"
    assert len(back.segments) == 2 + len(errors)


def _check_split(data: bytes) -> None:
    split = split_batch(data)
    _check_issues(data, split.issues)
    rest = bytearray(data)
    done = 0
    for start, end in split:
        assert done <= start < end <= len(data)
        rest[start:end] = b" " * (end - start)
        done = end
    for line in bytes(rest).replace(b"\xef\xbb\xbf", b"").split(b"\n"):
        for piece in line.replace(b"\x1c", b"\r").replace(b"\x0b", b"\r").split(b"\r"):
            bare = piece.strip(b" \t\x00\x1a")
            assert not bare or bare[:3] in (b"FHS", b"BHS", b"BTS", b"FTS"), "bytes were lost"
