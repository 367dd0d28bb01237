"""A clinician's decision about a line: permitted, on record, landed; then the list again."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from chartloom.chart import ChartSummary
from chartloom.chart.reconcile import Decision, Line, ListKind, contents_of
from chartloom.domain.decisions import STATUSES, WITHDRAWN
from chartloom.domain.grant import Grant
from chartloom.domain.store import SearchHit
from chartloom.guard.audit import events
from chartloom.guard.facts import actor_of
from chartloom.normalize.steward import arrival, decision, decision_id
from chartloom.serve import chart_pages, needs
from chartloom.serve.console import Console, asking_of, first, form_of, visitor_of
from chartloom.serve.denials import denied, must_be_whole
from chartloom.serve.landed import settle
from chartloom.serve.lists.reading import read_lists
from chartloom.serve.lists.shown import row_of, seen_of


def done_purpose(request: Request) -> str:
    """Ties the note about what was just decided to the session."""
    return f"decided {visitor_of(request).key.hex()}"


def decide(console: Console, request: Request, kind: ListKind) -> Response:
    """Takes the form of a line and leads back to the list."""
    any_id, form, visitor = request.path_params["person"], form_of(request), visitor_of(request)
    need = needs.reconcile(any_id, kind.value)
    asking = asking_of(request)
    must_be_whole(console)
    permit = console.authority.permit(visitor.principal, need, asking)
    key, said = first(form, "line", 300), first(form, "said", 40)
    log = console.doors.lists.log
    grant = permit.grant
    with console.store.together(grant):
        hit, chart = chart_pages.read_person(grant, console, any_id)
        lists = read_lists(grant, console, hit, chart, [kind])
    line = next((x for x in lists.of[kind].lines if x.key == key), None)
    known = next((d for d in lists.decisions if d.kind is kind and d.key == key), None)
    taken_back = said == WITHDRAWN and known is not None and bool(known.said)
    if log is None or line is None or not (said in STATUSES[kind] or taken_back):
        raise denied(console, request, need)
    home = f"/chart/{hit.person_id}/{kind.value}"
    if said != WITHDRAWN and first(form, "seen", 64) != seen_of(line, visitor.csrf):
        permit.run(_looked)
        handle = console.handles.hide({"changed": line.text}, done_purpose(request))
        return RedirectResponse(f"{home}?show=all&done={handle}#{row_of(key, visitor.csrf)}", 303)
    actor, now_us = actor_of(visitor.principal), console.clock.now_us()
    patient = known.source_patient if known else _owner(line, hit)
    id = decision_id(console.namespace, patient, kind.value, key)
    about = console.authority.context(visitor.principal, permit.purpose, asking, grant)
    console.authority.record(events.reconciled(about, patient, id, kind.value, said))
    items = dict.fromkeys((f.resource_type, f.resource_id) for f in line.facts)
    body = decision(
        kind.value, key, said, patient, list(items), by=actor, text=line.text,
        labels=_labels(line, chart, known), said_us=now_us, contents=contents_of(line.facts),
    )  # fmt: skip
    (receipt,) = log.land([arrival(body, patient, now_us)])
    _settle(grant, console, id, receipt.position)
    told = {"line": key, "text": line.text, "said": said, "position": str(receipt.position)}
    handle = console.handles.hide(told, done_purpose(request))
    show = first(form, "show", 10)
    query = f"show={show}&" if show in ("check", "all") else ""
    return RedirectResponse(f"{home}?{query}done={handle}", 303)


def _looked(_: Grant) -> None:
    """The chart was read and nothing decided: a look like any other, on record as one."""


def _owner(line: Line, hit: SearchHit) -> str:
    """In whose record the decision stands: of the newest fact behind the line."""
    return next((f.source_patient for f in line.facts if f.source_patient), hit.source_patients[0])


def _labels(line: Line, chart: ChartSummary, known: Decision | None) -> int:
    """The decision is as sensitive as everything that it is about."""
    ids = [f.resource_id for f in line.facts] + ([known.id] if known else [])
    found = 0
    for section in chart.sections.values():
        for id in ids:
            found |= section.labels.get(id, 0)
    return found


def counts(decisions: Sequence[Decision], kind: ListKind, key: str, said: str) -> bool:
    """Whether the last word about a line is this one: landed is not applied."""
    held = [d.said for d in decisions if d.kind is kind and d.key == key and d.said]
    return said in held if said != WITHDRAWN else not held


def _settle(grant: Grant, console: Console, id: str, position: int) -> None:
    """Waits until the decision counts."""

    def there() -> bool:
        state = console.store.states(grant, [id]).get(id)
        return state is not None and any(s.position >= position for s in state.stamps.values())

    settle(there, console.doors.lists.settle_s)
