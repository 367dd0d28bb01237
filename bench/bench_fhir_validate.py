"""FHIR validation per CPU-second beside fhir.resources, and what each finds of broken resources.

Repeating one check keeps its tables in the processor's caches: between other work (see
``bench_derive``) the exact schema costs several times as much, the quick check about twice as much.

Run: ``.venv/bin/python -m bench.bench_fhir_validate`` (peers: ``pip install -e '.[bench]'``).
"""

from __future__ import annotations

import gzip
import importlib
import importlib.util
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench._report import Report

from chartloom.formats.fhir import decode_json, validate
from chartloom.formats.fhir.invariants import findings
from chartloom.formats.fhir.validation import _validator

ROOT = Path(__file__).parent.parent
CORPORA = Path(os.environ.get("CHARTLOOM_CORPORA", ROOT.parent / "shared" / "data"))
LINES_MAX = 400  #: of each resource type

Json = dict[str, Any]


def lines() -> list[bytes]:
    """Synthea resources, at most ``LINES_MAX`` per type."""
    files = sorted((CORPORA / "synthea-bulk-10").glob("*.ndjson.gz"))
    return [x for f in files for x in gzip.decompress(f.read_bytes()).splitlines()[:LINES_MAX]]


def broken() -> list[Json]:
    """The negatives of the unit tests: one defect each."""
    path = ROOT / "tests/unit/formats/test_fhir_validate.py"
    spec = importlib.util.spec_from_file_location("negatives", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return [module._set(module.GOOD[name], path, value) for name, path, value, _, _ in module.BAD]


def measure(check: Callable[[Any], bool], items: list[Any]) -> tuple[float, int]:
    """(items per CPU-second, how many were refused)."""
    start = time.process_time()
    refused = sum(not check(item) for item in items)
    return len(items) / (time.process_time() - start), refused


def peer(resource: Json) -> bool:
    """fhir.resources for R4B, the release closest to R4 that it has."""
    kind = resource["resourceType"]
    try:
        module = importlib.import_module(f"fhir.resources.R4B.{kind.lower()}")
        getattr(module, kind).model_validate(resource)
    except (ImportError, AttributeError, LookupError, ValueError, TypeError):
        return False
    return True


def exact(resource: Json) -> bool:
    """The compiled JSON schema and the rules, without the quick check before them."""
    kind = resource["resourceType"]
    valid = _validator(kind, "contained" in resource).is_valid(resource)
    return valid and next(findings(resource), None) is None


def main() -> None:
    """Prints the table and writes the record."""
    texts = lines()
    values = [decode_json(t)[0] for t in texts]
    plain = [json.loads(t) for t in texts]
    negatives = broken()
    report = Report("fhir-validate", resources=len(texts), negatives=len(negatives))
    for value in values:  # compile, and remember
        validate(value)
        exact(value)
    rate, wrong = measure(lambda v: not validate(v), values)
    caught = sum(bool(validate(n)) for n in negatives)
    report.row(what="chartloom validate", per_cpu_s=round(rate), refused=wrong, caught=caught)
    rate, wrong = measure(exact, values)
    caught = sum(not exact(n) for n in negatives)
    report.row(what="exact schema alone", per_cpu_s=round(rate), refused=wrong, caught=caught)
    rate, wrong = measure(lambda t: decode_json(t)[0] is not None, texts)
    report.row(what="chartloom decode_json", per_cpu_s=round(rate), refused=wrong)
    if importlib.util.find_spec("fhir") is None:
        report.row(what="fhir.resources: not installed")
    else:
        sample = plain[:: max(1, len(plain) // 700)]
        for value in sample:
            peer(value)
        rate, wrong = measure(peer, sample)
        found = sum(not peer(json.loads(json.dumps(n, default=float))) for n in negatives)
        report.row(what="fhir.resources R4B", per_cpu_s=round(rate), refused=wrong, caught=found)
    report.write()


if __name__ == "__main__":
    main()
