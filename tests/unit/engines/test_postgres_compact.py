"""Bodies packed before they are sealed: the same bytes come back, whatever they are."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chartloom.domain import codec
from chartloom.engines.postgres.compact import Compactor
from chartloom.engines.postgres.revisions import Kept

COMPACTOR = Compactor()


@given(st.binary(max_size=3000))
def test_json_comes_back(content: bytes) -> None:
    plain = b"[" + content
    assert COMPACTOR.unpack(COMPACTOR.pack(plain)) == plain


def test_fhir_becomes_small() -> None:
    systems = ["http://terminology.hl7.org/CodeSystem/v2-0203", "http://loinc.org"]
    codings = [{"system": s, "code": str(i)} for i in range(10) for s in systems]
    plain = codec.encode({"resourceType": "Observation", "code": {"coding": codings}})
    packed = COMPACTOR.pack(plain)
    assert len(packed) * 5 < len(plain)
    assert COMPACTOR.unpack(packed) == plain


def test_what_was_written_before_packing_is_read() -> None:
    plain = b'{"resource":' + b'"x",' * 1000
    assert COMPACTOR.unpack(plain) == plain


def test_threads_share_a_compactor() -> None:
    plains = [codec.encode([{"id": str(i), "text": "x" * i}] * 20) for i in range(200)]
    with ThreadPoolExecutor(4) as threads:
        packed = list(threads.map(COMPACTOR.pack, plains * 5))
    assert [COMPACTOR.unpack(p) for p in packed] == plains * 5


def test_kept_values_are_bounded_and_the_unused_go_first() -> None:
    kept: Kept[str, int] = Kept(bytes_max=100)
    for i in range(10):
        kept.put(str(i), i, 1, 10)
    assert kept.get("0") == (0, 1)  # used again: younger than 1
    kept.put("9", 99, 2, 20)
    assert (kept.get("0"), kept.get("1"), kept.get("9")) == ((0, 1), None, (99, 2))
    assert kept.size_bytes == 100
    kept.drop("9")
    kept.drop("absent")
    assert (kept.get("9"), kept.size_bytes, len(kept)) == (None, 80, 8)
    kept.put("huge", 1, 1, 1000)
    assert (len(kept), kept.size_bytes) == (0, 0)


@pytest.mark.parametrize("size", [0, 1, 99, 100, 101])
def test_sizes_around_the_threshold(size: int) -> None:
    plain = b"7" * size
    assert COMPACTOR.unpack(COMPACTOR.pack(plain)) == plain
