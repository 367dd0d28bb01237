"""How well persons are matched whom somebody else made up, Splink 5 beside, in one run.

Run: ``python -m bench.bench_identity_outsider [people] [splink sets]`` (extra ``identity``; minutes
of CPU at 30,000 people). ``people`` is of each set; the records are read as ``chartloom identity
evaluate`` reads a CSV. Sets of several countries are not quite the same in each run.
"""

from __future__ import annotations

import sys
import time

from bench._outsider import Outsider
from bench._report import Report
from bench.bench_identity import figures, parameters_for

from chartloom.registry.persons import Clusters, MatchRecord, match_all, standardise
from chartloom.registry.persons.metrics import measure
from chartloom.wiring.identity.labelled_file import row_of

#: Set -> (seed, where the names and addresses are from).
SETS = {
    "en_US": (11, ("en_US",)),
    "es_MX": (12, ("es_MX",)),
    "de_DE": (13, ("de_DE",)),
    "fr_FR, it_IT, pl_PL": (14, ("fr_FR", "it_IT", "pl_PL")),
    "tr_TR, vi_VN, sv_SE": (15, ("tr_TR", "vi_VN", "sv_SE")),
    "en_IN, id_ID, en_NG": (16, ("en_IN", "id_ID", "en_NG")),
}


def main(people: int = 30_000, splink_sets: int = 2) -> None:
    """All sets."""
    report = Report("identity-outsider", people=people)
    for place, (name, (seed, locales)) in enumerate(SETS.items()):
        rows = [row_of(row, n) for n, row in enumerate(Outsider(seed, locales).rows(people))]
        records = {row.id: standardise(row.patient) for row in rows}
        truth = {row.id: row.person for row in rows}
        start = time.process_time()
        clusters, decisions = match_all(records, parameters_for(len(records)))
        seconds = time.process_time() - start
        found = figures(measure(truth, clusters, decisions))
        shown = {k: f"{v:.5f}" for k, v in found.items()}
        report.row(set=name, records=len(rows), who="chartloom", **shown, cpu_s=round(seconds, 1))
        if place < splink_sets:
            report.row(set=name, records=len(rows), **_splink(truth, records))
        print(report.rows[-1], file=sys.stderr, flush=True)
    report.write()


def _splink(truth: dict[str, str], records: dict[str, MatchRecord]) -> dict[str, object]:
    from bench._splink_peer import splink_clusters, version

    people, pairs, seconds = splink_clusters(records)
    clusters = Clusters({r: people.get(r, r) for r in truth}, ())
    found = figures(measure(truth, clusters, {}))
    found["link_precision"] = 1 - sum(truth[a] != truth[b] for a, b in pairs) / max(1, len(pairs))
    for name in ("recall_with_review", "queue_share"):
        del found[name]  # it asks nobody
    shown = {k: f"{v:.5f}" for k, v in found.items()}
    return {"who": f"splink {version()} at 0.95", **shown, "cpu_s": round(seconds, 1)}


if __name__ == "__main__":
    main(*(int(a) for a in sys.argv[1:]))
