"""What HTTP clients are told: a status, and a FHIR OperationOutcome that never echoes the body."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from starlette.responses import Response

from chartloom.domain import codec
from chartloom.sources import events

FHIR_JSON: Final = "application/fhir+json"


class Refusal(Exception):
    """A request that gets no further. code: FHIR issue-type; event: counted under this code."""

    def __init__(
        self,
        status: int,
        code: str,
        text: str,
        *,
        event: str = events.HTTP_REFUSED,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(text)
        self.status, self.code, self.text = status, code, text
        self.event, self.headers = event, headers or {}


class Answer(NamedTuple):
    """A status with its meaning."""

    status: int
    severity: str
    code: str
    text: str


LANDED: Final = Answer(202, "information", "informational", "Received and durable.")
DUPLICATE: Final = Answer(
    202, "information", "duplicate", "Received before with this request id; not applied again."
)
CONFLICT: Final = Answer(
    202,
    "warning",
    "duplicate",
    "Received and durable. The request id was used before with another content.",
)
NOT_FHIR: Final = Answer(
    400,
    "error",
    "structure",
    "Not a FHIR JSON resource. The bytes were kept for inspection and are in quarantine.",
)
WRONG_TYPE: Final = Answer(
    400,
    "error",
    "invalid",
    "The resource has another type than the path. The bytes were kept for inspection.",
)


def respond(answer: Answer, headers: dict[str, str]) -> Response:
    """The HTTP response for ``answer``."""
    return outcome(answer.status, answer.severity, answer.code, answer.text, headers)


def refuse(refusal: Refusal) -> Response:
    """The HTTP response for a refusal; nothing was kept."""
    return outcome(refusal.status, "error", refusal.code, refusal.text, refusal.headers)


def outcome(status: int, severity: str, code: str, text: str, headers: dict[str, str]) -> Response:
    """An OperationOutcome with one issue."""
    body: dict[str, Any] = {
        "resourceType": "OperationOutcome",
        "issue": [{"severity": severity, "code": code, "diagnostics": text}],
    }
    return Response(codec.encode(body), status, headers, media_type=FHIR_JSON)
