"""The HL7 v2 door for other systems, over a real site and a real socket: PIX, PDQ, continuations,
who may ask, limits, and what is on record."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from tests.support.asked_patients import site_of_people
from tests.support.identity_doors import (
    ASKERS,
    TOKEN,
    IdentityDoors,
    Mllp,
    fields,
    numbers_of,
    open_doors,
)
from tests.support.patience import PATIENCE_S

from chartloom.domain.errors import StoreUnavailable
from chartloom.formats.hl7v2 import Tree, parse
from chartloom.serve.access import Handles
from chartloom.serve.client_registry import ClientRegistry, Domains, V2Door
from chartloom.sources.mllp.questions import QuestionLimits


@pytest.fixture(scope="module")
def doors(
    postgres_server: object, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[IdentityDoors]:
    site, factory = site_of_people(postgres_server, tmp_path_factory)
    with open_doors(site) as opened:
        yield opened
    factory.close()


def query(event: str, qpd: str, more: str = "RCP|I\r", sender: str = "ASKER|WEST") -> str:
    return f"MSH|^~\\&|{sender}|CL|HQ|20260301||QBP^{event}^QBP_Q21|M1|P|2.5\rQPD|{qpd}\r{more}"


def pix(number: str, targets: str = "", **more: str) -> str:
    return query("Q23", f"IHE PIX Query|T1|{number}|{targets}", **more)


def pdq(parameters: str, domains: str = "", **more: str) -> str:
    return query("Q22", f"IHE PDQ Query|T1|{parameters}|||||{domains}", **more)


def codes(answer: Tree) -> list[str]:
    return [*fields(answer, "MSA", (1,), (2,)), *fields(answer, "QAK", (1,), (2,))]


def test_cross_references(doors: IdentityDoors) -> None:
    answer = doors.ask(pix("4711^^^HOSP^MR"))
    assert answer.message_type == "RSP^K23"
    assert answer.structure == "RSP_K23"
    assert codes(answer) == ["AA", "M1", "T1", "OK"]
    assert [s.name for s in answer.segments] == ["MSH", "MSA", "QAK", "QPD", "PID"]
    assert numbers_of(answer) == {("4711", "HOSP", ""), ("C-9", "CLINIC", "")}
    pid = answer.first("PID")
    assert pid is not None
    assert pid.fields[5] == "~^^^^^^S"
    assert "Weber" not in answer.source.text
    only = doors.ask(pix("4711^^^HOSP", "^^^CLINIC"))
    assert numbers_of(only) == {("C-9", "CLINIC", "")}
    assert fields(only, "QPD", (3,), (4, 1, 4)) == ["4711", "CLINIC"]


def test_demographics(doors: IdentityDoors) -> None:
    answer = doors.ask(pdq("@PID.5.1^Weber~@PID.7^19701224~@PID.8^F"))
    assert (answer.message_type, answer.structure) == ("RSP^K22", "RSP_K21")
    assert codes(answer) == ["AA", "M1", "T1", "OK"]
    (pid,) = answer.segments_named("PID")
    assert [pid.value(5), pid.value(5, 1, 2), pid.value(5, 1, 3)] == ["Weber", "Anna", "Maria"]
    assert [pid.value(7), pid.value(8), pid.value(11, 1, 3)] == ["19701224", "F", "Marsh"]
    assert pid.value(13) == "0305551234567"
    assert numbers_of(answer) == {("4711", "HOSP", ""), ("C-9", "CLINIC", "")}


@pytest.mark.parametrize(
    ("parameters", "given"),
    [
        ("@PID.3.1^4712~@PID.3.4.1^HOSP", ["Bert"]),
        ("@PID.3.1^4712", ["Bert"]),
        ("@PID.5.1.1^web*", ["Anna", "Bert"]),
        ("@PID.5.1^WEBER~@PID.5.2^Bert", ["Bert"]),
        ("@PID.5.1^O'NEIL", ["Zoë"]),
        ("@PID.5.1^Weber~@PID.11.3^Marsh~@PID.11.5^10115", ["Anna", "Bert"]),
        ("@PID.5.1^Weber~@PID.13.1^0305551234567", ["Anna"]),
        ("@PID.7^1968", ["Bert"]),
        ("@PID.7^196805", ["Bert"]),
        ("@PID.5.1^Weber~@PID.8^M", ["Bert"]),
        ("@PID.5.1^Weber~@PID.8^U", []),
        ("@PID.5.1^Nobody", []),
    ],
)
def test_searches(doors: IdentityDoors, parameters: str, given: list[str]) -> None:
    answer = doors.ask(pdq(parameters))
    assert codes(answer)[3] == ("OK" if given else "NF")
    assert sorted(p.value(5, 1, 2) for p in answer.segments_named("PID")) == given


@pytest.mark.parametrize(
    ("message", "code", "place", "condition"),
    [
        (pix("9^^^HOSP"), "AE", "QPD^1^3^1^1", "204"),
        (pix("77^^^NID"), "AE", "QPD^1^3^1^1", "205"),
        (pix("4711"), "AE", "QPD^1^3^1^4", "101"),
        (pix(""), "AE", "QPD^1^3^1", "101"),
        (pix("1^^^A~2^^^A"), "AE", "QPD^1^3^2", "198"),
        (pix("4711^^^HOSP", "X"), "AE", "QPD^1^4^1^4", "101"),
        (pdq(""), "AE", "QPD^1^3^1", "101"),
        (pdq("@PID.8^F"), "AE", "QPD^1^3^1", "207"),
        (pdq("@PID.5.1^We*"), "AE", "QPD^1^3^1", "207"),
        (pdq("@PID.5.1^*er"), "AE", "QPD^1^3^1^2", "102"),
        (pdq("@PID.5.1^Weber~@PID.99^1"), "AE", "QPD^1^3^2^1", "103"),
        (pdq("@ORC.2^1"), "AE", "QPD^1^3^1^1", "103"),
        (pdq("@PID.8^Q"), "AE", "QPD^1^3^1^2", "103"),
        (pdq("@PID.7^yesterday"), "AE", "QPD^1^3^1^2", "102"),
        (pdq("@PID.3.4.1^HOSP"), "AE", "QPD^1^3^1", "101"),
        (pdq("@PID.5.1^Weber", more="RCP|I|x^RD\r"), "AE", "RCP^1^2^1", "102"),
        (pdq("@PID.5.1^Weber", more="RCP|D\r"), "AE", "RCP^1^1^1", "103"),
        (pdq("@PID.5.1^Weber", more="RCP|I\rDSC|x|I\r"), "AE", "DSC^1^1^1", "204"),
        (query("Q99", "x|T1|y"), "AR", "MSH^1^9^1", "201"),
        (query("Q23", "x").replace("QBP^Q23^QBP_Q21", "ADT^A01"), "AR", "MSH^1^9^1", "200"),
        (query("Q23", "x").partition("QPD")[0], "AE", "QPD^1", "100"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(
    doors: IdentityDoors, message: str, code: str, place: str, condition: str
) -> None:
    before = doors.site.audit.end().size
    answer = doors.ask(message)
    error = answer.first("ERR")
    assert error is not None
    assert fields(answer, "MSA", (1,)) == [code]
    assert error.fields[2] == place
    assert error.value(3) == condition
    assert answer.segments_named("PID") == []
    assert len(doors.events(before)) == 1


def test_going_on_where_the_page_ended(doors: IdentityDoors) -> None:
    first = doors.ask(pdq("@PID.5.1^Weber", more="RCP|I|1^RD\r"))
    (pointer,) = fields(first, "DSC", (1,))
    assert len(first.segments_named("PID")) == 1
    assert len(pointer) < 180
    on = f"RCP|I|1^RD\rDSC|{pointer}|I\r"
    second = doors.ask(pdq("@PID.5.1^Weber", more=on))
    given = {p.value(5, 1, 2) for a in (first, second) for p in a.segments_named("PID")}
    assert given == {"Anna", "Bert"}
    assert second.first("DSC") is None
    assert fields(doors.ask(pdq("@PID.5.1^Star", more=on)), "MSA", (1,)) == ["AE"]
    other = doors.ask(pdq("@PID.5.1^Weber", more=on, sender="SENDER|WEST"))
    assert fields(other, "MSA", (1,)) == ["AE"]
    cancel = "MSH|^~\\&|ASKER|WEST|CL|HQ|20260301||QCN^J01|M2|P|2.5\rQID|T1|IHE PDQ Query\r"
    assert fields(doors.ask(cancel), "MSA", (1,), (2,)) == ["AA", "M2"]


def test_a_sender_without_the_scope_or_a_name_learns_nothing(doors: IdentityDoors) -> None:
    before = doors.site.audit.end().size
    for sender in ("SENDER|WEST", "NOBODY|WEST", "ASKER|EAST", "|"):
        for message in (pix("4711^^^HOSP", sender=sender), pix("9^^^HOSP", sender=sender)):
            answer = doors.ask(message)
            assert fields(answer, "MSA", (1,))[0] in ("AE", "AR")
            assert answer.segments_named("PID") == []
    events = doors.events(before)
    assert [bool(e.denied) for e in events] == [True] * 8
    assert {e.denied for e in events} == {"denied", "stranger"}
    assert all(e.patients == () for e in events)


def test_a_name_in_msh_is_believed_only_where_the_site_says_so(doors: IdentityDoors) -> None:
    """Also by whoever answers, and not only when a connection is made."""
    shut = V2Door(
        ClientRegistry(doors.site.store, doors.site.doors().authority, Domains()),
        ASKERS,
        Handles(TOKEN, doors.site.clock, doors.site.used),
        doors.site.clock,
        lambda: "A1",
    )
    answer = parse(shut.answer(pix("4711^^^HOSP").encode(), b"", "127.0.0.1", "r"))
    assert fields(answer, "MSA", (1,)) == ["AR"]
    assert answer.segments_named("PID") == []
    assert not shut.knows(b"")


def test_each_query_is_one_event_with_its_transaction(doors: IdentityDoors) -> None:
    before = doors.site.audit.end().size
    with doors.asker() as asker:
        for message in (pix("4711^^^HOSP"), pdq("@PID.5.1^Weber"), pdq("@PID.5.1^Nobody")):
            asker.ask(message)
    events = doors.events(before)
    assert [e.actor for e in events] == ["registry"] * 3
    assert [e.address for e in events] == ["127.0.0.1"] * 3
    assert [len(e.patients) for e in events] == [2, 3, 0]
    raw = [e.body for e in doors.site.audit.read(before, 9)]
    assert [b"ITI-9" in raw[0], b"ITI-21" in raw[1], b"ITI-21" in raw[2]] == [True] * 3
    assert not any(w in r for r in raw for w in (b"4711", b"Weber", b"weber"))


def test_answers_come_in_order_on_one_connection(doors: IdentityDoors) -> None:
    with doors.asker() as asker:
        asked = [pix("4711^^^HOSP"), pdq("@PID.5.1^Weber"), pix("9^^^HOSP"), pix("4712^^^HOSP")]
        frames = [f"\x0b{m.replace('|M1|', f'|N{n}|')}\x1c\r" for n, m in enumerate(asked)]
        stream = "".join(frames).encode()
        for start in range(0, len(stream), 100):
            asker.send(stream[start : start + 100])
        held = b""
        while held.count(b"\x1c\r") < 4:
            more = asker._socket.recv(65536)
            assert more
            held += more
    ids = [part.partition(b"MSA|")[2].split(b"|")[1][:2] for part in held.split(b"\x1c\r")[:4]]
    assert ids == [b"N0", b"N1", b"N2", b"N3"]


def test_limits(doors: IdentityDoors) -> None:
    limits = QuestionLimits(connections_max=1, body_bytes_max=2000, frame_s=0.1, idle_s=60)
    with open_doors(doors.site, limits=limits) as small:
        with small.asker() as first:
            answer = first.ask(pdq("@PID.5.1^" + "x" * 3000))
            assert fields(answer, "MSA", (1,), (2,)) == ["AR", "M1"]
            with small.asker() as second:
                second.send(b"\x0bMSH")
                assert second.answer() == b""  # one too many
            assert codes(first.ask(pix("4711^^^HOSP")))[3] == "OK"
            first.send(b"\x0bMSH|^~\\&|")
            assert first.answer() == b""  # it did not end what it began
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            with small.asker() as again:
                if _answers(again):
                    break
        else:
            raise AssertionError("the place was not given back")


def _answers(asker: Mllp) -> bool:
    try:
        asker.send(b"\x0b" + pix("4711^^^HOSP").encode() + b"\x1c\r")
    except ConnectionError:
        return False
    return asker.answer() != b""


def test_while_the_store_is_away_nobody_is_said_to_be_unknown(
    doors: IdentityDoors, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(*_: object, **__: object) -> None:
        raise StoreUnavailable("gone")

    monkeypatch.setattr(doors.site.store, "seek_persons", gone)
    answer = doors.ask(pix("4711^^^HOSP"))
    assert codes(answer) == ["AR", "M1", "T1", "AR"]
