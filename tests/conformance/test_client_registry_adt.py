"""The OpenHIE client-registry cases that say something: admissions and merges, in the real store.

What is asked about them is in ``test_client_registry.py``. Every ADT message stands in one of the
tables below, or is an admission that is applied.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import permutations

import pytest
from tests.support.clock import FakeClock
from tests.support.corpora import corpora_dir
from tests.support.site import Site

from chartloom.domain.feed import Feed
from chartloom.domain.message import Format
from chartloom.domain.store import MessageFilter
from chartloom.engines.postgres import PostgresStore
from chartloom.formats.hl7v2 import peek

FOLDER = "openhie-client-registry/SanteMPI.Test/Resources/HL7"
#: The sending applications of the cases are sources of their own here.
FEEDS = {
    name: Feed(name.lower(), "it", "it", "mllp", Format.HL7V2)
    for name in ("TEST_HARNESS", "TEST_HARNESS_A", "TEST_HARNESS_B", "NID_AUTH")
}
MERGES = ("16-30",)
#: What a case asks for and does not get, and why.
OUT_OF_SCOPE = {
    "01-10": "asks for a refusal of numbers without authority: they are numbered within their feed",
    "03-10": "asks for a refusal of unknown authorities: what a source sends is kept, and counted "
    "within its feed; the doors do not answer for authorities that they do not know",
    "03-20": "the same, named by its namespace",
    "04-30": "asks for a refusal of a source that is not the authority: it stays within its feed",
    "17-30": "asks for a refusal of a merge of another source's numbers: it is acknowledged when "
    "it is durable, and says nothing about the other source's records",
    "17-40": "the same, one number of its own and one of another source",
    "17-50": "the same, a number that nobody has",
}
_SENDER = re.compile(rb"^MSH\|\^~\\&\|([A-Z_]+)")


@pytest.fixture(scope="module")
def cases() -> dict[str, bytes]:
    folder = corpora_dir() / FOLDER
    found = {}
    for path in sorted(folder.glob("OHIE-CR-*.txt")):
        data = re.sub(rb"[\r\n]+", b"\r", path.read_bytes().removeprefix(b"\xef\xbb\xbf"))
        if b"|ADT^" in data:
            found[path.stem.removeprefix("OHIE-CR-")] = data.strip() + b"\r"
    if not found:
        pytest.skip(f"no client-registry cases in {folder}; set CHARTLOOM_CORPORA")
    return found


class Registry:
    """A site of the three sources."""

    def __init__(self, store: PostgresStore) -> None:
        self.site = Site(store, store.clock, FEEDS.values())

    def hear(self, *bodies: bytes) -> None:
        for body in bodies:
            match = _SENDER.match(body)
            assert match is not None
            self.site.land(FEEDS[match[1].decode()].name, body)
        self.site.apply()

    def person(self, feed: str, number: str) -> str:
        """The person of a number that one source told of."""
        store, grant = self.site.store, self.site.grant()
        for row in store.search(grant, MessageFilter(feed=feed, limit=200)):
            seen = peek(store.detail(grant, row.position).message.body)
            if seen.patient_identifier == number:
                return str(store.person(grant, row.source_patient).person_id)
        raise AssertionError((feed, number))


@pytest.fixture
def registry(store_factory: Callable[..., PostgresStore]) -> Registry:
    return Registry(store_factory(clock=FakeClock()))


def test_everything_that_is_sent_is_applied(registry: Registry, cases: dict[str, bytes]) -> None:
    assert {*MERGES, *OUT_OF_SCOPE} <= cases.keys()
    registry.hear(*cases.values())
    grant = registry.site.grant()
    rows = registry.site.store.search(grant, MessageFilter(limit=200))
    # One number is used for several people in different cases, which is what overlays are.
    assert {row.quarantine for row in rows} <= {"", "identity-overlay"}
    assert len([row for row in rows if not row.quarantine]) >= len(cases) - 3


def test_a_merge_joins_in_whatever_order_it_comes(
    store_factory: Callable[..., PostgresStore], cases: dict[str, bytes]
) -> None:
    for order in permutations(("16-10", "16-15", "16-30")):
        registry = Registry(store_factory(clock=FakeClock()))
        registry.hear(*(cases[name] for name in order))
        mine = registry.person("test_harness", "RJ-439")
        assert mine == registry.person("test_harness", "RJ-999"), order


def test_a_merge_of_another_sources_numbers_says_nothing_of_its_records(
    registry: Registry, cases: dict[str, bytes]
) -> None:
    registry.hear(cases["17-15"], cases["17-20"], cases["17-25"])
    registry.hear(cases["17-30"], cases["17-40"], cases["17-50"])
    first, second = (registry.person("test_harness_a", n) for n in ("RJ-203", "RJ-292"))
    assert first != second
