"""A resource through the allow-list: what is not named does not leave."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from datetime import date
from enum import StrEnum
from typing import Any

import msgspec

from chartloom.domain.resource import FhirJson
from chartloom.guard.deid.tables import Node, elements
from chartloom.guard.deid.values import MASKED, Context, action, pseudonym, shift_days

_KEY_BYTES = 32


class Profile(StrEnum):
    """How much may leave; see the README of this room."""

    SAFE_HARBOR = "safe_harbor"
    SHIFTED = "shifted"
    LIMITED = "limited"

    def is_within(self, approved: Profile) -> bool:
        """Whether no more leaves by it than by the one that was approved."""
        order = list(Profile)
        return order.index(self) <= order.index(approved)


class Project(msgspec.Struct, frozen=True):
    """One data set that leaves.

    key: 32 secret bytes of this project alone (:func:`project_key`). as_of: the day at which ages
    are counted. fields: ``Type.element`` that the approved data use names; ``None`` is all the
    table allows. Ids and references to the patient always come along.
    """

    name: str
    key: bytes
    profile: Profile
    as_of: date
    fields: frozenset[str] | None = None


def project_key(secret: bytes, project: str) -> bytes:
    """The key of a project, from a secret of the site. Raises ``ValueError`` for a short secret."""
    if len(secret) < _KEY_BYTES:
        raise ValueError(f"a secret has at least {_KEY_BYTES} bytes")
    return hmac.digest(secret, b"chartloom project key 1\x00" + project.encode(), hashlib.sha256)


class _Dropped(Exception):
    """Something required cannot leave, so that what it belongs to cannot either."""


_Reader = Callable[[Any, Context], Any]


class _Compiled(msgspec.Struct, frozen=True):
    """A node of the table for one profile."""

    read: _Reader | None
    required: str
    inner: dict[str, _Compiled]
    masked: Any = None


def _compile(node: Node, profile: Profile) -> _Compiled:
    inner = {name: _compile(child, profile) for name, child in node.inner.items()}
    if node.element is None:
        return _Compiled(None, "", inner)
    name = node.element.actions[profile]
    masked = MASKED if name == "coding" else {"coding": [MASKED]}
    return _Compiled(action(name), node.element.required, inner, masked)


#: Elements of R4 that are lists wherever the table names them, so that a mask is one too.
_LISTS = frozenset({"manifestation"})


class Deidentifier:
    """De-identifies the resources of one project. Pure; give it a patient's resources in any order.

    A resource comes out valid against R4 unless its profile of birth makes it older than 89: then
    the birth date is missing.
    """

    def __init__(self, project: Project) -> None:
        """Raises ``ValueError`` if the project's key is not as long as it should be."""
        if len(project.key) != _KEY_BYTES:
            raise ValueError(f"the key of a project has {_KEY_BYTES} bytes")
        self._project = project
        self._trees = {
            kind: self._narrowed(kind, _compile(node, project.profile))
            for kind, node in elements().items()
        }

    def _narrowed(self, kind: str, tree: _Compiled) -> _Compiled:
        fields = self._project.fields
        if fields is None:
            return tree
        inner = {
            name: child
            for name, child in tree.inner.items()
            if f"{kind}.{name}" in fields or child.required
        }
        return _Compiled(None, "", inner)

    def resource(self, resource: FhirJson, patient: str) -> FhirJson | None:
        """What may leave of a resource; ``None`` if nothing may.

        patient: the same id for all resources of one person (the source patient or the cluster):
        dates of one person are moved alike.
        """
        kind, id = resource.get("resourceType"), resource.get("id")
        if not isinstance(kind, str) or not isinstance(id, str) or kind not in self._trees:
            return None
        key = self._project.key
        context = Context(key, shift_days(key, patient), self._project.as_of)
        try:
            kept = _branch(resource, self._trees[kind], context)
        except _Dropped:
            return None
        return {"resourceType": kind, "id": pseudonym(key, kind, id), **kept}

    def patient(self, id: str) -> str:
        """The pseudonym of a patient in this project."""
        return pseudonym(self._project.key, "Patient", id)


def _branch(source: FhirJson, node: _Compiled, context: Context) -> FhirJson:
    """The allowed elements of an object, in the table's order."""
    kept: FhirJson = {}
    for name, child in node.inner.items():
        found = _element(source[name], child, context) if name in source else None
        if found is None and child.required:
            if child.required == "drop":
                raise _Dropped
            found = [child.masked] if name in _LISTS else child.masked
        if found is not None:
            kept[name] = found
    return kept


def _element(value: Any, node: _Compiled, context: Context) -> Any:
    if isinstance(value, list):
        items = [v for item in value if (v := _one(item, node, context)) is not None]
        return items or None
    return _one(value, node, context)


def _one(value: Any, node: _Compiled, context: Context) -> Any:
    if node.read is not None:
        return node.read(value, context)
    if not isinstance(value, dict):
        return None
    try:
        kept = _branch(value, node, context)
    except _Dropped:
        return None
    return kept or None
