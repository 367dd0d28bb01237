"""For machines: health, readiness, metrics, static files. Nothing here knows a patient."""

from __future__ import annotations

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from chartloom.domain.errors import StoreUnavailable
from chartloom.domain.grant import Purpose
from chartloom.serve.console import Console, static_files


def routes(console: Console, registry: CollectorRegistry) -> list[BaseRoute]:
    """``/healthz`` (this process lives), ``/readyz`` (the store answers), ``/metrics``, static."""
    files = static_files()

    async def healthz(request: Request) -> Response:
        return PlainTextResponse("ok\n")

    async def readyz(request: Request) -> Response:
        grant = console.guard.mint("readiness", Purpose.OPERATIONS, ttl_s=30)
        try:
            waiting = await run_in_threadpool(console.store.waiting, grant)
        except StoreUnavailable as e:
            return JSONResponse({"ready": False, "why": e.what, "cure": e.cure}, 503)
        return JSONResponse({"ready": True, "waiting": waiting})

    async def metrics(request: Request) -> Response:
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    async def static(request: Request) -> Response:
        known = files.get(request.path_params["name"])
        if known is None or known[1] != request.path_params["print"]:
            return PlainTextResponse("There is no such file in this version.\n", 404)
        return FileResponse(
            known[0], headers={"cache-control": "public, max-age=31536000, immutable"}
        )

    return [
        Route("/healthz", healthz),
        Route("/readyz", readyz),
        Route("/metrics", metrics),
        Route("/static/{print}/{name}", static),
    ]
