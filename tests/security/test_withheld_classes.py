"""What a patient withholds by class shows through no door, and everything else still does."""

from __future__ import annotations

import asyncio
import inspect
from collections import defaultdict
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.support import withheld as of
from tests.support.crossing import Attempt, Crossing
from tests.support.postgres import StoreFactory
from tests.support.site import ShiftedClock, Site
from tests.support.two_groups import AUTHORITY, House, build

from chartloom.chart import place, rebuild_part, view_key
from chartloom.domain import ports
from chartloom.domain.errors import NotFound
from chartloom.domain.grant import Grant, Purpose
from chartloom.domain.store import MessageFilter
from chartloom.guard.authority import Asking, Need
from chartloom.guard.policy import Action
from chartloom.guard.staff import principal_of

LOINC = "http://loinc.org"
TYPES = ("Observation", "Condition", "AllergyIntolerance", "MedicationRequest", "Encounter",
         "DiagnosticReport", "Appointment", "Immunization", "DocumentReference", "Coverage",
         "ServiceRequest", "RelatedPerson")  # fmt: skip
#: What a clinician's session asks of every route at most.
OF_A_ROUTE = 6


@pytest.fixture(scope="module")
def house(postgres_server: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    factory = StoreFactory(postgres_server, tmp_path_factory.mktemp("classes"))
    clock = ShiftedClock()
    yield build(Site(factory(clock=clock), clock), 2)
    factory.close()


def mine(house: House) -> list[str]:
    return house.of("A")


def deny(*types: str, **more: Any) -> dict[str, Any]:
    return {"type": "deny", "class": [{"code": t} for t in types], **more}


# The store, with any rules

_CONDITIONS = st.fixed_dictionaries(
    {"type": st.sampled_from(["permit", "deny"])},
    optional={
        "class": st.lists(
            st.sampled_from(TYPES).map(lambda t: {"code": t}), min_size=1, max_size=4
        ),
        "code": st.sampled_from([[{"coding": [{"system": LOINC, "code": "718-7"}]}]]),
        "securityLabel": st.just([{"code": "HIV"}]),
        "dataPeriod": st.sampled_from([{"end": "2020"}, {"start": "2020"}]),
    },
)
_TREES = st.recursive(
    _CONDITIONS,
    lambda inner: st.builds(
        lambda node, some: {**node, "provision": some}, _CONDITIONS, st.lists(inner, max_size=2)
    ),
    max_leaves=4,
)


@given(_TREES, st.sampled_from(["", "OPTOUT"]))
@settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_no_function_of_the_store_shows_what_is_withheld(
    house: House, tree: dict[str, Any], rule: str
) -> None:
    patients = mine(house)
    rules = of.said(tree, patients, house.site.clock.now_us(), rule)
    states = of.chart(house.site, patients)
    split = of.Split(states, rules)
    grant = house.site.guard.mint("doctor", Purpose.TREATMENT, patients, withheld=rules)
    for name, answer in answers(house, grant, list(states)):
        assert split.shown_in(answer) == [], name
    store = house.site.store
    assert store.states(grant, list(states)).keys() == split.left, "and nothing else"
    assert {v.key: v for v in store.sections(grant, patients)} == left_views(store, grant, split)
    shown = store.timeline(grant, patients, limit=3)
    everything = store.timeline(grant, patients, limit=500)
    assert [p.state.id for p in shown] == [p.state.id for p in everything][:3]


@pytest.mark.parametrize("types", [("Observation",), ("Condition", "Coverage")])
def test_what_is_left_refers_to_nothing_that_is_withheld(
    house: House, types: tuple[str, ...]
) -> None:
    """Neither in its elements nor in when these were said; the hospital's own are still named."""
    patients, store = mine(house), house.site.store
    rules = of.said(deny(*types), patients, house.site.clock.now_us())
    states = of.chart(house.site, patients)
    split = of.Split(states, rules)
    grant = house.site.guard.mint("doctor", Purpose.TREATMENT, patients, withheld=rules)
    left = store.states(grant, list(states))
    assert [shown for state in left.values() for shown in split.shown_in(state)] == []
    stays = [s.resource for s in left.values() if s.type == "Encounter"]
    assert any("location" in place for stay in stays for place in stay.get("location", ()))


def left_views(store: Any, grant: Grant, split: of.Split) -> dict[Any, Any]:
    """The views of a chart in which nothing else was ever said."""
    parts = defaultdict(list)
    for state in store.states(grant, list(split.left)).values():
        placed = place(state)
        if (key := view_key(placed)) is not None:
            parts[key].append(placed)
    return {key: rebuild_part(key, some) for key, some in parts.items()}


def answers(house: House, grant: Grant, ids: list[str]) -> Iterator[tuple[str, Any]]:
    """What every function that takes a grant and reads has to say."""
    store, p = house.site.store, house.patients[0]
    patients = mine(house)
    positions = [n for n, (who, _) in house.positions.items() if who is p] + list(house.shared)
    asked: dict[str, list[list[Any]]] = {
        "any_id": [[i] for i in patients],
        "any_ids": [[patients]],
        "wanted": [[[[("identifier", p.mrn)]]]],
        "source_patients": [[patients]],
        "resource_id": [[i] for i in ids],
        "resource_ids": [[ids]],
        "position": [[n] for n in positions],
        "field": [["identifier", p.mrn]],
        "where": [
            [MessageFilter()],
            [MessageFilter(source_patients=tuple(patients), limit=2)],
            [MessageFilter(feed="lab")],
        ],
        "fingerprint": [["x"]],
    }
    left_out = {"retry", "rebuild", "together", "digest", "entered"}
    for port in (ports.Charts, ports.Messages):
        for name, function in inspect.getmembers(port, inspect.isfunction):
            wanted = [
                q.name
                for q in inspect.signature(function).parameters.values()
                if q.default is q.empty and q.name not in ("self", "grant", "value")
            ]
            if name in left_out or "grant" not in inspect.signature(function).parameters:
                continue
            for arguments in asked[wanted[0]] if wanted else [[]]:
                try:
                    answer = getattr(store, name)(grant, *arguments)
                except NotFound:
                    continue
                assert not isinstance(answer, AbstractContextManager)
                yield f"{name} {arguments}", answer


# The console and its API, with Consents that came in

SAID: dict[str, tuple[dict[str, Any], str]] = {
    "results": (deny("Observation", "DiagnosticReport"), ""),
    "all but allergies": (
        {"type": "deny",
         "provision": [{"type": "permit", "class": [{"code": "AllergyIntolerance"}]}]},
        "",
    ),
    "one code": (
        {"type": "permit", "provision": [
            {"type": "deny", "code": [{"coding": [{"system": LOINC, "code": "718-7"}]}]}]},
        "OPTIN",
    ),
    "what was prescribed": (deny("MedicationRequest", "MedicationStatement"), ""),
}  # fmt: skip

QUICK = ("all but allergies", "one code")


@pytest.mark.parametrize(
    "name", [n if n in QUICK else pytest.param(n, marks=pytest.mark.slow) for n in SAID]
)
def test_no_route_shows_what_is_withheld(house: House, name: str) -> None:
    provision, rule = SAID[name]
    p, site = house.patients[0], house.site
    site.land("fhir", of.bundle(provision, p.mrn, AUTHORITY, f"{p.normal}fam", rule))
    site.apply()
    patients = mine(house)
    need = Need(((Action.VIEW_CHART, Purpose.TREATMENT),), patients[0])
    doctor = principal_of(site.staff, "doctor-a", {})
    grant = site.doors().authority.permit(doctor, need, Asking()).grant
    assert grant.withheld, "the chart opens, without what is withheld"
    split = of.Split(of.chart(site, patients), grant.withheld)
    assert split.gone
    crossing = Crossing(house, site.app())
    shown = asyncio.run(look(crossing, split, "doctor-a"))
    assert shown > 30, "pages that show something"
    asyncio.run(look(crossing, split, "engineer"))


async def look(crossing: Crossing, split: of.Split, subject: str) -> int:
    """Asks every route for everything; how many answers there were."""
    by_route: dict[str, list[Attempt]] = defaultdict(list)
    for attempt in crossing.requests(subject):
        by_route[f"{attempt.method} {attempt.route}"].append(attempt)
    shown = 0
    for route, attempts in by_route.items():
        hidden = [a for a in attempts if a.target in split.gone]
        crossing.random.shuffle(attempts)
        for attempt in (*hidden[:OF_A_ROUTE], *attempts[:OF_A_ROUTE]):
            status, headers, body = await crossing.send(attempt)
            answer = headers + body
            for typed in (*attempt.path.split("/"), *(v for _, v in attempt.form)):
                answer = answer.replace(typed.encode() or b"-", b"")
            assert split.shown_in(answer) == [], f"{subject} {route} {attempt}"
            assert status < 500, attempt
            shown += status == 200
    return shown
