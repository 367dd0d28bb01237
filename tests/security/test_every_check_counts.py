"""Checks whose removal nothing else noticed, each with the question that it answers."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

import msgspec
import pytest
from tests.support.asking import asking
from tests.support.clock import FakeClock
from tests.support.memory_audit import MemoryAudit
from tests.support.memory_doors import MemoryGlass, MemoryUses

from chartloom.domain.access import KnownOfPerson, Relation, RelationKind, Target
from chartloom.domain.errors import GrantRefused
from chartloom.domain.grant import Purpose
from chartloom.domain.labels import BIT, Label
from chartloom.guard import DIRECTORY_KIND, Guard
from chartloom.guard.audit import Recorder
from chartloom.guard.authority import AccessDenied, Asking, Authority, Need, Permit
from chartloom.guard.consent import consent_facts
from chartloom.guard.policy import Action, Policies, Windows, builtin_texts, counts
from chartloom.guard.staff import Principal

DAY_US = 86_400_000_000
NOW_US = 1_790_000_000_000_000


#: Whom messages are about.
ABOUT = {11: ("one",), 12: ("one", "two"), 13: ("one", "vip"), 14: ("one", "ghost")}


class Facts:
    """One patient of two source patients under the care of ``dr``; another one; one, a celebrity,
    under somebody else's; a hospital."""

    def __init__(self) -> None:
        self.known = {
            id: KnownOfPerson(
                persons,
                (Relation(persons[0], "dr", RelationKind.ATTENDING, NOW_US - DAY_US, 0),),
            )
            for persons in (("one", "uno"), ("two",))
            for id in persons
        }
        other = Relation("vip", "other", RelationKind.ATTENDING, NOW_US - DAY_US, 0)
        self.known["vip"] = KnownOfPerson(("vip",), (other,), BIT[Label.VIP], BIT[Label.VIP])

    def together(self, grant):
        return nullcontext()

    def known_of(self, grant, any_id):
        return self.known.get(any_id, KnownOfPerson())

    def known_of_all(self, grant, source_patients):
        known = [self.known[p] for p in source_patients if p in self.known]
        return list({id(k): k for k in known}.values())

    def related_to(self, grant, who):
        return [r for k in self.known.values() for r in k.relations if r.who in who]

    def consents(self, grant, source_patients):
        return []

    def directory_size(self, grant):
        return 1

    def directory(self, grant):
        return [{"resourceType": "Practitioner", "id": "dr",
                 "identifier": [{"system": "H", "value": "1"}]}]  # fmt: skip

    def holders(self, grant, numbers):
        return frozenset()

    def target_of_resource(self, grant, resource_id):
        return Target(resource_id == "hospital")

    def target_of_message(self, grant, position):
        return Target(True, ABOUT[position])


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(NOW_US)


@pytest.fixture
def guard(tmp_path: Path, clock: FakeClock) -> Guard:
    return Guard.open(tmp_path / "keys", clock)


@pytest.fixture
def authority(guard: Guard, clock: FakeClock) -> Authority:
    return Authority(
        Policies(builtin_texts()), Facts(), MemoryGlass(guard), MemoryUses(guard), guard,
        Recorder(MemoryAudit()), clock,
    )  # fmt: skip


DOCTOR = Principal("d", roles=frozenset({"clinician"}), practitioners=frozenset({"H|1"}))
ENGINEER = Principal("e", roles=frozenset({"integration_engineer"}))
TREAT, OPERATE = Purpose.TREATMENT, Purpose.OPERATIONS


def test_a_grant_for_one_person_is_not_a_grant_for_two(authority: Authority) -> None:
    def asked(*ids: str) -> tuple[str, ...]:
        return authority.grant(DOCTOR, Action.VIEW_CHART, person_ids=ids, purpose=TREAT).persons

    assert asked("one", "uno") == ("one", "uno")
    assert asked("two") == ("two",)
    with pytest.raises(AccessDenied):
        asked("one", "two")


def test_what_is_about_the_hospital_is_no_patient(authority: Authority) -> None:
    need = Need(((Action.VIEW_EVIDENCE, TREAT),), resource="hospital")
    with pytest.raises(AccessDenied):
        authority.permit(DOCTOR, need, Asking())


def test_a_message_about_two_persons_opens_for_nobody_by_one_of_them(authority: Authority) -> None:
    def asked(who: Principal, position: int) -> Permit:
        options = ((Action.VIEW_MESSAGE, OPERATE), (Action.VIEW_EVIDENCE, TREAT))
        return authority.permit(who, Need(options, position=position), Asking())

    assert asked(DOCTOR, 11).grant.persons == ("one", "uno")
    assert asked(DOCTOR, 12).grant.persons == ("one", "uno", "two")  # sees both
    for position in (13, 14):  # somebody else's patient; nobody knows whose
        for who in (DOCTOR, ENGINEER):
            with pytest.raises(AccessDenied):
                asked(who, position)
    work = asked(ENGINEER, 12)
    assert work.grant.persons == ("*",)  # also reads what in it is about nobody
    assert work.patients == ("one", "uno", "two")  # and the record names them


def test_the_record_of_a_search_names_whom_it_found_not_whom_it_may_find(
    authority: Authority,
) -> None:
    search = authority.permit(DOCTOR, Need(((Action.SEARCH_PERSONS, TREAT),)), Asking())
    assert set(search.grant.persons) == {"one", "uno", "two"}
    assert search.patients == ()


def test_a_grant_without_an_actor_does_not_hold(guard: Guard) -> None:
    grant = msgspec.structs.replace(guard.mint("a", TREAT, ("p",)), actor=" ")
    signed = msgspec.structs.replace(grant, mac=guard._mac(grant))
    with pytest.raises(GrantRefused, match="actor"):
        guard.verify(signed)


def test_nobody_is_covered_by_a_grant_for_the_empty_name(guard: Guard) -> None:
    assert not guard.covers(guard.mint("a", TREAT, ("",)), "")
    assert guard.covers(guard.mint("a", TREAT), "")


def test_the_rest_of_a_forged_grant_is_not_told(guard: Guard) -> None:
    grant = guard.mint("a", TREAT, ("p",))
    assert guard.remaining_us(grant) > 0
    with pytest.raises(GrantRefused):
        guard.remaining_us(msgspec.structs.replace(grant, expires_at_us=1 << 62))


def test_the_directory_opens_to_grants_that_hold_only(guard: Guard) -> None:
    sealed = guard.seal("", DIRECTORY_KIND, "x", "1", b"ward")
    grant = guard.mint("a", TREAT, ("p",))
    assert guard.unseal(grant, "", DIRECTORY_KIND, "x", "1", sealed) == b"ward"
    forged = msgspec.structs.replace(grant, persons=("q",))
    with pytest.raises(GrantRefused):
        guard.unseal(forged, "", DIRECTORY_KIND, "x", "1", sealed)


def test_a_relation_without_any_time_does_not_count() -> None:
    for kind in RelationKind:
        timeless = Relation("p", "dr", kind, 0, 0)
        assert counts(timeless, 1_000_000, Windows()) is (kind is RelationKind.PRIMARY_CARE)


def _consent(provision: object) -> dict[str, object]:
    return {
        "resourceType": "Consent", "status": "active", "dateTime": "2026-01-01",
        "scope": {"coding": [{"code": "patient-privacy"}]}, "provision": provision,
    }  # fmt: skip


def test_a_consent_too_deep_to_be_read_withholds_everything() -> None:
    provision: dict[str, object] = {"type": "permit"}
    for _ in range(40):
        provision = {"type": "permit", "provision": [provision]}
    said = consent_facts([_consent(provision)], asking("dr"), TREAT, NOW_US)
    assert "*" in said.denied


@pytest.mark.parametrize("code", ["http://x/Type", "observation", "Obs1", "9"])
def test_a_class_that_is_no_type_of_resource_withholds_everything(code: str) -> None:
    provision = {"type": "deny", "class": [{"code": code}]}
    said = consent_facts([_consent(provision)], asking("dr"), TREAT, NOW_US)
    assert "*" in said.denied
    assert said.withheld == ()


@pytest.mark.parametrize("code", [7, ["Observation"], {"x": 1}, True])
def test_a_code_that_is_no_text_withholds_everything(code: object) -> None:
    provision = {"type": "deny", "class": [{"code": code}]}
    said = consent_facts([_consent(provision)], asking("dr"), TREAT, NOW_US)
    assert "*" in said.denied
