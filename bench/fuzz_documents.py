"""Damages clinical documents and HTML N times and checks what holds of every reading of them.

The same seed damages in the same way: ``--seed S --only I`` repeats one. Memory is limited by the
operating system, so that unbounded growth fails instead of swapping.

    python bench/fuzz_documents.py [--count 20000] [--seed 1] [--memory-mb 1024] [--only INDEX]
"""

from __future__ import annotations

import argparse
import resource
import sys
import time
import traceback
from pathlib import Path
from random import Random

sys.path.insert(0, str(Path(__file__).parents[1]))

from bench._report import Report
from tests.support.clinical_documents import allergy, cda, drug, problem, section
from tests.support.corpora import corpora_dir
from tests.support.document_invariants import check_document

_OURS = cda(
    section("medications", drug("Lisinopril 10 mg", code="314076"), text="<list>x</list>"),
    section("allergies", allergy("Penicillin")),
    section("problems", problem("Asthma", "195967001")),
)  # fmt: skip
_PIECES = (b"<", b">", b"&", b"<!DOCTYPE a [", b"]>", b"<!--", b"<section>", b"</", b"\x00",
           b"&#x0;", b"<![CDATA[", b"\xff\xfe", b'"', b"<td>", b"<script>", b"&nbsp;")  # fmt: skip


def originals() -> list[bytes]:
    """Our own document, and the shared ones where they are."""
    folder = corpora_dir()
    files = [*folder.glob("ms-fhir-converter/ccda/*"), *folder.glob("hl7-ccda-examples/*/*/*.xml")]
    return [_OURS, *(f.read_bytes()[:120_000] for f in sorted(files))]


def damaged(whole: list[bytes], seed: int, number: int) -> bytes:
    """One of the documents with up to eight places changed."""
    rng = Random(f"{seed}/{number}")
    data = rng.choice(whole)
    for _ in range(rng.randint(1, 8)):
        at = rng.randint(0, len(data))
        what = rng.choice(_PIECES) * rng.choice((0, 1, 1, 2, 50))
        data = data[:at] + what + data[at + rng.choice((0, 1, 10, 500)) :]
    return data


def main() -> None:
    """Runs, reports, and ends with 1 if anything failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--memory-mb", type=int, default=1024)
    parser.add_argument("--only", type=int)
    asked = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_AS, (asked.memory_mb << 20, asked.memory_mb << 20))
    whole, failed, slowest_s = originals(), 0, 0.0
    numbers = range(asked.count) if asked.only is None else (asked.only,)
    begun_s = time.process_time()
    for number in numbers:
        data, before_s = damaged(whole, asked.seed, number), time.process_time()
        try:
            check_document(data)
        except Exception:  # noqa: BLE001 - a fuzzer reports whatever it finds
            failed += 1
            print(f"--seed {asked.seed} --only {number}")
            traceback.print_exc()
        slowest_s = max(slowest_s, time.process_time() - before_s)
    cpu_s = time.process_time() - begun_s
    print(f"{len(numbers)} documents of {len(whole)}, {failed} failed, {cpu_s:.0f} s, "
          f"slowest {slowest_s * 1000:.0f} ms")  # fmt: skip
    if asked.only is None:
        report = Report("fuzz-documents")
        report.row(documents=len(numbers), originals=len(whole), seed=asked.seed, failed=failed,
                   cpu_s=round(cpu_s, 1), slowest_ms=round(slowest_s * 1000))  # fmt: skip
        report.write()
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
