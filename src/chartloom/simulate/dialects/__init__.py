"""How each sending system writes what happened: one module per feed, one function each.

:func:`render` turns an event and the patient's state at that moment into a message's bytes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from chartloom.simulate.dialects import (
    adt,
    billing,
    documents,
    fhir,
    immunisation,
    lab,
    orders,
    pharmacy,
    scheduling,
    vitals,
)
from chartloom.simulate.dialects.common import Scene

RENDER: Final[dict[str, Callable[[Scene], bytes]]] = {
    "adt": adt.render,
    "lab": lab.render,
    "vitals": vitals.render,
    "orders": orders.render,
    "pharmacy": pharmacy.render,
    "immunisation": immunisation.render,
    "documents": documents.render,
    "scheduling": scheduling.render,
    "billing": billing.render,
    "fhir": fhir.render,
}


def render(scene: Scene) -> bytes:
    """The message's verbatim bytes."""
    return RENDER[scene.event.feed](scene)


__all__ = ["RENDER", "Scene", "render"]
