"""A form that does not fit any more, because somebody answered what it asks about meanwhile.

It is no attempt at anything: whoever sent it was permitted, so that nothing is denied and the
record tells of a look. The page says what happened.
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from chartloom.domain.grant import Grant
from chartloom.guard.authority import Permit
from chartloom.serve.console import Console
from chartloom.serve.errors import answer

STATUS = 409


def outdated(console: Console, request: Request, permit: Permit) -> Response:
    """The answer to such a form, once the look is on record."""
    permit.run(_looked)
    return answer(console, request, STATUS)


def _looked(_: Grant) -> None:
    """Nothing was said, and what was asked about was looked at."""
