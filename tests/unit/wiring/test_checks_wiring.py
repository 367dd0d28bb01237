"""What stands at the doors when they are put together: each refusal by itself."""

from __future__ import annotations

import contextlib
from pathlib import Path
from types import SimpleNamespace

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from tests.support.clock import FakeClock
from tests.support.tokens import ec, public_set

from chartloom.domain.errors import ConfigurationError
from chartloom.guard.ca import Authority, DenyList
from chartloom.guard.tokens import MemoryUsedTokens
from chartloom.project import Project, load_project, write_site
from chartloom.project.tls import deny_file
from chartloom.wiring import doors, keys
from chartloom.wiring.internal_ca import InternalCa
from chartloom.wiring.services import token_issuer

CLIENT = """
[[client]]
id = "{id}"
scopes = ["system/*.rs"]
{keys}
certificates = ["spiffe://north/{id}"]
certificate_bound = true
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_site(tmp_path / "north", name="North")
    return tmp_path / "north"


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


def changed(folder: Path, text: str) -> Project:
    """The site with more in its settings."""
    file = folder / "chartloom.toml"
    file.write_text(file.read_text(encoding="utf-8") + text, encoding="utf-8")
    return load_project(folder)


def der(chain: bytes) -> bytes:
    """The certificate of a leaf's file."""
    start = chain.index(b"-----BEGIN CERTIFICATE-----")
    return x509.load_pem_x509_certificate(chain[start:]).public_bytes(Encoding.DER)


# Services


def test_a_certificate_is_of_the_service_it_names(
    folder: Path, clock: FakeClock, tmp_path: Path
) -> None:
    ids = ("clinic", "lab")
    (folder / "keys").mkdir(mode=0o700, exist_ok=True)
    (folder / "clients.toml").write_text(
        "".join(CLIENT.format(id=id, keys=f'jwks = "{id}.json"') for id in ids)
        + CLIENT.format(id="shows-only", keys="")
    )
    for id in ids:
        (folder / f"{id}.json").write_bytes(public_set(ec()))
    project = load_project(folder)
    project.key_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    services = doors._services(project, clock, MemoryUsedTokens(clock))
    assert services is not None
    known = services.endpoint._assertions._clients
    assert set(known) == set(ids)  # whoever only shows a certificate gets no tokens
    authority = Authority.init(tmp_path / "ca", clock, "North")
    shown = {
        name: der(authority.client([f"spiffe://north/{name}"]).pem) for name in (*ids, "other")
    }
    for id in ids:
        assert {name for name, cert in shown.items() if known[id].owns(cert)} == {id}


def test_without_a_service_that_has_keys_there_is_no_token_endpoint(
    folder: Path, clock: FakeClock
) -> None:
    (folder / "clients.toml").write_text(CLIENT.format(id="shows-only", keys=""))
    assert doors._services(load_project(folder), clock, MemoryUsedTokens(clock)) is None


def test_the_key_of_tokens_is_made_once(folder: Path, clock: FakeClock) -> None:
    project = load_project(folder)
    project.key_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    first, again = (token_issuer(project, clock).key_set() for _ in range(2))
    assert first == again
    assert len(first["keys"]) == 1
    assert "d" not in first["keys"][0]  # the public half


# Sign-in


def test_without_a_provider_nobody_signs_in(folder: Path) -> None:
    project = changed(folder, "")
    assert not project.settings.sign_in.issuer
    with contextlib.ExitStack() as stack:
        made = doors._sign_in(project, "http://127.0.0.1:1", None, None, stack)  # type: ignore[arg-type]
    assert made is None


def test_a_provider_without_the_secret_is_a_mistake(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = changed(
        folder,
        '\n[sign_in]\nissuer = "https://idp.example"\nclient_id = "chartloom"\n'
        'client_secret_env = "CL_TEST_NO_SECRET"\n',
    )
    monkeypatch.delenv("CL_TEST_NO_SECRET", raising=False)
    with contextlib.ExitStack() as stack, pytest.raises(ConfigurationError, match="NO_SECRET"):
        doors._sign_in(project, "http://127.0.0.1:1", None, None, stack)  # type: ignore[arg-type]


# The record, and the keys


def test_heads_are_copied_where_the_site_says_and_nowhere_else(folder: Path) -> None:
    heads, copies = doors.heads_of(load_project(folder))
    assert (heads._copy, copies) == (None, ())
    heads, copies = doors.heads_of(changed(folder, '\n[audit]\nheads_copy = "../away"\n'))
    assert heads._copy == folder / "../away"
    assert [c._path for c in copies] == [folder / "../away"]


def test_without_subject_keys_there_is_no_state_of_them() -> None:
    opened = SimpleNamespace(guard=SimpleNamespace(broker=None))
    assert doors._key_status(opened) is None  # type: ignore[arg-type]


# Keys of the key-encryption key


@pytest.mark.parametrize(
    "settings",
    [
        '\n[keys]\nkek = "aws-kms"\nkms_key = "k"\n',
        '\n[keys]\nkek = "aws-kms"\nkms_region = "eu-central-1"\n',
        '\n[keys]\nkek = "vault"\nvault_key = "k"\n',
        '\n[keys]\nkek = "vault"\nvault_url = "https://vault.example"\nvault_key = "k"\n',
    ],
)
def test_a_key_service_that_is_not_named_whole_is_a_mistake(
    folder: Path, clock: FakeClock, monkeypatch: pytest.MonkeyPatch, settings: str
) -> None:
    for name in ("VAULT_ROLE_ID", "VAULT_SECRET_ID"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ConfigurationError):
        keys._kek(changed(folder, settings), clock, create=True)


def test_a_key_in_the_environment_is_there_when_it_is_set(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = changed(folder, '\n[keys]\nkek = "environment"\nkek_env = "CL_TEST_KEK"\n')
    monkeypatch.delenv("CL_TEST_KEK", raising=False)
    assert not keys._is_there(project)
    monkeypatch.setenv("CL_TEST_KEK", "x")
    assert keys._is_there(project)


# The internal authority


@pytest.fixture
def ca(folder: Path, clock: FakeClock) -> InternalCa:
    made = InternalCa(load_project(folder), clock)
    made.init()
    made.issue("clinic", ["spiffe://north/clinic"], "client", 24)
    return made


def test_a_leaf_is_not_issued_over_another(ca: InternalCa) -> None:
    before = ca.leaves()
    with pytest.raises(ConfigurationError, match="of that name"):
        ca.issue("clinic", ["spiffe://north/somebody-else"], "client", 24)
    assert ca.leaves() == before


def test_a_leaf_that_has_ended_is_not_renewed(ca: InternalCa, clock: FakeClock) -> None:
    clock.time_us += 25 * 3_600_000_000
    with pytest.raises(ConfigurationError, match="The leaf clinic has ended"):
        ca.renew(["clinic"])


def test_a_denied_leaf_is_on_the_list_and_not_renewed(
    ca: InternalCa, folder: Path, clock: FakeClock
) -> None:
    project = load_project(folder)
    path = Path(next(s.file for s in ca.leaves() if s.name == "clinic"))
    shown = path.read_bytes()
    assert ca.deny("clinic").state == "denied"
    assert ca.renew(all_=True) == ["server"]
    assert path.read_bytes() == shown
    denied = DenyList(deny_file(project.settings, project.folder))
    assert denied.denied(der(shown))
    with pytest.raises(ConfigurationError, match="no such leaf"):
        ca.deny("nobody")


def test_names_of_leaves_are_no_paths(ca: InternalCa) -> None:
    for name in ("../up", "a/b", ".hidden", "a b"):
        with pytest.raises(ConfigurationError, match="no name for a leaf"):
            ca.issue(name, ["spiffe://north/x"], "client", 24)


def test_without_an_authority_nothing_is_issued(folder: Path, clock: FakeClock) -> None:
    with pytest.raises(ConfigurationError, match="no authority yet"):
        InternalCa(load_project(folder), clock).issue("x", ["spiffe://north/x"], "client", 24)
