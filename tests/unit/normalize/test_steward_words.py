"""What people say about two records: written, landed, read back; refused if it is not whole."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from tests.support.derive import FEED as OTHER_FEED

from chartloom.domain.feed import Feed
from chartloom.domain.identity import STEWARD
from chartloom.domain.ids import EXAMPLE_NAMESPACE
from chartloom.domain.message import Message
from chartloom.domain.resource import Derived, LinkEvent, LinkKind
from chartloom.normalize import load_mapping
from chartloom.normalize.steward import ELSEWHERE, MALFORMED, RULE, arrival, word

A, B = "0b9f6f0e-6d7e-5c1e-9a55-1c9b7f0f4a10", "9d1c2b3a-6d7e-5c1e-8a55-1c9b7f0f4a11"
SAID_US = 1_767_225_600_123_456
MAPPING = load_mapping("steward")


def message(body: bytes, feed: str = STEWARD.name) -> Message:
    landed = arrival(body, A, SAID_US + 5)
    return Message(1, feed, body, landed.received_at_us, landed.sha256, source_patient=A)


def derive(body: bytes, feed: Feed = STEWARD) -> Derived:
    return MAPPING.derive(message(body, feed.name), feed, EXAMPLE_NAMESPACE)


def linked(**changes: Any) -> bytes:
    said: dict[str, Any] = {"by": "user:ada", "reason": "other", "said_us": SAID_US} | changes
    return word(LinkKind.LINK, A, B, **said)


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        (LinkKind.LINK, "patient-confirmed"),
        (LinkKind.UNLINK, "relatives"),
        (LinkKind.MERGE, "duplicate-registration"),
        (LinkKind.WITHDRAW, "said-by-mistake"),
    ],
)
def test_a_word_comes_back_as_it_was_said(kind: LinkKind, reason: str) -> None:
    said = derive(word(kind, A, B, by="user:ada", reason=reason, said_us=SAID_US))
    assert said.links == (LinkEvent(kind, A, B, RULE, "user:ada", reason),)
    assert (said.event_us, said.source_patient, said.quarantine) == (SAID_US, A, "")
    assert said.issues == ()


def test_what_is_submitted_twice_is_one_message() -> None:
    one, two = arrival(linked(), A, SAID_US), arrival(linked(), A, SAID_US + 9)
    assert (one.control_id, one.sha256) == (two.control_id, two.sha256)
    assert (one.feed, one.message_type, one.source_patient) == (STEWARD.name, "Linkage", A)
    assert arrival(linked(reason="namesakes"), A, SAID_US).control_id != one.control_id


def changed(**changes: Any) -> bytes:
    return msgspec.json.encode(msgspec.json.decode(linked()) | changes)


def of_itself(kind: LinkKind, reason: str) -> bytes:
    return word(kind, A, A, by="user:ada", reason=reason, said_us=SAID_US, up_to=7)


def test_a_word_about_a_record_tells_what_was_looked_at() -> None:
    said = derive(of_itself(LinkKind.LINK, "record-corrected"))
    assert (said.quarantine, [e.up_to for e in said.links]) == ("", [7])
    for kind, reason in ((LinkKind.LINK, "record-corrected"), (LinkKind.UNLINK, "other")):
        said = derive(looked_at(kind, reason))
        assert (said.quarantine, [e.looked for e in said.links]) == ("", [(7, 9)])


def looked_at(kind: LinkKind, reason: str, other: str = A) -> bytes:
    return word(kind, A, other, by="user:ada", reason=reason, said_us=SAID_US, looked=(9, 7, 9))


def test_a_word_tells_whether_it_took_two() -> None:
    assert [[e.two for e in derive(linked(two=two)).links] for two in (True, False)] == [
        [True],
        [False],
    ]


@pytest.mark.parametrize(
    ("kind", "other", "kept"),
    [
        (LinkKind.UNLINK, B, ("0123456789abcdef", "fedcba9876543210")),
        (LinkKind.LINK, B, ("0123456789abcdef", "fedcba9876543210")),
        (LinkKind.WITHDRAW, B, None),
        (LinkKind.UNLINK, A, None),
    ],
)
def test_a_word_tells_which_other_pairs_it_settles(
    kind: LinkKind, other: str, kept: tuple[str, ...] | None
) -> None:
    marks = ("fedcba9876543210", "0123456789abcdef")
    reason = "said-by-mistake" if kind is LinkKind.WITHDRAW else "other"
    by: dict[str, Any] = {"by": "user:ada", "reason": reason, "said_us": SAID_US}
    said = derive(word(kind, A, other, **by, beside=marks))
    assert [e.beside for e in said.links] == ([] if kept is None else [kept])
    assert (said.quarantine == "") is (kept is not None)
    assert derive(word(kind, A, B, **by, beside=("no mark",))).quarantine == "steward-malformed"


def refers(one: str, other: str) -> list[dict[str, Any]]:
    return [
        {"type": "source", "resource": {"reference": one}},
        {"type": "alternate", "resource": {"reference": other}},
    ]


@pytest.mark.parametrize(
    ("body", "where"),
    [
        (changed(active=False), "/active"),
        (changed(author={"display": "Ada"}), "/author"),
        (changed(author={"identifier": {"system": "urn:x", "value": "user:ada"}}), "/author"),
        (linked(by=" "), "/author"),
        (linked(up_to=7), "/extension"),
        (of_itself(LinkKind.UNLINK, "record-overwritten"), "/extension"),
        (of_itself(LinkKind.LINK, "record-corrected").replace(b'"7"', b'"-7"'), "/extension"),
        (looked_at(LinkKind.LINK, "other", B), "/extension"),
        (looked_at(LinkKind.WITHDRAW, "said-by-mistake"), "/extension"),
        (looked_at(LinkKind.LINK, "other").replace(b'"9"', b'"7"'), "/extension"),
        (linked(two=True).replace(b"true}]", b"false}]"), "/extension"),
        (linked(reason="relatives"), "/extension"),
        (linked(reason="no such"), "/extension"),
        (changed(modifierExtension=[]), ""),
        (changed(modifierExtension=[{"url": "urn:other", "valueCode": "link"}]), "/modif"),
        (changed(item=refers(f"Patient/{A}", "Patient/123")), "/item"),
        (changed(item=refers(A, f"Patient/{B}")), "/item"),
        (changed(item=refers(f"Patient/{A}", f"Patient/{B.upper()}")), "/item"),
        (changed(item=refers(f"Patient/{A}", f"Patient/{B}")[:1]), "/item"),
        (changed(item=[*refers(f"Patient/{A}", f"Patient/{B}")] * 2), "/item"),
        (word(LinkKind.MERGE, A, A, by="user:a", reason="other", said_us=1), "/item"),
        (changed(item=[{"type": "source"}]), "/item"),
        (b'{"resourceType":"Patient"}', ""),
        (b'{"resourceType":["Linkage"]}', ""),
        (b"[]", ""),
        (b"MSH|^~\\&", ""),
        (b"", ""),
    ],
)
def test_what_is_not_whole_is_refused(body: bytes, where: str) -> None:
    said = derive(body)
    assert said.quarantine == MALFORMED
    assert said.links == said.contributions == ()
    found = said.issues[-1]
    assert found.code == MALFORMED
    assert found.location.startswith(where)
    assert said.source_patient == A


def test_no_other_feed_says_such_things() -> None:
    assert derive(linked(), OTHER_FEED).quarantine == ELSEWHERE
    other = MAPPING.derive(message(linked(), "adt"), STEWARD, EXAMPLE_NAMESPACE)
    assert other.quarantine == ELSEWHERE


@pytest.mark.parametrize("body", [linked(), changed(active=False), b"", b"[1,2]"])
def test_traced_and_untraced_say_the_same(body: bytes) -> None:
    traced = MAPPING.trace(message(body), STEWARD, EXAMPLE_NAMESPACE)
    assert traced.derived == derive(body)
    assert traced.loss.counts == traced.derived.loss
    assert all(body[row.span[0] : row.span[1]] for row in traced.loss.rows)


def test_a_time_ahead_of_the_receipt_does_not_outrank_later_words() -> None:
    said = derive(linked(said_us=SAID_US + 90_000_000_000))
    assert said.event_us == SAID_US + 5
    assert [i.code for i in said.issues] == ["fhir-time-ahead"]
