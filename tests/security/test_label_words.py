"""Labels that people correct: who may, what it opens and closes, and that a rebuild keeps it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from tests.support.console_client import Client
from tests.support.identity_house import working
from tests.support.patience import PATIENCE_S
from tests.support.postgres import StoreFactory
from tests.support.site import ShiftedClock, Site, serving
from tests.support.two_groups import STAFF, messages, patients

from chartloom.domain.chart import Section
from chartloom.domain.errors import LaneLost
from chartloom.domain.grant import Purpose
from chartloom.domain.label_words import LabelReason, LabelSaid
from chartloom.domain.labels import BIT, Label
from chartloom.domain.resource import ResourceState
from chartloom.guard.audit import Kind, Seen, read_events
from chartloom.guard.authority import AccessDenied, Asking, Need
from chartloom.guard.policy import Action
from chartloom.guard.staff import Role, Staff, StaffMember, principal_of
from chartloom.hot import Worker
from chartloom.serve.labels import Outcome, Saying, speak, things_of, waiting

LIFT, SET = LabelSaid.LIFT, LabelSaid.SET
WRONG, MISSED = LabelReason.RULE_WRONG, LabelReason.RULE_MISSED


class Labelled:
    """A site with one patient of group A, whose HIV result a nurse of the ward does not see."""

    def __init__(self, site: Site) -> None:
        self.site = site
        more = (
            StaffMember("officer-2", "O2", (Role.PRIVACY_OFFICER,)),
            StaffMember("officer-3", "O3", (Role.PRIVACY_OFFICER,)),
            StaffMember("patient-officer", "PO", (Role.PRIVACY_OFFICER,), patient=("QH|MQZN001",)),
        )
        site.staff = Staff((*STAFF.staff, *more))
        site.settle_s = PATIENCE_S
        for feed, text in messages(patients(2)[0]):
            site.land(feed, text.encode())
        site.apply()
        (hit,) = site.store.find_persons(site.grant(), "identifier", "MQZN001")
        found = site.store.timeline(site.grant(), hit.source_patients, [Section.RESULTS])
        secret = next(p.state for p in found if p.labels & BIT[Label.HIV])
        self.secret, self.patient = secret.id, secret.source_patient
        self.open_result = next(
            p.state.id for p in found if not p.labels and p.state.type == "Observation"
        )
        doors = site.doors()
        self.authority, self.door = doors.authority, doors.labels
        assert self.door is not None

    def say(
        self,
        who: str,
        said: LabelSaid,
        reason: LabelReason,
        *,
        label: Label = Label.HIV,
        of: str = "",
        fresh: bool = True,
        person: str = "",
    ) -> Outcome:
        saying = Saying(of or self.secret, label, said, reason)
        assert self.door is not None
        with working(self.site):
            return speak(
                self.authority, self.door, self.site.clock, self.who(who), Asking(fresh=fresh),
                person or self.patient, saying,
            )  # fmt: skip

    def who(self, subject: str) -> Any:
        return principal_of(self.site.staff, subject, {})

    def shows(self, who: str, id: str) -> bool:
        """Whether somebody's chart shows a resource, by list and by id, which agree."""
        need = Need(((Action.VIEW_CHART, Purpose.TREATMENT),), self.patient)
        grant = self.authority.permit(self.who(who), need, Asking()).grant
        listed = self.site.store.timeline(grant, [self.patient], [Section.RESULTS], limit=500)
        viewed = [
            str(entry.get("id"))
            for view in self.site.store.sections(grant, [self.patient])
            for entry in view.entries
        ]
        by_id = bool(self.site.store.states(grant, [id]))
        assert (id in [p.state.id for p in listed]) is by_id
        assert (id in viewed) is by_id
        return by_id

    def state(self, id: str = "") -> ResourceState:
        return self.site.store.states(self.site.grant(), [id or self.secret])[id or self.secret]

    def events(self) -> list[Seen]:
        return [
            seen for seen in read_events(self.site.audit.events) if seen.kind == Kind.LABEL_SAID
        ]


@pytest.fixture
def house(postgres_server: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Labelled]:
    factory = StoreFactory(postgres_server, tmp_path_factory.mktemp("labels"))
    clock = ShiftedClock()
    yield Labelled(Site(factory(clock=clock), clock))
    factory.close()


def test_two_officers_lift_what_a_rule_labelled_wrongly(house: Labelled) -> None:
    assert not house.shows("nurse-a", house.secret)
    assert house.shows("doctor-a", house.secret)
    assert house.say("officer", LIFT, WRONG) is Outcome.ASKED
    assert not house.shows("nurse-a", house.secret)
    assert house.say("officer", LIFT, WRONG) is Outcome.NOTHING
    assert not house.shows("nurse-a", house.secret)
    with pytest.raises(AccessDenied):
        house.say("officer-2", LIFT, WRONG, fresh=False)
    assert house.say("officer-2", LIFT, WRONG) is Outcome.LIFTED
    assert house.shows("nurse-a", house.secret)
    assert "security" not in house.state().resource["meta"]
    assert house.say("officer-3", LIFT, WRONG) is Outcome.NOTHING

    # A message of the source that says the same again does not undo it.
    for feed, text in messages(patients(2)[0]):
        house.site.land(feed, text.replace("ctl", "again").encode())
    house.site.apply()
    assert house.shows("nurse-a", house.secret)

    assert house.say("officer-3", SET, MISSED) is Outcome.SET
    assert not house.shows("nurse-a", house.secret)
    assert house.say("officer", LIFT, WRONG) is Outcome.ASKED  # two anew
    assert not house.shows("nurse-a", house.secret)

    said = house.events()
    assert len(said) == 4  # two, one that set it, one that asks again: no more
    assert "HIV" not in str(said)


def test_a_rebuild_keeps_what_was_said(house: Labelled) -> None:
    site, thing = house.site, house.open_result
    house.say("officer", LIFT, WRONG)
    house.say("officer-2", LIFT, WRONG)
    assert house.say("officer", SET, MISSED, label=Label.PSY, of=thing) is Outcome.SET
    assert house.say("officer", SET, MISSED, label=Label.VIP, of=house.patient) is Outcome.SET
    known = site.facts.known_of(site.grant(), house.patient)
    assert known.person_labels == BIT[Label.VIP]
    before = site.store.digest(site.grant())
    with pytest.raises(AccessDenied):
        house.shows("nurse-a", thing)  # a celebrity by now

    total = site.store.rebuild(site.grant())
    worker = Worker(
        site.store, site.mappings, site.namespace, site.clock, site.grant, "killed", 64, 1
    )
    for _ in range(total - 2):
        with suppress(LaneLost):
            worker.run_once()
        # At no moment is anything open that a person has closed.
        assert site.facts.known_of(site.grant(), house.patient).person_labels == BIT[Label.VIP]
        with pytest.raises(AccessDenied):
            house.shows("nurse-a", thing)
        narrow = site.guard.mint("test", Purpose.TREATMENT, (house.patient,), ())
        assert not site.store.states(narrow, [thing])
    site.store.release("killed")
    site.apply()
    assert site.store.digest(site.grant()) == before
    narrow = site.guard.mint("test", Purpose.TREATMENT, (house.patient,), ())
    assert not site.store.states(narrow, [thing])
    assert site.store.states(narrow, [house.secret])

    # Somebody who is no celebrity after all.
    assert house.say("officer", LIFT, WRONG, label=Label.VIP, of=house.patient) is Outcome.ASKED
    assert house.say("officer-2", LIFT, WRONG, label=Label.VIP, of=house.patient) is Outcome.LIFTED
    assert not site.facts.known_of(site.grant(), house.patient).person_labels
    assert not house.shows("nurse-a", thing)
    assert house.shows("nurse-a", house.secret)


@pytest.mark.parametrize("who", ["doctor-a", "nurse-a", "engineer", "auditor", "administrator"])
def test_nobody_else_says_anything_of_labels(house: Labelled, who: str) -> None:
    for said, reason in ((SET, MISSED), (LIFT, WRONG)):
        with pytest.raises(AccessDenied):
            house.say(who, said, reason)
    assert not house.events()
    assert house.state().labels == BIT[Label.HIV]


def test_what_is_not_there_or_cannot_carry_the_label_is_denied_alike(house: Labelled) -> None:
    site = house.site
    for feed, text in messages(patients(2)[1]):
        site.land(feed, text.encode())
    site.apply()
    (other,) = site.store.find_persons(site.grant(), "identifier", "MQZN002")
    for of, label, person in (
        ("no-such-thing", Label.HIV, ""),
        (house.secret, Label.HIV, other.source_patients[0]),  # of somebody else
        (house.secret, Label.VIP, ""),  # no person
    ):
        with pytest.raises(AccessDenied):
            house.say("officer", SET, MISSED, of=of, label=label, person=person)
    with pytest.raises(AccessDenied):
        house.say("patient-officer", LIFT, WRONG)  # of oneself
    assert not house.events()
    assert house.state().labels == BIT[Label.HIV]


def test_officers_see_what_waits_but_of_themselves(house: Labelled) -> None:
    house.say("officer", LIFT, WRONG)
    door, own = house.door, house.authority.gatherer.grant()
    assert door is not None

    def open_to(who: str) -> Any:
        options = ((Action.VIEW_LABELS, Purpose.OPERATIONS),)

        def found(some: Any) -> frozenset[str]:
            pairs = [(p, p) for p in some]
            return frozenset(
                p for p, _ in house.authority.open_pairs(house.who(who), options, pairs)
            )

        return found

    assert waiting(own, door, open_to("officer-2")) == [(house.secret, house.patient)]
    assert waiting(own, door, open_to("patient-officer")) == []
    assert waiting(own, door, open_to("nurse-a")) == []
    narrow = house.site.guard.mint("test", Purpose.TREATMENT, (house.patient,), ())
    assert house.secret not in [t.id for t in things_of(narrow, door, [house.patient])]
    everything = things_of(house.site.grant(), door, [house.patient])
    assert next(t for t in everything if t.id == house.secret).asked == (Label.HIV,)


def test_the_pages(house: Labelled) -> None:
    site = house.site
    with serving(site.app()) as url, working(site):
        a, b, nurse = Client(url), Client(url), Client(url)
        a.cookie, b.cookie = site.sign_in("officer"), site.sign_in("officer-2")
        nurse.cookie = site.sign_in("nurse-a")
        page = f"/labels/{house.patient}"
        for path in ("/labels", page):
            status, _, text = nurse.ask(path)
            assert status in (403, 404)
            assert "HIV" not in text
        status, _, text = a.ask(page)
        assert status == 200
        assert "viral load" in text or "HIV Ag" in text
        assert "hemoglobin" not in text.lower()  # nothing that carries no label
        # A label takes two people to lift, so none is chosen beforehand.
        assert text.count('<select name="label" required><option value="">') > 0
        form = {"resource": house.secret, "label": "HIV", "said": "lift", "reason": "rule-wrong"}

        def post(client: Client, **changes: str) -> tuple[int, dict[str, str], str]:
            csrf = client.csrf("/labels")
            return client.ask(page, "POST", {**form, **changes, "csrf": csrf})

        assert post(a, reason="because")[0] in (403, 404)
        assert post(a, label="", said="set", reason="rule-missed")[0] in (403, 404)
        stale = Client(url)
        stale.cookie = site.sign_in("officer", ago_s=86_000)
        assert post(stale)[0] == 403
        assert not house.state().words
        status, headers, _ = post(a)
        assert (status, headers["location"]) == (303, f"{page}?said=asked")
        assert "somebody else approves" in a.ask(page)[2]
        assert "Approve lifting" in b.ask(page)[2]
        assert house.secret in b.ask("/labels")[2]
        status, headers, _ = post(b)
        assert headers["location"] == f"{page}?said=lifted"
        assert house.secret not in b.ask("/labels")[2]
    assert house.shows("nurse-a", house.secret)
