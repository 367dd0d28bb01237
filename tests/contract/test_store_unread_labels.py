"""Bytes of what was refused are shown only to who may see restricted things."""

from __future__ import annotations

import pytest
from tests.support import bundles
from tests.support.bundles import Json, person, result
from tests.support.postgres import StoreFactory
from tests.support.site import ShiftedClock, Site

from chartloom.domain.errors import NotFound
from chartloom.domain.grant import Grant, Purpose
from chartloom.domain.labels import Label
from chartloom.domain.store import MessageDetail
from chartloom.simulate import FEEDS

HIV = {"coding": [{"system": "http://loinc.org", "code": "56888-1", "display": "HIV Ag+Ab"}]}


def _refused(name: str) -> Json:
    entry = result(name)
    entry["resource"] |= {"id": f"x-{name}", "code": HIV, "unheard": 1}
    entry["request"]["url"] = f"Observation/x-{name}"
    return entry


class _Ward:
    def __init__(self, factory: StoreFactory) -> None:
        clock = ShiftedClock()
        self.store = factory(clock=clock)
        self.site = Site(self.store, clock, [FEEDS["fhir"]])
        feed = self.site.mappings["fhir"][0]
        self.ids = bundles.ids_of(feed, self.site.namespace, ("ana", "ben"))

    def tell(self, body: bytes) -> int:
        (position,) = self.site.land("fhir", body)
        self.site.apply()
        return position

    def shown(self, position: int, name: str, *labels: str) -> MessageDetail:
        grant: Grant = self.store.guard.mint(
            "doctor", Purpose.TREATMENT, [self.ids[name]], labels=labels
        )
        return self.store.detail(grant, position)


@pytest.fixture
def ward(store_factory: StoreFactory) -> _Ward:
    return _Ward(store_factory)


def test_of_one_person(ward: _Ward) -> None:
    position = ward.tell(bundles.bundle(person("ana"), _refused("ana")))
    for labels in ((), (Label.R,), (Label.HIV,)):
        with pytest.raises(NotFound):
            ward.shown(position, "ana", *labels)
    assert b"56888-1" in ward.shown(position, "ana", Label.R, Label.HIV).message.body


def test_of_several_whose_it_is(ward: _Ward) -> None:
    body = bundles.several("ana", "ben", extra=(_refused("ana"),))
    position = ward.tell(body)
    for labels in ((), (Label.R,), (Label.HIV,)):
        with pytest.raises(NotFound):
            ward.shown(position, "ana", *labels)
    assert b"56888-1" in ward.shown(position, "ana", Label.R, Label.HIV).message.body
    assert b"Benverbum" in ward.shown(position, "ben").message.body
