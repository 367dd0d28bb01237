"""The Chart pages: find a person; summary, section, series, timeline and document of one."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Collection
from typing import Any
from urllib.parse import urlencode

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from chartloom.chart import ChartSummary, summary
from chartloom.chart.reconcile import ListKind
from chartloom.chart.shape import ENTRIES, POINTS, entry_of, point_of
from chartloom.chart.strangers import without_strangers
from chartloom.domain.chart import PlacedState, Section
from chartloom.domain.errors import NotFound
from chartloom.domain.grant import Grant
from chartloom.domain.store import MessageRow, SearchHit
from chartloom.formats.documents import markup_lines
from chartloom.serve import marks, needs, people, results, svg, words
from chartloom.serve.chart_words import dosage_words, doses_alone, shown_total
from chartloom.serve.console import Console, first, form_of, purpose_of
from chartloom.serve.denials import denied
from chartloom.serve.freshness import FreshnessLabel, worst
from chartloom.serve.identity.chart_card import with_card
from chartloom.serve.lists import glance
from chartloom.serve.lists.reading import Lists, read_lists
from chartloom.serve.tracing import evidence_href
from chartloom.serve.wholeness import heard_of

_SERIES_MAX = 500
_TIMELINE_ROWS = 60
_TEXT_BYTES_MAX = 2_000_000

#: Sections in the order a reader needs them, with their titles.
TITLES = {
    Section.RESULTS: "Results",
    Section.MEDICATIONS: "Medications",
    Section.PROBLEMS: "Problems",
    Section.ALLERGIES: "Allergies",
    Section.ENCOUNTERS: "Encounters",
    Section.ORDERS: "Orders",
    Section.REPORTS: "Reports",
    Section.DOCUMENTS: "Documents",
    Section.IMMUNISATIONS: "Immunizations",
    Section.APPOINTMENTS: "Appointments",
    Section.COVERAGE: "Coverage",
    Section.CHARGES: "Charges",
    Section.DEMOGRAPHICS: "Demographics",
}

#: What a row of the timeline is.
KINDS = {
    "Observation": "Result",
    "DiagnosticReport": "Report",
    "MedicationRequest": "Prescription",
    "MedicationStatement": "Medication",
    "MedicationDispense": "Dispensed",
    "MedicationAdministration": "Given",
    "Condition": "Problem",
    "AllergyIntolerance": "Allergy",
    "Encounter": "Encounter",
    "ServiceRequest": "Order",
    "DocumentReference": "Document",
    "Immunization": "Immunization",
    "Appointment": "Appointment",
    "Coverage": "Coverage",
    "ChargeItem": "Charge",
    "Account": "Account",
}
#: The last row of a page of the timeline: its moment and id.
_PLACE = re.compile(r"(-?[0-9]{1,18})~([A-Za-z0-9.-]{1,64})")
_NEWEST = (0, "")
#: Lists that the summary shows.
_CARDS = (ListKind.MEDICATIONS, ListKind.PROBLEMS)
_BY_NAME = {section.name.lower(): section for section in TITLES}


class PersonPage(msgspec.Struct, frozen=True):
    """What every page about one person shows at its top."""

    hit: SearchHit
    chart: ChartSummary
    labels: tuple[FreshnessLabel, ...]
    newest: MessageRow | None
    told: ChartSummary  #: the chart as it was read; ``chart`` is softened for templates
    lists: Lists  #: the allergies at least

    @property
    def freshness(self) -> str:
        """The worst label of the feeds that speak about this person."""
        return worst(list(self.labels)).value

    @property
    def said_us(self) -> int:
        """When a source last said anything about this person."""
        return max(
            (us for s in self.chart.sections.values() for us in s.said_us.values()), default=0
        )


def routes(console: Console) -> list[BaseRoute]:
    """``/chart`` and everything below it, and ``/documents``."""

    async def find(request: Request) -> Response:
        terms = console.handles.reveal(request.query_params.get("find", ""), purpose_of(request))
        field, value = terms.get("field", "any"), terms.get("value", "")
        need = needs.search(field, value)
        found, latest = await console.seek(
            request, need, _in_both, people.find_and_recent, console, field, value
        )
        return console.page(
            request, "find.html", fields=people.FIELDS, field=field, value=value, found=found,
            latest=latest, age=words.age,
        )  # fmt: skip

    async def submit(request: Request) -> Response:
        form = form_of(request)
        field, value = first(form, "field"), first(form, "value")
        if field not in people.FIELDS:
            field = "any"
        if not value:
            return RedirectResponse("/chart", 303)
        need = needs.search(field, value)
        found = await console.seek(
            request, need, people.patients_in, people.find, console, field, value
        )
        if len(found) == 1:
            return RedirectResponse(f"/chart/{found[0].id}", 303)
        handle = console.handles.hide({"field": field, "value": value}, purpose_of(request))
        return RedirectResponse(f"/chart?find={handle}", 303)

    async def person(request: Request) -> Response:
        any_id = request.path_params["person"]
        shown = await console.ask(
            request, needs.chart(any_id), person_page, console, any_id, _CARDS
        )
        return page_of(console, request, "person.html", shown, tab="summary")

    async def section(request: Request) -> Response:
        any_id = request.path_params["person"]
        chosen = _BY_NAME.get(request.path_params["section"])
        if chosen is None:  # there is no such section of any chart
            need = needs.chart("", "section")
            raise await run_in_threadpool(denied, console, request, need)
        need = needs.chart(any_id, chosen.name.lower())
        wanted = chosen is Section.DEMOGRAPHICS
        shown, identity = await console.ask(
            request, need, with_card, console, request, person_page, any_id, wanted
        )
        return page_of(
            console, request, "section.html", shown, tab=chosen.name.lower(), chosen=chosen,
            identity=identity,
        )  # fmt: skip

    async def series(request: Request) -> Response:
        any_id = request.path_params["person"]
        values = await console.ask(
            request, needs.chart(any_id, "series", may_miss=True), _series, console, any_id,
            request.path_params["series"],
        )  # fmt: skip
        shown = values.pop("shown")
        return page_of(console, request, "series.html", shown, tab="results", **values)

    async def timeline(request: Request) -> Response:
        chosen = [_BY_NAME[n] for n in request.query_params.getlist("section") if n in _BY_NAME]
        before = _place(request.query_params.get("before", ""))
        any_id = request.path_params["person"]
        values = await console.ask(
            request, needs.chart(any_id, "timeline"), _timeline, console, any_id, chosen, *before
        )
        return page_of(
            console, request, "timeline.html", values.pop("shown"), tab="timeline", chosen=chosen,
            before=before != _NEWEST, **values,
        )  # fmt: skip

    async def document(request: Request) -> Response:
        resource = request.path_params["resource"]
        values = await console.ask(request, needs.document(resource), _document, console, resource)
        return page_of(
            console, request, "document.html", values.pop("shown"), tab="documents", **values
        )

    return [
        Route("/chart", find),
        Route("/chart/find", submit, methods=["POST"]),
        Route("/chart/{person}", person),
        Route("/chart/{person}/timeline", timeline),
        Route("/chart/{person}/results/{series}", series),
        Route("/chart/{person}/{section}", section),
        Route("/documents/{resource}", document),
    ]


def page_of(
    console: Console, request: Request, template: str, shown: PersonPage, **values: Any
) -> Response:
    """A page with the person's banner."""
    zone, allergies = console.zone, glance.active_allergies(shown.lists)
    return console.page(
        request,
        template,
        shown=shown,
        chart=shown.chart,
        titles=TITLES,
        kinds=KINDS,
        Section=Section,
        age=words.age,
        href=evidence_href,
        value_link=marks.ev,
        value_or_link=marks.evo,
        time_link=marks.when_in(zone),
        trend=lambda entry: results.trend(entry, zone),
        flags=results.flags,
        range_words=results.range_words,
        value_words=results.value_words,
        dosage_words=dosage_words,
        doses_alone=doses_alone,
        warned=[x for x in allergies if x.detail.get("substance") != "none"],
        denied=[x for x in allergies if x.detail.get("substance") == "none"],
        doubtful=glance.doubtful_allergies(shown.lists),
        listed=lambda kind: glance.current(shown.lists, kind),
        reason_of=glance.reason_of,
        status_of=glance.status_of,
        words_of=glance.words_of,
        shown_total=shown_total,
        **values,
    )


def _in_both(answer: tuple[list[people.PersonRow], list[people.PersonRow]]) -> list[str]:
    return [*people.patients_in(answer[0]), *people.patients_in(answer[1])]


def read_person(grant: Grant, console: Console, any_id: str) -> tuple[SearchHit, ChartSummary]:
    """A person and the chart; raises ``NotFound``."""
    with console.store.together(grant):
        hit = console.store.person(grant, any_id)
        views = console.store.sections(grant, hit.source_patients)
    return hit, summary(views, console.clock.now_us())


def _softened(chart: ChartSummary) -> ChartSummary:
    """For templates: entries in which what was not said is an empty text."""
    return msgspec.structs.replace(
        chart,
        patient=words.soft(chart.patient),
        patients=words.soft(chart.patients),
        contacts=words.soft(chart.contacts),
        sections={
            name: msgspec.structs.replace(section, entries=words.soft(section.entries))
            for name, section in chart.sections.items()
        },
    )


def person_page(
    grant: Grant,
    console: Console,
    any_id: str,
    kinds: Collection[ListKind] = (),
    *,
    sources: bool = False,
) -> PersonPage:
    """What stands at the top of every page of a person, and some reconciled lists. sources: whether
    these tell which feed said what."""
    with console.store.together(grant):
        hit, chart = read_person(grant, console, any_id)
        labels, newest = heard_of(grant, console, hit)
        wanted = {ListKind.ALLERGIES, *kinds}
        lists = read_lists(grant, console, hit, chart, wanted, sources=sources)
    return PersonPage(hit, _softened(chart), labels, newest, chart, lists)


def _series(grant: Grant, console: Console, any_id: str, series: str) -> dict[str, Any]:
    shown = person_page(grant, console, any_id)
    placed = console.store.timeline(
        grant, shown.hit.source_patients, (Section.RESULTS,), 0, _SERIES_MAX, series
    )
    points = [point_of(p) for p in placed if p.state.type in POINTS and not p.hidden]
    if not points:
        raise NotFound("There are no such results.", cure="Choose a result in the chart.")
    common = points[0][1]
    newest_first = [point for point, _ in points]
    drawn = results.plotted(newest_first, console.zone)
    band = next((b for point in newest_first if (b := results.band(point))), None)
    return {
        "shown": shown,
        "common": words.soft(common),
        "points": words.soft(newest_first),
        "drawing": svg.series_chart(
            drawn, band, common.get("text", "Result"), words.unit(common.get("unit", ""))
        ),
        "full": len(placed) >= _SERIES_MAX,
    }


class Moment(msgspec.Struct, frozen=True):
    """One row of the timeline."""

    day: str
    section: Section
    entry: dict[str, Any]
    text: str


def _timeline(
    grant: Grant,
    console: Console,
    any_id: str,
    chosen: list[Section],
    before_us: int,
    before_id: str,
) -> dict[str, Any]:
    shown = person_page(grant, console, any_id)
    sections = chosen or [s for s in TITLES if s is not Section.DEMOGRAPHICS]
    found = console.store.timeline(
        grant,
        shown.hit.source_patients,
        sections,
        before_us,
        _TIMELINE_ROWS + 1,
        before_id=before_id,
    )
    placed = found[:_TIMELINE_ROWS]
    moments = [m for p in placed if (m := _moment(console, p)) is not None]
    return {
        "shown": shown,
        "moments": moments,
        "more": len(found) > len(placed),
        "next_before": f"{placed[-1].sort_us}~{placed[-1].state.id}" if placed else "",
        "chosen_query": urlencode([("section", s.name.lower()) for s in chosen]),
    }


def _moment(console: Console, placed: PlacedState) -> Moment | None:
    kind = placed.state.type
    if kind in POINTS:
        point, common = point_of(placed)
        entry = {**common, **point}
    elif kind in ENTRIES:
        entry = entry_of(placed)
    else:
        return None
    day = words.day_heading(entry, placed.sort_us, console.zone)
    return Moment(
        day, placed.section, words.soft(entry), str(entry.get("text") or entry.get("name") or kind)
    )


def _document(grant: Grant, console: Console, resource_id: str) -> dict[str, Any]:
    state = console.store.state(grant, resource_id)
    if state.type not in ("DocumentReference", "Composition"):
        raise NotFound("This is not a document.", cure="Choose a document in the chart.")
    shown = person_page(grant, console, state.source_patient)
    (entry,) = without_strangers([ENTRIES[state.type](state.resource)], shown.told.patients)
    parts = [
        (f"content[{i}].attachment", *_text_of(content.get("attachment", {})))
        for i, content in enumerate(state.resource.get("content", ()))
    ]
    parts += [
        (f"section[{i}].text", _narrative(section), "The section has no text.")
        for i, section in enumerate(state.resource.get("section", ()))
    ]
    return {"shown": shown, "state": state, "entry": words.soft(entry), "parts": parts}


def _narrative(section: dict[str, Any]) -> str:
    """The text of a section of a Composition, without its markup."""
    div = str((section.get("text") or {}).get("div", ""))[:_TEXT_BYTES_MAX]
    lines = [line.text for line in markup_lines(div.encode("utf-8", "replace"))]
    return "\n".join([section["title"], *lines] if lines and section.get("title") else lines)


def _text_of(attachment: dict[str, Any]) -> tuple[str, str]:
    """(text, why there is none) of an attachment."""
    kind = str(attachment.get("contentType", "")).lower()
    data = attachment.get("data")
    if not data:
        return "", "The source sent no text, only where it is kept."
    try:
        raw = base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        return "", "The attachment is not valid base64."
    if not kind.startswith(("text/plain", "text/rtf", "text/html", "text/xml")) and kind:
        return "", f"It is {kind} of {words.size(len(raw))}, which the console does not draw."
    return raw[:_TEXT_BYTES_MAX].decode("utf-8", "replace"), ""


def _place(text: str) -> tuple[int, str]:
    """Where a page begins: the moment and the id of the last row before it."""
    match = _PLACE.fullmatch(text)
    return (int(match[1]), match[2]) if match else _NEWEST
