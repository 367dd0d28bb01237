"""What leaves as a data set: what a patient withholds by class, code or purpose does not."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from tests.support import withheld as of
from tests.support.postgres import StoreFactory
from tests.support.site import ShiftedClock, Site
from tests.support.two_groups import AUTHORITY, House, build

from chartloom.domain.access import USES_SUBJECT, DataUse, UseState
from chartloom.domain.grant import Purpose
from chartloom.guard.staff import principal_of
from chartloom.wiring.export import Exporter, ExportReport

LOINC = "http://loinc.org"
REASON = "http://terminology.hl7.org/CodeSystem/v3-ActReason"
FIELDS = ("Patient.gender", "Observation.status", "Observation.code", "Condition.code",
          "Immunization.vaccineCode", "AllergyIntolerance.code")  # fmt: skip
HAEMOGLOBIN = {"code": [{"coding": [{"system": LOINC, "code": "718-7"}]}]}
ONE_CLASS = {"class": [{"code": "Observation"}]}
QUALITY, RESEARCH = ({"purpose": [{"system": REASON, "code": c}]} for c in ("HQUALIMP", "HRESCH"))


_NTH = count(1)


@pytest.fixture(scope="module")
def house(postgres_server: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    factory = StoreFactory(postgres_server, tmp_path_factory.mktemp("leaving"))
    clock = ShiftedClock()
    yield build(Site(factory(clock=clock), clock), 2)
    factory.close()


def use_of(house: House, purpose: Purpose) -> str:
    """A data use that is approved for everybody, made once."""
    site, id = house.site, f"use-{purpose.value}"
    now_us = site.clock.now_us()
    grant = site.guard.mint("tests", Purpose.OPERATIONS, (USES_SUBJECT,), (), 60)
    made = DataUse(
        id, "Anaemia", purpose, FIELDS, "all", ("analyst",), now_us + 3_600_000_000, "analyst",
        now_us, UseState.APPROVED, "officer", now_us, everyone=True, k=1,
    )  # fmt: skip
    if not any(use.id == id for use in site.uses.list(grant)):
        site.uses.add(grant, made)
    return id


def export(
    house: House, folder: Path, purpose: Purpose = Purpose.QUALITY
) -> tuple[ExportReport, Counter[str], str]:
    """The report, how many of each type left, and the text of all that left."""
    site = house.site
    exporter = Exporter(
        site.store, site.uses, site.doors().authority, site.recorder, site.guard, site.clock,
        folder, by="operator:0",
    )  # fmt: skip
    who, out = principal_of(site.staff, "analyst", {}), folder / "out"
    report = exporter.export(who, use_of(house, purpose), house.of("A"), out)
    texts = [f.read_text() for f in sorted(out.glob("*.ndjson"))]
    kinds = Counter(json.loads(line)["resourceType"] for t in texts for line in t.splitlines())
    assert kinds == report.resources
    return report, kinds, "".join(texts)


def consents_to(house: House, provision: dict[str, Any], rule: str = "") -> None:
    p = house.patients[0]
    said = of.bundle(provision, p.mrn, AUTHORITY, f"{p.normal}fam", rule)
    house.site.land("fhir", said + b" " * next(_NTH))  # said again, it is another message
    house.site.apply()


@pytest.fixture
def open_kinds(house: House, tmp_path: Path) -> Counter[str]:
    """What leaves while nothing is withheld."""
    consents_to(house, {"type": "permit"})
    (tmp_path / "open").mkdir()
    report, kinds, text = export(house, tmp_path / "open")
    assert (report.denied, report.persons) == (0, 1)
    assert kinds["Observation"] > 1
    assert min(kinds["Condition"], kinds["Immunization"], kinds["Patient"]) > 0
    assert "718-7" in text
    assert "56888-1" not in text, "what a label protects never leaves"
    return kinds


def test_a_class_does_not_leave_and_all_else_does(
    house: House, tmp_path: Path, open_kinds: Counter[str]
) -> None:
    consents_to(house, {"type": "deny", **ONE_CLASS})
    report, kinds, _ = export(house, tmp_path)
    assert kinds == Counter({k: n for k, n in open_kinds.items() if k != "Observation"})
    assert report.withheld.get("Observation", 0) == 0, "it is not even counted"
    assert not any(name.startswith("Observation.") for name in report.dropped)


def test_one_code_does_not_leave(house: House, tmp_path: Path, open_kinds: Counter[str]) -> None:
    consents_to(house, {"type": "permit", "provision": [{"type": "deny", **HAEMOGLOBIN}]}, "OPTIN")
    _, kinds, text = export(house, tmp_path)
    assert "718-7" not in text
    assert {k: kinds[k] for k in ("Condition", "Patient")} == {
        k: open_kinds[k] for k in ("Condition", "Patient")
    }


def test_all_but_one_class_is_withheld(
    house: House, tmp_path: Path, open_kinds: Counter[str]
) -> None:
    """Without who it is about (how old, dead since when) nothing can be made safe to leave."""
    consents_to(house, {"type": "deny", "provision": [{"type": "permit", **ONE_CLASS}]})
    report, kinds, text = export(house, tmp_path)
    assert (report.persons, kinds, text) == (1, Counter(), "")
    assert report.withheld == {"Observation": open_kinds["Observation"]}


@pytest.mark.parametrize(("purpose", "left"), [(Purpose.QUALITY, 0), (Purpose.RESEARCH, 1)])
def test_what_is_withheld_from_one_purpose_leaves_for_another(
    house: House, tmp_path: Path, open_kinds: Counter[str], purpose: Purpose, left: int
) -> None:
    consents_to(house, {"type": "deny", **ONE_CLASS, **QUALITY})
    _, kinds, _ = export(house, tmp_path, purpose)
    assert kinds["Observation"] == left * open_kinds["Observation"]
    assert kinds["Condition"] == open_kinds["Condition"]


def test_who_withholds_everything_does_not_leave_at_all(
    house: House, tmp_path: Path, open_kinds: Counter[str]
) -> None:
    consents_to(house, {"type": "deny", **QUALITY})
    report, kinds, text = export(house, tmp_path)
    assert (report.denied, report.persons) == (report.asked, 0)
    assert (kinds, text) == (Counter(), "")
    assert open_kinds
