"""What the review of identities opens of people whose data is labelled: who they are, no more."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.browser.test_identity_pages import main_of, path
from tests.support.console_client import Client
from tests.support.identity_house import PEOPLE, House, admission, make
from tests.support.postgres import StoreFactory
from tests.support.site import EVERYTHING_SHOWN, serving

from chartloom.domain.chart import Section
from chartloom.domain.labels import BIT, Label
from chartloom.guard.authority import Authority
from chartloom.guard.policy import Policies, builtin_texts

#: What a site may add: celebrities and colleagues are compared by nobody, or by somebody only.
NO_CELEBRITIES = """
@id("no-celebrities")
forbid (principal is User, action in [Action::"review_identity", Action::"say_identity"],
  resource is Person)
when { resource.labels.containsAny(["VIP", "EMP"]) } unless { principal == User::"mina" };
"""
SECRET = "CANARYHIV"
RESULT = (
    "ORC|RE|O77|F77\rOBR|1|O77|F77|77^HIV viral load^L|||20260101\r"
    f"OBX|1|ST|56888-1^HIV Ag+Ab^LN||{SECRET} reactive||||||F\r"
)


@pytest.fixture(scope="module")
def house(postgres_server, tmp_path_factory) -> Iterator[House]:
    factory = StoreFactory(postgres_server, tmp_path_factory.mktemp("labelled"))
    found = make(factory)
    site, who = found.site, PEOPLE["thin-a"]
    told = admission("IDvip", who, 120).decode()
    site.land("adt", told.replace("|" * 12 + "VIDvip", "|" * 9 + "VIP|||VIDvip").encode())
    head, pid = (
        told.split("\r")[0].replace("ADT^A04^ADT_A01", "ORU^R01^ORU_R01"),
        told.split("\r")[2],
    )
    site.land("lab", f"{head}lab\r{pid}\r{RESULT}".encode())
    site.apply()
    yield found
    factory.close()


def test_a_reviewer_sees_who_they_are_and_nothing_of_what_they_have(house: House) -> None:
    """The label opens the comparison, and by no door anything of the chart."""
    site, pair = house.site, house.pair("thin-a", "thin-b")
    known = site.facts.known_of(site.grant(), house.ids["thin-a"])
    assert known.labels & BIT[Label.HIV]
    assert known.person_labels & BIT[Label.VIP]
    results = site.store.timeline(site.grant(), known.source_patients, [Section.RESULTS])
    (secret,) = [p.state for p in results if p.labels]
    with serving(site.app()) as url:
        lena = Client(url)
        lena.cookie = site.sign_in("lena")
        status, _, text = lena.ask(path(pair))
        shown = main_of(text)
        assert status == 200
        assert "Castellane" in shown
        for word in (SECRET, "HIV", "viral", secret.id, "56888-1"):
            assert word not in shown
        for door in (
            f"/chart/{house.ids['thin-a']}", f"/api/chart/{house.ids['thin-a']}",
            f"/evidence/{secret.id}/valueString", f"/fhir/R4/Observation/{secret.id}",
            f"/messages/{secret.resource['meta']['versionId']}",
        ):  # fmt: skip
            status, _, text = lena.ask(door)
            assert status in (403, 404), door
            assert SECRET not in text


def test_a_celebritys_pair_is_closed_to_who_does_not_review(house: House) -> None:
    with serving(house.site.app()) as url:
        for subject in ("doctor", "other", "engineer", "officer", "admin", "nobody"):
            client = Client(url)
            client.cookie = house.site.sign_in(subject)
            status, _, text = client.ask(path(house.pair("thin-a", "thin-b")))
            assert status in (403, 404), subject
            assert "Castellane" not in text


def test_a_site_may_say_who_compares_celebrities(house: House) -> None:
    """Then they are neither shown, nor spoken about, nor in the queue of anybody else."""
    site, pair = house.site, house.pair("thin-a", "thin-b")
    texts = builtin_texts() | {"tests.cedar": EVERYTHING_SHOWN, "own.cedar": NO_CELEBRITIES}
    narrow = Authority(
        Policies(texts), site.facts, site.glass, site.uses, site.guard, site.recorder, site.clock
    )
    with serving(site.app(site.doors(authority=narrow))) as url:
        for subject, may in (("lena", False), ("yusuf", False), ("mina", True)):
            client = Client(url)
            client.cookie = site.sign_in(subject)
            status, _, text = client.ask(path(pair))
            assert (status == 200, "Castellane" in text) == (may, may), subject
            queue = client.ask("/identity")[2]
            assert (path(pair) in queue) is may
            assert path(house.pair("twin-a", "twin-b")) in queue
            if not may:
                form = {"word": "same", "csrf": client.csrf("/me")}
                assert client.ask(path(pair), "POST", form)[0] in (403, 404)
    assert house.words(pair) == []
