"""How good clusters are against the truth: pairs, clusters, queue, and what kinds of errors."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from math import comb, exp, sqrt
from statistics import NormalDist
from typing import Final

import msgspec

from chartloom.registry.persons.cluster import Clusters, Pair, pair_of
from chartloom.registry.persons.decide import Decision, Outcome


class Score(msgspec.Struct, frozen=True):
    """Right, wrong and missed things of one kind; ``right`` is counted once for both shares."""

    right: int
    wrong: int
    missed: int

    @property
    def precision(self) -> float:
        """Share of what was said that is right; 1 when nothing was said."""
        return self.right / (self.right + self.wrong) if self.right + self.wrong else 1.0

    @property
    def recall(self) -> float:
        """Share of what is true that was said; 1 when nothing is."""
        return self.right / (self.right + self.missed) if self.right + self.missed else 1.0

    @property
    def f1(self) -> float:
        """Harmonic mean of both."""
        both = 2 * self.right + self.wrong + self.missed
        return 2 * self.right / both if both else 1.0


class Report(msgspec.Struct, frozen=True):
    """One evaluation.

    links: pairs linked by a decision of their own. pairs: all pairs within clusters. clusters:
    clusters that are exactly one person's records. bcubed_*: averaged over records. mixed: clusters
    with more than one person; of clusters. reviewed: recall of pairs when every review is answered
    rightly; queue: reviews that would be asked, one for two clusters.
    """

    records: int
    persons: int
    found: int  #: clusters
    links: Score
    pairs: Score
    clusters: Score
    bcubed_precision: float
    bcubed_recall: float
    mixed: int
    reviewed: float
    queue: int
    queue_right: int  #: reviews whose answer is "one person"

    @property
    def mixed_share(self) -> float:
        """Share of clusters that hold more than one person."""
        return self.mixed / self.found if self.found else 0.0

    @property
    def queue_share(self) -> float:
        """Reviews per record."""
        return self.queue / self.records if self.records else 0.0


def measure(
    truth: Mapping[str, str], clusters: Clusters, decisions: Mapping[Pair, Decision]
) -> Report:
    """Compares clusters with the truth (record -> person)."""
    person = {r: clusters.person[r] for r in truth}
    linked = [p for p, d in decisions.items() if d.outcome is Outcome.LINK]
    right = sum(truth[a] == truth[b] for a, b in linked)
    pairs = _pairs(truth, person)
    true_pairs = pairs.right + pairs.missed
    precision, recall = _bcubed(truth, person)
    queue = {pair_of(person[a], person[b]) for a, b in (r.pair for r in clusters.reviews)}
    answered = _answered(truth, clusters)
    members: dict[str, set[str]] = {}
    for record, cluster in person.items():
        members.setdefault(cluster, set()).add(truth[record])
    return Report(
        records=len(truth),
        persons=len(set(truth.values())),
        found=len(members),
        links=Score(right, len(linked) - right, true_pairs - right),
        pairs=pairs,
        clusters=_exact(truth, person),
        bcubed_precision=precision,
        bcubed_recall=recall,
        mixed=sum(len(persons) > 1 for persons in members.values()),
        reviewed=_pairs(truth, answered).recall,
        queue=len(queue),
        queue_right=len(_right_reviews(truth, clusters)),
    )


def _right_reviews(truth: Mapping[str, str], clusters: Clusters) -> set[Pair]:
    return {
        pair_of(clusters.person[a], clusters.person[b])
        for a, b in (r.pair for r in clusters.reviews)
        if truth[a] == truth[b]
    }


def _answered(truth: Mapping[str, str], clusters: Clusters) -> dict[str, str]:
    """Clusters after every review is answered as the truth has it."""
    root = {c: c for c in clusters.person.values()}

    def find(c: str) -> str:
        while root[c] != c:
            root[c] = root[root[c]]
            c = root[c]
        return c

    for a, b in _right_reviews(truth, clusters):
        root[find(a)] = find(b)
    return {r: find(clusters.person[r]) for r in truth}


def _pairs(truth: Mapping[str, str], person: Mapping[str, str]) -> Score:
    both = Counter((truth[r], person[r]) for r in truth)
    right = sum(comb(n, 2) for n in both.values())
    said = sum(comb(n, 2) for n in Counter(person.values()).values())
    true = sum(comb(n, 2) for n in Counter(truth.values()).values())
    return Score(right, said - right, true - right)


def _exact(truth: Mapping[str, str], person: Mapping[str, str]) -> Score:
    true, said = _sets(truth), _sets(person)
    right = len(true & said)
    return Score(right, len(said) - right, len(true) - right)


def _sets(labels: Mapping[str, str]) -> set[frozenset[str]]:
    found: dict[str, list[str]] = {}
    for record, label in labels.items():
        found.setdefault(label, []).append(record)
    return {frozenset(records) for records in found.values()}


def _bcubed(truth: Mapping[str, str], person: Mapping[str, str]) -> tuple[float, float]:
    both = Counter((truth[r], person[r]) for r in truth)
    said, true = Counter(person[r] for r in truth), Counter(truth.values())
    count = len(truth) or 1
    precision = sum(n * n / said[c] for (_, c), n in both.items()) / count
    recall = sum(n * n / true[p] for (p, _), n in both.items()) / count
    return precision, recall


class Mistake(msgspec.Struct, frozen=True):
    """One pair that is wrong: ``joined`` though two persons, or ``missed`` though one."""

    kind: str
    pair: Pair
    why: str  #: levels that speak of the cause, or ``no key``


def mistakes(
    truth: Mapping[str, str], clusters: Clusters, decisions: Mapping[Pair, Decision]
) -> Iterator[Mistake]:
    """Every wrong pair within and between clusters, with what was decided about it."""
    reviews = {r.pair for r in clusters.reviews}
    for kind, groups, other in (
        ("joined", clusters.person, truth),
        ("missed", truth, clusters.person),
    ):
        for ids in _sets({r: groups[r] for r in truth}):
            for a, b in _within(ids):
                if other[a] != other[b]:
                    pair = pair_of(a, b)
                    if kind == "missed" and pair in reviews:
                        yield Mistake("review", pair, _why(decisions.get(pair)))
                    else:
                        yield Mistake(kind, pair, _why(decisions.get(pair)))


def _within(ids: Iterable[str]) -> Iterator[Pair]:
    ordered = sorted(ids)
    for i, a in enumerate(ordered):
        for b in ordered[i + 1 :]:
            yield a, b


def _why(decision: Decision | None) -> str:
    if decision is None:
        return "no decision"
    return decision.guard or decision.rule


def by_group(
    truth: Mapping[str, str], clusters: Clusters, groups: Mapping[str, str]
) -> dict[str, tuple[int, int, float]]:
    """Group -> (records, records in a wrong cluster, rate of error).

    A record is wrong when its cluster is not exactly its person's records.
    """
    persons, said = Counter(truth.values()), Counter(clusters.person[r] for r in truth)
    both = Counter((truth[r], clusters.person[r]) for r in truth)
    total: Counter[str] = Counter()
    wrong: Counter[str] = Counter()
    for r, person in truth.items():
        n = both[person, clusters.person[r]]
        total[groups.get(r, "")] += 1
        if n != persons[person] or n != said[clusters.person[r]]:
            wrong[groups.get(r, "")] += 1
    return {g: (n, wrong[g], wrong[g] / n) for g, n in sorted(total.items())}


class Beside(msgspec.Struct, frozen=True):
    """A group's rate of error beside the whole's: the ratio, its interval (95 times of 100 for all
    groups of the kind together), and ``verdict``: ``""`` up to twice the whole, ``chance`` above it
    where the interval reaches down to 2, ``above`` where it does not."""

    ratio: float
    low: float
    high: float
    verdict: str


#: No group may have more than this times the rate of error of the whole.
GROUP_MAX: Final = 2.0


def beside_the_whole(
    truth: Mapping[str, str], clusters: Clusters, groups: Mapping[str, str]
) -> dict[str, Beside]:
    """Group -> how its rate stands to the whole's.

    The ratio is of records, its interval by persons: the records of one person go wrong together.
    """
    rates = by_group(truth, clusters, groups)
    each = by_group(truth, clusters, truth)
    own = Counter(
        group
        for group, person in {(groups.get(r, ""), p) for r, p in truth.items()}
        if each[person][1]
    )
    events, wrong = sum(own.values()), sum(bad for _, bad, _ in rates.values())
    deviations = NormalDist().inv_cdf(1 - 0.025 / len(rates)) if rates else 0.0
    found = {}
    for group, (_, bad, rate) in rates.items():
        ratio = rate / (wrong / len(truth)) if wrong else 1.0
        wide = exp(deviations * sqrt(1 / (own[group] or 0.5) + 1 / (events or 0.5)))
        low, high = (ratio / wide, ratio * wide) if bad else (0.0, max(1.0, ratio) * wide)
        verdict = "" if ratio <= GROUP_MAX else "chance" if low <= GROUP_MAX else "above"
        found[group] = Beside(round(ratio, 3), round(low, 3), round(high, 3), verdict)
    return found
