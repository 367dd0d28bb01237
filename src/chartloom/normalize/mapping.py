"""A loaded mapping of HL7 v2: ``derive`` and its traced twin."""

from __future__ import annotations

from collections.abc import Mapping as MappingOf
from uuid import UUID

from chartloom.domain.feed import Feed
from chartloom.domain.message import Message
from chartloom.domain.resource import Derived, LossCounts, LossReport, Traced
from chartloom.formats.hl7v2 import Tree, parse
from chartloom.normalize.context import Env, Msg
from chartloom.normalize.engine import Engine, fingerprint
from chartloom.normalize.read_mapping import read_mapping
from chartloom.normalize.run import Run, Shapes, count_losses, event_time_us
from chartloom.normalize.trace import Tracer


class Hl7Mapping:
    """A mapping of HL7 v2 messages. ``files`` are the built-in tables with the overlay on top."""

    def __init__(
        self, name: str, files: MappingOf[str, bytes], overlay: MappingOf[str, bytes]
    ) -> None:
        self.name = name
        self.files: dict[str, bytes] = {
            **files,
            **{f"overlay/{path}": content for path, content in overlay.items()},
        }
        self.fingerprint = fingerprint(self.files)
        self.engine = Engine(read_mapping(files, overlay))
        self._envs: dict[tuple[object, ...], tuple[Env, Shapes]] = {}

    def derive(self, message: Message, feed: Feed, namespace: UUID) -> Derived:
        """What a message says. Never raises for any bytes; reads no clock and does no IO."""
        return self._derive(message, feed, namespace, None)[0]

    def trace(self, message: Message, feed: Feed, namespace: UUID) -> Traced:
        """The same, with evidence for every value and what became of every field."""
        tracer = Tracer(self.engine)
        derived, tree, msg = self._derive(message, feed, namespace, tracer)
        if msg is None:
            rows = tracer.loss(tree, {})
            return Traced(derived, (), LossReport(rows))
        evidence = tracer.evidence(derived)
        return Traced(derived, evidence, LossReport(tracer.loss(tree, msg.coverage)))

    def _derive(
        self, message: Message, feed: Feed, namespace: UUID, tracer: Tracer | None
    ) -> tuple[Derived, Tree, Msg | None]:
        tree = parse(message.body, charset=feed.charset)
        kind = tree.message_type
        control_id = tree.control_id or message.control_id

        def quarantined(reason: str, msg: Msg | None) -> tuple[Derived, Tree, Msg | None]:
            ran = msg.coverage if msg is not None else {}
            env_shapes = self._env(feed, namespace, tree)[1]
            loss, unmapped = count_losses(tree, ran, self.engine.coverage, env_shapes)
            issues = tuple(msg.issues) if msg is not None else ()
            return (
                Derived(
                    position=message.position,
                    feed=feed.name,
                    message_type=kind or message.message_type,
                    control_id=control_id,
                    event_us=msg.event_us if msg is not None else message.received_at_us,
                    source_patient=message.source_patient,
                    issues=(*tree.issues, *issues, _issue(reason)),
                    loss=loss,
                    unmapped=unmapped,
                    quarantine=reason,
                ),
                tree,
                msg,
            )

        if tree.fatal:
            return quarantined("unparseable", None)
        plans = self.engine.plans if tracer is None else self.engine.traced[1]
        plan = plans.get(kind)
        if plan is None:
            return quarantined("unsupported-message-type", None)
        env, shapes = self._env(feed, namespace, tree)
        msg = Msg(env, tree, message.received_at_us)
        msg.tracer = tracer
        msg.event = kind.partition("^")[2]
        msg.special = _special(tree)
        msg.event_us = event_time_us(tree, msg)
        run = Run(plan, msg, message.sha256)
        reason = run.apply()
        if reason:
            msg.coverage.clear()
            return quarantined(reason, msg)
        run.finish_provenance()
        loss, unmapped = count_losses(tree, msg.coverage, self.engine.coverage, shapes)
        derived = Derived(
            position=message.position,
            feed=feed.name,
            message_type=kind,
            control_id=control_id,
            event_us=msg.event_us,
            source_patient=run.source_patient,
            contributions=tuple(run.contributions),
            links=tuple(run.links),
            identifiers=tuple(run.identifiers),
            issues=(*tree.issues, *msg.issues),
            loss=loss,
            unmapped=unmapped,
            provenance=run.provenance,
        )
        return derived, tree, msg

    def _env(self, feed: Feed, namespace: UUID, tree: Tree) -> tuple[Env, Shapes]:
        d = tree.delimiters
        key = (feed.name, feed.patient_namespace, feed.zone, feed.owner, namespace, id(d), d.field, d.encoding)
        known = self._envs.get(key)
        if known is None:
            tables = self.engine.tables
            env = Env(feed, namespace, d, tables.systems, tables.units)
            known = (env, Shapes(d.field, d.repetition, d.component, d.subcomponent))
            if len(self._envs) >= 256:
                self._envs.clear()
            self._envs[key] = known
        self.engine.make_memos(known[0])
        return known


def _special(tree: Tree) -> bool:
    """Whether leaves may hold escapes, nulls or characters that need care."""
    data = tree.data
    escape = tree.delimiters.escape.encode("utf-8", "replace")
    return (
        not data.isascii()
        or bool(tree.issues)
        or b'""' in data
        or bool(escape) and data.count(escape) > 1
    )


def _issue(code: str):  # type: ignore[no-untyped-def]
    from chartloom.domain.issues import Issue

    return Issue(code)


__all__ = ["Hl7Mapping", "LossCounts"]
