"""HL7 v2 over HTTP: the acknowledgement is the response's body (original mode).

Status: 200 for AA, 400 for AE and AR of what was landed, 503 when nothing was kept
and sending again may help, 422 when it cannot. A batch is
answered with a response batch; its status is that of its worst message.
"""

from __future__ import annotations

import asyncio
from typing import Final

from starlette.responses import Response

from chartloom.domain.errors import LandingRefused, StoreUnavailable
from chartloom.formats.hl7v2 import Peek, parse, peek
from chartloom.sources import events
from chartloom.sources.batches import (
    BATCH_MESSAGES_MAX,
    answer_batch,
    may_be_batch,
    too_many,
    unpack,
)
from chartloom.sources.common import begin, room
from chartloom.sources.context import SourceContext
from chartloom.sources.fhir_rest.outcome import Refusal
from chartloom.sources.intake import Hl7Intake
from chartloom.sources.mllp import answers

MEDIA_TYPE: Final = "application/hl7-v2"
_STATUS: Final = {"AA": 200, "AE": 400, "AR": 400}


class Hl7Reception:
    """Lands HL7 v2 bodies of one feed and builds the responses."""

    def __init__(self, context: SourceContext) -> None:
        self._context = context
        self._acknowledger = answers.Acknowledger(context.next_control_id)
        self._intake = Hl7Intake(context.feed, context.namespace)

    async def receive(self, body: bytes) -> Response:
        """The response for one request body: a message or a batch; raises ``Refusal``."""
        if too_many(body):
            raise Refusal(
                413,
                "too-long",
                f"A batch holds at most {BATCH_MESSAGES_MAX} messages. Nothing was kept.",
                event=events.BATCH,
            )
        batch = unpack(body) if may_be_batch(body) else None
        bodies = [body] if batch is None else batch.bodies
        await room(self._context.lander)  # then all are submitted in this turn, in order
        done = await asyncio.gather(*(self._one(b) for b in bodies))
        status = max((s for s, _ in done), default=200)
        acknowledgements = [a for _, a in done]
        if batch is None:
            content = acknowledgements[0]
        elif batch.headers:
            for event in batch.events:
                self._context.note(event)
            time = answers.hl7_time(self._context.clock.now_us())
            content = answer_batch(
                batch.headers, acknowledgements, self._context.next_control_id(), time
            )
        else:
            content = b"".join(acknowledgements)
        headers = {"Retry-After": "5"} if status == 503 else {}
        return Response(content, status, headers, media_type=MEDIA_TYPE)

    async def _one(self, body: bytes) -> tuple[int, bytes]:
        context = self._context
        charset = context.feed.charset
        seen = peek(body, charset=charset)
        verdict = answers.ACCEPTED
        if seen.fatal:
            verdict = answers.NO_HEADER
        elif context.feed.acknowledge == "parsed" and answers.unreadable(
            parse(body, charset=charset)
        ):
            verdict = answers.UNREADABLE
        arrival = self._intake.arrival(body, seen, context.clock.now_us())
        context.stats.in_flight += 1
        try:
            receipt = await begin(context.lander, arrival)
        except StoreUnavailable:
            context.note(events.STORE)
            return 503, self._answer(seen, answers.refused(events.STORE))
        except LandingRefused:
            context.note(events.REFUSED)
            return 422, self._answer(seen, answers.refused(events.REFUSED))
        finally:
            context.stats.in_flight -= 1
        if verdict.event:
            context.note(verdict.event)
        context.stats.durable(
            receipt.outcome, len(body), arrival.received_at_us, context.clock.now_us()
        )
        return _STATUS[verdict.application], self._answer(seen, verdict)

    def _answer(self, seen: Peek, verdict: answers.Verdict) -> bytes:
        return self._acknowledger.message(seen, verdict, self._context.clock.now_us())
