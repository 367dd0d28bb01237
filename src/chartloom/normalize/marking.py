"""Sensitivity labels of what a message says: into ``meta.security`` and as masks.

Each resource is judged by the rules (``sensitivity/``). Results of a report that is labelled as a
whole carry its labels too, for the report's name may be all that tells what a bare number means.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from chartloom.domain.feed import Feed
from chartloom.domain.labels import PERSON_MASK, SYSTEM, Label, labels_of, mask
from chartloom.domain.resource import Contribution, Evidence, FhirJson
from chartloom.normalize.sensitivity import Labeller, explain, with_labels

#: In a mapping's files: the rules of sensitivity.
FOLDER = "sensitivity/"
#: The rule by which everything of a feed is restricted that no other rule labels.
FEED_RULE = "feed.sensitive"


def files_of(labeller: Labeller) -> dict[str, bytes]:
    """The rules as files of a mapping."""
    return {FOLDER + name: content for name, content in labeller.files.items()}


def spread(contributions: list[Contribution]) -> None:
    """Gives the results of labelled reports the labels of their report, in place."""
    inherited: dict[str, int] = {}
    for said in contributions:
        labels = said.labels & ~PERSON_MASK
        if labels and said.type == "DiagnosticReport":
            for result in said.resource.get("result", ()):
                id = result.get("reference", "").rpartition("/")[2]
                inherited[id] = inherited.get(id, 0) | labels
    if not inherited:
        return
    for number, said in enumerate(contributions):
        more = inherited.get(said.id, 0) & ~said.labels
        if more:
            labels = said.labels | more
            resource = with_labels(said.resource, labels_of(labels))
            contributions[number] = msgspec.structs.replace(said, resource=resource, labels=labels)


def marked(resource: FhirJson, labeller: Labeller, feed: Feed) -> tuple[FhirJson, int]:
    """The resource with its labels, and their mask."""
    labels = labeller.labels_of(resource, feed.sensitive)
    if not labels:
        return resource, 0
    return with_labels(resource, labels), mask(labels)


#: Rule, location and spans: why something has a label.
_Why = tuple[str, str, tuple[tuple[int, int], ...]]


def evidence(
    contributions: Iterable[Contribution], found: Iterable[Evidence], labeller: Labeller
) -> list[Evidence]:
    """Why each label is there: the rule, and where in the message stands what it judged.

    found: the evidence for everything else. A result that has a label from its report has the
    report's evidence; what only the feed's setting restricts has :data:`FEED_RULE` and no place.
    """
    by_resource: dict[str, list[Evidence]] = {}
    for item in found:
        by_resource.setdefault(item.resource_id, []).append(item)
    labelled = [c for c in contributions if c.labels]
    whys = {c.id: _whys(c.resource, by_resource.get(c.id, []), labeller) for c in labelled}
    reports: dict[str, dict[Label, list[_Why]]] = {}
    for said in labelled:
        for result in said.resource.get("result", ()) if said.type == "DiagnosticReport" else ():
            reports.setdefault(result.get("reference", "").rpartition("/")[2], whys[said.id])
    nowhere: list[_Why] = [(FEED_RULE, "", ())]
    result = []
    for said in labelled:
        elements = _codings(said.resource)
        for label in sorted(labels_of(said.labels)):
            own = whys[said.id].get(label) or reports.get(said.id, {}).get(label) or nowhere
            result += [Evidence(said.id, elements[label], *why) for why in own]
    return result


def _whys(resource: FhirJson, found: list[Evidence], labeller: Labeller) -> dict[Label, list[_Why]]:
    """The rules that matched something that the message said; not what we wrote ourselves."""
    result: dict[Label, dict[_Why, None]] = {}
    for reason in explain(labeller, resource):
        places = _places(reason.element, found)
        if not places and reason.element.startswith("meta."):
            continue
        for location, spans in places or [("", ())]:
            result.setdefault(reason.label, {})[reason.rule, location, spans] = None
    return {label: list(held) for label, held in result.items()}


def _places(element: str, found: list[Evidence]) -> list[tuple[str, tuple[tuple[int, int], ...]]]:
    """Where an element comes from; where nobody knows, where what it is a part of does."""
    inside = [e for e in found if _is_part(e.element, element)]
    around = [e for e in found if _is_part(element, e.element)]
    return [(e.location, e.spans) for e in inside or around]


def _is_part(element: str, whole: str) -> bool:
    return element == whole or element.startswith((f"{whole}.", f"{whole}["))


def _codings(resource: FhirJson) -> dict[Label, str]:
    """Label -> where it stands in the resource."""
    at = {(c.get("system"), c.get("code")): n for n, c in enumerate(resource["meta"]["security"])}
    return {
        label: f"meta.security[{at[key]}]"
        for label in Label
        if (key := (SYSTEM[label], label.value)) in at
    }
