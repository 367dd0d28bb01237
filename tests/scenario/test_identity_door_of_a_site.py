"""The door for identity queries as a site opens it: settings, TLS, who shows which certificate, and
a service that gets its own token."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.scenario.test_mllp_batches_and_tls import Authority
from tests.scenario.test_v2_identity_door import pix
from tests.support.asked_patients import site_of_people
from tests.support.identity_doors import TOKEN, fields
from tests.support.patience import PATIENCE_S
from tests.support.site import Site, serving
from typer.testing import CliRunner

from chartloom.cli import app
from chartloom.domain.errors import ConfigurationError
from chartloom.formats.hl7v2 import Tree, parse
from chartloom.guard.tokens import (
    AccessVerifier,
    AssertionVerifier,
    Client,
    FileKeys,
    MemoryUsedTokens,
    TokenEndpoint,
    TokenIssuer,
)
from chartloom.project import load_project
from chartloom.project.check import check_site
from chartloom.serve import Services
from chartloom.sources.mllp.questions import QuestionDoor
from chartloom.sources.tls import client_context
from chartloom.wiring import identity_door as wiring
from chartloom.wiring.identity_door import domains_of, identity_door

CLIENTS = """
[[client]]
id = "portal"
scopes = ["system/Patient.rs"]
certificates = ["CN=portal"]
applications = ["ASKER|WEST"]
"""


@pytest.fixture(scope="module")
def known(postgres_server: object, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    site, factory = site_of_people(postgres_server, tmp_path_factory)
    yield site
    factory.close()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def folder(path: Path, settings: str) -> Path:
    made = path / "hosp"
    assert CliRunner().invoke(app, ["init", str(made)]).exit_code == 0
    with (made / "chartloom.toml").open("a") as file:
        file.write(f"\n[doors.identity]\nport = {free_port()}\n{settings}")
    (made / "clients.toml").write_text(CLIENTS)
    return made


class Opened:
    """What the door takes of an open site."""

    def __init__(self, site: Site, path: Path) -> None:
        self.project, self.store, self.clock = load_project(path), site.store, site.clock


@contextlib.contextmanager
def door(site: Site, path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[QuestionDoor]:
    monkeypatch.setattr(wiring, "console_token", lambda project: TOKEN)
    opened = Opened(site, path)
    with identity_door(opened, site.doors(), domains_of(opened.project)) as made:  # type: ignore[arg-type]
        assert made is not None
        yield made


def ask(address: tuple[str, int], message: str, tls: ssl.SSLContext | None = None) -> Tree | None:
    """The answer; ``None`` if the door did not speak."""
    plain = socket.create_connection(address, timeout=PATIENCE_S)
    with plain, contextlib.ExitStack() as stack:
        try:
            link = stack.enter_context(tls.wrap_socket(plain)) if tls else plain
            link.sendall(f"\x0b{message}\x1c\r".encode())
            held = b""
            while not held.endswith(b"\x1c\r"):
                more = link.recv(65536)
                if not more:
                    return None
                held += more
        except OSError:
            return None
    return parse(held[1:-2])


def test_by_name_on_this_machine(
    known: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = folder(tmp_path, '[[doors.identity.domains]]\nname = "HOSP"\noid = "1.2.3"\n')
    assert check_site(path)[0] == []
    with door(known, path, monkeypatch) as opened:
        answer = ask(opened.address, pix("4711^^^HOSP"))
        assert answer is not None
        pid = answer.first("PID")
        assert pid is not None
        assert pid.fields[3] == "4711^^^HOSP&1.2.3&ISO^PI"
        unknown = ask(opened.address, pix("C-9^^^CLINIC"))
        assert unknown is not None
        assert fields(unknown, "ERR", (2,)) == ["QPD"]


def test_by_certificate_over_tls(
    known: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, theirs = Authority(tmp_path, "ours"), Authority(tmp_path, "theirs")
    cert, key = ours.issue("server")
    files = f'tls_cert = "{cert}"\ntls_key = "{key}"\ntls_client_ca = "{ours.path}"\n'
    path = folder(tmp_path, files)
    portal = client_context(ours.path, *ours.issue("portal"))
    others = [client_context(ours.path, *ours.issue("somebody")),
              client_context(ours.path, *theirs.issue("portal")),
              client_context(ours.path), None]  # fmt: skip
    for context in (portal, *others):
        if context is not None:
            context.check_hostname = False
    with door(known, path, monkeypatch) as opened:
        answer = ask(opened.address, pix("4711^^^HOSP", sender="WHOEVER|ANYWHERE"), portal)
        assert answer is not None
        assert fields(answer, "QAK", (2,)) == ["OK"]
        for context in others:  # the right name in MSH counts for nothing
            assert ask(opened.address, pix("4711^^^HOSP"), context) is None


def test_a_port_of_zero_opens_nothing(known: Site, tmp_path: Path) -> None:
    path = folder(tmp_path, "")
    text = (path / "chartloom.toml").read_text().partition("[doors.identity]")[0]
    (path / "chartloom.toml").write_text(text)
    opened = Opened(known, path)
    with identity_door(opened, known.doors(), domains_of(opened.project)) as made:  # type: ignore[arg-type]
        assert made is None


@pytest.mark.parametrize(
    ("settings", "key"),
    [
        ('host = "0.0.0.0"\n', "doors.identity.host"),
        ('host = "0.0.0.0"\ntls_cert = "off"\n', "doors.identity.host"),
        ('tls_cert = "server.crt"\n', "doors.identity.tls_client_ca"),
    ],
)
def test_a_door_that_would_not_know_who_asks_does_not_open(
    known: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: str, key: str
) -> None:
    path = folder(tmp_path, settings)
    (found,) = check_site(path)[0]
    assert (found.file, found.key) == ("chartloom.toml", key)
    with pytest.raises(ConfigurationError), door(known, path, monkeypatch):
        pass


def test_a_port_that_is_taken_is_told(
    known: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = folder(tmp_path, "")
    with (
        door(known, path, monkeypatch) as opened,
        pytest.raises(ConfigurationError) as told,
        door(known, path, monkeypatch),
    ):
        pass
    assert str(opened._port) in told.value.what
    text = (path / "chartloom.toml").read_text()
    (path / "chartloom.toml").write_text(text.replace(f"port = {opened._port}", "port = 26610"))
    assert any(f.key.endswith("port") for f in check_site(path)[0])


def test_a_service_makes_a_key_and_gets_a_token(known: Site, tmp_path: Path) -> None:
    runner = CliRunner()
    made = runner.invoke(app, ["service", "key", "registry", "--folder", str(tmp_path)])
    assert made.exit_code == 0, made.output
    private, public = tmp_path / "registry.pem", tmp_path / "registry.jwks.json"
    assert private.stat().st_mode & 0o777 == 0o600
    assert "d" not in json.loads(public.read_text())["keys"][0]
    again = runner.invoke(app, ["service", "key", "registry", "--folder", str(tmp_path)])
    assert again.exit_code != 0
    site, clock = known, known.clock
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    issuer = TokenIssuer(_key(), url, clock)
    scopes = frozenset({"system/Patient.rs"})
    clients = {"registry": Client("registry", FileKeys(public), scopes)}
    verifier = AssertionVerifier(clients, f"{url}/token", MemoryUsedTokens(clock), clock)
    services = Services(
        TokenEndpoint(verifier, issuer, (url,)),
        AccessVerifier(issuer.public_keys(), url, url, clock),
        issuer.key_set(),
    )
    with serving(site.app(site.doors(services=services)), port):
        base = ["service", "token", "registry", "--key", str(private), "--at", url]
        token = runner.invoke(app, base)
        assert token.exit_code == 0, token.output
        said = services.verifier.verify(token.output.strip())
        assert (said.client, said.scopes, said.purpose) == ("registry", scopes, "")
        other = runner.invoke(app, [*base, "--purpose", "HOPERAT"])
        assert services.verifier.verify(other.output.strip()).purpose == "HOPERAT"
        for more in (["--purpose", "MARKETING"], ["--scope", "system/*.rs"]):
            assert isinstance(runner.invoke(app, base + more).exception, ConfigurationError)


def _key() -> object:
    from tests.support.tokens import ec

    return ec()
