"""For machines: health, readiness, metrics, static files. Nothing here knows a patient."""

from __future__ import annotations

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from chartloom.serve.console import Console, static_files
from chartloom.serve.readiness import MetricsRule, Readiness


def routes(console: Console, registry: CollectorRegistry, rule: MetricsRule) -> list[BaseRoute]:
    """``/healthz`` (this process lives), ``/readyz`` (the store answers and can be written; no
    details), ``/metrics`` (for those whom ``rule`` admits), static."""
    files = static_files()

    async def healthz(request: Request) -> Response:
        return PlainTextResponse("ok\n")

    readiness = Readiness(console.store.check_writable)

    async def readyz(request: Request) -> Response:
        ready = await run_in_threadpool(readiness.ready)
        return JSONResponse({"ready": ready}, 200 if ready else 503)

    async def metrics(request: Request) -> Response:
        if not rule.admits(request):
            return PlainTextResponse("Metrics need a token.\n", 401, {"www-authenticate": "Bearer"})
        content = await run_in_threadpool(generate_latest, registry)
        return Response(content, media_type=CONTENT_TYPE_LATEST)

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
