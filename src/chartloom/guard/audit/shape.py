"""What all AuditEvents are made of: who, when and where; codes, ids and counts, never text.

The builders in ``events.py`` say what happened; here is the shape in which it is said, and what
refuses everything that is no code or id.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from chartloom.domain.grant import Purpose
from chartloom.guard.audit import vocabulary as v
from chartloom.guard.audit.canonical import instant
from chartloom.guard.audit.vocabulary import Kind

Event = dict[str, Any]

_ID: Final = re.compile(r"[A-Za-z0-9\-.]{1,64}")
#: Actors, rooms, codes: words of our own, never sentences.
_WORD: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:/|@+-]{0,127}")
_ADDRESS: Final = re.compile(r"[0-9A-Fa-f:.]{2,45}")
_SERVICE: Final = "service"


class Actor(msgspec.Struct, frozen=True):
    """Who asks. id: pseudonymous subject of the site's staff or service list, never a name.

    roles: codes. service: a program instead of a person. address: the peer's IP address.
    behalf: the person for whom a service, or the operator of a command line, acts.
    """

    id: str
    roles: tuple[str, ...] = ()
    service: bool = False
    address: str = ""
    behalf: str = ""


class Context(msgspec.Struct, frozen=True):
    """When and where something was asked, on whose grant.

    observer: the process that writes (``serve``, ``worker-1``). request_id: ties all events of one
    request together. grant_id and policy_version: from the grant, ``""`` if it came to none.
    refresh: a page that is open asked for itself again.
    """

    at_us: int
    actor: Actor
    purpose: Purpose | str = ""
    observer: str = "chartloom"
    request_id: str = ""
    grant_id: str = ""
    policy_version: str = ""
    refresh: bool = False


def begun(about: Context, kind: Kind, profile: str = "", denied: str = "") -> Event:
    """An event with what all have: what kind, when, who, from where, and whether it was denied."""
    type_system, type_code, sub_system, sub_code = v.CODES[kind]
    event: Event = {
        "resourceType": "AuditEvent",
        "type": code(type_system, type_code),
        "subtype": [code(sub_system, sub_code), code(v.KIND, kind)],
        "action": v.ACTIONS.get(kind, "E"),
        "recorded": instant(about.at_us),
        "outcome": "4" if denied else "0",
        "agent": _agents(about),
        "source": {"observer": {"identifier": identifier(v.ACTOR, word(about.observer))}},
    }
    if denied:
        event["outcomeDesc"] = word(denied)
    if profile:
        event["meta"] = {"profile": [v.BALP + profile]}
    if about.request_id:
        entities(event).append(
            {
                "type": code(v.BALP_ENTITY, "XrequestId"),
                "what": {"identifier": {"value": word(about.request_id)}},
            }
        )
    refresh = "1" if about.refresh else ""
    return detailed(event, grant=about.grant_id, policy=about.policy_version, refresh=refresh)


def _agents(about: Context) -> list[Event]:
    """The user (or calling service) and the process that answered."""
    actor = about.actor
    user: Event = {
        "type": {"coding": [code(v.PARTICIPATION, "IRCP")]},
        "who": {"identifier": identifier(v.ACTOR, word(actor.id))},
        "requestor": True,
    }
    roles = [*actor.roles, *([_SERVICE] if actor.service else [])]
    if roles:
        user["role"] = [{"coding": [code(v.ROLE, word(r))]} for r in roles]
    if about.purpose:
        user["purposeOfUse"] = [{"coding": [code(v.REASON, word(str(about.purpose)))]}]
    if actor.address:
        if not _ADDRESS.fullmatch(actor.address):
            raise ValueError("not an IP address")
        user["network"] = {"address": actor.address, "type": "2"}
    server: Event = {
        "type": {"coding": [code(v.DCM, "110153")]},
        "who": {"identifier": identifier(v.ACTOR, word(about.observer))},
        "requestor": False,
    }
    if not actor.behalf:
        return [user, server]
    behalf = {
        "type": {"coding": [code(v.PARTICIPATION, "AUT")]},
        "who": {"identifier": identifier(v.ACTOR, word(actor.behalf))},
        "requestor": False,
    }
    return [user, server, behalf]


def receiver(recipient: str) -> Event:
    """The agent of whoever is given something."""
    return {
        "type": {"coding": [code(v.DCM, "110152")]},
        "who": {"identifier": identifier(v.ACTOR, word(recipient))},
        "requestor": False,
    }


def about_patients(event: Event, patients: Sequence[str], labels: Sequence[str] = ()) -> None:
    """Adds whom it is about: source patient ids."""
    for patient in patients:
        if not _ID.fullmatch(patient):
            raise ValueError("not a source patient id")
        entity: Event = {
            "type": code(v.ENTITY_TYPE, "1"),
            "role": code(v.ENTITY_ROLE, "1"),
            "what": {"reference": f"Patient/{patient}"},
        }
        if labels:
            entity["securityLabel"] = [code(v.LABEL, word(x)) for x in labels]
        entities(event).append(entity)


def thing(what: str) -> Event:
    """The entity of a thing: a reference (``Observation/<id>``), or a name of ours."""
    entity: Event = {"type": code(v.ENTITY_TYPE, "2"), "role": code(v.ENTITY_ROLE, "4")}
    kind, _, id = what.partition("/")
    if kind[:1].isupper() and _ID.fullmatch(id):
        entity["what"] = {"reference": f"{word(kind)}/{id}"}
    else:
        entity["what"] = {"identifier": {"value": word(what)}}
    return entity


def counted(event: Event, count: int | None) -> Event:
    """The event with how many there were."""
    return event if count is None else detailed(event, count=str(count))


def detailed(event: Event, **details: str) -> Event:
    """Adds details to the first entity, which stands for the request itself."""
    given = [{"type": k, "valueString": word(x)} for k, x in details.items() if x]
    if given:
        held = entities(event)
        if not held or "detail" not in held[0]:
            held.insert(0, {"type": code(v.ENTITY_TYPE, "2"), "detail": []})
        held[0]["detail"].extend(given)
    return event


def entities(event: Event) -> list[Event]:
    """Its entities, to be added to."""
    held: list[Event] = event.setdefault("entity", [])
    return held


def code(system: str, value: str) -> dict[str, str]:
    """A Coding."""
    return {"system": system, "code": value}


def identifier(system: str, value: str) -> dict[str, str]:
    """An Identifier."""
    return {"system": system, "value": value}


def word(text: str) -> str:
    """The text if it is a word of ours; raises ``ValueError`` for anything else."""
    if not _WORD.fullmatch(text):
        raise ValueError("an audit event takes codes and ids, no text")
    return text
