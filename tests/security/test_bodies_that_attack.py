"""Bodies made to exhaust or to mislead: bombs, encodings, XML, deep and huge JSON."""

from __future__ import annotations

import ast
import asyncio
import gzip
import http.client
import time
from pathlib import Path
from typing import Any

import pytest
from tests.support.ingest import ListLanding, run, server

import chartloom
from chartloom.domain.feed import Feed, FeedLimits
from chartloom.domain.ids import EXAMPLE_NAMESPACE
from chartloom.domain.message import Format, Message
from chartloom.formats.fhir import decode_json
from chartloom.normalize import Mapping, load_mapping

FHIR = "application/fhir+json"
BOMB = gzip.compress(b"0" * 4_000_000)
XXE = b"""<?xml version="1.0"?><!DOCTYPE r [<!ENTITY x SYSTEM "file:///etc/passwd">
<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>
<Patient xmlns="http://hl7.org/fhir"><name><family value="&x;&b;"/></name></Patient>"""

HOSTILE: dict[str, bytes] = {
    "deep arrays": b'{"resourceType":"Patient","name":' + b"[" * 200_000 + b"]" * 200_000 + b"}",
    "deep objects": b'{"resourceType":"Patient","a":' + b'{"a":' * 100_000 + b"1" + b"}" * 100_001,
    "never closed": b'{"resourceType":"Patient","name":' + b"[" * 1_000_000,
    "a number of a million digits": b'{"resourceType":"Patient","n":' + b"9" * 1_000_000 + b"}",
    "a huge exponent": (
        b'{"resourceType":"Observation","status":"final","code":{"text":"x"},'
        b'"valueQuantity":{"value":1e999999999}}'
    ),
    "a tiny exponent": (
        b'{"resourceType":"Observation","status":"final","code":{"text":"x"},'
        b'"valueQuantity":{"value":1e-999999999}}'
    ),
    "not a number": b'{"resourceType":"Patient","n":NaN}',
    "infinity": b'{"resourceType":"Patient","n":-Infinity}',
    "a key twice": b'{"resourceType":"Patient","id":"a","id":"b"}',
    "its type twice": b'{"resourceType":"Patient","resourceType":"Bundle","type":"batch"}',
    "a key twice by escapes": b'{"resourceType":"Patient","id":"a","\\u0069d":"b"}',
    "half a surrogate": b'{"resourceType":"Patient","id":"\\ud800"}',
    "a zero character": b'{"resourceType":"Patient","name":[{"family":"a\\u0000b"}]}',
    "many keys": b'{"resourceType":"Patient",'
    + b",".join(b'"k%d":1' % n for n in range(200_000))
    + b"}",
    "XML": XXE,
    "gzip": BOMB,
    "UTF-16": '{"resourceType":"Patient"}'.encode("utf-16"),
    "a prototype": b'{"resourceType":"Patient","__proto__":{"admin":true},"constructor":{}}',
}


@pytest.fixture(scope="module")
def mapping() -> Mapping:
    return load_mapping("fhir")


def feed(**limits: Any) -> Feed:
    options: dict[str, Any] = {"port": 0}
    return Feed(
        "web",
        "D",
        "o@example.org",
        "http",
        Format.FHIR,
        mapping="fhir",
        options=options,
        limits=FeedLimits(**limits),
    )


def message(body: bytes) -> Message:
    return Message(1, "web", body, 1_780_000_000_000_000, b"", 0, "", "", "", False, "")


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_body_is_told_apart_quickly(mapping: Mapping, name: str) -> None:
    began_s = time.process_time()
    value, issues = decode_json(HOSTILE[name])
    derived = mapping.derive(message(HOSTILE[name]), feed(), EXAMPLE_NAMESPACE)
    assert time.process_time() - began_s < 10
    plain = value is not None and not issues and not derived.issues
    assert derived.quarantine or derived.issues or (plain and derived.contributions)
    for contribution in derived.contributions:  # nothing that JSON cannot hold went on
        assert "__proto__" not in contribution.resource


@pytest.mark.parametrize(
    "name",
    [
        "deep arrays",
        "deep objects",
        "never closed",
        "not a number",
        "infinity",
        "a key twice",
        "its type twice",
        "a key twice by escapes",
        "XML",
        "gzip",
    ],
)
def test_what_two_readers_could_take_for_different_things_is_quarantined(
    mapping: Mapping, name: str
) -> None:
    derived = mapping.derive(message(HOSTILE[name]), feed(), EXAMPLE_NAMESPACE)
    assert derived.quarantine
    assert not derived.contributions


@pytest.mark.parametrize("encoding", ["gzip", "GZIP", "deflate", "br", "zstd", "identity, gzip"])
def test_encoded_bodies_are_refused_unread(encoding: str) -> None:
    assert exchanged({"Content-Type": FHIR, "Content-Encoding": encoding}, BOMB) == (415, 0)


@pytest.mark.parametrize("kind", ["application/xml", "application/fhir+xml", "text/xml", ""])
def test_xml_is_not_taken(kind: str) -> None:
    assert exchanged({"Content-Type": kind}, XXE) == (415, 0)


def test_a_body_larger_than_the_limit_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    status, landed = exchanged({"Content-Type": FHIR}, b"x" * 5_000, message_size_bytes_max=2_000)
    assert (status, landed) == (413, 0)


def exchanged(headers: dict[str, str], body: bytes, **limits: Any) -> tuple[int, int]:
    """Status of one POST, and how many messages were landed."""
    landing = ListLanding()

    async def main() -> int:
        async with server([feed(**limits)], landing) as ingest:
            address = ingest.ready()["web"]
            assert address is not None

            def ask() -> int:
                connection = http.client.HTTPConnection(*address, timeout=10)
                connection.request("POST", "/", body, headers)
                answer = connection.getresponse()
                assert answer.headers["x-content-type-options"] == "nosniff"
                assert answer.headers["cache-control"] == "no-store"
                connection.close()
                return answer.status

            return await asyncio.to_thread(ask)

    return run(main), len(landing.arrivals)


#: Modules that read formats which run code, follow references or grow without bound.
_DANGEROUS = {
    "xml",
    "lxml",
    "defusedxml",
    "pickle",
    "shelve",
    "marshal",
    "yaml",
    "zipfile",
    "tarfile",
}


#: The one place that reads XML, of documents; it refuses every declaration of a document type, and
#: with it entities (``tests/unit/formats/test_documents.py`` tries bombs and fetches).
_GUARDED = {("xml_tree.py", "xml.parsers")}


def test_nothing_else_reads_xml_archives_or_objects() -> None:
    """What is not parsed cannot be attacked: no XML entities, no archives, no pickles."""
    found = set()
    for path in Path(chartloom.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            found |= {(path.name, n) for n in names if n.partition(".")[0] in _DANGEROUS}
    assert found == _GUARDED
