"""Messages about several persons: whole for who holds all keys, in parts for everybody else."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from tests.support import bundles
from tests.support.bundles import WORDS, Json, meeting, person, result, several
from tests.support.postgres import StoreFactory
from tests.support.site import ShiftedClock, Site

from chartloom.domain.codec import encode
from chartloom.domain.errors import GrantRefused, LaneLost, NotFound
from chartloom.domain.grant import Grant, Purpose
from chartloom.domain.message import Arrival, MessageState
from chartloom.domain.store import MessageDetail, MessageFilter
from chartloom.engines.postgres import whole
from chartloom.guard import SealBroken
from chartloom.guard.authority import AccessDenied, Asking, Need
from chartloom.guard.policy import Action
from chartloom.guard.staff import Principal
from chartloom.serve.api import _detail
from chartloom.simulate import FEEDS

NAMES = ("ana", "ben", "cho")
ENGINEER = Principal("engineer", roles=frozenset({"integration_engineer"}))
MEND = (Action.VIEW_MESSAGE, Purpose.OPERATIONS)


class Clinic:
    """A site whose FHIR feed tells of several persons at once."""

    def __init__(self, factory: StoreFactory) -> None:
        clock = ShiftedClock()
        self.store = factory(clock=clock)
        self.site = Site(self.store, clock, [FEEDS["fhir"]])
        self.all = self.site.grant()
        feed = self.site.mappings["fhir"][0]
        self.ids = bundles.ids_of(feed, self.site.namespace, NAMES)

    def tell(self, body: bytes) -> int:
        (position,) = self.site.land("fhir", body)
        self.site.apply()
        return position

    def grant(self, *names: str) -> Grant:
        ids = [self.ids[n] for n in names]
        return self.store.guard.mint("doctor", Purpose.TREATMENT, ids)

    def state_ids(self, name: str) -> list[str]:
        rows = self.store.timeline(self.grant(name), [self.ids[name]], limit=10)
        return [row.state.id for row in rows]

    def shred(self, *names: str) -> None:
        broker = self.store.guard.broker
        assert broker is not None
        for name in names:
            broker.shred(self.ids[name], "staff-1", "patient-request")
        self.store.erase(self.all, [self.ids[n] for n in names])

    def mended(self, position: int) -> MessageDetail:
        """What an engineer is shown. Raises ``AccessDenied``."""
        authority = self.site.doors().authority
        permit = authority.permit(ENGINEER, Need((MEND,), position=position), Asking())
        return self.store.detail(permit.grant, position)

    def listed(self, position: int) -> bool:
        """Whether a list may name the message to an engineer."""
        return bool(self.site.doors().authority.listable(ENGINEER, (MEND,), [position]))

    def landed(self, position: int) -> tuple[Any, ...]:
        with psycopg.connect(self.store.dsn) as conn:
            row = conn.execute(
                "SELECT source_patient, body FROM landing WHERE position = %s", (position,)
            ).fetchone()
        assert row is not None
        return row


@pytest.fixture
def clinic(store_factory: StoreFactory) -> Clinic:
    return Clinic(store_factory)


def told(detail: MessageDetail) -> set[str]:
    """Of whom there is a word in anything that is shown of a message."""
    return {name for name, word in WORDS.items() if word.encode() in encode(detail)} | {
        name for name, word in WORDS.items() if word.encode() in detail.message.body
    }


def refused(name: str) -> Json:
    """A result that validation refuses."""
    entry = result(name)
    entry["resource"]["status"] = 5
    return entry


def test_a_bundle_about_one_person_is_like_any_message_of_that_person(clinic: Clinic) -> None:
    body = several("ana")
    position = clinic.tell(body)
    assert clinic.landed(position)[0] == clinic.ids["ana"]
    detail = clinic.store.detail(clinic.grant("ana"), position)
    assert detail.message.body == body
    assert detail.message.shown == ()
    (row,) = clinic.store.search(clinic.grant("ana"), MessageFilter())
    assert (row.position, row.source_patient) == (position, clinic.ids["ana"])
    with pytest.raises(NotFound):
        clinic.store.detail(clinic.grant("ben"), position)
    clinic.shred("ana")
    with pytest.raises(NotFound):
        clinic.store.detail(clinic.all, position)


def test_who_may_see_some_sees_their_parts(clinic: Clinic) -> None:
    body = several(*NAMES)
    position = clinic.tell(body)
    assert clinic.landed(position)[0] == ""
    assert clinic.store.detail(clinic.all, position).message.body == body
    for names in (("ana",), ("ben",), ("ana", "cho"), NAMES):
        detail = clinic.store.detail(clinic.grant(*names), position)
        assert told(detail) == set(names)
        assert detail.row.excerpt
        assert detail.message.shown
        assert all(detail.message.body[a:b] in body for a, b in detail.message.shown)
        assert (detail.provenance, detail.issues, detail.unmapped) == (None, (), ())
        assert _detail(detail)["sha256"] == ""  # the whole's would confirm what is guessed


def test_nothing_else_of_it_is_there_for_them(clinic: Clinic) -> None:
    position = clinic.tell(several("ana", "ben"))
    grant = clinic.grant("ana")
    assert clinic.store.search(grant, MessageFilter()) == []
    rows = [r for id in clinic.state_ids("ana") for r in clinic.store.history(grant, id)]
    assert {r.position for r in rows} == {position}
    assert all(r.excerpt and r.source_patient == clinic.ids["ana"] for r in rows)
    with clinic.store.entered(grant) as conn:
        assert conn.execute("SELECT count(*) FROM landing").fetchone() == (0,)
        assert conn.execute("SELECT count(*) FROM bundle").fetchone() == (1,)
    with pytest.raises(NotFound):
        clinic.store.detail(clinic.grant("cho"), position)
    sealed = bytes(clinic.landed(position)[1])
    with pytest.raises(GrantRefused):
        whole.unseal(clinic.store.guard, grant, position, sealed)


def test_what_is_about_two_is_shown_to_nobody_of_one(clinic: Clinic) -> None:
    position = clinic.tell(several("ana", "ben", extra=(meeting("ana", "ben"),)))
    for name in ("ana", "ben"):
        assert b"together" not in clinic.store.detail(clinic.grant(name), position).message.body


def test_a_resource_about_two_is_not_shown_beside_the_parts_of_one(clinic: Clinic) -> None:
    position = clinic.tell(several("ana", "ben", extra=(meeting("ana", "ben"),)))
    assert len(clinic.state_ids("ana")) == 3  # what it says is in her chart
    for name, other in (("ana", "ben"), ("ben", "ana")):
        detail = clinic.store.detail(clinic.grant(name), position)
        assert told(detail) == {name}, other
        assert {r["resourceType"] for r in detail.resources} >= {"Patient", "Observation"}
        assert "Appointment" not in {r["resourceType"] for r in detail.resources}


def test_who_is_in_it_counts_also_if_what_was_said_is_refused(clinic: Clinic) -> None:
    position = clinic.tell(several("ana", "ben", extra=(refused("cho"),)))
    target = clinic.site.facts.target_of_message(clinic.all, position)
    assert target.source_patients == tuple(sorted(clinic.ids.values()))
    with pytest.raises(AccessDenied):  # of cho nothing is known that could be decided on
        clinic.mended(position)
    assert not clinic.listed(position)
    with pytest.raises(NotFound):
        clinic.store.detail(clinic.grant("cho"), position)
    clinic.tell(several("cho"))
    assert told(clinic.mended(position)) >= {"ana", "ben"}
    assert clinic.listed(position)


def test_it_is_nobodys_if_only_one_was_understood(clinic: Clinic) -> None:
    position = clinic.tell(several("ana", extra=(refused("cho"),)))
    (row,) = clinic.store.search(clinic.all, MessageFilter())
    assert (row.position, row.source_patient) == (position, "")
    assert row.issue_count > 0
    assert clinic.store.search(clinic.grant("ana"), MessageFilter()) == []
    detail = clinic.store.detail(clinic.grant("ana"), position)
    assert told(detail) == {"ana"}
    assert detail.row.excerpt
    assert (detail.provenance, detail.issues, detail.unmapped) == (None, (), ())


def test_after_one_is_shredded_the_rest_is_read(clinic: Clinic) -> None:
    position = clinic.tell(several(*NAMES))
    assert told(clinic.mended(position)) == set(NAMES)
    clinic.shred("cho")
    assert told(clinic.mended(position)) == {"ana", "ben"}
    assert clinic.listed(position)
    clinic.shred("ben")
    assert told(clinic.mended(position)) == {"ana"}
    clinic.shred("ana")
    with pytest.raises((AccessDenied, NotFound)):
        clinic.mended(position)


def test_shredding_one_leaves_nothing_of_that_one(clinic: Clinic) -> None:
    body = several(*NAMES, extra=(meeting("ana", "ben"),))
    position = clinic.tell(body)
    before = {n: clinic.store.detail(clinic.grant(n), position) for n in ("ana", "cho")}
    clinic.shred("ben")
    detail = clinic.store.detail(clinic.all, position)
    assert WORDS["ben"].encode() not in detail.message.body
    assert WORDS["ana"].encode() in detail.message.body
    assert b"together" not in detail.message.body  # it was about him too
    assert len(detail.message.body) == len(body)
    assert all(detail.message.body[a:b] == body[a:b] for a, b in detail.message.shown)
    for name, was in before.items():
        assert clinic.store.detail(clinic.grant(name), position) == was
    charts = {n: clinic.store.sections(clinic.all, [clinic.ids[n]]) for n in ("ana", "cho")}
    clinic.store.rebuild(clinic.all)
    with pytest.raises(LaneLost):  # as a worker learns of it
        clinic.site.apply()
    clinic.site.apply()
    again = clinic.store.detail(clinic.all, position)
    assert again.row.state is MessageState.APPLIED
    assert told(again) == {"ana", "cho"}  # the appointment is gone from her chart as well
    for name, chart in charts.items():
        kept = [v for v in chart if v.total and "Appointment" not in repr(v.entries)]
        now = clinic.store.sections(clinic.all, [clinic.ids[name]])
        assert [v for v in now if v.total and "Appointment" not in repr(v.entries)] == kept


def test_shredding_all_leaves_nothing(clinic: Clinic) -> None:
    position = clinic.tell(several("ana", "ben"))
    clinic.shred("ana", "ben")
    with pytest.raises(NotFound):
        clinic.store.detail(clinic.all, position)


def test_what_comes_later_of_the_shredded_is_never_readable(clinic: Clinic) -> None:
    clinic.tell(several("ana", "ben"))
    clinic.shred("ben")
    position = clinic.tell(several("ana", "ben", "cho"))
    assert told(clinic.store.detail(clinic.all, position)) == {"ana", "cho"}
    hits = clinic.store.recent_persons(clinic.all, 50)
    assert clinic.ids["ben"] not in {p for h in hits for p in h.source_patients}


def test_parts_that_were_moved_or_changed_do_not_open(clinic: Clinic) -> None:
    guard, body = clinic.store.guard, several("ana", "ben")
    arrival: Arrival = clinic.site._arrival(clinic.site.mappings["fhir"][0], body)
    assert arrival.parts is not None
    sealed = whole.seal(guard, 7, body, arrival.sha256, arrival.parts)
    assert whole.unseal(guard, clinic.all, 7, sealed).body == body
    with pytest.raises(SealBroken):
        whole.unseal(guard, clinic.all, 8, sealed)
    outer, parts = whole._SEALED.decode(sealed[1:])
    for wrong in (
        whole._encode((outer, parts[::-1])),
        whole._encode((outer, parts[:-1])),
        whole._encode((outer, [*parts[:-1], parts[-1][:-1] + bytes([parts[-1][-1] ^ 1])])),
        b"\xc1",
    ):
        with pytest.raises(SealBroken):
            whole.unseal(guard, clinic.all, 7, sealed[:1] + wrong)


def test_before_it_is_applied_it_is_nobodys(clinic: Clinic) -> None:
    (position,) = clinic.site.land("fhir", bundles.bundle(person("ana"), person("ben")))
    with pytest.raises(NotFound):
        clinic.store.detail(clinic.grant("ana", "ben"), position)
    assert told(clinic.store.detail(clinic.all, position)) == {"ana", "ben"}
