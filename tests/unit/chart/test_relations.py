"""Care relations, read from what the chart says."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chartloom.chart.relations import (
    RELATED_TYPES,
    Relation,
    RelationKind,
    below,
    parents_of,
    relations,
    upwards,
)
from chartloom.chart.times import to_us
from chartloom.domain.resource import ResourceState, Stamp

HEARD = to_us("2024-01-05T08:00:00Z")
IN, OUT = "2024-01-05T10:00:00Z", "2024-01-08T12:00:00Z"


def state(kind: str, **elements: Any) -> ResourceState:
    resource = {"resourceType": kind, "id": "r", **elements}
    stamps = {name: Stamp(1, HEARD, 7) for name in elements}
    return ResourceState(resource, "pat", stamps)


def ref(kind: str, id: str) -> dict[str, str]:
    return {"reference": f"{kind}/{id}", "display": "A name that must not travel"}


def participant(id: str, code: str, **more: Any) -> dict[str, Any]:
    return {
        "individual": ref("Practitioner", id),
        "type": [{"coding": [{"code": code}]}],
        **more,
    }


def rel(who: str, kind: str, start: str | int, end: str | int) -> Relation:
    span = [to_us(v) if isinstance(v, str) else v for v in (start, end)]
    return Relation("pat", who, RelationKind(kind), *span)


def test_encounter() -> None:
    found = relations(
        state(
            "Encounter",
            status="in-progress",
            period={"start": IN},
            participant=[
                participant("att", "ATND"),
                participant("con", "CON", period={"start": "2024-01-06"}),
            ],
            location=[{"location": ref("Location", "bed"), "period": {"start": IN, "end": OUT}}],
            serviceProvider=ref("Organization", "org"),
        ),
        parents_of(
            [
                {"resourceType": "Location", "id": "bed", "partOf": ref("Location", "ward")},
                {"resourceType": "Location", "id": "ward"},
            ]
        ),
    )
    assert set(found) == {
        rel("att", "attending", IN, 0),
        rel("con", "encounter", "2024-01-06", 0),
        rel("bed", "department", IN, OUT),
        rel("ward", "department", IN, OUT),
        rel("org", "department", IN, 0),
    }
    assert "name" not in repr(found)


def test_finished_encounter_without_an_end_ended_when_we_heard() -> None:
    found = relations(state("Encounter", status="finished", participant=[participant("a", "ATND")]))
    assert found == (rel("a", "attending", HEARD, HEARD),)


def test_open_participation_ends_with_the_stay() -> None:
    someone = participant("a", "ATND", period={"start": IN})
    found = relations(
        state(
            "Encounter", status="finished", period={"start": IN, "end": OUT}, participant=[someone]
        )
    )
    assert found == (rel("a", "attending", IN, OUT),)


@pytest.mark.parametrize("kind", sorted(RELATED_TYPES - {"Patient"}))
@pytest.mark.parametrize("status", ["cancelled", "entered-in-error"])
def test_what_did_not_happen_relates_nobody(kind: str, status: str) -> None:
    who = ref("Practitioner", "a")
    everything = {
        "participant": [{"individual": who, "actor": who, "member": who}],
        "requester": who,
    }
    assert relations(state(kind, status=status, **everything)) == ()
    assert relations(state(kind, status="active", **everything))


def test_appointment_relates_people_and_clinics() -> None:
    found = relations(
        state(
            "Appointment",
            status="booked",
            start=IN,
            end=OUT,
            participant=[
                {"actor": ref("Patient", "pat"), "status": "accepted"},
                {"actor": ref("Practitioner", "doc"), "status": "accepted"},
                {"actor": ref("Practitioner", "no"), "status": "declined"},
                {"actor": ref("Location", "clinic"), "status": "accepted"},
            ],
        )
    )
    assert found == (rel("clinic", "appointment", IN, OUT), rel("doc", "appointment", IN, OUT))


def test_care_team_family_doctor_and_orders() -> None:
    team = state(
        "CareTeam",
        status="active",
        period={"start": IN},
        participant=[{"member": ref("Practitioner", "m"), "onBehalfOf": ref("Organization", "o")}],
    )
    assert relations(team) == (rel("m", "care_team", IN, 0), rel("o", "care_team", IN, 0))
    patient = state("Patient", generalPractitioner=[ref("Practitioner", "gp")])
    assert relations(patient) == (rel("gp", "primary_care", 0, 0),)
    order = state("ServiceRequest", authoredOn=IN, requester=ref("Practitioner", "req"))
    assert relations(order) == (rel("req", "ordering", IN, IN),)
    drug = state("MedicationRequest", requester=ref("Practitioner", "req"))
    assert relations(drug) == (rel("req", "ordering", HEARD, HEARD),)


def test_other_types_and_the_directory_relate_nobody() -> None:
    assert relations(state("Observation", performer=[ref("Practitioner", "x")])) == ()
    no_patient = ResourceState({"resourceType": "Encounter", "id": "e"}, "", {}, directory=True)
    assert relations(no_patient) == ()


@given(st.lists(st.sampled_from("abcde"), min_size=5, max_size=5))
def test_circular_directories_end(parts: list[str]) -> None:
    parents = dict(zip("abcde", parts, strict=True))
    place = {"location": ref("Location", "a")}
    found = relations(state("Encounter", location=[place]), parents)
    assert {r.who for r in found} <= set("abcde")
    assert found == tuple(sorted(set(found)))


@given(
    st.sampled_from(sorted(RELATED_TYPES)),
    st.recursive(
        st.none() | st.text(max_size=5) | st.integers(),
        lambda inner: st.dictionaries(
            st.sampled_from(["reference", "start", "end"]), inner, max_size=3
        ),
        max_leaves=6,
    ),
)
def test_odd_references_and_periods_never_raise(kind: str, odd: Any) -> None:
    who = [{"individual": odd, "actor": odd, "member": odd, "period": odd}]
    relations(state(kind, participant=who, requester=odd, period=odd, start=odd))


def test_beds_belong_to_wards_also_if_the_directory_learns_it_later() -> None:
    stay = state("Encounter", location=[{"location": ref("Location", "bed")}])
    parents = {"bed": "room", "room": "ward", "ring": "ring"}
    assert upwards(relations(stay), parents) == relations(stay, parents)
    assert below(["ward"], parents) == {"ward", "room", "bed"}
    assert below(["ring"], parents) == {"ring"}
