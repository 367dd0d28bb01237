"""Reconciled results against the truth of the simulated house, told twice and in two units.

The house's laboratory and clinic tell their results in full, with corrections and withdrawals. An
exchange tells most of the laboratory's results again, as FHIR, in another record of the person and
partly in substance instead of mass (factors of this file, not of the tables), and adds results of
a laboratory that the house does not know. Asked of every test that is measured in numbers:

- one line: it is in exactly one reconciled series;
- newest: that series shows the newest true value, in whatever unit;
- trend: its values are those of the truth, newest first and each once, a corrected one with what it
  was corrected to, a withdrawn one not at all; all of them, or as many as a chart keeps (twelve
  points of a series over all records, so that six that are told twice are the fewest).

Run: ``python -m bench.bench_reconcile_results``.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime
from random import Random
from typing import Any

import msgspec
from bench._charts import house_charts
from bench._report import Report

from chartloom.chart.reconcile import Line, ReconciledList, builtin_rules, reconcile_results
from chartloom.domain.codec import encode
from chartloom.domain.message import Format
from chartloom.simulate import Hospital, SimMessage
from chartloom.simulate.catalog import TESTS, VITALS
from chartloom.simulate.facts import Result
from chartloom.simulate.rates import PERFECT_WIRES
from chartloom.simulate.truth import PersonTruth

SEEDS = (51, 52, 53, 54, 55)
HISTORY_DAYS = 300
#: Points that a chart keeps of a series, over all records, where each is told twice.
KEPT = 6
_CATALOGUE = {**TESTS, **VITALS}
#: Test -> (LOINC of the amount of substance, unit, factor, digits after the point), from textbooks.
MOLAR = {
    "GLU": ("14749-6", "mmol/L", 0.0555, 2),
    "CREA": ("14682-9", "umol/L", 88.4, 0),
    "CHOL": ("14647-2", "mmol/L", 0.02586, 3),
    "HDL": ("14646-4", "mmol/L", 0.02586, 3),
    "TBIL": ("14631-6", "umol/L", 17.1, 1),
    "CA": ("2000-8", "mmol/L", 0.2495, 3),
}
_Measure = tuple[int, float]


class Tally(msgspec.Struct):
    """Tests of persons, and of how many each thing holds."""

    tests: int = 0
    one_line: int = 0
    newest: int = 0
    trend: int = 0

    def shares(self) -> dict[str, float]:
        """As shares of the tests."""
        names = ("one_line", "newest", "trend")
        return {n: round(getattr(self, n) / max(self.tests, 1), 4) for n in names}


class Exchange:
    """The second teller. added: what only it knows, (person, test) -> measures."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.added: dict[tuple[int, str], list[_Measure]] = defaultdict(list)

    def tell(self, person: PersonTruth) -> Iterator[SimMessage]:
        """What it tells of a person, in one bundle."""
        rng = Random(f"{self.seed}/{person.person.index}")
        resources = []
        for result in true_results(person):
            if result.feed != "lab" or result.test not in TESTS or rng.random() > 0.7:
                continue
            resources.append(self._copy(result, rng))
            if rng.random() < 0.1:
                at_us = result.observed_us + rng.randrange(20, 40) * 3_600_000_000
                later = msgspec.structs.replace(result, observed_us=at_us, filler=f"X{at_us}")
                self.added[person.person.index, result.test].append((at_us, float(result.value)))
                resources.append(self._copy(later, rng))
        if resources:
            yield _message(person, resources)

    def _copy(self, result: Result, rng: Random) -> dict[str, Any]:
        test = TESTS[result.test]
        loinc, unit, value = test.loinc, test.unit, float(result.value)
        if result.test in MOLAR and rng.random() < 0.5:
            loinc, unit, factor, digits = MOLAR[result.test]
            value = round(value * factor, digits)
        name = f"{result.filler}-{result.test}-{result.sub_id}-{result.observed_us}"
        system = "http://unitsofmeasure.org"
        return {
            "resourceType": "Observation",
            "id": "".join(c if c.isalnum() else "-" for c in name)[:60],
            "status": "final",
            "code": {"coding": [{"system": "http://loinc.org", "code": loinc}], "text": test.text},
            "effectiveDateTime": _iso(result.observed_us),
            "valueQuantity": {"value": value, "unit": unit, "system": system, "code": unit},
        }


def _message(person: PersonTruth, resources: list[dict[str, Any]]) -> SimMessage:
    subject = f"exchange-{person.person.mrn}"
    patient = {
        "resourceType": "Patient",
        "id": subject,
        "identifier": [{"system": "urn:sim:exchange", "value": person.person.mrn}],
    }
    for one in resources:
        one["subject"] = {"reference": f"Patient/{subject}"}
    entries = [
        {"resource": r, "request": {"method": "PUT", "url": f"{r['resourceType']}/{r['id']}"}}
        for r in (patient, *resources)
    ]
    body = encode({"resourceType": "Bundle", "type": "transaction", "entry": entries})
    return SimMessage("fhir", 0, 0, Format.FHIR, body, "Bundle", subject, "")


def _iso(at_us: int) -> str:
    return datetime.fromtimestamp(at_us / 1e6, UTC).isoformat(timespec="seconds")


def true_results(person: PersonTruth) -> list[Result]:
    """What was measured in numbers and not withdrawn."""
    return [r for r in person.results if r.test in _CATALOGUE and r.status != "W" and _is_number(r)]


def _is_number(result: Result) -> bool:
    try:
        float(result.value)
    except ValueError:
        return False
    return True


def lines_of(found: ReconciledList, test: str) -> list[Line]:
    """The lines that have results of a test."""
    codes = {_CATALOGUE[test].loinc, *MOLAR.get(test, ())[:1]}
    return [x for x in found.lines if codes & set(x.detail.get("loinc", "").split())]


def shown(line: Line) -> list[_Measure]:
    """(time, value in the line's unit) of each result of a line, newest first."""
    once: dict[int, float] = {}
    for fact in line.facts:
        value = fact.detail.get("converted") or fact.detail.get("value", "")
        try:
            once.setdefault(fact.at_us // 60_000_000, float(value))
        except ValueError:
            continue
    return list(once.items())


def agree(one: float, other: float) -> bool:
    """Whether two values are the same but for rounding."""
    return abs(one - other) <= 0.02 * max(abs(one), abs(other), 0.05)


def measure(seed: int, people: int, tally: Tally, misses: Counter[str]) -> tuple[float, int]:
    """One house; (CPU seconds of all lists, lists)."""
    house = Hospital(seed, patients=people, history_days=HISTORY_DAYS, rates=PERFECT_WIRES)
    other, rules = Exchange(seed), builtin_rules()
    cpu_s, lists = 0.0, 0
    for person, chart, speakers, _ in house_charts(house, days=1, besides=other.tell):
        before_s = time.process_time()
        found = reconcile_results(chart, rules, chart.made_at_us, speakers=speakers)
        cpu_s, lists = cpu_s + time.process_time() - before_s, lists + 1
        true: dict[str, list[_Measure]] = defaultdict(list)
        for result in true_results(person):
            true[result.test].append((result.observed_us, float(result.value)))
        for test, measures in true.items():
            measures += other.added.get((person.person.index, test), ())
            _judge(test, sorted(measures, reverse=True), found, tally, misses)
    return cpu_s, lists


def _judge(
    test: str, true: list[_Measure], found: ReconciledList, tally: Tally, misses: Counter[str]
) -> None:
    lines = lines_of(found, test)
    tally.tests += 1
    if len(lines) != 1:
        misses[f"{test}: {len(lines)} lines"] += 1
        return
    tally.one_line += 1
    seen = shown(lines[0])
    newest = [v for at, v in true if at // 60_000_000 == true[0][0] // 60_000_000]
    if seen and any(agree(seen[0][1], v) for v in newest):
        tally.newest += 1
    else:
        misses[f"{test}: newest"] += 1
    expected = list({at // 60_000_000: v for at, v in reversed(true)}.items())[::-1]
    enough = min(len(expected), KEPT) <= len(seen) <= len(expected)
    if enough and all(
        a[0] == b[0] and agree(a[1], b[1]) for a, b in zip(expected, seen, strict=False)
    ):
        tally.trend += 1
    else:
        misses[f"{test}: trend"] += 1


def main() -> None:
    """Measures, prints and writes ``bench/results``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, default=30)
    people = parser.parse_args().people
    report, misses = Report("reconcile-results"), Counter[str]()
    for seed in SEEDS:
        tally = Tally()
        cpu_s, lists = measure(seed, people, tally, misses)
        cpu_ms = round(cpu_s / max(lists, 1) * 1000, 2)
        told = {"tests": tally.tests, **tally.shares(), "cpu_ms": cpu_ms}
        print(seed, told)
        report.row(seed=seed, people=people, **told)
    for what, count in misses.most_common(12):
        print(f"{count:5} {what}")
    report.write()


if __name__ == "__main__":
    main()
