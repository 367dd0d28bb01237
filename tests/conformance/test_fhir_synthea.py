"""Synthea's bulk export: real FHIR of another maker is read without loss and found valid."""

from __future__ import annotations

import gzip
import os
from collections import Counter
from pathlib import Path

import pytest

from chartloom.domain.codec import encode
from chartloom.formats.fhir import decode_json, validate

ROOT = Path(__file__).parents[2]
CORPORA = Path(os.environ.get("CHARTLOOM_CORPORA", ROOT.parent / "shared/data"))
FOLDER = CORPORA / "synthea-bulk-10"


@pytest.mark.skipif(not FOLDER.is_dir(), reason="no synthea-bulk-10 in CHARTLOOM_CORPORA")
def test_bulk_export_is_valid() -> None:
    reasons: Counter[str] = Counter()
    total = 0
    for file in sorted(FOLDER.glob("*.ndjson.gz")):
        for line in gzip.decompress(file.read_bytes()).splitlines():
            value, issues = decode_json(line)
            assert not issues
            assert encode(value) == line, file.name
            total += 1
            reasons.update(f"{value['resourceType']} {i}" for i in validate(value)[:1])
    assert total > 7000
    assert sum(reasons.values()) <= total // 1000, reasons.most_common(10)
