"""The Messages pages: search the log, and look at one message from bytes to consequences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import urlencode

import msgspec
from markupsafe import Markup
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from chartloom.domain.errors import NotFound, StoreDamaged
from chartloom.domain.grant import Grant
from chartloom.domain.issues import CATALOGUE, Issue, IssueCode, Severity
from chartloom.domain.labels import mask_of_grant
from chartloom.domain.message import MessageState
from chartloom.domain.resource import Evidence, LossRow
from chartloom.domain.store import MessageFilter, MessageRow
from chartloom.guard.authority import Need
from chartloom.serve import json_view, needs, unjudged, words
from chartloom.serve.answered import Answer, answers
from chartloom.serve.bytes_view import visible
from chartloom.serve.console import (
    Console,
    first,
    form_of,
    local_us,
    purpose_of,
    visitor_of,
    whole_number,
)
from chartloom.serve.tracing import Trace, draw, evidence_href, field_values, trace

NO_POSITION = unjudged.NO_POSITION
_PAGE_ROWS = 50
_PERSONS_MAX = 50
#: How often the log is looked at for one page whose rows may not be named.
_LOOKS_MAX = 20
_FIELDS_SHOWN_MAX = 3000
_VALUE_BYTES_MAX = 400


class Search(msgspec.Struct, frozen=True):
    """What the search form says. ``patient`` and ``control`` never stand in a URL in clear."""

    feed: str = ""
    type: str = ""
    state: str = ""
    received_from: str = ""
    received_to: str = ""
    patient: str = ""
    control: str = ""
    find: str = ""  #: handle with patient and control
    person: str = ""  #: person or source patient id (an opaque id)
    before: int = 0

    @property
    def narrowed(self) -> bool:
        """Does anything restrict the list?"""
        return any(
            (
                self.feed,
                self.type,
                self.state,
                self.received_from,
                self.received_to,
                self.find,
                self.person,
            )
        )

    def query(self, **changes: str | int) -> str:
        """The URL's query for this search, with changes."""
        values: dict[str, str | int] = {
            "feed": self.feed,
            "type": self.type,
            "state": self.state,
            "from": self.received_from,
            "to": self.received_to,
            "find": self.find,
            "person": self.person,
            "before": self.before,
        }
        return urlencode({k: v for k, v in (values | changes).items() if v})


async def _charts(console: Console, request: Request, named: set[str]) -> frozenset[str]:
    """Of those named on a page, whose chart it may lead the visitor to."""
    principal = visitor_of(request).principal
    patients = sorted(named - {""})
    return await run_in_threadpool(console.authority.open_charts, principal, patients)


def routes(console: Console) -> list[BaseRoute]:
    """``/messages``, ``/messages/{position}``, ``/messages/{position}/raw``."""

    async def search(request: Request) -> Response:
        asked = asked_of(console, request)
        found = await console.ask(request, needed(asked), find_rows, console, request, asked)
        rows = found.rows if found else ()
        return console.page(
            request,
            "messages.html",
            search=asked,
            rows=rows,
            charts=await _charts(console, request, {row.source_patient for row in rows}),
            nobody=found is None,
            before=found.before if found else 0,
            states=list(MessageState),
        )

    async def submit(request: Request) -> Response:
        form = form_of(request)
        terms = {name: value for name in ("patient", "control") if (value := first(form, name))}
        asked = Search(
            feed=first(form, "feed"),
            type=first(form, "type"),
            state=first(form, "state"),
            received_from=first(form, "from"),
            received_to=first(form, "to"),
            find=console.handles.hide(terms, purpose_of(request)) if terms else "",
            person=first(form, "person", 64),
        )
        return RedirectResponse(f"/messages?{asked.query()}", 303)

    async def one(request: Request) -> Response:
        position = whole_number(request.path_params["position"])
        need = await run_in_threadpool(unjudged.need_of, console, request, known(position))
        explain = unjudged.only_waiting(need, _explain, lambda found: found["row"])
        explained = await console.ask(request, need, explain, console, position)
        named = {explained["row"].source_patient}
        named |= {p for link in explained["detail"].links for p in (link.prior, link.surviving)}
        charts = await _charts(console, request, named)
        return console.page(request, "message.html", charts=charts, **explained)

    async def raw(request: Request) -> Response:
        position = whole_number(request.path_params["position"])
        asked = (console, request, known(position), "message/raw")
        need = await run_in_threadpool(unjudged.need_of, *asked)
        read = unjudged.only_waiting(need, console.store.detail, lambda found: found.row)
        detail = await console.ask(request, need, read, position)
        if detail.message.shown:
            raise NotFound("not all bytes of this message can be read.")
        if detail.message.fault:  # no bytes rather than wrong ones
            entry = entry_of(detail.message.fault)
            raise StoreDamaged(entry.title, cure=entry.cure)
        return Response(
            detail.message.body,
            media_type="application/octet-stream",
            headers={"content-disposition": f'attachment; filename="message-{position}.bin"'},
        )

    return [
        Route("/messages", search),
        Route("/messages", submit, methods=["POST"]),
        Route("/messages/{position}", one),
        Route("/messages/{position}/raw", raw),
    ]


def known(position: int) -> int:
    """A position to ask for; that of no message for what is no number."""
    return position or NO_POSITION


def needed(asked: Search) -> Need:
    """What a search among messages asks for: those of one person, or all."""
    need = needs.messages_of(asked.person) if asked.person else needs.MESSAGES
    terms = {"any": " ".join(asked.patient.casefold().split())} if asked.patient else {}
    return msgspec.structs.replace(need, terms=terms)


def asked_of(console: Console, request: Request) -> Search:
    query = request.query_params
    terms = console.handles.reveal(query.get("find", ""), purpose_of(request))
    return Search(
        feed=query.get("feed", "")[:100],
        type=query.get("type", "")[:100],
        state=query.get("state", "") if query.get("state", "") in list(MessageState) else "",
        received_from=query.get("from", "")[:30],
        received_to=query.get("to", "")[:30],
        patient=terms.get("patient", ""),
        control=terms.get("control", ""),
        find=query.get("find", "") if terms else "",
        person=query.get("person", "")[:64],
        before=whole_number(query.get("before", "")),
    )


class Found(msgspec.Struct, frozen=True):
    """A page of rows. before: where the next one begins, 0 if this is the last."""

    rows: tuple[MessageRow, ...]
    before: int


def find_rows(grant: Grant, console: Console, request: Request, asked: Search) -> Found | None:
    """A page of rows; None when the search names a patient nobody knows."""
    patients: tuple[str, ...] = ()
    if asked.patient:
        hits = console.store.find_persons(grant, "any", asked.patient, _PERSONS_MAX)
        patients = _open_to(grant, console, [p for hit in hits for p in hit.source_patients])
        if not patients:
            return None
    if asked.person:
        of_person = console.store.person(grant, asked.person).source_patients
        patients = tuple(p for p in patients if p in of_person) if patients else of_person
    where = MessageFilter(
        feed=asked.feed,
        message_type=asked.type,
        source_patients=patients,
        state=MessageState(asked.state) if asked.state else None,
        control_id=asked.control,
        received_from_us=local_us(console, asked.received_from),
        received_to_us=local_us(console, asked.received_to),
        before=asked.before,
        limit=_PAGE_ROWS + 1,
    )
    return _whole_page(grant, console, request, where)


def _whole_page(grant: Grant, console: Console, request: Request, where: MessageFilter) -> Found:
    """Rows that may be named, as many as a page holds if there are so many."""
    rows: list[MessageRow] = []
    for _ in range(_LOOKS_MAX):
        part = console.store.search(grant, where)
        rows += named(grant, console, request, part)
        if len(rows) > _PAGE_ROWS:
            return Found(tuple(rows[:_PAGE_ROWS]), rows[_PAGE_ROWS - 1].position)
        if len(part) < where.limit:
            return Found(tuple(rows), 0)
        where = msgspec.structs.replace(where, before=part[-1].position)
    return Found(tuple(rows), where.before)


def named(
    grant: Grant, console: Console, request: Request, rows: Sequence[MessageRow]
) -> list[MessageRow]:
    """The rows that a list may name to the visitor: not those of a person who is closed, for
    example of a celebrity."""
    principal, options = visitor_of(request).principal, needs.message(NO_POSITION).options
    positions = [r.position for r in rows]
    open_ = console.authority.listable(principal, options, positions, grant.persons)
    return [r for r in rows if r.position in open_]


def _open_to(grant: Grant, console: Console, found: list[str]) -> tuple[str, ...]:
    """Without persons whose own label (celebrity, employee) the grant does not cover: that a name
    is known here would tell of them."""
    if not found:
        return ()
    gatherer, covered = console.authority.gatherer, mask_of_grant(grant.labels)
    known = gatherer.facts.known_of_all(gatherer.grant(), found)
    open_ = {p for k in known if not k.person_labels & ~covered for p in k.source_patients}
    return tuple(p for p in found if p in open_)


_NO_ANSWERS: Final[Mapping[str, Answer]] = MappingProxyType({})


class ShownIssue(msgspec.Struct, frozen=True):
    """An issue with its catalogue entry, where its bytes are, and how it is answered by now."""

    issue: Issue
    entry: IssueCode
    answer: Answer | None = None

    @property
    def spans(self) -> str:
        """For the script: ``12-15``."""
        return "{}-{}".format(*self.issue.span) if self.issue.span else ""


def shown_issues(
    issues: tuple[Issue, ...], answered: Mapping[str, Answer] = _NO_ANSWERS
) -> list[ShownIssue]:
    """Issues, the gravest first and answered ones last; a code of a removed plug-in still shows."""
    order = list(Severity)
    known = [ShownIssue(i, entry_of(i.code), answered.get(i.code)) for i in issues]
    return sorted(known, key=lambda s: (s.answer is not None, order.index(s.entry.severity)))


def entry_of(code: str) -> IssueCode:
    """The catalogue's entry for a code, or one that says that the code is not known here."""
    return CATALOGUE.get(code) or IssueCode(
        code,
        Severity.WARNING,
        "This code is not in the catalogue of this version.",
        "Look it up in the release notes of the version that wrote it.",
    )


def _explain(grant: Grant, console: Console, position: int) -> dict[str, Any]:
    explained = trace(console, grant, position)
    detail = explained.detail
    derived = explained.traced.derived if explained.traced else None
    resources = [c.resource for c in derived.contributions] if derived else []
    if detail.resources:
        resources = list(detail.resources)
    reason = detail.row.quarantine or detail.message.fault
    issues = detail.issues or (derived.issues if derived and not detail.row.excerpt else ())
    shown = shown_issues(
        issues, answers(grant, console, derived.contributions if derived else (), issues)
    )
    return {
        "detail": detail,
        "row": detail.row,
        "explained": explained,
        "bytes": draw(explained, []),
        "resources": [_shown_resource(explained, r) for r in resources],
        "issues": shown,
        "open_count": sum(s.answer is None for s in shown),
        "segments": words.runs(_fields(explained), "segment"),
        "field_count": len(explained.loss.rows),
        "fields_shown_max": _FIELDS_SHOWN_MAX,
        "counts": explained.loss.counts,
        "provenance": json_view.render(detail.provenance, lambda _: None)
        if detail.provenance
        else None,
        "event_us": derived.event_us if derived else 0,
        "reason": entry_of(reason) if reason else None,
        "owner": explained.feed.owner if explained.feed else "",
    }


class Field(msgspec.Struct, frozen=True):
    """One leaf of the parsed message: what it says and what became of it."""

    segment: str
    row: LossRow
    value: Markup


def _fields(explained: Trace) -> list[Field]:
    """The leaves in the order of the message."""
    values = field_values(explained)
    body = explained.detail.message.body
    shown = []
    for row in sorted(explained.loss.rows, key=lambda r: r.span)[:_FIELDS_SHOWN_MAX]:
        text = values.get(row.span)
        raw = (
            text.encode("utf-8", "surrogateescape") if text is not None else body[slice(*row.span)]
        )
        parent = row.location.rpartition("-" if values else "/")[0]
        shown.append(Field(parent, row, visible(raw[:_VALUE_BYTES_MAX])))
    return shown


class ShownResource(msgspec.Struct, frozen=True):
    """A contribution as the message page shows it."""

    id: str
    type: str
    json: Markup
    value_count: int
    weak: tuple[str, ...] = ()


def _shown_resource(explained: Trace, resource: dict[str, Any]) -> ShownResource:
    by_element: dict[str, list[Evidence]] = {}
    if explained.traced:
        for evidence in explained.traced.evidence:
            if evidence.resource_id == resource["id"]:
                by_element.setdefault(evidence.element, []).append(evidence)

    def lead(path: str) -> json_view.Anchor | None:
        found = by_element.get(path)
        if not found:
            return None
        spans = tuple(span for evidence in found for span in evidence.spans)
        label = "; ".join(f"{e.location}, rule {e.rule}" for e in found)
        href = f"#b{spans[0][0]}" if spans else evidence_href(resource["id"], path)
        return json_view.Anchor(href, label, spans)

    return ShownResource(
        resource["id"],
        resource["resourceType"],
        json_view.render(resource, lead),
        sum(1 for _ in json_view.leaves(resource)),
    )
