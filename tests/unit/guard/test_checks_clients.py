"""The list of services: who may send what, who shows which certificate, what is no entry."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from tests.support.clock import FakeClock

from chartloom.domain.errors import ConfigurationError
from chartloom.guard.ca import Authority
from chartloom.guard.clients import (
    Clients,
    RegisteredClient,
    key_references,
    may_send,
    read_clients,
    refuse_issues,
)

GOOD = {
    "id": '"lab"',
    "scopes": '["system/*.c"]',
    "feeds": '["adt"]',
    "certificates": '["spiffe://north/lab"]',
}


def entry(**changes: str) -> str:
    fields = {k: v for k, v in {**GOOD, **changes}.items() if v}
    return "[[client]]\n" + "".join(f"{k} = {v}\n" for k, v in fields.items())


def test_a_good_entry_is_taken() -> None:
    clients, issues = read_clients(entry(), "clients.toml")
    assert issues == []
    assert refuse_issues(clients, issues, "clients.toml") is clients
    assert len(clients) == 1
    assert clients.has_senders("adt")
    assert not clients.has_senders("lab")
    assert not clients.has_senders("")
    assert clients.get("lab") is not None
    assert clients.get("LAB") is None


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"id": '"la b"'}, "id is not a name"),
        ({"id": '""'}, "id is not a name"),
        ({"jwks": '"a.json"', "jwks_url": '"https://a.example/k"'}, "two references"),
        ({"jwks_url": '"http://a.example/k"'}, "no HTTPS address"),
        ({"jwks_url": '"https://a.example/k k"'}, "no HTTPS address"),
        ({"certificates": ""}, "neither keys"),
        ({"applications": '["LAB"]'}, "SENDER|FACILITY"),
        ({"applications": '["LAB|WEST|1", "LAB|EAST"]'}, "SENDER|FACILITY"),
        ({"certificates": "", "jwks": '"a.json"', "certificate_bound": "true"}, "has none"),
        ({"scopes": '["patient/*.c"]'}, "a scope is not like"),
        ({"scopes": '["system/*.c", "system/*.x"]'}, "a scope is not like"),
        ({"scopes": '["system/*."]'}, "a scope is not like"),
        ({"scopes": '["system/*.rs"]'}, "no scope for it"),
        ({"scopes": "[]"}, "no scope for it"),
        ({"unknown": '"x"'}, "unknown"),
        ({"scopes": '"system/*.c"'}, ""),
    ],
)
def test_what_is_wrong_with_an_entry_is_said_and_it_is_left_out(
    changes: dict[str, str], said: str
) -> None:
    text = entry(id='"first"', certificates='["spiffe://north/first"]') + entry(**changes)
    clients, issues = read_clients(text, "clients.toml")
    assert [c.id for c in clients] == ["first"]
    assert said in issues[0].detail or said == "unknown"
    assert {i.code for i in issues} == {"client-invalid"}
    assert issues[0].location == "clients.toml:6"
    with pytest.raises(ConfigurationError):
        refuse_issues(clients, issues, "clients.toml")


def test_entries_do_not_share_ids_or_certificates() -> None:
    same_id = entry() + entry(certificates='["spiffe://north/other"]')
    same_name = entry() + entry(id='"other"')
    for text, said in ((same_id, "the id is taken"), (same_name, "belong to another service")):
        clients, issues = read_clients(text, "clients.toml")
        assert [c.id for c in clients] == ["lab"]
        assert said in issues[0].detail


def test_a_file_that_cannot_be_read_names_nobody() -> None:
    for text in ("[[client]\n", "client = 3\n", "[other]\n", "[[client]]\nid = \n"):
        clients, issues = read_clients(text, "clients.toml")
        assert len(clients) == 0
        assert [i.code for i in issues] == ["clients-unreadable"]


def test_only_keys_in_the_folder_are_referred_to() -> None:
    clients, _ = read_clients(entry(jwks='"lab.json"') + entry(id='"x"', certificates='["x"]'), "")
    assert key_references(clients) == {"lab.json": "lab"}


@pytest.mark.parametrize(
    ("scopes", "feed", "kind", "may"),
    [
        (["system/*.c"], "adt", "", True),
        (["system/*.cruds"], "adt", "Patient", True),
        (["system/Patient.c"], "adt", "Patient", True),
        (["system/Patient.c"], "adt", "Observation", False),
        (["system/Patient.c"], "adt", "", False),  # a Bundle may hold anything
        (["system/*.rs"], "adt", "", False),
        (["system/*.rs", "system/*.c"], "adt", "", True),
        (["system/*.c"], "lab", "", False),
        (["user/*.c"], "adt", "", False),
        (["system/*.c "], "adt", "", False),
        ([], "adt", "", False),
    ],
)
def test_who_may_send(scopes: list[str], feed: str, kind: str, may: bool) -> None:
    client = RegisteredClient("lab", feeds=("adt",))
    assert may_send(client, scopes, feed, kind) is may


def test_a_certificate_is_of_one_service_or_of_none(tmp_path: Path) -> None:
    authority = Authority.init(tmp_path / "ca", FakeClock(), "North")

    def der(*names: str) -> bytes:
        leaf = authority.client(names).certificate
        return x509.load_pem_x509_certificate(leaf).public_bytes(Encoding.DER)

    lab = RegisteredClient("lab", certificates=("spiffe://north/lab", "lab.north"))
    ris = RegisteredClient("ris", certificates=("spiffe://north/ris",))
    clients = Clients([lab, ris])
    assert clients.of_certificate(der("spiffe://north/lab")) is lab
    assert clients.of_certificate(der("spiffe://north/lab", "lab.north")) is lab
    assert clients.of_certificate(der("spiffe://north/lab", "spiffe://other/x")) is lab
    assert clients.of_certificate(der("spiffe://north/lab", "spiffe://north/ris")) is None
    assert clients.of_certificate(der("spiffe://north/nobody")) is None


def test_an_application_is_of_one_service() -> None:
    def two(one: str, other: str) -> tuple[Clients, list[str]]:
        text = entry(id='"a"', certificates="", feeds="", applications=one)
        text += entry(id='"b"', certificates="", feeds="", applications=other)
        clients, issues = read_clients(text, "clients.toml")
        return clients, [i.detail for i in issues]

    clients, issues = two('["A|X"]', '["A|Y"]')
    assert issues == []
    found = clients.of_application("A", "Y")
    assert found is not None
    assert found.id == "b"
    assert clients.of_application("A", "Z") is None
    assert two('["A|X", "B|X"]', '["B|X"]')[1] == [
        "1 of its applications belong to another service"
    ]
