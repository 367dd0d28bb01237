"""A loaded mapping of HL7 v2: ``derive`` and its traced twin."""

from __future__ import annotations

from collections.abc import Mapping as MappingOf
from uuid import UUID

from chartloom.domain.feed import Feed
from chartloom.domain.issues import Issue
from chartloom.domain.message import Message
from chartloom.domain.resource import AROUND, Derived, LossReport, Traced
from chartloom.formats.fhir import forget
from chartloom.formats.hl7v2 import Delimiters, Tree, parse
from chartloom.normalize.code_version import fingerprint
from chartloom.normalize.context import Env, Msg
from chartloom.normalize.engine import Engine
from chartloom.normalize.functions.times import sender_shift
from chartloom.normalize.left_over import LeftOver
from chartloom.normalize.marking import evidence as marking_evidence
from chartloom.normalize.marking import files_of
from chartloom.normalize.read_mapping import read_mapping
from chartloom.normalize.recall import Recall
from chartloom.normalize.run import Run, event_time_us
from chartloom.normalize.sensitivity import Labeller, builtin
from chartloom.normalize.shapes import Shapes, count_losses
from chartloom.normalize.trace import Tracer

#: Feeds and delimiters for which a mapping keeps an environment.
ENVIRONMENTS_MAX = 256


class Hl7Mapping:
    """A mapping of HL7 v2 messages. ``files`` are the built-in tables with the overlay on top."""

    def __init__(
        self,
        name: str,
        files: MappingOf[str, bytes],
        overlay: MappingOf[str, bytes],
        labeller: Labeller | None = None,
    ) -> None:
        self.name = name
        self.files: dict[str, bytes] = {
            **files,
            **{f"overlay/{path}": content for path, content in overlay.items()},
            **files_of(labeller := labeller or builtin()),
        }
        self.labeller = labeller
        self.fingerprint = fingerprint(self.files)
        self.engine = Engine(read_mapping(files, overlay))
        self._envs: dict[tuple[object, ...], tuple[Env, Shapes]] = {}
        self._recall = Recall()
        self._left_over = LeftOver(labeller, self.engine.tables.systems)
        self._last: tuple[Feed, UUID, Delimiters, str, tuple[Env, Shapes]] | None = None

    def derive(self, message: Message, feed: Feed, namespace: UUID) -> Derived:
        """What a message says. Never raises for any bytes; reads no clock and does no IO."""
        return self._derive(message, feed, namespace, None)[0]

    def trace(self, message: Message, feed: Feed, namespace: UUID) -> Traced:
        """The same, with evidence for every value and what became of every field."""
        tracer = Tracer(self.engine)
        derived, tree, msg = self._derive(message, feed, namespace, tracer)
        evidence = tracer.evidence(derived) if not derived.quarantine else ()
        evidence += tuple(marking_evidence(derived.contributions, evidence, self.labeller))
        ran = msg.coverage if msg is not None and not derived.quarantine else None
        return Traced(derived, evidence, LossReport(tracer.loss(tree, ran)))

    def clear(self) -> None:
        """Forgets every text of messages that it remembers, as when a patient's data are erased.

        What it derives does not change, only how fast.
        """
        self._recall.clear()
        self.labeller.forget()
        self._left_over.forget()
        forget()
        for env, _ in self._envs.values():
            env.forget()

    def _derive(
        self, message: Message, feed: Feed, namespace: UUID, tracer: Tracer | None
    ) -> tuple[Derived, Tree, Msg | None]:
        tree = parse(message.body, charset=feed.charset)
        env, shapes = self._env(feed, namespace, tree)
        kind = tree.message_type
        plans = self.engine.plans if tracer is None else self.engine.traced[1]
        plan = plans.get(kind)
        if plan is None:
            reason = "unparseable" if tree.fatal else "unsupported-message-type"
            return (
                self._quarantined(message, tree, shapes, reason, message.received_at_us),
                tree,
                None,
            )
        msg = Msg(env, tree, message.received_at_us)
        msg.tracer = tracer
        msg.event = kind.partition("^")[2]
        msg.special = _special(tree)
        msg.event_us = event_time_us(tree, msg)
        run = Run(plan, msg, message.sha256, self._recall, self.labeller)
        reason = run.apply()
        if reason:
            derived = self._quarantined(
                message, tree, shapes, reason, msg.event_us, tuple(msg.issues)
            )
            return derived, tree, msg
        loss, unmapped, left = count_losses(tree, self.engine.coverage, shapes, msg.coverage)
        unread = run.withheld | self._left_over.labels(
            tree, left, msg.coverage, sensitive=feed.sensitive
        )
        derived = Derived(
            position=message.position,
            feed=feed.name,
            message_type=kind,
            control_id=tree.control_id or message.control_id,
            event_us=msg.event_us,
            source_patient=run.naming.source_patient,
            contributions=tuple(run.contributions),
            links=tuple(run.links),
            identifiers=tuple(run.identifiers),
            issues=(*tree.issues, *msg.issues),
            loss=loss,
            unmapped=unmapped,
            provenance=run.provenance,
            unread=((AROUND, unread),) if unread else (),
        )
        return derived, tree, msg

    def _quarantined(
        self,
        message: Message,
        tree: Tree,
        shapes: Shapes,
        reason: str,
        event_us: int,
        issues: tuple[Issue, ...] = (),
    ) -> Derived:
        loss, unmapped, _ = count_losses(tree, self.engine.coverage, shapes, None)
        return Derived(
            position=message.position,
            feed=message.feed,
            message_type=tree.message_type or message.message_type,
            control_id=tree.control_id or message.control_id,
            event_us=event_us,
            source_patient=message.source_patient,
            issues=(*tree.issues, *issues, Issue(reason)),
            loss=loss,
            unmapped=unmapped,
            quarantine=reason,
        )

    def _env(self, feed: Feed, namespace: UUID, tree: Tree) -> tuple[Env, Shapes]:
        d = tree.delimiters
        shift = sender_shift(tree.segments[0].value(7) if tree.segments else "", feed.zone)
        last = self._last
        if (
            last is not None
            and last[0] is feed
            and last[1] is namespace
            and last[2] is d
            and last[3] == shift
        ):
            return last[4]
        key = (
            feed.name,
            feed.patient_namespace,
            feed.zone,
            shift,
            feed.owner,
            feed.sensitive,
            feed.limits.resources_max,
            namespace,
            d.field,
            d.encoding,
        )
        known = self._envs.get(key)
        if known is None:
            tables = self.engine.tables
            known = (Env(feed, namespace, d, tables.systems, tables.units, shift), Shapes(d))
            if len(self._envs) >= ENVIRONMENTS_MAX:
                self._envs.clear()
            self._envs[key] = known
        self.engine.make_memos(known[0])
        self._last = (feed, namespace, d, shift, known)
        return known


def _special(tree: Tree) -> bool:
    """Whether leaves may hold escapes, nulls or characters that need care."""
    data = tree.data
    escape = tree.delimiters.escape.encode("utf-8", "replace")
    return (
        not data.isascii()
        or bool(tree.issues)
        or b'""' in data
        or (bool(escape) and data.count(escape) > 1)
    )
