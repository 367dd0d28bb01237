"""One list of problems from problem lists, diagnoses of visits, bills, results and drugs.

Codes that mean the same problem are one line. A code on a bill says that somebody was paid for
looking; it is not believed by itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from chartloom.chart.reconcile.conditions import Condition
from chartloom.chart.reconcile.decided import Decision, decide, later_or_unseen
from chartloom.chart.reconcile.future import without_future
from chartloom.chart.reconcile.heard import (
    DAY_US,
    Entry,
    began_us,
    columns,
    confidence,
    fact_of,
    ordered,
    stripped,
)
from chartloom.chart.reconcile.in_documents import document_place, document_us, in_documents
from chartloom.chart.reconcile.lines import (
    Discrepancy,
    Fact,
    Line,
    ListKind,
    ReconciledList,
)
from chartloom.chart.reconcile.problem_evidence import Evidence, Evidences
from chartloom.chart.reconcile.problem_judge import BILLED, Said, judge
from chartloom.chart.reconcile.problem_rivals import Rivals
from chartloom.chart.reconcile.rules import Rules
from chartloom.chart.reconcile.rules_problems import ProblemRules
from chartloom.chart.summary import ChartSection, ChartSummary
from chartloom.chart.times import to_us
from chartloom.domain.chart import Section

#: What of several things that a source says stands in its column.
_RANK: Final = {
    says: rank
    for rank, says in enumerate(
        ("listed", "refuted", "resolved", "inactive", "registered", "diagnosed-inpatient",
         "diagnosed", "suspected", "noted", "billed-inpatient", "billed", "treated", "result")
    )
}  # fmt: skip
_INPATIENT: Final = frozenset(("IMP", "ACUTE", "NONAC", "SS"))
_BILLING: Final = frozenset(("billing", "billing-diagnosis", "claim"))
_OVER: Final = {"resolved": "resolved", "remission": "inactive", "inactive": "inactive"}
_UNSURE: Final = frozenset(("provisional", "differential", "unconfirmed"))
_FACTS_MAX: Final = 40
#: What is said by somebody who knows the person.
_INFORMED: Final = ("listed", "registered", "diagnosed", "diagnosed-inpatient", "suspected")


class _Group(msgspec.Struct):
    """Everything that was said about one problem."""

    condition: Condition
    facts: list[Fact] = []


def reconcile_problems(
    chart: ChartSummary,
    rules: Rules,
    now_us: int,
    *,
    speakers: Mapping[str, str] | None = None,
    decisions: Sequence[Decision] = (),
) -> ReconciledList:
    """The problems of a chart, active ones first.

    speakers: resource id -> the feed that spoke of it last. Pure; the order of entries does not
    matter.
    """
    table, said = rules.problems, speakers or {}
    chart = without_future(chart, now_us)
    section = chart.section(Section.PROBLEMS)
    groups: dict[str, _Group] = {}
    classes = {e["id"]: e.get("class", "") for e in chart.section(Section.ENCOUNTERS).entries}
    for entry in section.entries:
        codes = entry.get("codes") or ([entry["code"]] if entry.get("code") else [])
        condition = rules.conditions.find(codes, entry.get("text", ""), table)
        group = groups.setdefault(condition.key, _Group(condition))
        group.facts.append(_fact(entry, section, said, classes))
    _noted(chart, said, rules, groups)
    _charged(chart.section(Section.CHARGES), said, rules, groups)
    evidence = Evidences(chart, table, rules.units, said, now_us)
    rivals = Rivals({key: group.facts for key, group in groups.items()}, table)
    for key in evidence.suggested():
        if key not in groups and key in rules.conditions.by_key and not rivals.of(key):
            groups[key] = _Group(rules.conditions.by_key[key])
    truncated = section.truncated
    lines = [
        _line(group, rivals.shared(key, evidence.of(key)), table, now_us, truncated=truncated,
              beside=rivals.beside(key), ended=rivals.ended(key))
        for key, group in groups.items()
    ]  # fmt: skip
    lines = decide(ListKind.PROBLEMS, lines, decisions, _contradicts)
    lines.sort(key=_order)
    return ReconciledList(ListKind.PROBLEMS, tuple(lines), rules.fingerprint, "", now_us)


def _fact(
    entry: Entry, section: ChartSection, said: Mapping[str, str], classes: Mapping[str, str]
) -> Fact:
    says = _says(entry, classes)
    stated = to_us(entry.get("recorded"))
    if says in ("resolved", "inactive"):
        at_us = to_us(entry.get("abated")) or began_us(entry, "clinicalStatus")[1]
    elif says == "refuted":
        at_us = began_us(entry, "verificationStatus")[1]
    elif says == "listed":
        at_us = stated or entry["sort_us"]
    else:
        at_us = entry["sort_us"] or stated
    detail = stripped(
        {
            "code": str(entry.get("code", "")).rpartition("|")[2],
            "category": " ".join(sorted(entry.get("category", ()))),
            "verification": entry.get("verification"),
            "onset": entry.get("onset"),
            "abated": entry.get("abated"),
            "severity": entry.get("severity"),
            "visit": classes.get(_visit(entry)),
        }
    )
    return fact_of(entry, section, said, says, at_us or entry["said_us"], detail=detail)


def _visit(entry: Entry) -> str:
    return str(entry.get("encounter", "")).rpartition("/")[2]


def _says(entry: Entry, classes: Mapping[str, str]) -> str:
    verification = entry.get("verification", "")
    if verification in ("refuted", "entered-in-error"):
        return "refuted"
    if over := _OVER.get(entry.get("status", "")):
        return over
    if entry.get("abated"):
        return "resolved"
    categories = set(entry.get("category", ()))
    inpatient = classes.get(_visit(entry), "") in _INPATIENT
    if "problem-list-item" in categories or "health-concern" in categories or not categories:
        return "suspected" if verification in _UNSURE else "listed"
    if categories & _BILLING:
        return "billed-inpatient" if inpatient else "billed"
    if not entry.get("encounter"):
        return "suspected" if verification == "differential" else "registered"
    if verification in _UNSURE:
        return "suspected"
    return "diagnosed-inpatient" if inpatient else "diagnosed"


def _noted(
    chart: ChartSummary, said: Mapping[str, str], rules: Rules, groups: dict[str, _Group]
) -> None:
    """What documents list as problems: coded entries, and lines that name one of the table."""
    for section, entry, _, line in in_documents(chart, "problems"):
        codes = list(line.get("codes", ()))
        condition = rules.conditions.find(codes, line["text"], rules.problems)
        coded = line["says"] == "coded"
        if not coded and condition.how not in ("code", "name"):
            continue
        says, at_us = "noted", document_us(entry, line)
        if coded:
            told = {"verification": "refuted"} if line.get("refuted") else {}
            says = _says({**told, "status": line.get("status", ""), "abated": line.get("end")}, {})
            if says in ("resolved", "inactive"):
                at_us = to_us(line.get("end")) or at_us
        code = next((c.rpartition("|")[2] for c in codes), "")
        detail = stripped({"code": code, "onset": line.get("start"), **document_place(line)})
        fact = fact_of(
            entry, section, said, says, at_us, line["text"], detail, entry.get("type", "")
        )
        groups.setdefault(condition.key, _Group(condition)).facts.append(fact)


def _charged(
    section: ChartSection, said: Mapping[str, str], rules: Rules, groups: dict[str, _Group]
) -> None:
    """The diagnoses on charges."""
    for entry in section.entries:
        for reason in entry.get("reasons", ()):
            condition = rules.conditions.find(
                [reason["code"]] if reason.get("code") else [],
                reason.get("text", ""),
                rules.problems,
            )
            detail = stripped({"code": str(reason.get("code", "")).rpartition("|")[2]})
            fact = fact_of(
                entry, section, said, "billed", entry["sort_us"] or entry["said_us"],
                reason.get("text", ""), detail,
            )  # fmt: skip
            group = groups.setdefault(condition.key, _Group(condition))
            if fact not in group.facts:
                group.facts.append(fact)


def _line(
    group: _Group,
    evidence: Evidence,
    table: ProblemRules,
    now_us: int,
    *,
    truncated: bool,
    beside: Sequence[Discrepancy],
    ended: Sequence[Fact],
) -> Line:
    condition, facts = group.condition, ordered((*group.facts, *ended))
    reason, found = judge(condition, Said.of(facts), evidence, table, now_us)
    if table.reasons[reason].status in ("active", "unknown"):
        found = [*found, *beside]
    rule = table.reasons[reason]
    because = _because(condition, facts, evidence, found, reason)
    because += ["chart-truncated"] if truncated else []
    if "results-do-not-support" in because:
        found = [*found, Discrepancy("results-do-not-support", _ids(facts))]
    shown = [*facts, *evidence.results[:3], *evidence.drugs[:3]]
    return Line(
        key=f"problem:{condition.key}",
        text=_text(condition, facts),
        status=rule.status,
        reason=reason,
        confidence=confidence(rule.confidence, because, table.because),
        because=tuple(because),
        sources=columns(shown, _RANK),
        facts=tuple(shown[:_FACTS_MAX] if len(shown) > _FACTS_MAX * 2 else shown),
        discrepancies=tuple(d for d in found if d.code in table.discrepancies),
        detail=_detail(condition, facts),
    )


def _text(condition: Condition, facts: Sequence[Fact]) -> str:
    """The name of the problem; of one without a row, as the best source words it."""
    if condition.how in ("code", "name") and condition.name:
        return condition.name
    best = sorted(facts, key=lambda f: (_RANK.get(f.says, 99), -f.at_us, f.resource_id))
    return next((f.text for f in best if f.text), condition.name or "Unnamed problem")


def _detail(condition: Condition, facts: Sequence[Fact]) -> dict[str, str]:
    own = [f for f in facts if f.says != "ended"]
    codes = dict.fromkeys(f.detail["code"] for f in own if f.detail.get("code"))
    categories = {c for f in facts for c in f.detail.get("category", "").split()}
    onsets = sorted(f.detail["onset"] for f in own if f.detail.get("onset"))
    listed = sorted(f.detail["onset"] for f in facts if f.says == "listed" and "onset" in f.detail)
    return stripped(
        {
            "said": _in_words(condition, facts),
            "codes": " ".join(codes),
            "categories": " ".join(sorted(categories)),
            "course": condition.course,
            "onset": _began(condition, listed or onsets),
        }
    )


def _in_words(condition: Condition, facts: Sequence[Fact]) -> str:
    """What was said last by those who know: a stage or a side that the name of the line lacks."""
    informed = [f for f in facts if f.says in _INFORMED and f.text]
    said = informed[0].text if informed else ""
    return said if condition.how in ("code", "name") and said != condition.name else ""


def _began(condition: Condition, onsets: Sequence[str]) -> str:
    """Since when, of onsets in order: of what ends by itself, only of its last episode."""
    if condition.course not in ("acute", "episode") or not condition.days or not onsets:
        return onsets[0] if onsets else ""
    first = onsets[-1]
    for onset in reversed(onsets):
        if to_us(first) - to_us(onset) > condition.days * DAY_US:
            break
        first = onset
    return first


def _because(
    condition: Condition,
    facts: Sequence[Fact],
    evidence: Evidence,
    found: Sequence[Discrepancy],
    reason: str,
) -> list[str]:
    codes = []
    believed = [
        f for f in facts if f.says in ("listed", "registered", "diagnosed", "diagnosed-inpatient")
    ]
    if len({f.source for f in believed}) > 1:
        codes.append("several-sources-agree")
    if reason in ("listed", "registered") and any(f.says.startswith("diagnosed") for f in facts):
        codes.append("diagnosed-again")
    if evidence.results:
        codes.append("supported-by-results")
    if evidence.drugs:
        codes.append("supported-by-drugs")
    unsupported = evidence.looked and not evidence.results and not evidence.drugs
    if unsupported and (reason in BILLED or reason in ("diagnosed-once", "suspected-only")):
        codes.append("results-do-not-support")
    if {d.code for d in found} & {"refuted-elsewhere", "resolved-elsewhere"}:
        codes.append("sources-disagree")
    if condition.how in ("name", "unresolved"):
        codes.append(f"problem-{'by-name' if condition.how == 'name' else 'unresolved'}")
    if any(f.at_us == 0 for f in facts):
        codes.append("time-unknown")
    return codes


def _ids(facts: Sequence[Fact]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(f.resource_id for f in facts))


def _contradicts(line: Line, decision: Decision, status: str) -> list[Fact]:
    """Facts newer than a decision, or unseen, that say otherwise."""
    active = ("diagnosed", "diagnosed-inpatient", "registered", "listed")
    against = ("resolved", "inactive", "refuted") if status == "active" else active
    return later_or_unseen(line, decision, against, repeated=active)


_STATUS_ORDER: Final = {"active": 0, "unknown": 1, "inactive": 2, "resolved": 3, "refuted": 4}


def _order(line: Line) -> tuple[int, int, str, str]:
    newest = max((f.at_us for f in line.facts), default=0)
    return (_STATUS_ORDER.get(line.status, 5), -newest, line.text.casefold(), line.key)
