"""Clusters worked out anew where something changed, and what follows: persons, reviews, history.

What hangs together is found from the records that something changed about: their present clusters,
links, words. Of that, ``registry.persons.cluster`` makes clusters, whatever they were before.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from typing import Any, Final, NamedTuple

from chartloom.domain.identity import IdentityWord, ReviewState
from chartloom.domain.resource import LinkKind
from chartloom.engines.postgres import queries_identity as queries
from chartloom.engines.postgres.arrays import packed
from chartloom.engines.postgres.bulk import Row, Table
from chartloom.engines.postgres.calls import Prepared, Statement, Step, boolean, rows
from chartloom.engines.postgres.connect import Connection
from chartloom.registry.persons import (
    Clusters,
    Comparison,
    Decision,
    Marks,
    MatchRecord,
    Outcome,
    Pair,
    Parameters,
    Review,
    cluster,
    contested,
    last_words,
    lifted_beside,
    pair_of,
    said_by_people,
    settled_beside,
    standing,
    two_needed,
    waits_for_second,
)
from chartloom.registry.persons.record import EMPTY
from chartloom.registry.persons.words import CONTRADICTED

#: Of a stored decision the levels are in its evidence; clusters do not ask for them.
_NO_LEVELS: Final = Comparison(*("missing",) * 12)

#: Records of one person from which on somebody is told: so many are a mistake of a source, and each
#: message about one of them costs more the more there are.
RECORDS_TOLD: Final = 300

#: (patients) -> their records, of those that have one.
Records = Callable[[Sequence[str]], Mapping[str, MatchRecord]]


class Why(NamedTuple):
    """What of a batch concerns clusters. changed: patient -> position of the last message that said
    something new; words: pairs that were spoken of, with position and kind; at_us: by position, of
    the messages. told: those who follow the outbox are told."""

    changed: dict[str, int]
    words: list[tuple[Pair, int, LinkKind]]
    at_us: dict[int, int]
    told: bool = True


class Settled(NamedTuple):
    """What has to be written so that clusters, reviews and history are right again. opened:
    positions of the messages that brought a review into the queue, one for each; grown: of those
    after which a person had ``RECORDS_TOLD`` records or more, and had fewer before; missed: of
    those whose patient cannot be found by what is said of it, because too many share it; unread: of
    those whose patient was to be compared with a record that does not open; numerous: of those
    whose patient has more numbers than are keys. moved: who came to another person."""

    steps: list[Step]
    opened: list[int]
    grown: Sequence[int] = ()
    missed: Sequence[int] = ()
    unread: Sequence[int] = ()
    numerous: Sequence[int] = ()
    moved: Sequence[str] = ()


class ReviewRow(NamedTuple):
    """A review as it is stored."""

    weight: float
    since_us: int
    two: bool
    reason: str
    state: str


class Whole:
    """Everything that hangs together with some records."""

    def __init__(self) -> None:
        self.ids: set[str] = set()
        self.person: dict[str, str] = {}
        self.decisions: dict[Pair, Decision] = {}
        self.words: dict[Pair, list[IdentityWord]] = {}
        self.reviews: dict[Pair, ReviewRow] = {}

    def add(self, around: Iterable[Sequence[Any]]) -> set[str]:
        """Adds what was read about some records; all whom that leads to."""
        reached: set[str] = set()
        heard: dict[Pair, list[IdentityWord]] = {}
        for row in around:
            kind, a, b, outcome, weight, rule, guard, apart, since_us, two, reason, state = row[:12]
            if kind == "m":
                self.person[a] = b
                reached.add(a)
            elif kind == "d":
                self.decisions[a, b] = Decision(
                    Outcome(outcome), weight, rule, guard, apart, _NO_LEVELS
                )
                if outcome == Outcome.LINK:
                    reached.update((a, b))
            elif kind == "w":
                said, event_us, position, ordinal, actor, up_to, looked, beside = row[12:]
                when = (event_us, position, ordinal)
                word = word_of((a, b, said, *when, rule, actor, reason, up_to, two, looked, beside))
                heard.setdefault(word.pair, []).append(word)
                reached.update(word.pair)
            else:
                self.reviews[a, b] = ReviewRow(weight, since_us, two, reason, state)
        self.words.update(heard)  # of each pair, all its words at once
        return reached

    def hard(self, pair: Pair) -> bool:
        """Whether two people have to say the same about a pair: a guard of now wants it, or one
        did when somebody spoke."""
        decision = self.decisions.get(pair)
        if decision is not None and two_needed(decision.guard):
            return True
        return waits_for_second(self.words.get(pair, ()))

    def in_order(self) -> list[IdentityWord]:
        """All words, pair by pair in the order in which they count."""
        return [word for pair in sorted(self.words) for word in self.words[pair]]


def word_of(row: Sequence[Any]) -> IdentityWord:
    """A word from its row."""
    surviving, prior, kind, event_us, position, ordinal, rule, actor, reason, *terms = row
    up_to, two, looked, beside = terms
    return IdentityWord(
        pair_of(surviving, prior), LinkKind(kind), event_us, position, rule, actor, reason,
        ordinal, surviving, up_to, two, tuple(looked), tuple(beside),
    )  # fmt: skip


class _Lazy(Mapping[str, MatchRecord]):
    """Records by patient, read when the first of them is looked at; mostly none has to be."""

    def __init__(self, ids: Iterable[str], known: Mapping[str, MatchRecord], read: Records) -> None:
        self._ids = frozenset(ids)
        self._known = dict(known)
        self._read: Records | None = read

    def _all(self) -> dict[str, MatchRecord]:
        if self._read is not None:
            self._known.update(self._read(sorted(self._ids - self._known.keys())))
            self._read = None
        return self._known

    def __getitem__(self, patient: str) -> MatchRecord:
        known = self._known.get(patient)
        return known if known is not None else self._all()[patient]

    def __contains__(self, patient: object) -> bool:
        return patient in self._known or patient in self._all()

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._ids))

    def __len__(self) -> int:
        return len(self._ids)


class Reclusterer:
    """Works clusters out anew, within a transaction that holds their lock."""

    def __init__(self, calls: Prepared, parameters: Parameters) -> None:
        self._calls, self._parameters = calls, parameters

    def whole(self, conn: Connection, seeds: Iterable[str], first: Sequence[Step] = ()) -> Whole:
        """All that hangs together with ``seeds``: a round trip or two.

        first: what is to be written before; pairs in the results are seeds too.
        """
        found, wanted = Whole(), set(seeds)
        while wanted or first:
            found.ids |= wanted
            ids = packed("text", sorted(wanted))
            results = self._calls.run(conn, [*first, (queries.AROUND, (ids,))])
            *told, around = [rows(conn, result) for result in results]
            reached = found.add(around)
            reached.update(p for pairs in told for pair in pairs for p in pair)
            wanted, first = reached - found.ids, ()
        return found

    def changes(
        self,
        whole: Whole,
        known: Mapping[str, MatchRecord],
        read: Records,
        why: Why,
    ) -> Settled:
        """Works out clusters, and what of them is other than it was.

        known: records that are at hand; read: reads others.
        """
        outside = {p for pair in whole.decisions for p in pair} - whole.ids
        records = _Lazy(whole.ids, {p: r for p, r in known.items() if p in whole.ids}, read)
        said = last_words(whole.in_order(), whole.hard)
        by_people = said_by_people(whole.in_order(), whole.hard)
        marks = Marks(records, self._parameters)
        lifted = lifted_beside(whole.decisions, whole.words, whole.hard, marks)
        clusters = self._clusters(whole, records, outside, said, by_people, lifted)
        moves = _moves(whole, clusters, why)
        steps: list[Step] = []
        if moves:
            statement, columns = _put(queries.MOVED, queries.MEMBERSHIP, moves)
            steps.append((statement, (*columns, boolean(why.told))))
        wanted = _wanted(whole, clusters, marks)
        reviews, opened = _reviews(whole, wanted, why)
        if reviews:
            steps.append(_put(queries.REVIEW_PUT, queries.REVIEW, reviews))
        moved = [m[2] for m in moves]
        return Settled(steps, opened, _grown(whole, clusters, moves), moved=moved)

    def _clusters(
        self,
        whole: Whole,
        records: Mapping[str, MatchRecord],
        outside: set[str],
        said: Mapping[Pair, bool],
        by_people: Set[Pair],
        lifted: Set[Pair],
    ) -> Clusters:
        """outside: records that somebody may have to compare with one of these, and that no link
        leads to; they are in clusters of their own here."""
        if outside:
            records = _Joined(records, outside)
        return cluster(records, whole.decisions, said, self._parameters, by_people, lifted)


class _Joined(Mapping[str, MatchRecord]):
    """Records, and others that say nothing: nothing joins them to anybody."""

    def __init__(self, records: Mapping[str, MatchRecord], others: set[str]) -> None:
        self._records, self._others = records, others

    def __getitem__(self, patient: str) -> MatchRecord:
        return EMPTY if patient in self._others else self._records[patient]

    def __contains__(self, patient: object) -> bool:
        return patient in self._others or patient in self._records

    def __iter__(self) -> Iterator[str]:
        yield from self._records
        yield from sorted(self._others)

    def __len__(self) -> int:
        return len(self._records) + len(self._others)


def _put(statement: Statement, table: Table, rows_: Sequence[Row]) -> Step:
    columns = zip(table.types, zip(*rows_, strict=True), strict=True)
    return statement, [packed(kind, column) for kind, column in columns]


def _moves(whole: Whole, clusters: Clusters, why: Why) -> list[Row]:
    """Who came to another person, as rows of ``membership``."""
    now = {p: clusters.person[p] for p in whole.ids}
    moved = sorted(p for p in whole.ids if whole.person.get(p, now[p]) != now[p])
    if not moved:
        return []
    causes = _Causes(whole, now, why)
    found = []
    for patient in moved:
        position, cause = causes.of(patient)
        at_us = why.at_us.get(position, 0)
        found.append((at_us, position, patient, whole.person[patient], now[patient], cause))
    return found


def _grown(whole: Whole, clusters: Clusters, moves: Sequence[Row]) -> list[int]:
    """The last of the messages that made each person large, if it was not before."""
    if len(moves) < 1 or len(whole.ids) < RECORDS_TOLD:
        return []
    before = Counter(whole.person.values())
    now = Counter(clusters.person[p] for p in whole.ids)
    large = {p for p, count in now.items() if count >= RECORDS_TOLD}
    for patient, person in whole.person.items():
        if before[person] >= RECORDS_TOLD:
            large.discard(clusters.person[patient])
    last: dict[str, int] = {}
    for _, position, _, _, person, _ in moves:
        last[person] = max(position, last.get(person, 0))
    return [last[person] for person in sorted(large & last.keys())]


class _Causes:
    """Why somebody came to another person: the last word about its old or new cluster in the
    batch, else what joins the new one, else that something changed in the records."""

    def __init__(self, whole: Whole, now: Mapping[str, str], why: Why) -> None:
        self._before, self._now, self._why = whole.person, now, why
        #: Person (of before or now) -> words and changes about it, and the strongest link.
        self._words: dict[str, list[tuple[int, str]]] = {}
        self._changes: dict[str, list[int]] = {}
        self._rules: dict[str, tuple[bool, float, str]] = {}
        for pair, position, kind in why.words:
            for person in self._persons(pair):
                self._words.setdefault(person, []).append((position, str(kind)))
        for patient, position in why.changed.items():
            for person in self._persons((patient,)):
                self._changes.setdefault(person, []).append(position)
        for pair, decision in whole.decisions.items():
            if decision.outcome is Outcome.LINK and now[pair[0]] == now[pair[1]]:
                strength = (decision.rule != "score", decision.weight, decision.rule)
                for patient in pair:
                    self._rules[patient] = max(strength, self._rules.get(patient, strength))

    def _persons(self, patients: Iterable[str]) -> set[str]:
        found: set[str] = set()
        for patient in patients:
            found.update((self._before.get(patient, ""), self._now.get(patient, "")))
        return found

    def of(self, patient: str) -> tuple[int, str]:
        """Position of the message, and the cause."""
        persons = self._persons((patient,))
        if words := [w for p in persons for w in self._words.get(p, ())]:
            return max(words)
        changes = [c for p in persons for c in self._changes.get(p, ())]
        position = max(changes, default=0)
        rule = self._rules.get(patient)
        return position, rule[-1] if rule is not None else "update"


def _wanted(whole: Whole, clusters: Clusters, marks: Marks) -> dict[Pair, Review]:
    """What people are to look at, without what they settled besides."""
    wanted = {review.pair: review for review in clusters.reviews}
    for pair in contested(whole.in_order(), whole.hard):
        decision = whole.decisions.get(pair)
        weight = 0.0 if decision is None else decision.weight
        wanted.setdefault(pair, Review(pair, weight, CONTRADICTED))
    asked = wanted.values()
    for pair in settled_beside(asked, whole.words, clusters.person, whole.hard, marks):
        del wanted[pair]
    return wanted


def _reviews(whole: Whole, wanted: Mapping[Pair, Review], why: Why) -> tuple[list[Row], list[int]]:
    """Reviews that are new, other than they were, or over; and what brought the new ones."""
    moment = _Moments(why)
    found: list[Row] = []
    opened: list[int] = []
    for pair, review in sorted(wanted.items()):
        two = whole.hard(pair) or two_needed(review.reason)
        state = str(standing(whole.words.get(pair, ()), two))
        position = moment.of(pair)
        held = whole.reviews.get(pair)
        if held is not None and held.state != ReviewState.CLOSED:
            if held == (review.weight, held.since_us, two, review.reason, state):
                continue
            since_us = held.since_us
        else:
            since_us = why.at_us.get(position, 0)
            opened.append(position)
        row = (review.weight, since_us, position, two, *pair, review.reason, state)
        found.append(row)
    for pair, held in sorted(whole.reviews.items()):
        if pair[0] == pair[1]:
            continue  # an overlay: see overlays.py
        if pair not in wanted and held.state != ReviewState.CLOSED:
            position, closed = moment.of(pair), str(ReviewState.CLOSED)
            row = (held.weight, held.since_us, position, held.two, *pair, held.reason, closed)
            found.append(row)
    return found, opened


class _Moments:
    """The message of the batch that something about a pair is due to: the last one about it, else
    about anybody."""

    def __init__(self, why: Why) -> None:
        self._changed = why.changed
        self._words: dict[Pair, int] = {}
        for pair, position, _ in why.words:
            self._words[pair] = max(position, self._words.get(pair, 0))
        self._last = max([*why.changed.values(), *self._words.values()], default=0)

    def of(self, pair: Pair) -> int:
        """Its position."""
        changed = self._changed.get
        own = max(self._words.get(pair, 0), changed(pair[0], 0), changed(pair[1], 0))
        return own or self._last
