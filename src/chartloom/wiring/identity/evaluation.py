"""One evaluation of the matcher: what came out, for people and for machines."""

from __future__ import annotations

import gc
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import msgspec
from msgspec import to_builtins

from chartloom.domain.errors import ConfigurationError
from chartloom.registry.persons import (
    Clusters,
    Decision,
    MatchRecord,
    Pair,
    Parameters,
    Told,
    among,
    match_all,
    standardise,
)
from chartloom.registry.persons.metrics import (
    Beside,
    Report,
    Score,
    beside_the_whole,
    by_group,
    measure,
    mistakes,
)
from chartloom.wiring.identity.labelled_file import LabelledRow


class Evaluation(msgspec.Struct):
    """What :func:`evaluate` found. groups: kind -> group -> (records, wrong, rate); classes: kind
    of mistake -> guard or rule -> pairs; tags: the same by what the file says of the records."""

    report: Report
    groups: dict[str, dict[str, tuple[int, int, float]]]
    classes: dict[str, dict[str, int]]
    tags: dict[str, tuple[int, int, float]]
    weights: list[tuple[float, bool]]  #: of pairs that were not *new*: bits, and whether right
    examples: list[dict[str, Any]]  #: some mistakes: ids, levels and bits, no values
    seconds: float
    parameters: str
    whole: tuple[int, int, float] = (0, 0, 0.0)  #: as of a group, of all records
    #: kind -> group -> how its rate of error stands to that of the whole
    beside: dict[str, dict[str, Beside]] = {}


#: What is said of a group, by ``Beside.verdict``.
VERDICTS: Final = {
    "": "",
    "chance": "more than twice the whole; chance may explain it",
    "above": "more than twice the whole",
}


def standardise_rows(rows: Sequence[LabelledRow]) -> dict[str, MatchRecord]:
    """Record id -> what is compared of it."""
    return {row.id: standardise(row.patient) for row in rows}


@contextmanager
def _uncollected() -> Iterator[None]:
    """Without the search for cycles: of millions of small things none is in one, and looking at
    all of them again and again takes longer than the work."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


def check_labels(rows: Sequence[LabelledRow], where: str = "the file") -> None:
    """Raises ConfigurationError where not every record says which person it is."""
    unsaid = sum(not row.person for row in rows)
    if unsaid or not rows:
        which = (
            "No record says" if unsaid == len(rows) else f"{unsaid:,} of {len(rows):,} do not say"
        )
        raise ConfigurationError(
            f"{which} which person it is.",
            where=where,
            cure="Name the column with --column person=NAME, or give the truth in a file: record "
            "id and person with --truth, pairs of record ids with --pairs.",
        )


def evaluate(
    rows: Sequence[LabelledRow],
    parameters: Parameters,
    records: dict[str, MatchRecord] | None = None,
    examples: int = 30,
    told: Told = lambda stage, done, total: None,
) -> Evaluation:
    """Matches all rows as one set and compares with the truth; thresholds are for as many records
    as there are. told: how far it is. Raises ConfigurationError."""
    check_labels(rows)
    with _uncollected():
        return _evaluate(rows, parameters, records or standardise_rows(rows), examples, told)


def _evaluate(
    rows: Sequence[LabelledRow],
    parameters: Parameters,
    records: dict[str, MatchRecord],
    examples: int,
    told: Told,
) -> Evaluation:
    start = time.process_time()
    parameters = among(parameters, len(rows))
    clusters, decisions = match_all(records, parameters, told=told)
    seconds = time.process_time() - start
    truth = {row.id: row.person for row in rows}
    classes: dict[str, Counter[str]] = {
        "joined": Counter(),
        "missed": Counter(),
        "review": Counter(),
    }
    shown: list[dict[str, Any]] = []
    for mistake in mistakes(truth, clusters, decisions):
        classes[mistake.kind][mistake.why] += 1
        if mistake.kind != "review" and len(shown) < examples:
            shown.append(_example(mistake.kind, mistake.pair, mistake.why, decisions))
    named = _named_groups(rows)
    return Evaluation(
        whole=by_group(truth, clusters, dict.fromkeys(truth, ""))[""],
        beside={kind: beside_the_whole(truth, clusters, of) for kind, of in named.items()},
        report=measure(truth, clusters, decisions),
        groups={kind: by_group(truth, clusters, of) for kind, of in named.items()},
        classes={kind: dict(c.most_common()) for kind, c in classes.items()},
        tags=_tags(rows, truth, clusters),
        weights=[(d.weight, truth[a] == truth[b]) for (a, b), d in decisions.items()],
        examples=shown,
        seconds=seconds,
        parameters=f"{parameters.name} {parameters.fingerprint}",
    )


def _example(kind: str, pair: Pair, why: str, decisions: dict[Pair, Decision]) -> dict[str, Any]:
    decision = decisions.get(pair)
    levels: dict[str, str] = {}
    if decision is not None:
        fields = msgspec.structs.asdict(decision.comparison)
        levels = {f: v for f, v in fields.items() if isinstance(v, str) and v != "missing"}
    return {
        "kind": kind,
        "records": list(pair),
        "why": why,
        "weight": decision.weight if decision is not None else None,
        "levels": levels,
    }


def _named_groups(rows: Sequence[LabelledRow]) -> dict[str, dict[str, str]]:
    """Kind -> record -> group, of the kinds of which the file says anything."""
    found = {}
    for kind in ("group", "sex", "age"):
        named = {row.id: row.groups.get(kind, "") for row in rows}
        if any(named.values()):
            found[kind] = named
    return found


def _tags(
    rows: Sequence[LabelledRow], truth: dict[str, str], clusters: Clusters
) -> dict[str, tuple[int, int, float]]:
    found = {}
    for tag in sorted({t for row in rows for t in row.tags}):
        marked = {row.id: "yes" if tag in row.tags else "no" for row in rows}
        found[tag] = by_group(truth, clusters, marked)["yes"]
    return found


def thresholds(evaluation: Evaluation) -> list[tuple[float, int, int]]:
    """(bits, right, wrong) of pairs at least that heavy, links and reviews together, as a curve."""
    points, right, wrong = [], 0, 0
    for weight, is_right in sorted(evaluation.weights, reverse=True):
        right, wrong = right + is_right, wrong + (not is_right)
        points.append((weight, right, wrong))
    return points


def as_json(evaluation: Evaluation) -> dict[str, Any]:
    """Everything but the weights."""
    r = evaluation.report
    return {
        "parameters": evaluation.parameters,
        "records": r.records,
        "persons": r.persons,
        "clusters": r.found,
        "auto_links": _score(r.links),
        "pairs": _score(r.pairs),
        "exact_clusters": _score(r.clusters),
        "bcubed": {"precision": r.bcubed_precision, "recall": r.bcubed_recall},
        "mixed_clusters": {"count": r.mixed, "share": r.mixed_share},
        "recall_with_review": r.reviewed,
        "queue": {"reviews": r.queue, "of_records": r.queue_share, "answered_yes": r.queue_right},
        "whole": _rate(evaluation.whole),
        "groups": {
            kind: {g: _rate(v) | to_builtins(evaluation.beside[kind][g]) for g, v in groups.items()}
            for kind, groups in evaluation.groups.items()
        },
        "tags": {tag: _rate(v) for tag, v in evaluation.tags.items()},
        "mistakes": evaluation.classes,
        "examples": evaluation.examples,
        "cpu_seconds": round(evaluation.seconds, 3),
    }


def _score(score: Score) -> dict[str, float]:
    return {
        "precision": score.precision,
        "recall": score.recall,
        "f1": score.f1,
        "right": score.right,
        "wrong": score.wrong,
        "missed": score.missed,
    }


def _rate(value: tuple[int, int, float]) -> dict[str, float]:
    return {"records": value[0], "wrong": value[1], "rate": value[2]}
