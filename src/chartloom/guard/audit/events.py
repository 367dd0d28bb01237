"""Builds AuditEvents: FHIR R4 in the shape of IHE Basic Audit Log Patterns (BALP).

No PHI is in them: patients and actors by pseudonymous ids, search terms as blind fingerprints,
everything else as codes and counts. The builders refuse what does not look like that.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping, Sequence
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
#: The query of a search without terms.
_ANYTHING: Final = "*"


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


def patient_read(
    about: Context,
    patient: str,
    resources: Sequence[str] = (),
    *,
    labels: Sequence[str] = (),
    count: int | None = None,
    denied: str = "",
) -> Event:
    """Something of a patient's record was shown, or (``denied``: reason code) was not.

    patient: source patient id, ``""`` for what is about no patient. resources: references such as
    ``Observation/<id>`` or names of sections such as ``section/labs``. labels: sensitivity labels
    of the person (VIP, EMP). count: how many records were in the answer.
    """
    profile = v.PROFILES[Kind.READ] if patient else v.PLAIN_READ
    event = _event(about, Kind.READ, profile, denied)
    _patients(event, (patient,) if patient else (), labels)
    for resource in resources:
        _entities(event).append(_data(resource))
    return _counted(event, count)


def with_patients(event: Event, patients: Sequence[str]) -> Event:
    """The event with further patients: all records of one joined person, for example."""
    _patients(event, patients)
    return event


def search(
    about: Context,
    fingerprints: Mapping[str, bytes],
    *,
    patients: Sequence[str] = (),
    labels: Sequence[str] = (),
    count: int | None = None,
    denied: str = "",
) -> Event:
    """A search. fingerprints: field -> blind fingerprint of the term (``Guard.blind``).

    patients: whose records were in the answer; if the search was within one patient's record, that.
    """
    profile = v.PATIENT_QUERY if len(patients) == 1 else v.PROFILES[Kind.SEARCH]
    event = _event(about, Kind.SEARCH, profile, denied)
    terms = "&".join(f"{_word(f)}={fingerprints[f].hex()}" for f in sorted(fingerprints))
    _entities(event).append(
        {
            "type": _code(v.ENTITY_TYPE, "2"),
            "role": _code(v.ENTITY_ROLE, "24"),
            "query": base64.b64encode((terms or _ANYTHING).encode()).decode(),
        }
    )
    _patients(event, patients, labels)
    return _counted(event, count)


def of_transaction(event: Event, code: str) -> Event:
    """The event with the IHE transaction that it is part of; "" for none."""
    if code:
        event["subtype"].append(_code(v.IHE_TRANSACTION, _word(code)))
    return event


def term_fingerprint(blind: Callable[[str, str], bytes], term: str) -> bytes:
    """A search term as it stands in events: the same for the same words, whatever the field, so
    that who searched for the own name is found without the name. blind: ``Guard.blind``."""
    return blind("audit term", " ".join(term.casefold().split()))


def denied(about: Context, reason: str, *, patient: str = "", what: str = "") -> Event:
    """A try that was refused before it was known what it would have shown. reason: a code."""
    return patient_read(about, patient, (what,) if what else (), denied=reason or "denied")


def export(
    about: Context,
    what: str,
    count: int,
    *,
    patients: Sequence[str] = (),
    recipient: str = "",
    data_use: str = "",
    denied: str = "",
) -> Event:
    """Data left in bulk. what: a code such as ``ndjson`` or the name of a data set."""
    event = _event(about, Kind.EXPORT, "", denied)
    _entities(event).append(_data(f"export/{what}"))
    _patients(event, patients)
    if recipient:
        event["agent"].append(_recipient(recipient))
    return _counted(_detailed(event, data_use=data_use), count)


def disclosure(
    about: Context, patient: str, recipient: str, what: str, reason: str, *, count: int = 1
) -> Event:
    """A patient's data was given to somebody outside (45 CFR 164.528). All arguments are codes."""
    event = _event(about, Kind.DISCLOSURE, v.PROFILES[Kind.DISCLOSURE])
    _patients(event, (patient,))
    event["agent"].append(_recipient(recipient))
    _entities(event).append(_data(f"disclosure/{what}"))
    return _counted(_detailed(event, reason=reason), count)


def transformation(
    about: Context, feed: str, first: int, last: int, count: int, version: str, failed: int = 0
) -> Event:
    """A batch of messages became resources. first and last: positions. version: of the mapping."""
    event = _event(about, Kind.TRANSFORM)
    _entities(event).append(_data(f"messages/{first}-{last}"))
    return _counted(_detailed(event, feed=feed, mapping=version, failed=str(failed)), count)


def rekeyed(about: Context, stage: str, count: int) -> Event:
    """Records of who somebody is were looked at once more, because rules changed. stage: ``keys``,
    ``seek``, ``sweep``."""
    event = _event(about, Kind.TRANSFORM)
    _entities(event).append(_data("match-records"))
    return _counted(_detailed(event, stage=stage), count)


def sign_in(about: Context, method: str, *, denied: str = "") -> Event:
    """Somebody signed in (or could not). method: ``oidc``, ``client-credentials``, ``mtls``."""
    return _detailed(_event(about, Kind.SIGN_IN, denied=denied), method=method)


def sign_out(about: Context, reason: str = "asked") -> Event:
    """A session ended. reason: ``asked``, ``idle``, ``expired``, ``revoked``."""
    return _detailed(_event(about, Kind.SIGN_OUT), reason=reason)


def session_ended(about: Context, whose: str, by: str, *, denied: str = "") -> Event:
    """Somebody else ended a session. whose: the actor; "" if it came to none. by: ``officer``,
    ``provider``."""
    event = _event(about, Kind.SESSION_ENDED, denied=denied)
    if whose:
        _entities(event).append(_data(f"session/{whose}"))
    return _detailed(event, by=by)


def glass_broken(
    about: Context, glass_id: str, patient: str, reason: str, until_us: int, *, denied: str = ""
) -> Event:
    """Somebody took access in an emergency. reason: a code; the text is kept sealed elsewhere."""
    event = _event(about, Kind.GLASS_BROKEN, denied=denied)
    event["purposeOfEvent"] = [{"coding": [_code(v.REASON, Purpose.BREAK_GLASS)]}]
    _patients(event, (patient,))
    return _detailed(event, glass=glass_id, reason=reason, until=instant(until_us))


def glass_ended(about: Context, glass_id: str, patient: str) -> Event:
    """Emergency access ended."""
    event = _event(about, Kind.GLASS_ENDED)
    _patients(event, (patient,))
    return _detailed(event, glass=glass_id)


def glass_reviewed(about: Context, glass_id: str, patient: str, outcome: str) -> Event:
    """Emergency access was reviewed. outcome: ``justified``, ``unjustified``, ``escalated``."""
    event = _event(about, Kind.GLASS_REVIEWED)
    _patients(event, (patient,))
    return _detailed(event, glass=glass_id, outcome=outcome)


def change(
    about: Context,
    kind: Kind,
    what: str,
    *,
    patients: Sequence[str] = (),
    denied: str = "",
    **details: str,
) -> Event:
    """A policy, role, data use or key changed, or a process started or stopped.

    what: name or fingerprint of the thing. patients: whom it is about. details: codes and counts.
    """
    event = _event(about, kind, denied=denied)
    if patients:
        _patients(event, patients)
    _entities(event).append(_data(f"{kind}/{what}"))
    return _detailed(event, **details)


def identity_said(about: Context, patients: Sequence[str], word: str, *, reason: str = "") -> Event:
    """A person said of two records whether they are one person. word: ``same``, ``different`` or
    ``withdraw``. reason: a code."""
    event = _event(about, Kind.IDENTITY_SAID, v.PROFILES[Kind.IDENTITY_SAID])
    _patients(event, patients)
    return _detailed(event, word=word, reason=reason)


def reconciled(about: Context, patient: str, resource: str, kind: str, word: str) -> Event:
    """A clinician decided about a line of a list. patient: source patient in whose record the
    decision (``resource``, its List) stands. kind: of list. word: what was said."""
    event = _event(about, Kind.RECONCILED, v.PROFILES[Kind.RECONCILED])
    _patients(event, (patient,))
    return _detailed(event, word=word, list=kind, resource=resource)


def directory_said(about: Context, key: str, word: str, code: str) -> Event:
    """A steward said something about the directory; it is about no patient. key: names what it is
    about. word: ``same``, ``different``, ``keep``, ``ignore`` or ``withdraw``. code: of the
    question."""
    event = _event(about, Kind.DIRECTORY_SAID, v.PROFILES[Kind.DIRECTORY_SAID])
    _entities(event).append(_data(f"directory/{key}"))
    return _detailed(event, word=word, question=code)


def key_shredded(about: Context, patient: str, reason: str) -> Event:
    """A patient's key was destroyed."""
    event = _event(about, Kind.KEY_SHREDDED)
    _patients(event, (patient,))
    return _detailed(event, reason=reason)


def _event(about: Context, kind: Kind, profile: str = "", denied: str = "") -> Event:
    type_system, type_code, sub_system, sub_code = v.CODES[kind]
    event: Event = {
        "resourceType": "AuditEvent",
        "type": _code(type_system, type_code),
        "subtype": [_code(sub_system, sub_code), _code(v.KIND, kind)],
        "action": v.ACTIONS.get(kind, "E"),
        "recorded": instant(about.at_us),
        "outcome": "4" if denied else "0",
        "agent": _agents(about),
        "source": {"observer": {"identifier": _identifier(v.ACTOR, _word(about.observer))}},
    }
    if denied:
        event["outcomeDesc"] = _word(denied)
    if profile:
        event["meta"] = {"profile": [v.BALP + profile]}
    if about.request_id:
        _entities(event).append(
            {
                "type": _code(v.BALP_ENTITY, "XrequestId"),
                "what": {"identifier": {"value": _word(about.request_id)}},
            }
        )
    refresh = "1" if about.refresh else ""
    return _detailed(event, grant=about.grant_id, policy=about.policy_version, refresh=refresh)


def _agents(about: Context) -> list[Event]:
    """The user (or calling service) and the process that answered."""
    actor = about.actor
    user: Event = {
        "type": {"coding": [_code(v.PARTICIPATION, "IRCP")]},
        "who": {"identifier": _identifier(v.ACTOR, _word(actor.id))},
        "requestor": True,
    }
    roles = [*actor.roles, *([_SERVICE] if actor.service else [])]
    if roles:
        user["role"] = [{"coding": [_code(v.ROLE, _word(r))]} for r in roles]
    if about.purpose:
        user["purposeOfUse"] = [{"coding": [_code(v.REASON, _word(str(about.purpose)))]}]
    if actor.address:
        if not _ADDRESS.fullmatch(actor.address):
            raise ValueError("not an IP address")
        user["network"] = {"address": actor.address, "type": "2"}
    server: Event = {
        "type": {"coding": [_code(v.DCM, "110153")]},
        "who": {"identifier": _identifier(v.ACTOR, _word(about.observer))},
        "requestor": False,
    }
    if not actor.behalf:
        return [user, server]
    behalf = {
        "type": {"coding": [_code(v.PARTICIPATION, "AUT")]},
        "who": {"identifier": _identifier(v.ACTOR, _word(actor.behalf))},
        "requestor": False,
    }
    return [user, server, behalf]


def _recipient(recipient: str) -> Event:
    return {
        "type": {"coding": [_code(v.DCM, "110152")]},
        "who": {"identifier": _identifier(v.ACTOR, _word(recipient))},
        "requestor": False,
    }


def _patients(event: Event, patients: Sequence[str], labels: Sequence[str] = ()) -> None:
    for patient in patients:
        if not _ID.fullmatch(patient):
            raise ValueError("not a source patient id")
        entity: Event = {
            "type": _code(v.ENTITY_TYPE, "1"),
            "role": _code(v.ENTITY_ROLE, "1"),
            "what": {"reference": f"Patient/{patient}"},
        }
        if labels:
            entity["securityLabel"] = [_code(v.LABEL, _word(x)) for x in labels]
        _entities(event).append(entity)


def _data(what: str) -> Event:
    entity: Event = {"type": _code(v.ENTITY_TYPE, "2"), "role": _code(v.ENTITY_ROLE, "4")}
    kind, _, id = what.partition("/")
    if kind[:1].isupper() and _ID.fullmatch(id):
        entity["what"] = {"reference": f"{_word(kind)}/{id}"}
    else:
        entity["what"] = {"identifier": {"value": _word(what)}}
    return entity


def _counted(event: Event, count: int | None) -> Event:
    return event if count is None else _detailed(event, count=str(count))


def _detailed(event: Event, **details: str) -> Event:
    """Adds details to the first entity, which stands for the request itself."""
    given = [{"type": k, "valueString": _word(x)} for k, x in details.items() if x]
    if given:
        entities = _entities(event)
        if not entities or "detail" not in entities[0]:
            entities.insert(0, {"type": _code(v.ENTITY_TYPE, "2"), "detail": []})
        entities[0]["detail"].extend(given)
    return event


def _entities(event: Event) -> list[Event]:
    entities: list[Event] = event.setdefault("entity", [])
    return entities


def _code(system: str, code: str) -> dict[str, str]:
    return {"system": system, "code": code}


def _identifier(system: str, value: str) -> dict[str, str]:
    return {"system": system, "value": value}


def _word(text: str) -> str:
    if not _WORD.fullmatch(text):
        raise ValueError("an audit event takes codes and ids, no text")
    return text
