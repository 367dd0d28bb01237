"""The policies of a site, compiled, and decisions by them.

Any diagnostic of the engine is a denial: Cedar leaves out a policy that cannot be evaluated, and a
``forbid`` left out would be an Allow. Diagnostics quote what was asked, so they are never kept,
shown or logged; :attr:`Policies.faults` counts them.
"""

from __future__ import annotations

import hashlib
import json
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import resources
from pathlib import Path
from threading import Lock
from typing import Any, Final

import cedarpy
import msgspec

from chartloom.domain.errors import ConfigurationError
from chartloom.domain.grant import EVERYONE
from chartloom.domain.issues import Issue
from chartloom.domain.labels import Label
from chartloom.guard.policy import issues as _codes  # registers the codes
from chartloom.guard.policy.request import Action, Decision, Request
from chartloom.guard.policy.slices import (
    PRINCIPALS,
    RESOURCES,
    Policy,
    Slice,
    attributes_read,
    kinds,
    needed,
    sliced,
)
from chartloom.guard.policy.split import Statement, statements

_ROOM: Final = "chartloom.guard.policy"
_ANNOTATIONS = frozenset({"id", "covers"})
_EVERYONE = "everyone"
_REMEMBERED = 8192
_ENTITIES_KEPT = 512
#: Who asks, where it matters to no policy who it is.
_SOMEBODY: Final = "somebody"
#: Longest life of a grant for a person, seconds: after it, it is decided again.
GRANT_TTL_MAX_S: Final = 300.0

#: Allowed, policies that decided, labels covered, whether a policy could not be evaluated.
_Verdict = tuple[bool, tuple[str, ...], tuple[str, ...], bool]
_FAULT: Final[_Verdict] = (False, (), (), True)

__all__ = ["GRANT_TTL_MAX_S", "Policies", "builtin_texts", "check_policies", "schema_text"]
assert _codes


def schema_text() -> str:
    """The schema of entities, actions and context, in Cedar's own notation."""
    return (resources.files(_ROOM) / "schema.cedarschema").read_text(encoding="utf-8")


def builtin_texts() -> dict[str, str]:
    """The policies that a new site begins with: file name -> text."""
    folder = resources.files(_ROOM) / "default"
    return {
        f.name: f.read_text(encoding="utf-8")
        for f in sorted(folder.iterdir(), key=lambda f: f.name)
        if f.name.endswith(".cedar")
    }


@cache
def _schema() -> Any:
    return cedarpy.Schema.from_str(schema_text())


def check_policies(texts: Mapping[str, str]) -> list[Issue]:
    """Everything wrong with policy files (name -> text), each located ``file:line``."""
    return _read(texts)[1]


def _read(texts: Mapping[str, str]) -> tuple[dict[str, Policy], list[Issue]]:
    """Policies by name, and all findings."""
    found: dict[str, Policy] = {}
    issues: list[Issue] = []
    for file in sorted(texts):
        for statement in statements(file, texts[file]):
            policy = _parse(statement)
            if isinstance(policy, Issue):
                issues.append(policy)
            elif found.setdefault(policy.name, policy) is not policy:
                issues.append(Issue("policy-named-twice", statement.where, policy.name))
    if not found and not issues:
        issues.append(Issue("policy-none"))
    return found, issues


def _parse(statement: Statement) -> Policy | Issue:
    where = statement.where
    try:
        parsed = json.loads(cedarpy.policies_to_json_str(statement.text))
    except ValueError as error:
        return Issue("policy-unreadable", where, str(error))
    if parsed["templates"]:
        return Issue("policy-template", where)
    policy = next(iter(parsed["staticPolicies"].values()))
    permits = policy["effect"] == "permit"
    annotations: dict[str, str] = policy.get("annotations", {})
    strange = sorted(annotations.keys() - _ANNOTATIONS)
    covers = annotations.get("covers", _EVERYONE)
    if strange or covers != _EVERYONE or ("covers" in annotations and not permits):
        return Issue("policy-annotation", where, ", ".join(strange) or "covers")
    if not annotations.get("id"):
        return Issue("policy-unnamed", where)
    actions = _actions(policy["action"])
    if permits and actions is None:
        return Issue("policy-permits-all", where)
    checked = cedarpy.validate_policies(statement.text, _schema())
    if not checked.validation_passed:
        reasons = (e.error.replace("for policy `policy0`, ", "") for e in checked.errors)
        return Issue("policy-invalid", where, "; ".join(reasons))
    return Policy(
        annotations["id"],
        statement.text,
        actions,
        kinds(policy["principal"], PRINCIPALS),
        kinds(policy["resource"], RESOURCES),
        attributes_read(policy),
        "covers" in annotations,
        _names_people(policy),
    )


def _names_people(parsed: Any) -> bool:
    """Whether a policy speaks of a certain user or service, rather than of what they are."""
    if isinstance(parsed, dict):
        if "id" in parsed and parsed.get("type") in ("User", "Service"):
            return True
        return any(_names_people(v) for v in parsed.values())
    return isinstance(parsed, list) and any(_names_people(v) for v in parsed)


def _actions(scope: dict[str, Any]) -> frozenset[str] | None:
    """The actions a policy's scope names; the schema has no groups of actions."""
    if scope["op"] == "All":
        return None
    entities = scope["entities"] if "entities" in scope else [scope["entity"]]
    return frozenset(e["id"] for e in entities)


class Policies:
    """Compiled policies; thread-safe and immutable but for a memo of decisions.

    The memo is exact: a decision depends on nothing but the request's facts, which hold no time and
    no patient. ``version`` is the SHA-256 over the files, for ``Grant.policy_version``.
    """

    def __init__(self, texts: Mapping[str, str], *, grant_ttl_s: float = GRANT_TTL_MAX_S) -> None:
        """Raises ``ConfigurationError`` that names every finding with file and line."""
        found, issues = _read(texts)
        if issues:
            lines = "\n".join(f"  {i.location}: {i.code} {i.detail}".rstrip() for i in issues)
            raise ConfigurationError(
                f"{len(issues)} thing(s) to mend in the policies:\n{lines}",
                where=issues[0].location,
                cure="Nothing is permitted until they are mended.",
            )
        self.names = tuple(found)
        self._covering = frozenset(p.name for p in found.values() if p.covers)
        self._slices = {
            (action, principal, resource): sliced(found.values(), action.value, principal, resource)
            for action in Action
            for principal in PRINCIPALS
            for resource in RESOURCES
        }
        #: Then a decision depends on who asks, and not only on what they are.
        self._names_people = any(p.names_people for p in found.values())
        self._ttl_s = min(grant_ttl_s, GRANT_TTL_MAX_S)
        self._known: OrderedDict[str, cedarpy.Entities] = OrderedDict()
        self._memo: OrderedDict[Any, _Verdict] = OrderedDict()
        self._lock = Lock()
        digest = hashlib.sha256(schema_text().encode())
        for file in sorted(texts):
            digest.update(f"\0{file}\0".encode() + texts[file].encode())
        self.version = digest.hexdigest()
        self.faults = 0  #: how many decisions were denied because a policy could not be evaluated

    @classmethod
    def load(cls, folder: Path, *, grant_ttl_s: float = GRANT_TTL_MAX_S) -> Policies:
        """The policies of a site folder's ``policies/*.cedar``; the built-in ones if there is none.

        A folder without any file is an error, not a site without rules.
        """
        if not folder.is_dir():
            return cls(builtin_texts(), grant_ttl_s=grant_ttl_s)
        texts = {p.name: p.read_text(encoding="utf-8") for p in sorted(folder.glob("*.cedar"))}
        return cls(texts, grant_ttl_s=grant_ttl_s)

    def decide(self, request: Request) -> Decision:
        """Whether a request is permitted, by which policies, and what its Grant shall cover."""
        if not _is_somebody(request.principal.subject):
            return Decision(False, policy_version=self.version, fault=True)
        key = _facts(request, self._names_people)
        with self._lock:
            known = self._memo.get(key)
        if known is None:
            known = self._evaluate(request)
            if known[3]:
                self.faults += 1
            else:
                self._remember(key, known)
        allowed, reasons, labels, fault = known
        if not allowed:
            return Decision(False, reasons, policy_version=self.version, fault=fault)
        if request.person is not None:
            persons = request.person.source_patients
        elif self._covering.intersection(reasons):
            persons = EVERYONE
        else:
            persons = request.candidates
        return Decision(True, reasons, persons, labels, self._ttl_s, self.version)

    def _remember(self, key: Any, known: _Verdict) -> None:
        with self._lock:
            self._memo[key] = known
            if len(self._memo) > _REMEMBERED:
                self._memo.popitem(last=False)

    def _evaluate(self, request: Request) -> _Verdict:
        labels = sorted(request.person.labels if request.person is not None else Label)
        try:
            entities = self._entities(request, labels)
            answer = self._ask(request, request.action, [""], entities)
            if answer is None:
                return _FAULT
            reasons = tuple(sorted(answer[0].diagnostics.id_annotations_by_reason.values()))
            if not answer[0].allowed:
                return False, reasons, (), False
            seen = self._ask(request, Action.SEE_LABEL, labels, entities) if labels else []
        except ValueError:  # its text quotes the request
            return _FAULT
        if seen is None:
            return _FAULT
        pairs = zip(labels, seen, strict=True)
        return True, reasons, tuple(label.value for label, a in pairs if a.allowed), False

    def _slice(self, request: Request, action: Action) -> Slice:
        return self._slices[action, _principal_kind(request), _resource_kind(request)]

    def _entities(self, request: Request, labels: Sequence[str]) -> cedarpy.Entities:
        """Who asks and whom it is about, with what the policies need to know of them.

        The engine reads and indexes them at some cost, and there are few kinds: those that were
        read are kept. Who asks is nobody in particular unless a policy names people.
        """
        wanted = self._slice(request, request.action).reads
        if labels and wanted is not None:
            more = self._slice(request, Action.SEE_LABEL).reads
            wanted = None if more is None else wanted | more
        text = _entities(request, wanted, self._named(request))
        with self._lock:
            known = self._known.get(text)
        if known is None:
            known = cedarpy.Entities.from_json_str(text)
            with self._lock:
                self._known[text] = known
                if len(self._known) > _ENTITIES_KEPT:
                    self._known.popitem(last=False)
        return known

    def _named(self, request: Request) -> str:
        return request.principal.subject if self._names_people else _SOMEBODY

    def _ask(
        self,
        request: Request,
        action: Action,
        labels: Sequence[str],
        entities: cedarpy.Entities,
    ) -> list[cedarpy.AuthzResult] | None:
        """The engine's answers on an action for each of some labels (``""``: for none); ``None`` if
        there is a diagnostic in any of them."""
        mine, who = self._slice(request, action), self._named(request)
        asked = [_question(request, action, label, mine.reads, who) for label in labels]
        answers = cedarpy.is_authorized_batch(asked, mine.policies, entities)
        return None if any(_faulty(a) for a in answers) else answers


def _text(value: Any) -> str:
    """JSON. Raises ``ValueError`` for text that is none (a lone surrogate)."""
    return msgspec.json.encode(value).decode()


def _faulty(answer: cedarpy.AuthzResult) -> bool:
    return bool(answer.diagnostics.errors) or answer.decision is cedarpy.Decision.NoDecision


def _is_somebody(subject: str) -> bool:
    """Whether a subject can stand in a Grant and in the record: not empty, and text."""
    try:
        return bool(subject.strip() and subject.encode())
    except UnicodeEncodeError:
        return False


def _facts(request: Request, named: bool) -> Any:
    """Everything that a decision depends on."""
    who, person = request.principal, request.person
    facts = person and (
        person.relations, person.labels, person.denied, person.permitted, person.glass, person.own
    )  # fmt: skip
    return (
        who.subject if named else "", who.service, who.roles, who.scopes, request.action,
        request.purpose, request.reason, request.data_use, request.approved, request.mine,
        request.fresh, facts,
    )  # fmt: skip


def _principal_kind(request: Request) -> str:
    return "Service" if request.principal.service else "User"


def _resource_kind(request: Request) -> str:
    return "Site" if request.person is None else "Person"


def _principal(request: Request, who: str) -> dict[str, str]:
    return {"type": _principal_kind(request), "id": who or request.principal.subject}


def _resource(request: Request) -> dict[str, str]:
    """Always the same id: policies are about facts, and no patient's id enters the engine."""
    return {"type": _resource_kind(request), "id": "this"}


def _question(
    request: Request,
    action: Action,
    label: str,
    reads: frozenset[str] | None = None,
    who: str = "",
) -> dict[str, Any]:
    """For the engine. reads: attributes that are needed; who: what they who ask are called."""
    context = {
        "purpose": request.purpose.value,
        "label": label,
        "of": request.action.value if label else "",
        "reason": request.reason,
        "data_use": request.data_use,
        "approved": request.approved,
        "mine": request.mine,
        "fresh": request.fresh,
    }
    return {
        "principal": _principal(request, who),
        "action": {"type": "Action", "id": action.value},
        "resource": _resource(request),
        "context": _text(needed(context, reads)),
    }


def _entities(request: Request, reads: frozenset[str] | None = None, who: str = "") -> str:
    asking, person = request.principal, request.person
    about: dict[str, Any] = {"scopes": sorted(asking.scopes)}
    if not asking.service:
        about = {"roles": sorted(asking.roles)}
    facts: dict[str, Any] = {}
    if person is not None:
        facts = {
            "relations": sorted(person.relations),
            "labels": sorted(person.labels),
            "denied": sorted(person.denied),
            "permitted": sorted(person.permitted),
            "glass": person.glass,
            "own": person.own,
        }
    return _text(
        [
            {"uid": _principal(request, who), "attrs": needed(about, reads), "parents": []},
            {"uid": _resource(request), "attrs": needed(facts, reads), "parents": []},
        ]
    )
