"""Attacks on the doors through which other systems ask who a patient is."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from urllib.parse import urlencode

import pytest
from tests.scenario.test_fhir_identity_door import ANNA, HOSP, parameters, pix
from tests.scenario.test_v2_identity_door import pdq
from tests.scenario.test_v2_identity_door import pix as v2_pix
from tests.support.asked_patients import site_of_people, withheld
from tests.support.identity_doors import ASKERS, SITE, IdentityDoors, fields, open_doors
from tests.support.tokens import ec

from chartloom.formats.hl7v2 import parse, serialise
from chartloom.guard.policy import Policies, builtin_texts
from chartloom.guard.tokens import TokenIssuer
from chartloom.serve.client_registry.v2 import DoorRules

WITHHELD = {
    "resourceType": "Patient",
    "id": "w",
    "identifier": [{"system": "urn:id:HOSP", "value": "4790"}],
    "name": [{"family": "Hidden", "given": ["Hal"]}],
    "birthDate": "1955-05-05",
}


@pytest.fixture(scope="module")
def doors(
    postgres_server: object, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[IdentityDoors]:
    site, factory = site_of_people(postgres_server, tmp_path_factory)
    bundle = {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [
            {"resource": r, "request": {"method": "PUT", "url": f"{r['resourceType']}/{r['id']}"}}
            for r in (WITHHELD, withheld("w"))
        ],
    }
    site.land("fhir", json.dumps(bundle).encode())
    site.apply()
    with open_doors(site) as opened:
        yield opened
    factory.close()


QUESTIONS = (
    "Patient?family=weber",
    "Patient?identifier=4711",
    pix(f"{HOSP}|4711"),
    "Patient/4711",
)


def test_nobody_gets_in_without_a_token_of_ours(doors: IdentityDoors) -> None:
    good = doors.token()
    stranger = TokenIssuer(ec(), SITE, doors.site.clock).issue(
        "registry", SITE, ["system/Patient.rs"]
    )
    before = doors.site.audit.end().size
    for path in QUESTIONS:
        for token in ("", stranger, good[:-2], "x", good + "."):
            status, answer, headers = doors.fhir(path, token=token)
            assert (status, answer["issue"][0]["code"]) == (401, "login")
            assert headers["www-authenticate"] == "Bearer"
            assert "entry" not in answer
    assert doors.fhir("Patient/$match", parameters(ANNA), token="")[0] == 401
    assert doors.site.audit.end().size == before  # nobody known asked


@pytest.mark.parametrize(
    ("scopes", "purpose", "status"),
    [
        (("system/Patient.rs",), "", 200),
        (("system/*.rs",), "TREAT", 200),
        (("system/Patient.cruds",), "HOPERAT", 200),
        (("system/Patient.r",), "", 403),
        (("system/Patient.s",), "", 403),
        (("system/Patient.c",), "", 403),
        (("system/Observation.rs",), "", 403),
        (("system/*.c",), "", 403),
        (("system/Patient.rs",), "HRESCH", 403),
        (("system/Patient.rs",), "HQUALIMP", 403),
        (("system/Patient.rs",), "BTG", 403),
        (("system/Patient.rs",), "MARKETING", 401),
    ],
)
def test_scope_and_purpose(
    doors: IdentityDoors, scopes: tuple[str, ...], purpose: str, status: int
) -> None:
    token = doors.token(*scopes, purpose=purpose)
    for path in QUESTIONS[:3]:
        before = doors.site.audit.end().size
        assert doors.fhir(path, token=token)[0] == status
        events = doors.events(before)
        assert [bool(e.denied) for e in events] == ([status == 403] if status != 401 else [])
    body = parameters(ANNA)
    assert doors.fhir("Patient/$match", body, token=token)[0] == status


def test_a_token_for_another_purpose_opens_no_chart_either(doors: IdentityDoors) -> None:
    import http.client

    person = doors.fhir("Patient?identifier=4711")[1]["entry"][0]["resource"]["id"]
    seen = {}
    for purpose in ("", "TREAT", "HRESCH", "BTG"):
        token = doors.token("system/*.rs", purpose=purpose)
        connection = http.client.HTTPConnection(doors.url.partition("://")[2])
        connection.request(
            "GET", f"/api/chart/{person}", headers={"authorization": f"Bearer {token}"}
        )
        seen[purpose] = connection.getresponse().status
        connection.close()
    assert seen == {"": 200, "TREAT": 200, "HRESCH": 404, "BTG": 404}


def test_a_session_of_a_person_opens_nothing_here(doors: IdentityDoors) -> None:
    from tests.support.console_client import Client

    person = Client(doors.url)
    person.cookie = doors.site.sign_in()
    assert person.ask("/fhir/R4/Patient?family=weber")[0] == 404
    form = {"family": "weber", "csrf": ""}
    assert person.ask("/fhir/R4/Patient/_search", "POST", form)[0] == 403


@pytest.mark.parametrize(
    ("number", "family", "born"), [("4713", "Star", "1980-03-03"), ("4790", "Hidden", "1955-05-05")]
)
def test_celebrities_and_who_withholds_are_as_if_not_there(
    doors: IdentityDoors, number: str, family: str, born: str
) -> None:
    there = doors.fhir(pix(f"{HOSP}|{number}"))
    absent = doors.fhir(pix(f"{HOSP}|4799"))
    assert there[:2] == absent[:2]
    for query in ({"family": family}, {"birthdate": born}, {"identifier": number}):
        assert doors.fhir("Patient?" + urlencode(query))[1]["total"] == 0
    described = {"resourceType": "Patient", "name": [{"family": family, "given": ["Vera", "Hal"]}],
                 "birthDate": born, "identifier": [{"system": HOSP, "value": number}]}  # fmt: skip
    assert doors.fhir("Patient/$match", parameters(described))[1]["total"] == 0
    secret = doors.ask(v2_pix(f"{number}^^^HOSP"))
    nobody = doors.ask(v2_pix("4799^^^HOSP"))
    told = [a.source.text.split("\r", 1)[1].replace(n, "N") for a, n in
            ((secret, number), (nobody, "4799"))]  # fmt: skip
    assert told[0].replace(secret.control_id, "") == told[1].replace(nobody.control_id, "")
    assert fields(doors.ask(pdq(f"@PID.5.1^{family}")), "QAK", (2,)) == ["NF"]
    events = doors.events(0)
    star = {p for e in events for p in e.patients}
    hits = doors.site.store.find_persons(doors.site.grant(), "family", family)
    assert hits  # they are here all the same
    assert star.isdisjoint(p for hit in hits for p in hit.source_patients)


def test_a_site_may_let_a_service_see_a_label(doors: IdentityDoors) -> None:
    policy = """
    @id("registry-sees-vip")
    permit (principal == Service::"registry", action == Action::"see_label", resource)
    when { context.label == "VIP" && context.of == "identify_person" };
    """
    texts = builtin_texts() | {"vip.cedar": policy}
    site = doors.site
    made = site.doors()
    made.authority.policies = Policies(texts)
    with open_doors(site, doors=made) as opened:
        answer = opened.ask(v2_pix("4713^^^HOSP"))
        assert fields(answer, "QAK", (2,)) == ["OK"]


INJECTIONS = (
    "' OR '1'='1", "'; DROP TABLE person; --", "%", "_", "*", "\\", "%' OR true --", "$(id)",
    "<script>alert(1)</script>", "${jndi:ldap://x}", "\u202eweber", "weber\u0000", "🂡" * 20, "|",
    ",,,", "\\,", "a" * 5000,
)  # fmt: skip


@pytest.mark.parametrize("text", INJECTIONS)
def test_parameters_are_values_and_nothing_else(doors: IdentityDoors, text: str) -> None:
    for name in ("family", "given", "identifier", "birthdate", "address", "telecom", "_id",
                 "gender", "active", "_count", "_page"):  # fmt: skip
        query = urlencode({"family:exact": "nobody", name: text})
        for status, answer, _ in (
            doors.fhir(f"Patient?{query}"),
            doors.fhir("Patient/_search", form=query),
        ):
            assert status in (200, 400, 404, 410, 414), (name, answer)
            assert not answer or "entry" not in answer
    assert doors.fhir(pix(f"{HOSP}|{text}"))[0] in (400, 404, 414)
    body = parameters({**ANNA, "birthDate": "1901-01-01", "telecom": [], "address": [],
                       "name": [{"family": text, "given": [text]}]})  # fmt: skip
    status, answer, _ = doors.fhir("Patient/$match", body)
    assert (status, answer.get("entry")) in ((200, None), (400, None))


def test_bodies_that_are_too_large_or_of_another_kind(doors: IdentityDoors) -> None:
    assert doors.fhir("Patient/$match", b"{" + b" " * 300_000)[0] == 413
    assert doors.fhir("Patient/$match", b"<a/>", kind="application/fhir+xml")[0] == 415
    deep = b'{"a":' * 50_000 + b"1" + b"}" * 50_000
    assert doors.fhir("Patient/$match", deep[:250_000])[0] == 400
    many = [{"family": f"F{n}", "given": [f"G{n}"]} for n in range(2000)]
    status, answer, _ = doors.fhir("Patient/$match", parameters({**ANNA, "name": many}))
    assert status in (200, 400), answer
    assert doors.fhir("Patient?family=weber", method="DELETE")[0] == 405


def test_tls_is_asked_for_by_the_certificate_and_not_by_a_name(doors: IdentityDoors) -> None:
    with open_doors(doors.site, rules=DoorRules(by_application=False)) as shut, shut.asker() as one:
        one.send(b"\x0b" + v2_pix("4711^^^HOSP").encode() + b"\x1c\r")
        assert one.answer() == b""


def hostile(seed: int) -> Iterator[bytes]:
    """Queries with what no honest sender writes."""
    rng = random.Random(seed)
    honest = [v2_pix("4711^^^HOSP", "^^^CLINIC").encode(),
              pdq("@PID.5.1^Weber~@PID.7^1970~@PID.3.1^4711~@PID.3.4.1^HOSP").encode()]  # fmt: skip
    pieces = [b"|", b"^", b"~", b"&", b"\\", b"\r", b"\n", b"\x00", b"\xff\xfe", b"@PID.3", b'""',
              b"\\X0D\\", b"\\E\\", b"QPD|", b"MSH|", b"^^^", b"9" * 400, b"@PID.5.1^", b"~" * 80,
              b"\\Z\\", "é".encode("latin-1"), b"RCP|I|1^RD\r",
              b"DSC|" + b"A" * 300 + b"\r"]  # fmt: skip
    for _ in range(250):
        body = bytearray(rng.choice(honest))
        for _ in range(rng.randint(1, 6)):
            at = rng.randrange(len(body) + 1)
            if rng.random() < 0.6:
                body[at:at] = rng.choice(pieces)
            else:
                del body[at : at + rng.randint(1, 30)]
        yield bytes(body).replace(b"\x0b", b"").replace(b"\x1c", b"")


def test_hostile_queries_get_one_answer_that_can_be_read(doors: IdentityDoors) -> None:
    before, asked = doors.site.audit.end().size, 0
    with doors.asker() as asker:
        for body in hostile(7):
            if len(body.strip(b"\r\n\t \x00")) < 8:
                continue
            asked += 1
            asker.send(b"\x0b" + body + b"\x1c\r")
            answer = parse(asker.answer())
            assert not answer.fatal, body
            assert serialise(answer) == answer.data
            assert fields(answer, "MSA", (1,))[0] in ("AA", "AE", "AR"), body
            assert "Star" not in answer.source.text
    assert len(doors.events(before)) == asked


def test_askers_of_the_tests_are_what_they_claim() -> None:
    assert ASKERS.of_application("ASKER", "WEST") is ASKERS.get("registry")
    assert ASKERS.of_application("ASKER", "") is None
