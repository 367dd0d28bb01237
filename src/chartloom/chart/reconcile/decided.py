"""Decisions of clinicians: read from the chart, laid over what the rules say.

A decision stands until facts contradict it that are newer, or that whoever decided cannot have
seen: what another record brings later may well be dated earlier. Then the rules' status is shown
again, with the decision beside it and the discrepancy ``changed-since-reconciled``: nobody's word
is forgotten, and none hides what came later.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from hashlib import blake2b
from typing import Final

import msgspec

from chartloom.chart.reconcile.heard import folded
from chartloom.chart.reconcile.lines import (
    Confidence,
    Decided,
    Discrepancy,
    Fact,
    Line,
    ListKind,
)
from chartloom.chart.summary import ChartSummary
from chartloom.chart.times import to_us
from chartloom.domain.chart import Section
from chartloom.domain.decisions import CODES, STATUSES, WITHDRAWN
from chartloom.domain.identity import STEWARD_FEED

CHANGED: Final = "changed-since-reconciled"
DECIDED: Final = "clinician-decided"

_KIND_OF: Final = {code: ListKind(kind) for kind, code in CODES.items()}


class Decision(msgspec.Struct, frozen=True):
    """The last word of a person about one line. id: of its List; items: resources it was about.

    said: ``""`` if it was taken back. contents: of what was seen, by resource: ``contents_of``.
    """

    id: str
    kind: ListKind
    key: str
    said: str
    by: str
    at_us: int
    source_patient: str
    items: tuple[str, ...] = ()
    text: str = ""
    contents: dict[str, str] = {}


#: What of a fact's detail makes it another statement when it changes; the rest is words and visits.
_CONTENT: Final = ("criticality", "severity", "reactions", "verification", "onset", "abated")


def contents_of(facts: Iterable[Fact]) -> dict[str, str]:
    """Resource id -> digest of what it says in these facts, so that a change is seen later."""
    said: dict[str, list[str]] = {}
    for fact in facts:
        words = (fact.says, *(fact.detail.get(name, "") for name in _CONTENT))
        said.setdefault(fact.resource_id, []).append("\x1f".join(words))
    return {
        id: blake2b("\x1e".join(sorted(told)).encode("utf-8", "replace"), digest_size=8).hexdigest()
        for id, told in said.items()
    }


def decisions_of(chart: ChartSummary, speakers: Mapping[str, str]) -> tuple[Decision, ...]:
    """The decisions in a chart, the last one of every line.

    speakers: resource id -> the feed that spoke of it last; only what people said here counts, a
    list that some source sent is none.
    """
    section = chart.section(Section.DECISIONS)
    last: dict[tuple[ListKind, str], Decision] = {}
    for entry in section.entries:
        kind = _KIND_OF.get(entry.get("list", ""))
        if kind is None or speakers.get(entry["id"]) != STEWARD_FEED:
            continue
        said = entry.get("said", "")
        if not entry.get("key") or (said not in STATUSES[kind] and said != WITHDRAWN):
            continue
        found = Decision(
            entry["id"],
            kind,
            entry["key"],
            "" if said == WITHDRAWN else said,
            entry.get("by", ""),
            to_us(entry.get("time")),
            section.owner(entry["id"]),
            tuple(entry.get("items", ())),
            entry.get("text", ""),
            dict(entry.get("contents", ())),
        )
        known = last.get((kind, found.key))
        if known is None or (known.at_us, known.id) < (found.at_us, found.id):
            last[kind, found.key] = found
    return tuple(last[key] for key in sorted(last))


#: (line, decision, its status) -> the facts that contradict it.
Contradicts = Callable[[Line, Decision, str], Sequence[Fact]]


def later_or_unseen(
    line: Line,
    decision: Decision,
    against: Collection[str],
    *,
    dated: Collection[str] = (),
    repeated: Collection[str] = (),
) -> list[Fact]:
    """The facts of a line that say something of ``against`` and are newer than the decision, or of
    resources that it does not name.

    A decision that names only the first of very many is taken not to have seen the rest. dated:
    says that count by their time alone: events, which contradict nothing that was decided after
    them. repeated: says that are nothing new when a resource that was seen says them again;
    one whose content changed since (a worse reaction, a new onset) was not seen as it is now.
    """
    seen = set(decision.items)
    if repeated and decision.contents:
        now = contents_of(line.facts)
        seen -= {id for id, was in decision.contents.items() if now.get(id, was) != was}
    found = []
    for fact in line.facts:
        if fact.says not in against:
            continue
        known = fact.resource_id in seen
        newer = fact.at_us > decision.at_us and not (known and fact.says in repeated)
        if newer or not (known or fact.says in dated):
            found.append(fact)
    return found


def decide(
    kind: ListKind,
    lines: Iterable[Line],
    decisions: Iterable[Decision],
    contradicts: Contradicts,
) -> list[Line]:
    """The lines with what was decided about them.

    A line is found by its key; if the rules name it otherwise by now, by the resources that the
    decision was about, as long as it is still about the same drug, substance or problem. A decision
    whose line is gone stands for itself: nothing disappears.
    """
    by_key = {line.key: line for line in lines}
    mine = [d for d in decisions if d.kind is kind and d.said]
    taken: dict[str, Decision] = {}
    for decision in mine:
        key = decision.key if decision.key in by_key else _renamed(decision, by_key.values())
        known = taken.get(key)
        if known is None or (known.at_us, known.id) < (decision.at_us, decision.id):
            taken[key] = decision
    result = [
        line if line.key not in taken else _over(kind, line, taken[line.key], contradicts)
        for line in by_key.values()
    ]
    result += [_alone(kind, d, contradicts) for key, d in taken.items() if key not in by_key]
    return result


def _renamed(decision: Decision, lines: Iterable[Line]) -> str:
    items = set(decision.items)
    shared = [
        (sum(f.resource_id in items for f in line.facts), line.key)
        for line in lines
        if _same(decision, line)
    ]
    count, key = max(shared, default=(0, ""), key=lambda one: (one[0], one[1]))
    return key if count else decision.key


def _same(decision: Decision, line: Line) -> bool:
    """Whether a line is about what was decided, whatever it is called by now.

    A resource can be written over with another drug. Two names that the tables know are the same if
    their base is; where either was in no table, if a resource that was seen is worded as it was.
    """
    if _base(decision.key) == _base(line.key):
        return True
    if _resolved(decision.key) and _resolved(line.key):
        return False
    words, items = folded(decision.text), set(decision.items)
    return bool(words) and any(
        f.resource_id in items and folded(f.text) == words for f in line.facts
    )


def _base(key: str) -> str:
    """A key without the way a drug is given: its ingredients."""
    base, _, way = key.rpartition("|")
    return base if base and ":" not in base and way else key


def _resolved(key: str) -> bool:
    """Whether a table named it: not by a code, words or an entry that stand for themselves."""
    bare = key.removeprefix("substance:").removeprefix("problem:")
    return not bare.startswith(("code:", "text:", "entry:"))


def _decided(decision: Decision, *, stale: bool = False) -> Decided:
    return Decided(decision.by, decision.at_us, decision.said, 0, stale)


def _over(kind: ListKind, line: Line, decision: Decision, contradicts: Contradicts) -> Line:
    status = STATUSES[kind][decision.said]
    newer = contradicts(line, decision, status)
    if newer:
        found = Discrepancy(CHANGED, tuple(f.resource_id for f in newer))
        return msgspec.structs.replace(
            line,
            discrepancies=(found, *line.discrepancies),
            decided=_decided(decision, stale=True),
        )
    return msgspec.structs.replace(
        line,
        status=status,
        reason=DECIDED,
        confidence=Confidence.HIGH,
        because=(),
        decided=_decided(decision),
        standing="",
    )


def _alone(kind: ListKind, decision: Decision, contradicts: Contradicts) -> Line:
    line = Line(
        key=decision.key,
        text=decision.text,
        status=STATUSES[kind][decision.said],
        reason=DECIDED,
        confidence=Confidence.LOW,
        because=("facts-gone",),
        sources={},
        facts=(),
        decided=_decided(decision),
    )
    if contradicts(line, decision, line.status):
        return _over(kind, msgspec.structs.replace(line, status="unknown"), decision, contradicts)
    return line
