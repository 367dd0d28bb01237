"""One command makes every door TLS: the internal authority, its leaves, senders by certificate."""

from __future__ import annotations

import asyncio
import http.client
import json
import ssl
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.support.clock import FakeClock
from tests.support.ingest import ListLanding, Sender, message, msa

from chartloom.domain.errors import ConfigurationError
from chartloom.domain.ids import EXAMPLE_NAMESPACE
from chartloom.guard import SystemClock
from chartloom.guard.ca import client_tls
from chartloom.project import Project, load_project
from chartloom.project.check import check_site
from chartloom.project.clients import load_clients
from chartloom.project.tls import deny_file
from chartloom.sources import IngestServer
from chartloom.wiring.internal_ca import InternalCa
from chartloom.wiring.services import access_verifier, admission_of, token_issuer

PATIENT = b'{"resourceType":"Patient","id":"p1"}'
CLIENTS = """
[[client]]
id = "lab-engine"
scopes = ["system/*.c"]
feeds = ["lab", "fhir"]
certificates = ["spiffe://north/lab-engine"]

[[client]]
id = "clinic"
scopes = ["system/Observation.cr"]
feeds = ["fhir"]
jwks = "clinic.json"
certificates = ["spiffe://north/clinic"]
certificate_bound = true

[[client]]
id = "elsewhere"
scopes = ["system/*.c"]
feeds = ["adt"]
certificates = ["spiffe://north/elsewhere"]
"""


def chartloom(*words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "chartloom.cli", *map(str, words)],
        check=False,
        capture_output=True,
        text=True,
    )


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tls") / "north"
    done = chartloom("init", folder, "--tls")
    assert done.returncode == 0, done.stderr
    for name in ("lab-engine", "clinic", "elsewhere", "stranger"):
        as_ = f"spiffe://north/{name}"
        assert chartloom("ca", "issue", name, "--as", as_, "--site", folder).returncode == 0
    for feed, source in (("lab", "mllp"), ("adt", "mllp"), ("fhir", "http")):
        path = folder / "feeds" / f"{feed}.toml"
        more = '\ntls_client_ca = "internal"'
        more += "\ntls_client_optional = true" if source == "http" else ""
        text = path.read_text().replace("port = ", "port = 0 # ")
        path.write_text(text.replace('host = "127.0.0.1"', 'host = "127.0.0.1"' + more))
    (folder / "clients.toml").write_text(CLIENTS)
    (folder / "clinic.json").write_text('{"keys": []}')
    return folder


@pytest.fixture
def project(made: Path) -> Project:
    project = load_project(made)
    project.key_dir.mkdir(mode=0o700, exist_ok=True)
    return project


def context(project: Project, name: str = "") -> ssl.SSLContext:
    ca = InternalCa(project, SystemClock())
    chain = ca.folder / "leaves" / f"{name}.pem" if name else None
    return client_tls(ca.folder / "ca.pem", chain=chain)


def der(project: Project, name: str) -> bytes:
    path = InternalCa(project, SystemClock()).folder / "leaves" / f"{name}.pem"
    blocks = path.read_text().split("-----BEGIN CERTIFICATE-----")
    return ssl.PEM_cert_to_DER_cert("-----BEGIN CERTIFICATE-----" + blocks[1].strip() + "\n")


def server(project: Project, landing: ListLanding) -> IngestServer:
    feeds = [f for f in project.feeds if f.name in ("lab", "fhir")]
    clock = SystemClock()
    return IngestServer(
        feeds,
        landing,
        clock,
        EXAMPLE_NAMESPACE,
        base=project.folder,
        admission=admission_of(project, clock),
    )


async def post(ingest: IngestServer, tls: ssl.SSLContext, token: str = "", path: str = "/") -> int:
    """The status of one request on a connection of its own."""
    _, port = ingest.ready()["fhir"] or ("", 0)
    headers = {"content-type": "application/fhir+json"}
    headers |= {"authorization": f"Bearer {token}"} if token else {}
    body = PATIENT.replace(b"Patient", (path.strip("/") or "Patient").encode())

    def ask() -> int:
        connection = http.client.HTTPSConnection("localhost", port, context=tls, timeout=10)
        try:
            connection.request("POST", path, body, headers)
            return connection.getresponse().status
        finally:
            connection.close()

    return await asyncio.to_thread(ask)


def test_init_with_tls_is_in_order_and_private(made: Path) -> None:
    findings, _ = check_site(made)
    wrong = [f for f in findings if "Port 0" not in f.what]
    assert wrong == []
    project = load_project(made)
    assert all(f.options["tls_cert"] for f in project.feeds if f.source != "files")
    files = [p for p in (made / "var" / "ca").rglob("*") if p.name != "denied"]
    for path in files:
        mode = stat.S_IMODE(path.stat().st_mode)
        assert mode == (0o700 if path.is_dir() else 0o600), path


def test_the_commands_say_what_there_is(made: Path) -> None:
    listed = json.loads(chartloom("ca", "list", "--json", "--site", made).stdout)
    by_name: dict[str, Any] = {leaf["name"]: leaf for leaf in listed}
    assert by_name["server"]["kind"] == "peer"
    assert by_name["lab-engine"]["names"] == ["spiffe://north/lab-engine"]
    assert by_name["clinic"]["state"] == "in order"
    again = chartloom("ca", "init", "--site", made)
    assert again.returncode == 2
    assert "already" in again.stderr
    before = by_name["clinic"]["serial"]
    done = chartloom("ca", "renew", "clinic", "--json", "--site", made)
    assert json.loads(done.stdout) == {"renewed": ["clinic"]}
    listed = json.loads(chartloom("ca", "list", "--json", "--site", made).stdout)
    assert {leaf["name"]: leaf["serial"] for leaf in listed}["clinic"] != before
    assert chartloom("ca", "issue", "../x", "--site", made).returncode == 2
    assert "Example" in chartloom("ca", "issue", "--help").stdout


def test_senders_are_known_by_their_certificates(project: Project) -> None:
    landing = ListLanding()

    async def main() -> dict[str, bool]:
        taken = {}
        async with server(project, landing) as ingest:
            for name in ("lab-engine", "elsewhere", "stranger"):
                try:
                    sender = await Sender.connect(ingest, "lab", ssl=context(project, name))
                    answer = msa(await asyncio.wait_for(sender.ask(message(name)), 5))
                    taken[name] = answer[0] == "AA"
                except (OSError, EOFError, AssertionError, IndexError, TimeoutError):
                    taken[name] = False
        return taken

    assert asyncio.run(main()) == {"lab-engine": True, "elsewhere": False, "stranger": False}
    assert [a.control_id for a in landing.arrivals] == ["lab-engine"]


def test_http_takes_certificates_and_bound_tokens_and_nobody_else(project: Project) -> None:
    landing, clock = ListLanding(), SystemClock()
    issuer = token_issuer(project, clock)
    site = access_verifier(project, clock)._audience

    def token(client: str, scope: str, bound_to: str = "", audience: str = site) -> str:
        shown = der(project, bound_to) if bound_to else b""
        return issuer.issue(client, audience, [scope], certificate=shown)

    bound = token("clinic", "system/Observation.c", "clinic")
    cases = [
        # certificate, token, path, status
        ("lab-engine", "", "/Patient", 202),
        ("", "", "/Patient", 401),
        ("stranger", "", "/Patient", 401),
        ("elsewhere", "", "/Patient", 401),
        ("clinic", bound, "/Observation", 202),
        ("clinic", bound, "/Patient", 403),
        ("clinic", bound, "/", 403),
        ("", bound, "/Observation", 401),
        ("lab-engine", bound, "/Observation", 401),
        ("clinic", token("clinic", "system/Observation.c"), "/Observation", 401),
        ("clinic", token("clinic", "system/*.c", "clinic"), "/Patient", 403),
        ("clinic", token("clinic", "system/Observation.r", "clinic"), "/Observation", 403),
        ("", token("lab-engine", "system/*.c"), "/Patient", 202),
        ("", token("lab-engine", "system/*.c", audience="https://other"), "/Patient", 401),
        ("", token("nobody", "system/*.c"), "/Patient", 401),
        ("", token("elsewhere", "system/*.c"), "/Patient", 403),
        ("", bound[:-4] + "AAAA", "/Observation", 401),
        ("lab-engine", "rubbish", "/Patient", 401),
    ]

    async def main() -> list[int]:
        async with server(project, landing) as ingest:
            return [
                await post(ingest, context(project, name), given, path)
                for name, given, path, _ in cases
            ]

    got = asyncio.run(main())
    assert got == [status for *_, status in cases]
    assert len(landing.arrivals) == got.count(202)


def test_a_denied_certificate_is_let_in_nowhere(project: Project, made: Path) -> None:
    landing = ListLanding()
    assert (
        chartloom("ca", "issue", "lost", "--as", "spiffe://north/lost", "--site", made).returncode
        == 0
    )
    text = CLIENTS.replace("spiffe://north/lab-engine", "spiffe://north/lost")
    (made / "clients.toml").write_text(text)

    async def main() -> list[int]:
        async with server(project, landing) as ingest:
            first = await post(ingest, context(project, "lost"))
            assert chartloom("ca", "deny", "lost", "--site", made).returncode == 0
            second = await post(ingest, context(project, "lost"))
            denied = deny_file(project.settings, project.folder)
            denied.write_text("rubbish")
            third = await post(ingest, context(project, "lab-engine"))
            denied.unlink()
            return [first, second, third]

    try:
        assert asyncio.run(main()) == [202, 403, 403]
    finally:
        (made / "clients.toml").write_text(CLIENTS)


def test_leaves_are_renewed_when_due(project: Project, tmp_path: Path) -> None:
    tls = project.settings.tls.model_copy(update={"authority": str(tmp_path / "ca")})
    moved = msgspec.structs.replace(
        project, settings=project.settings.model_copy(update={"tls": tls})
    )
    clock = FakeClock()
    ca = InternalCa(moved, clock)
    ca.keep()
    first = ca.leaves()[0]
    ca.keep()
    assert ca.leaves()[0].serial == first.serial
    clock.time_us += 5 * 86_400_000_000
    assert ca.leaves()[0].state == "due"
    ca.keep()
    second = ca.leaves()[0]
    assert second.serial != first.serial
    clock.time_us += 30 * 86_400_000_000
    assert ca.leaves()[0].state == "ended"
    ca.keep()
    assert ca.leaves()[0].state == "in order"
    assert "stranger" not in {c.id for c in load_clients(moved)}
    with pytest.raises(ConfigurationError):
        ca.deny("nobody")
