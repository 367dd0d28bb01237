"""While everything is made anew, no door says that somebody is not there, nothing is decided."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import pytest
from tests.scenario.test_fhir_identity_door import ANNA, HOSP, parameters
from tests.scenario.test_fhir_identity_door import pix as fhir_pix
from tests.scenario.test_v2_identity_door import codes, pdq, pix
from tests.support.asked_patients import site_of_people
from tests.support.console_client import Client
from tests.support.identity_doors import IdentityDoors, fields, open_doors

from chartloom.domain.errors import LaneLost
from chartloom.domain.resource import LinkKind

FHIR: dict[str, Callable[[IdentityDoors], tuple[int, Any, dict[str, str]]]] = {
    "PIXm": lambda d: d.fhir(fhir_pix(f"{HOSP}|4711")),
    "PDQm": lambda d: d.fhir("Patient?" + urlencode({"family": "weber"})),
    "read": lambda d: d.fhir("Patient/0b9f8f5e-0000-5000-8000-000000000000"),
    "$match": lambda d: d.fhir("Patient/$match", parameters(ANNA)),
}
V2 = {"ITI-9": pix("4711^^^HOSP^MR"), "ITI-21": pdq("@PID.5.1^Weber")}


def test_doors_are_busy_while_everything_is_made_anew(
    postgres_server: object, tmp_path_factory: pytest.TempPathFactory
) -> None:
    site, factory = site_of_people(postgres_server, tmp_path_factory)
    first, second = sorted(
        site.store.find_persons(site.grant(), "identifier", "4711")[0].source_patients
    )
    with open_doors(site) as doors:
        assert [FHIR[n](doors)[0] for n in FHIR] == [200, 200, 404, 200]
        assert [codes(doors.ask(q))[0] for q in V2.values()] == ["AA", "AA"]
        site.store.rebuild(site.grant())
        for name, ask in FHIR.items():
            before = site.audit.end().size
            status, answer, headers = ask(doors)
            assert (status, answer["issue"][0]["code"]) == (503, "transient"), name
            assert int(headers["retry-after"]) > 0
            assert "entry" not in answer
            assert len(doors.events(before)) == 1  # asked, with nobody found
        for name, query in V2.items():
            answer = doors.ask(query)
            assert codes(answer)[0] == "AR", name
            assert fields(answer, "ERR", (3,)) == ["207"]
            assert answer.segments_named("PID") == []
        _nothing_is_decided(doors, first, second)
        _apply(site.apply)
        assert [FHIR[n](doors)[0] for n in FHIR] == [200, 200, 404, 200]
        assert [codes(doors.ask(q))[0] for q in V2.values()] == ["AA", "AA"]
    kinds = {w.kind for w in site.store.words_of(site.grant(), [first, second]) if w.by}
    assert kinds == set[LinkKind]()
    factory.close()


def _nothing_is_decided(doors: IdentityDoors, first: str, second: str) -> None:
    client = Client(doors.url)
    client.cookie = doors.site.sign_in()
    merge = {"source-patient": first, "target-patient": second}
    for path, form in (
        ("/fhir/R4/Patient/$merge", merge),
        ("/fhir/R4/Patient/$merge", {**merge, "preview": "true"}),
        ("/fhir/R4/Patient/$unmerge", merge),
        (f"/identity/pairs/{first}/{second}", {"word": "different"}),
        (f"/chart/{first}/problems/decide", {"line": "x", "said": "active"}),
    ):
        status, headers, text = client.ask(path, "POST", {**form, "csrf": client.csrf("/me")})
        assert (status, "made anew" in text) == (503, True), path
        assert int({k.lower(): v for k, v in headers.items()}["retry-after"]) > 0
        assert 'http-equiv="refresh"' not in text  # nothing is asked for, so nothing to ask again


def _apply(apply: Callable[[], int]) -> None:
    try:
        apply()
    except LaneLost:  # what the worker held was of before
        apply()
