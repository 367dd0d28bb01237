"""One message through a compiled mapping: group, identify, fill, check, count."""

from __future__ import annotations

from chartloom.domain.issues import Issue
from chartloom.domain.labels import BIT, Label, mask
from chartloom.domain.resource import (
    Contribution,
    FhirJson,
    LinkEvent,
    PatientIdentifier,
)
from chartloom.formats.fhir import validate
from chartloom.formats.hl7v2 import Segment, Tree
from chartloom.normalize.about import issues_of_documents
from chartloom.normalize.context import UNSURE, Instance, Msg, Reads
from chartloom.normalize.engine import Builder, Plan
from chartloom.normalize.functions.times import to_us
from chartloom.normalize.joining import gone, is_stated, joined
from chartloom.normalize.keeping_apart import separate
from chartloom.normalize.links import links_of, mark_moved
from chartloom.normalize.marking import marked, spread
from chartloom.normalize.naming import Naming
from chartloom.normalize.provenance import PROVENANCE, Origin, Template
from chartloom.normalize.recall import Key, Recall, Statement
from chartloom.normalize.sensitivity import Labeller
from chartloom.normalize.sight import in_sight

#: Pads segments that are shorter than what the code looks at.
_EMPTY = [""] * 256
#: Elements that say what a resource is about: two of them under one number are two things.
_TELLING = ("medicationCodeableConcept", "vaccineCode", "code")


class Run:
    """The mapping of one message; its attributes are the parts of a ``Derived``."""

    def __init__(
        self, plan: Plan, m: Msg, sha256: bytes, recall: Recall, labeller: Labeller
    ) -> None:
        self.labeller = labeller
        self.plan, self.m, self.tree, self.sha256 = plan, m, m.tree, sha256
        self.naming = Naming(m, sha256)
        #: Where remembered resources are looked for; None if this message takes part in nothing.
        self.recall = recall if m.tracer is None and not m.tree.issues else None
        self.contributions: list[Contribution] = []
        self.provenance: FhirJson | None = None
        self.links: list[LinkEvent] = []
        self.identifiers: list[PatientIdentifier] = []
        self.withheld = 0  #: mask of labels of what was taken out because it is not valid
        self.origin = Origin()  #: what the Provenance will be made of
        self.by_id: dict[str, int] = {}
        #: (table, conditions) of each segment that filled the resource which is being noted
        self.ran: list[tuple[int, int]] = []

    def apply(self) -> str:
        """Runs it; the quarantine reason, or ``""``."""
        m, naming = self.m, self.naming
        instances, unplaced = self.plan.structure.arrange(self.tree)
        for segment in unplaced:
            m.issue("segment-unplaced", segment)
        lost: list[Instance] = []
        for instance in instances:
            if "PID" in instance.held:
                naming.patient(instance)
            elif instance.parent is not None:
                instance.patient = instance.parent.patient
                if not instance.patient:
                    lost.append(instance)
        definition = self.plan.definition
        if definition.moves:
            mark_moved(definition.moves, instances, m)
        if not naming.source_patient:
            return "no-patient-identifier"
        for instance in lost:
            if instance.held:
                m.issue("group-without-patient", next(iter(instance.held.values()))[0])
        by_group = self.plan.builders(frozenset([segment.name for segment in self.tree.segments]))
        naming.groups = {instance.group for instance in instances}
        # All ids first: resources may refer to those that are filled later.
        wanted = [
            (builder, instance)
            for instance in instances
            for builder in by_group.get(instance.group, ())
            if naming.resource(builder, instance)
        ]
        if len(wanted) > m.env.feed.limits.resources_max:
            return "too-many-resources"
        for builder, instance in wanted:
            self._make(builder, instance)
        spread(self.contributions)
        separate(self.contributions)
        m.issues.extend(issues_of_documents(self.contributions))
        if definition.links:
            self.links = links_of(definition.links, instances, m)
        self._finish_provenance()
        self.contributions.extend(m.directory.values())
        for instance in instances:  # no cycles: what is left of a message is freed at once
            instance.children.clear()
        return ""

    # -- resources

    def _make(self, builder: Builder, instance: Instance) -> None:
        """Fills the resource, or takes the one that the same words made before."""
        if builder.definition.type == PROVENANCE:
            self._make_provenance(builder, instance)
            return
        key = self._recall_key(builder, instance)
        if key is None:
            self._fill(builder, instance)
            return
        recall, m = self.recall, self.m
        assert recall is not None
        found = recall.find(key, m, instance)
        if found is None:
            self._fill_keeping(builder, instance, key, recall)
            return
        builder.worth.found += 1
        self._did(self._segments(builder, instance), found)
        if found.identifiers:
            self.identifiers.extend(found.identifiers)
        self._add(found.contribution)

    def _recall_key(self, builder: Builder, instance: Instance) -> Key | None:
        """What the resource is made of; None if it is not to be remembered."""
        definition, worth = builder.definition, builder.worth
        if self.recall is None or not worth.is_given():
            return None
        lines: list[str] = []
        for segment in self._segments(builder, instance):
            fields = builder.fields.get(segment.name) if lines else None
            if not segment.line:
                return None
            if fields is None:
                lines.append(segment.line)
            else:
                held = segment.fields
                lines.append("\r".join([held[n] for n in fields if n < len(held)]))
        m = self.m
        return (
            m.env,
            self.tree.charset,
            builder.number,
            instance.ids[definition.role][1],
            instance.patient,
            m.event if worth.by_event else "",
            *lines,
        )

    @staticmethod
    def _segments(builder: Builder, instance: Instance) -> list[Segment]:
        """The segments that fill a resource, in the order in which they do."""
        found: list[Segment] = []
        sight = instance.sight
        for _, name, _, _, usual in builder.fillers:
            found += sight.get(name, ()) if usual else in_sight(builder, instance, name)
        return found

    def _did(self, segments: list[Segment], found: Statement | Template) -> None:
        """Notes what making it did the first time."""
        m = self.m
        if found.directory:
            m.directory.update(found.directory)
        coverage = m.coverage
        for segment, ran in zip(segments, found.ran, strict=True):
            coverage[segment.index][ran] = None

    def _fill_keeping(self, builder: Builder, instance: Instance, key: Key, recall: Recall) -> None:
        """Fills the resource and remembers it, if all that it depends on can be compared."""
        issues, identifiers = len(self.m.issues), len(self.identifiers)
        contribution, reads, added = self._fill_noting(builder, instance)
        if contribution is None or len(self.m.issues) != issues:
            return
        kinds = {what for what, _, _ in reads}
        if UNSURE in kinds:
            return
        if "event" in kinds:
            builder.worth.by_event = True
        once = list({read[:2]: read for read in reads}.values())
        found = tuple(self.identifiers[identifiers:])
        recall.keep(key, Statement(contribution, once, added, tuple(self.ran), found))

    def _fill_noting(
        self, builder: Builder, instance: Instance
    ) -> tuple[Contribution | None, Reads, dict[str, Contribution]]:
        """Fills the resource; also what was looked at, and the directory's resources."""
        m = self.m
        directory, m.directory = m.directory, {}
        reads: Reads = []
        m.reads = instance.reads = reads
        self.ran = []
        contribution = self._fill(builder, instance)
        m.reads = instance.reads = None
        added, m.directory = m.directory, directory
        directory.update(added)
        return contribution, reads, added

    def _fill(self, builder: Builder, instance: Instance) -> Contribution | None:
        """Fills the resource and adds what came of it."""
        m = self.m
        definition = builder.definition
        kind, id = instance.ids[definition.role]
        out: FhirJson = {"resourceType": kind, "id": id}
        cleared: list[str] = []
        weak: list[str] = []
        tracer = m.tracer
        coverage, padded = m.coverage, m.padded
        first: Segment | None = None
        noting = instance.reads is not None
        sight = instance.sight
        for number, name, width, fill, usual in builder.fillers:
            for seg in sight.get(name, ()) if usual else in_sight(builder, instance, name):
                f = seg.fields
                index = seg.index
                if len(f) < width:
                    f = padded.get(index, f)
                    if len(f) < width:
                        f = padded[index] = f + _EMPTY[: width - len(f)]
                if tracer is None:
                    bits = fill(f, m, out, seg, instance, cleared, weak)
                else:
                    tracer.begin(number, id)
                    bits = fill(f, m, out, seg, instance, cleared, weak, tracer.record)
                coverage[index][number, bits] = None
                if noting:
                    self.ran.append((number, bits))
                if first is None:
                    first = seg
        for finish in builder.finish:
            finish(out, m, instance, weak, first)
        instance.reads = None
        if kind == PROVENANCE:
            self.origin.out = out
            return None
        if kind == "Patient":
            self._look_up(out)
        contribution = self._checked(out, instance.patient, weak, cleared)
        if contribution is not None:
            self._add(contribution)
        return contribution

    def _checked(
        self, out: FhirJson, patient: str, weak: list[str], cleared: list[str]
    ) -> Contribution | None:
        """The contribution, valid; None if it cannot be made so."""
        found = validate(out)
        if found:
            self.withheld |= mask(self.labeller.labels_in(out))
            if not self._repaired(out, found):
                self.withheld |= BIT[Label.R]
                return None
        back = gone(cleared, out) if cleared else ()
        if found:
            weak = [name for name in weak if is_stated(name, out)]
        out, labels = marked(out, self.labeller, self.m.env.feed)
        return Contribution(out, patient, False, tuple(weak), back, labels)

    def _add(self, contribution: Contribution) -> None:
        out = contribution.resource
        id = out["id"]
        known = self.by_id.get(id)
        if known is None:
            self.by_id[id] = len(self.contributions)
            self.contributions.append(contribution)
        else:
            before = self.contributions[known]
            if any(out.get(n) != before.resource.get(n) for n in _TELLING if n in out):
                self.m.issues.append(Issue("statements-differ", out["resourceType"]))
            both = joined(before, contribution)
            if not (found := validate(both.resource)) or self._repaired(both.resource, found):
                self.contributions[known] = both
            else:
                self.withheld |= contribution.labels

    def _repaired(self, out: FhirJson, found: list[Issue]) -> bool:
        """Takes out the elements that are not valid R4; False if the rest is not valid either.

        It happens where a message says only a part of what an element needs. Reported as an Issue,
        and never the end of the rest of what the message says.
        """
        kind = out["resourceType"]
        for name in dict.fromkeys(i.location.split("/")[1] for i in found if "/" in i.location):
            if name not in ("resourceType", "id") and out.pop(name, None) is not None:
                at = "; ".join(sorted({i.code for i in found if f"/{name}" in i.location}))
                self.m.issues.append(Issue("element-withheld", f"{kind}.{name}", at))
        found = validate(out)
        if found:
            at = "; ".join(sorted({f"{i.code} {i.location} {i.detail}".strip() for i in found}))
            self.m.issues.append(Issue("resource-invalid", kind, at[:500]))
        return not found

    def _look_up(self, patient: FhirJson) -> None:
        id = patient["id"]
        add = self.identifiers.append
        for item in patient.get("identifier", ()):
            if value := item.get("value"):
                codings = item.get("type", {}).get("coding", ({},))
                kind = codings[0].get("code", "")
                add(PatientIdentifier(id, "identifier", f"{kind}|{item.get('system', '')}", value))
        for name in patient.get("name", ()):
            if family := name.get("family"):
                add(PatientIdentifier(id, "family", "", family.casefold()))
            for given in name.get("given", ()):
                add(PatientIdentifier(id, "given", "", given.casefold()))
        if born := patient.get("birthDate"):
            add(PatientIdentifier(id, "birthdate", "", born))

    # -- provenance

    def _make_provenance(self, builder: Builder, instance: Instance) -> None:
        """Fills it, or finds the template of it."""
        m, recall, origin = self.m, self.recall, self.origin
        segments = self._segments(builder, instance)
        if recall is None or not origin.ask(segments, builder.fields, builder.holes, m):
            self._fill(builder, instance)
            return
        origin.template = recall.templates.get(origin.key)
        if origin.template is not None:
            self._did(segments, origin.template)
            return
        issues = len(m.issues)
        _, reads, origin.directory = self._fill_noting(builder, instance)
        origin.ran = tuple(self.ran)
        if len(m.issues) != issues or any(what != "event" for what, _, _ in reads):
            origin.key = ()

    def _finish_provenance(self) -> None:
        m, naming, origin = self.m, self.naming, self.origin
        targets = [
            {"reference": f"{c.resource['resourceType']}/{c.resource['id']}"}
            for c in self.contributions
        ] or [{"reference": f"Patient/{naming.source_patient}"}]
        id = naming.provenance_id
        if origin.template is not None:
            self.provenance = origin.filled(id, targets, m, self.sha256)
            return
        out = self.provenance = origin.finished(id, targets, m, self.sha256)
        found = validate(out)
        if found:
            detail = "; ".join(sorted({f"{i.code} {i.location}" for i in found}))
            m.issues.append(Issue("resource-invalid", PROVENANCE, detail[:500]))
            self.provenance = None
        elif self.recall is not None and (template := origin.template_of(out)) is not None:
            self.recall.keep_template(origin.key, template)


def event_time_us(tree: Tree, m: Msg) -> int:
    """EVN-2, else MSH-7, else receipt."""
    env = m.env
    for name, field in (("EVN", 2), ("MSH", 7)):
        segment = tree.first(name)
        text = segment.value(field).strip() if segment is not None else ""
        if not text:
            continue
        value = env.memos[m.time_slot][text][0]
        us = to_us(value) if value.__class__ is str else None
        if us is not None:
            return us
    return m.received_at_us
