"""Error pages: what happened and what to do, without any data of a patient."""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from chartloom.domain.audit import AuditUnavailable
from chartloom.domain.errors import (
    GrantRefused,
    LimitExceeded,
    MadeAnew,
    NotFound,
    StoreDamaged,
    StoreDefect,
    StoreUnavailable,
)
from chartloom.guard.authority import AccessDenied
from chartloom.serve.client_registry.fhir_answers import outcome
from chartloom.serve.console import Console
from chartloom.serve.shield import HEADERS

#: status -> (title, sentence, cure)
PAGES: dict[int, tuple[str, str, str]] = {
    400: (
        "This address is not served here",
        "The console answers only under the host names it was started with.",
        "Open the address that `chartloom up` printed.",
    ),
    401: (
        "Please sign in",
        "You are not signed in, or your session is over.",
        "Sign in, then open the address again.",
    ),
    403: (
        "Not permitted",
        "Your session or its permission does not cover this.",
        "Go back, reload the page and try again. If it stays so, ask whoever runs this site.",
    ),
    404: (
        "Nothing here",
        "There is nothing under this address, or you may not see it; the two look the same.",
        "Check the address, or search again.",
    ),
    405: (
        "That is not possible here",
        "This page does not answer this kind of request.",
        "Go back and use the buttons of the page.",
    ),
    409: (
        "This was settled in the meantime",
        "Somebody answered this, or it changed, after you opened the page. Nothing was changed.",
        "Go back to the list and open it again to see how it stands now.",
    ),
    413: (
        "Too much at once",
        "The form was larger than any form of the console.",
        "Select fewer rows and try again.",
    ),
    415: (
        "Not read here",
        "What was sent is of a kind that is not read here.",
        "Send JSON (`application/fhir+json`), or a form (`application/x-www-form-urlencoded`).",
    ),
    429: (
        "Too often",
        "You asked for this more often than the site lets anybody ask.",
        "Wait a moment, then try again. If your work needs it, ask whoever runs this site.",
    ),
    500: (
        "Something went wrong in Chartloom",
        "The page could not be made. No data was changed or lost.",
        "Try again. If it stays so, run `chartloom doctor` and report what it says.",
    ),
    503: (
        "The store does not answer",
        "The database cannot be reached right now. Acknowledged messages are safe on disk.",
        "This page tries again by itself. `chartloom doctor` tells what is wrong.",
    ),
}


#: Of a question that cannot be answered, or a word that cannot be said, for some minutes.
_ANEW: tuple[str, str, str] = (
    "Charts are being made anew",
    "Not everything is there yet, so this is not answered and nothing is decided.",
    "Go back and try again in some minutes.",
)
_ANEW_RETRY_S = 30


def answer(
    console: Console,
    request: Request,
    status: int,
    cure: str = "",
    page: tuple[str, str, str] | None = None,
) -> Response:
    """The page, or the JSON object for ``/api``, for a status. page: instead of the usual words."""
    title, sentence, standard = page or PAGES.get(status, PAGES[500])
    cure = cure or standard
    if request.url.path.startswith("/fhir/"):
        return outcome(status, f"{title}. {sentence}")
    if request.url.path.startswith("/api/") or request.url.path == "/token":
        return JSONResponse({"error": title, "why": sentence, "cure": cure}, status)
    return console.page(
        request,
        "error.html",
        status,
        status=status,
        title=title,
        sentence=sentence,
        cure=cure,
        reload=page is None,
    )


class Handlers:
    """Turns our errors into pages. What an error says about data never reaches the page."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def http(self, request: Request, error: Exception) -> Response:
        """404, 405 and the like, from the router."""
        status = error.status_code if isinstance(error, HTTPException) else 500
        return answer(self._console, request, status)

    def not_found(self, request: Request, error: Exception) -> Response:
        """``NotFound`` and ``AccessDenied``: the same bytes, whatever the reason."""
        return answer(self._console, request, 404)

    def refused(self, request: Request, error: Exception) -> Response:
        """``GrantRefused``."""
        return answer(self._console, request, 403)

    def store_down(self, request: Request, error: Exception) -> Response:
        """``StoreUnavailable``."""
        return answer(self._console, request, 503)

    def anew(self, request: Request, error: Exception) -> Response:
        """``MadeAnew``."""
        response = answer(self._console, request, 503, page=_ANEW)
        response.headers["retry-after"] = str(_ANEW_RETRY_S)
        return response

    def limit(self, request: Request, error: Exception) -> Response:
        """``LimitExceeded``."""
        return answer(self._console, request, 413, getattr(error, "cure", ""))

    def damaged(self, request: Request, error: Exception) -> Response:
        """``StoreDamaged``."""
        return answer(self._console, request, 500, getattr(error, "cure", ""))

    def defect(self, request: Request, error: Exception) -> Response:
        """``StoreDefect``: also told to those who run the site, on every page from then on."""
        if isinstance(error, StoreDefect):
            self._console.watch.saw(error, self._console.clock)
        return answer(self._console, request, 500, getattr(error, "cure", ""))

    def broken(self, request: Request, error: Exception) -> Response:
        """Anything else; the server logs where it happened."""
        response = answer(self._console, request, 500)
        response.headers.update(HEADERS | {"cache-control": "no-store"})  # made outside the shield
        return response

    def table(self) -> dict[type[Exception] | int, object]:
        """For Starlette's ``exception_handlers``."""
        return {
            HTTPException: self.http,
            NotFound: self.not_found,
            AccessDenied: self.not_found,
            AuditUnavailable: self.store_down,
            MadeAnew: self.anew,
            GrantRefused: self.refused,
            StoreUnavailable: self.store_down,
            LimitExceeded: self.limit,
            StoreDamaged: self.damaged,
            StoreDefect: self.defect,
            Exception: self.broken,
        }
