"""A registered service gets a token at the console and uses it at a feed, of a site that is up."""

from __future__ import annotations

import http.client
import json
import os
import signal
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

import msgspec
import pytest
from tests.scenario.test_command_line import _free_port, chartloom
from tests.support.tokens import ec, public_set

from chartloom.guard import SystemClock
from chartloom.guard.ca import client_tls
from chartloom.guard.tokens import make_assertion
from chartloom.guard.tokens.clients import ASSERTION_TYPE

CLIENTS = """
[[client]]
id = "clinic"
scopes = ["system/*.c", "system/*.rs"]
feeds = ["fhir"]
jwks = "clinic.json"
certificates = ["spiffe://north/clinic"]
certificate_bound = true
"""
PATIENT = b'{"resourceType": "Patient", "id": "p1"}'


class Up(msgspec.Struct):
    """A site that is up, with TLS everywhere."""

    folder: Path
    console: int
    feed: int

    def ask(
        self,
        port: int,
        who: str,
        path: str,
        body: bytes = b"",
        media_type: str = "",
        token: str = "",
    ) -> tuple[int, bytes]:
        """who: name of a leaf, ``""`` without a certificate."""
        chain = self.folder / "var/ca/leaves" / f"{who}.pem" if who else None
        tls: ssl.SSLContext = client_tls(self.folder / "var/ca/ca.pem", chain=chain)
        headers = {"content-type": media_type} if media_type else {}
        headers |= {"authorization": f"Bearer {token}"} if token else {}
        connection = http.client.HTTPSConnection("localhost", port, context=tls, timeout=20)
        try:
            connection.request("POST" if body else "GET", path, body or None, headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()


KEY = ec()


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    folder = tmp_path_factory.mktemp("token") / "north"
    chartloom("init", str(folder), "--tls")
    for name in ("clinic", "stranger"):
        chartloom("ca", "issue", name, "--as", f"spiffe://north/{name}", "--site", str(folder))
    site = Up(folder, _free_port(), _free_port())
    for feed in (folder / "feeds").glob("*.toml"):
        if feed.stem != "fhir":
            feed.unlink()
    feed = folder / "feeds" / "fhir.toml"
    lines = feed.read_text().splitlines()
    lines = [f"port = {site.feed}" if x.startswith("port =") else x for x in lines]
    wanted = 'host = "127.0.0.1"'
    more = f'{wanted}\ntls_client_ca = "internal"\ntls_client_optional = true'
    feed.write_text("\n".join(lines).replace(wanted, more) + "\n")
    settings = folder / "chartloom.toml"
    settings.write_text(settings.read_text().replace("8420", str(site.console)))
    (folder / "clients.toml").write_text(CLIENTS)
    (folder / "clinic.json").write_bytes(public_set(KEY))
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", "chartloom.cli", "up", "--site", str(folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=os.environ | {"COLUMNS": "100"},
    )
    assert process.stdout is not None
    said = []
    for line in process.stdout:
        said.append(line.decode())
        if line.startswith(b"Console"):
            break
    assert process.poll() is None, "".join(said)
    yield site
    process.send_signal(signal.SIGINT)
    process.stdout.read()
    assert process.wait(30) == 0
    process.stdout.close()


def token(up: Up, who: str) -> tuple[int, dict[str, str]]:
    url = f"https://127.0.0.1:{up.console}/token"
    form = {
        "grant_type": "client_credentials",
        "client_assertion_type": ASSERTION_TYPE,
        "client_assertion": make_assertion(KEY, "ES256", "clinic", url, SystemClock()),
        "scope": "system/*.c system/*.rs",
    }
    body, kind = urlencode(form).encode(), "application/x-www-form-urlencoded"
    status, answer = up.ask(up.console, who, "/token", body, kind)
    return status, json.loads(answer)


def test_a_bound_token_from_the_console_opens_the_feed_to_its_owner_only(up: Up) -> None:
    assert token(up, "")[0] == 401  # a key that was stolen, without the certificate
    assert token(up, "stranger")[0] == 401  # nor with one of somebody else
    status, answer = token(up, "clinic")
    assert status == 200, answer
    given = answer["access_token"]

    def send(who: str, word: str) -> int:
        return up.ask(up.feed, who, "/Patient", PATIENT, "application/fhir+json", word)[0]

    assert send("clinic", given) == 202
    assert send("", given) == 401
    assert send("stranger", given) == 401
    assert send("stranger", "") == 401
    assert send("clinic", given[:-4] + "AAAA") == 401

    def read(who: str) -> int:
        """At the API: 404 is for whoever is let in and asks for what is not there."""
        return up.ask(up.console, who, "/api/chart/nobody", token=given)[0]

    assert read("clinic") == 404
    assert read("") == 401
    assert read("stranger") == 401
