"""Decisions of clinicians over what the rules say: they hold until newer facts contradict."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from chartloom.chart.reconcile.lines import Decided, Discrepancy, Fact, Line, Said

CHANGED = "changed-since-reconciled"
DECIDED = "clinician-decided"
_DAY_US = 86_400_000_000

#: What contradicts a status when it is said later.
_AGAINST_ACTIVE = frozenset(
    ("order-stopped", "order-cancelled", "order-completed", "order-on-hold", "listed-stopped",
     "listed-completed", "listed-not-taken", "listed-on-hold", "not-to-do")
)  # fmt: skip
_AGAINST_ENDED = frozenset(("order-active", "listed", "filled", "given"))


def apply_decisions(
    lines: Sequence[Line], said: Sequence[Said], now_us: int, days: int
) -> list[Line]:
    """Each line under the newest decision about it. days: how long "active" holds on its own."""
    chosen: dict[str, Said] = {}
    for one in sorted(said, key=lambda s: (s.at_us, s.position)):
        if (key := _line_of(one, lines)) is not None:
            chosen[key] = one
    return [_under(x, chosen[x.key], now_us, days) if x.key in chosen else x for x in lines]


def _line_of(said: Said, lines: Sequence[Line]) -> str | None:
    """The line of that key, else the one that holds most of its facts (smallest key if equal)."""
    if any(line.key == said.key for line in lines):
        return said.key
    facts = frozenset(said.facts)
    shares = [(-sum(f.resource_id in facts for f in x.facts), x.key) for x in lines]
    best = min(shares, default=(0, ""))
    return best[1] if best[0] < 0 else None


def _under(line: Line, said: Said, now_us: int, days: int) -> Line:
    newer = _newer_against(line, said)
    expired = said.status == "active" and now_us - said.at_us > days * _DAY_US
    decided = Decided(said.by, said.at_us, said.status, said.position, bool(newer), said.note)
    if newer:
        changed = Discrepancy(CHANGED, tuple(sorted(f.resource_id for f in newer)))
        kept = [d for d in line.discrepancies if d.code != CHANGED]
        found = tuple(sorted([*kept, changed], key=lambda d: d.code))
        return replace(line, decided=decided, discrepancies=found)
    if expired:
        return replace(line, decided=decided, because=(*line.because, "decided-long-ago"))
    return replace(line, decided=decided, status=said.status, reason=DECIDED)


def _newer_against(line: Line, said: Said) -> list[Fact]:
    """Facts that came after the decision and contradict it. Fills alone make nothing active, yet a
    fill after a stop is something that whoever decided should see."""
    against = _AGAINST_ACTIVE if said.status == "active" else _AGAINST_ENDED
    if said.status == "unknown":
        return []
    return [f for f in line.facts if f.says in against and f.at_us > said.at_us]
