"""A person's word about a label: permitted, on record, landed, and waited for."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

import msgspec

from chartloom.domain.grant import Grant
from chartloom.domain.label_words import (
    REASONS,
    LabelReason,
    LabelSaid,
    LabelWord,
    wanting_lift,
)
from chartloom.domain.labels import OF_THE_PERSON, Label
from chartloom.domain.ports import Clock
from chartloom.domain.resource import ResourceState
from chartloom.guard.audit import events
from chartloom.guard.authority import AccessDenied, Asking, Authority
from chartloom.guard.facts import actor_of
from chartloom.guard.policy import Action
from chartloom.guard.shredding import same_person
from chartloom.guard.staff import Principal
from chartloom.normalize.steward import arrival, label_word
from chartloom.serve import needs
from chartloom.serve.labels.door import LabelDoor
from chartloom.serve.labels.reading import thing_of
from chartloom.serve.landed import settle

_FIRST: Final = {LabelSaid.SET: Action.SET_LABEL, LabelSaid.LIFT: Action.LIFT_LABEL}


class Outcome(StrEnum):
    """What came of it."""

    SET = "set"
    ASKED = "asked"  #: it takes a second person now
    LIFTED = "lifted"
    NOTHING = "nothing"  #: it stands so already, or one asked for it before


class Saying(msgspec.Struct, frozen=True):
    """What somebody says: of which resource, which label, and why."""

    resource: str
    label: Label
    said: LabelSaid
    reason: LabelReason


def said_of(resource: str, label: str, said: str, reason: str) -> Saying | None:
    """What a form or a command says; ``None`` if it cannot be meant."""
    if label not in list(Label) or said not in list(LabelSaid):
        return None
    if reason not in REASONS[LabelSaid(said)]:
        return None
    return Saying(resource, Label(label), LabelSaid(said), LabelReason(reason))


def speak(
    authority: Authority,
    door: LabelDoor,
    clock: Clock,
    principal: Principal,
    asking: Asking,
    person: str,
    saying: Saying,
) -> Outcome:
    """Lands the word once it is permitted and on record.

    Raises ``AccessDenied``, also for what is not there, is somebody else's or cannot carry the
    label; on record as one.
    """
    need = needs.label_word(person, _FIRST[saying.said])
    permit = authority.permit(principal, need, asking)
    state = door.charts.states(permit.grant, [saying.resource]).get(saying.resource)
    if state is None or state.source_patient not in permit.patients or not _fits(state, saying):
        raise _denied(authority, principal, asking)
    actor = actor_of(principal)
    outcome = _outcome(permit.grant, door, state, saying, actor)
    if outcome is Outcome.NOTHING:
        permit.run(_looked)
        return outcome
    if outcome is Outcome.LIFTED:
        need = needs.label_word(person, Action.APPROVE_LIFT)
        permit = authority.permit(principal, need, asking)
    about = authority.context(principal, permit.purpose, asking, permit.grant)
    patient, now_us = state.source_patient, clock.now_us()
    authority.record(
        events.label_said(
            about, patient, f"{state.type}/{state.id}", saying.said.value,
            reason=saying.reason.value,
        )
    )  # fmt: skip
    word = LabelWord(saying.label, saying.said, actor, saying.reason)
    body = label_word(word, state.type, state.id, patient, said_us=now_us)
    (receipt,) = door.log.land([arrival(body, patient, now_us)])
    own = authority.gatherer.grant()

    def counts() -> bool:
        held = door.charts.states(own, [state.id]).get(state.id)
        return held is not None and any(w.position >= receipt.position for w in held.words.values())

    settle(counts, door.settle_s)
    return outcome


def _fits(state: ResourceState, saying: Saying) -> bool:
    """Whether this can carry the label: what is about a person stands at the Patient."""
    return saying.label not in OF_THE_PERSON or state.type == "Patient"


def _outcome(
    grant: Grant, door: LabelDoor, state: ResourceState, saying: Saying, actor: str
) -> Outcome:
    of_person = door.records.of_persons(grant, [state.id]) if state.type == "Patient" else {}
    thing = thing_of(state, of_person.get(state.id, 0))
    said = [w for w in state.words.values() if w.label is saying.label]
    wanting = wanting_lift(said)
    if saying.said is LabelSaid.SET:
        # To set what somebody wants lifted is to refuse that.
        stands = saying.label in thing.labels and not wanting
        return Outcome.NOTHING if stands else Outcome.SET
    if saying.label not in thing.labels:
        return Outcome.NOTHING
    if any(same_person(w.by, actor) for w in wanting):
        return Outcome.NOTHING
    return Outcome.LIFTED if wanting else Outcome.ASKED


def _looked(_: Grant) -> None:
    """What is labelled was read and nothing said: a look like any other, on record as one."""


def _denied(authority: Authority, principal: Principal, asking: Asking) -> AccessDenied:
    need = needs.label_word("", Action.SET_LABEL)
    about = authority.context(principal, need.options[0][1], asking)
    authority.record(events.patient_read(about, "", list(need.what), denied="denied"))
    return AccessDenied()
