"""One list of allergies from those of all sources.

Severity (how bad a reaction was) and criticality (how bad the next one may be) stay apart. Where
sources disagree, the allergy stands unless somebody refuted it after it was listed, and the
disagreement is shown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from chartloom.chart.reconcile.allergens import Allergens
from chartloom.chart.reconcile.allergy_denials import (
    LISTED,
    RANK,
    against_denials,
    also,
    disc,
    in_scope,
)
from chartloom.chart.reconcile.allergy_evidence import Taken, challenges, taken_of
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
from chartloom.chart.reconcile.rules import Rules
from chartloom.chart.reconcile.rules_allergies import AllergyRules
from chartloom.chart.reconcile.substances import Named, Substance, Substances
from chartloom.chart.summary import ChartSection, ChartSummary
from chartloom.domain.chart import Section
from chartloom.registry.formulary import Formulary, builtin_formulary

_CRITICALITY: Final = ("high", "unable-to-assess", "low")
_SEVERITY: Final = ("severe", "moderate", "mild")
#: Of what was listed nobody knows when, nothing can be said to have come later.
_UNDATED: Final = 1 << 63


class _Group(msgspec.Struct):
    """Everything that was said about one substance."""

    named: Named
    facts: list[Fact] = []


def reconcile_allergies(
    chart: ChartSummary,
    rules: Rules,
    now_us: int,
    *,
    formulary: Formulary | None = None,
    speakers: Mapping[str, str] | None = None,
    decisions: Sequence[Decision] = (),
) -> ReconciledList:
    """The allergies of a chart, active ones first.

    formulary: brands, products and classes of drugs that the table of substances does not know;
    without one, the built-in one. speakers: resource id -> the feed that spoke of it last. Pure;
    the order of entries does not matter.
    """
    table, said = rules.allergies, speakers or {}
    allergens = Allergens(rules.substances, formulary or builtin_formulary(), table)
    chart = without_future(chart, now_us)
    section = chart.section(Section.ALLERGIES)
    groups = _grouped(section, said, allergens)
    _noted(chart, said, allergens, groups)
    for named, fact in challenges(chart, table, rules.substances, said):
        groups.setdefault(named.substance.key, _Group(named)).facts.append(fact)
    taken = taken_of(chart, allergens, said)
    base = ("chart-truncated",) if section.truncated else ()
    drugs = [g for g in groups.values() if g.named.substance.kind != "none"]
    lines = [_line(g, allergens, taken, base) for g in drugs]
    denials = [
        (g.named.substance, g.facts) for g in groups.values() if g.named.substance.kind == "none"
    ]
    lines = against_denials(lines, denials, table)
    lines = _members(lines, table, rules.substances)
    lines = _decided(lines, decisions, rules.substances)
    lines.sort(key=_order)
    known = allergens.formulary.fingerprint
    return ReconciledList(ListKind.ALLERGIES, tuple(lines), rules.fingerprint, known, now_us)


def _grouped(
    section: ChartSection, said: Mapping[str, str], allergens: Allergens
) -> dict[str, _Group]:
    groups: dict[str, _Group] = {}
    for entry in section.entries:
        if entry.get("verification") == "entered-in-error":
            continue  # a slip says nothing, least of all that somebody is not allergic
        codes = tuple(entry.get("codes") or ([entry["code"]] if entry.get("code") else ()))
        named = allergens.find(codes, entry.get("text", ""))
        group = groups.setdefault(named.substance.key, _Group(named))
        if named.how == "code":
            group.named = named
        group.facts.append(_fact(entry, section, said, denial=named.substance.kind == "none"))
    return groups


def _noted(
    chart: ChartSummary, said: Mapping[str, str], allergens: Allergens, groups: dict[str, _Group]
) -> None:
    """What documents list: coded entries like those of any list, lines of text where they name a
    substance that is known. That there are none is believed from entries only."""
    for section, entry, _, line in in_documents(chart, "allergies"):
        coded = line["says"] == "coded"
        if not coded:
            _noted_line(entry, section, line, said, allergens, groups)
            continue
        named = allergens.find(tuple(line.get("codes", ())), line["text"])
        denial, at_us = named.substance.kind == "none", document_us(entry, line)
        told = {"verification": "refuted"} if line.get("refuted") else {}
        says = _says({**told, "status": line.get("status", "")})
        says = {"listed": "denied"}.get(says, "denial-withdrawn") if denial else says
        reactions = ", ".join(sorted(line.get("reactions", ())))
        kept = {k: line[k] for k in ("criticality", "severity") if line.get(k)}
        detail = stripped({**kept, "reactions": reactions, **document_place(line)})
        fact = fact_of(
            entry, section, said, says, at_us, line["text"], detail, entry.get("type", "")
        )
        groups.setdefault(named.substance.key, _Group(named)).facts.append(fact)


def _noted_line(
    entry: Entry,
    section: ChartSection,
    line: Entry,
    said: Mapping[str, str],
    allergens: Allergens,
    groups: dict[str, _Group],
) -> None:
    """A line of text names one substance, or several with what they did: "Penicillin (hives),
    latex". That there are none is never read from it."""
    for named, reaction in allergens.in_words(line["text"]):
        detail = stripped({"reactions": reaction, **document_place(line)})
        fact = fact_of(
            entry, section, said, "noted", document_us(entry, line), line["text"], detail,
            entry.get("type", ""),
        )  # fmt: skip
        groups.setdefault(named.substance.key, _Group(named)).facts.append(fact)


def _fact(entry: Entry, section: ChartSection, said: Mapping[str, str], *, denial: bool) -> Fact:
    says = _says(entry)
    at_us = entry["sort_us"] if says in LISTED else _since_us(entry, says)
    if denial:
        says = "denied" if says in LISTED else "denial-withdrawn"
    reactions = entry.get("reactions", ())
    severities = [s for s in _SEVERITY if any(r.get("severity") == s for r in reactions)]
    detail = stripped(
        {
            "criticality": entry.get("criticality"),
            "severity": severities[0] if severities else "",
            "reactions": ", ".join(sorted({r["text"] for r in reactions if r.get("text")})),
            "kind": entry.get("kind"),
            "category": " ".join(sorted(entry.get("category", ()))),
            "verification": entry.get("verification"),
            "recorded": entry.get("recorded"),
        }
    )
    return fact_of(entry, section, said, says, at_us or entry["said_us"], detail=detail)


def _since_us(entry: Entry, says: str) -> int:
    """Since when an entry is not listed any more.

    Where the source was heard to say otherwise before, when it changed its mind. Else all that is
    sure is when the entry was recorded: a list of old refutations that arrives today must not take
    off what was found since.
    """
    element = "verificationStatus" if says == "refuted" else "clinicalStatus"
    after_us, by_us = began_us(entry, element)
    return by_us if after_us else int(entry["sort_us"])


def _says(entry: Entry) -> str:
    verification = entry.get("verification", "")
    if verification == "refuted":
        return "refuted"
    status = entry.get("status", "active")
    if status in ("resolved", "inactive"):
        return str(status)
    return "listed-unconfirmed" if verification in ("unconfirmed", "presumed") else "listed"


def _line(group: _Group, allergens: Allergens, taken: Taken, base: tuple[str, ...]) -> Line:
    facts, table = ordered(group.facts), allergens.rules
    substance = group.named.substance
    reason, found = _judge(facts)
    because = [*base, *_because(group, facts, found)]
    rule = table.reasons[reason]
    if rule.status == "active":
        since = min((f.at_us for f in facts if f.says in LISTED), default=0)
        since += table.tolerated_after_days * DAY_US
        own, related = taken.since(substance, since)
        facts = [*facts, *own[:3], *related[:3]]
        found += [disc("taken-despite-allergy", own)] if own else []
        code = "member-tolerated" if substance.kind == "class" else "related-taken"
        found += [disc(code, related)] if related else []
    return Line(
        key=f"substance:{substance.key}",
        text=_text(substance, facts),
        status=rule.status,
        reason=reason,
        confidence=confidence(rule.confidence, because, table.because),
        because=tuple(because),
        sources=columns(facts, RANK),
        facts=tuple(facts),
        discrepancies=tuple(d for d in found if d.code in table.discrepancies),
        detail=_detail(substance, facts, allergens),
    )


def _text(substance: Substance, facts: Sequence[Fact]) -> str:
    return substance.name or next((f.text for f in facts if f.text), "Unnamed allergen")


def _judge(facts: Sequence[Fact]) -> tuple[str, list[Discrepancy]]:
    """The reason for the line's status, and what does not fit."""
    listed = [f for f in facts if f.says in LISTED]
    refuted = [f for f in facts if f.says == "refuted"]
    over = [f for f in facts if f.says in ("resolved", "inactive")]
    passed = [f for f in facts if f.says == "challenge-negative"]
    failed = [f for f in facts if f.says == "challenge-positive"]
    found = _differences(listed)
    last = max((f.at_us or _UNDATED for f in listed), default=0)
    if failed and failed[0].at_us >= max((f.at_us for f in (*passed, *refuted)), default=0):
        found += [disc("refuted-elsewhere", refuted)] if refuted else []
        return "challenge-positive", found
    if passed and passed[0].at_us >= last:
        return "challenge-negative", [
            *found,
            *([disc("still-listed-elsewhere", listed)] * bool(listed)),
        ]
    if passed:
        found.append(disc("challenge-contradicts", passed))
    if listed and refuted:
        if refuted[0].at_us >= last:
            return "refuted-later", [*found, disc("still-listed-elsewhere", listed)]
        return "listed-after-refuted", [*found, disc("refuted-elsewhere", refuted)]
    if listed:
        found += [disc("resolved-elsewhere", over)] if over else []
        sure = any(f.says == "listed" for f in listed)
        return "listed" if sure else "listed-unconfirmed", found
    if refuted:
        return "refuted", found
    if over:
        return over[0].says, found
    if not any(f.says.startswith("test-") for f in facts):
        return "noted-only", found
    return "listed-unconfirmed", found  # a test alone


def _differences(listed: Sequence[Fact]) -> list[Discrepancy]:
    """Criticality and severity as several entries have them; each is compared with its own kind."""
    found = []
    for what in ("criticality", "severity"):
        told = [f for f in listed if f.detail.get(what) not in (None, "unable-to-assess")]
        if len({f.detail[what] for f in told}) > 1:
            found.append(disc(f"{what}-differs", told))
    return found


def _because(group: _Group, facts: Sequence[Fact], found: Sequence[Discrepancy]) -> list[str]:
    listed = [f for f in facts if f.says in LISTED]
    codes = []
    if len({f.source for f in listed}) > 1:
        codes.append("several-sources-agree")
    if any(f.detail.get("reactions") for f in listed):
        codes.append("reaction-described")
    if {d.code for d in found} & {"refuted-elsewhere", "resolved-elsewhere"}:
        codes.append("sources-disagree")
    if group.named.how != "code":
        codes.append("substance-by-name" if group.named.how == "name" else "substance-unresolved")
    codes += [c for c in ("test-positive", "test-negative") if any(f.says == c for f in facts)]
    if any(f.at_us == 0 for f in facts):
        codes.append("time-unknown")
    return codes


def _detail(substance: Substance, facts: Sequence[Fact], allergens: Allergens) -> dict[str, str]:
    """Worst of each of what holds; criticality and severity are never made from each other."""
    told = [f for f in facts if f.says in LISTED] or [f for f in facts if f.detail]
    critical = {f.detail.get("criticality") for f in told}
    severe = {f.detail.get("severity") for f in told}
    reactions = {r for f in told for r in f.detail.get("reactions", "").split(", ") if r}
    categories = {c for f in told for c in f.detail.get("category", "").split()}
    kinds = sorted({f.detail["kind"] for f in told if f.detail.get("kind")})
    return stripped(
        {
            "criticality": next((c for c in _CRITICALITY if c in critical), ""),
            "severity": next((s for s in _SEVERITY if s in severe), ""),
            "reactions": ", ".join(sorted(reactions)),
            "category": " ".join(sorted(categories)),
            "kind": " ".join(kinds),
            "substance": substance.kind,
            "classes": " ".join(substance.classes),
            "ingredients": " / ".join(allergens.ingredients_of(substance)),
        }
    )


def _members(lines: list[Line], table: AllergyRules, substances: Substances) -> list[Line]:
    """A class that is listed while one of its members was refuted: both lines say so."""
    tolerated = {
        line.key: line for line in lines if line.status == "refuted" and line.detail.get("classes")
    }
    if not tolerated or "member-tolerated" not in table.discrepancies:
        return lines
    result = []
    for line in lines:
        if line.status == "active" and line.detail.get("substance") == "class":
            key = line.key.removeprefix("substance:")
            facts = [
                f
                for other in tolerated.values()
                if key in other.detail["classes"].split()
                for f in other.facts
                if f.says in ("refuted", "challenge-negative")
            ]
            if facts:
                line = also(line, disc("member-tolerated", facts))
        result.append(line)
    return result


def _decided(
    lines: list[Line], decisions: Sequence[Decision], substances: Substances
) -> list[Line]:
    """The lines under what clinicians decided; denials last, since what they deny may be decided
    about too."""

    def denies(key: str) -> bool:
        known = substances.by_key.get(key.removeprefix("substance:"))
        return known is not None and known.kind == "none"

    def overtaken(line: Line, decision: Decision, status: str) -> list[Fact]:
        """Nobody's word that there are none holds beside an allergy that there is."""
        if status != "active":
            return later_or_unseen(line, decision, ("denied",), repeated=("denied",))
        active = [x for x in made if x.status == "active" and in_scope(line.key, x)]
        listed = [f for x in active for f in x.facts if f.says in LISTED]
        return listed or [f for x in active for f in x.facts]

    mine = [d for d in decisions if not denies(d.key)]
    rest = [d for d in decisions if denies(d.key)]
    allergies = [x for x in lines if not denies(x.key)]
    made = decide(ListKind.ALLERGIES, allergies, mine, _contradicts)
    denials = [x for x in lines if denies(x.key)]
    return [*made, *decide(ListKind.ALLERGIES, denials, rest, overtaken)]


def _contradicts(line: Line, decision: Decision, status: str) -> list[Fact]:
    """Facts that say otherwise than a decision; a list that repeats itself is not newer.

    A confirmed allergy gives way to what is newer only: a refutation from before it was confirmed
    must not take it off the list, however late it arrives.
    """
    if status == "active":
        denied = ("refuted", "challenge-negative")
        return later_or_unseen(line, decision, denied, dated=denied)
    against = (*LISTED, "challenge-positive")
    return later_or_unseen(line, decision, against, repeated=LISTED)


_STATUS_ORDER: Final = {"active": 0, "unknown": 1, "inactive": 2, "resolved": 3, "refuted": 4}


def _order(line: Line) -> tuple[int, int, int, str, str]:
    urgent = _CRITICALITY.index(line.detail.get("criticality", "low"))
    denial = line.detail.get("substance") == "none"
    return (_STATUS_ORDER.get(line.status, 5), denial, urgent, line.text.casefold(), line.key)
