"""What stands behind the outermost layer, for its tests: it tells who came, and with what."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any
from urllib.parse import unquote, urlencode

from starlette.requests import Request
from starlette.responses import Response

from chartloom.domain.access import SignedIn
from chartloom.guard.staff import Principal
from chartloom.guard.tokens import Access, TokenRefused
from chartloom.serve.limits import Refused
from chartloom.serve.sessions import Visitor
from chartloom.serve.shield import (
    Shield,
)

WORD, CSRF = "w" * 43, "c" * 43
SESSION = SignedIn("ann", "oidc", {}, 1, 2, CSRF)
ANN = Visitor(Principal("ann", roles=frozenset({"clinician"})), SESSION, b"key")


class Behind:
    """What stands behind the shield: it tells who came, and with which form."""

    def __init__(self) -> None:
        self.reached: list[str] = []
        self.visitors: list[Visitor | None] = []
        self.forms: list[dict[str, list[str]]] = []
        self.refused: list[int] = []
        self.noted: list[bool] = []
        self.turned: list[str] = []
        self.strange: list[str] = []
        self.audit_trouble: Exception | None = None
        self.knocks = 0
        self.too_often: Refused | None = None
        self.trouble: Exception | None = None
        self.tokens: list[tuple[str, bytes]] = []
        self.purpose = ""

    async def app(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            self.reached.append(scope["type"])
            return
        self.reached.append(scope["path"])
        self.visitors.append(scope["chartloom.visitor"])
        self.forms.append(scope["chartloom.form"])
        await Response("in")(scope, receive, send)

    def find(self, word: str) -> Visitor | None:
        if self.trouble is not None:
            raise self.trouble
        return ANN if word == WORD else None

    def verify(self, token: str, *, certificate: bytes) -> Access:
        self.tokens.append((token, certificate))
        if token != "good":
            raise TokenRefused("signature")
        return Access("lab", "lab", frozenset({"system/*.rs"}), "t", 9, self.purpose)

    def knock(self, request: Request, visitor: Visitor | None) -> Refused | None:
        self.knocks += 1
        return self.too_often

    def refuse(self, request: Request, status: int) -> Response:
        self.refused.append(status)
        return Response("no", status)

    def note(self, request: Request, refused: Refused) -> None:
        self.noted.append(True)

    def count(self, why: str) -> None:
        self.strange.append(why)

    async def flush(self) -> None:
        self.strange.append("flushed")

    def turn(self, request: Request, why: str) -> None:
        if self.audit_trouble is not None:
            raise self.audit_trouble
        self.turned.append(why)

    def shield(self, *, https: bool = False, services: bool = True) -> Shield:
        verifier = SimpleNamespace(verifier=self)
        return Shield(
            self.app, sessions=self, services=verifier if services else None, https=https,  # type: ignore[arg-type]
            hosts=["Localhost", "[::1]"], refuse=self.refuse, limiter=self, note=self.note,  # type: ignore[arg-type]
            turned=self.turn, strangers=self,  # type: ignore[arg-type]
        )  # fmt: skip


def answered(
    shield: Shield, path: str, method: str, headers: Mapping[str, str], body: bytes = b""
) -> tuple[int, dict[str, str]]:
    """One request: status and headers of its answer."""
    sent: list[Any] = []
    raw, _, query = path.partition("?")
    scope = {
        "type": "http", "method": method, "path": unquote(raw), "query_string": query.encode(),
        "headers": [(k.lower().encode(), v.encode()) for k, v in headers.items()],
        "scheme": "http", "server": ("localhost", 80), "client": ("127.0.0.1", 1),
    }  # fmt: skip

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(shield(scope, receive, send))
    start = sent[0]
    return start["status"], {k.decode(): v.decode() for k, v in start["headers"]}


def ask(
    behind: Behind, path: str, method: str = "GET", *, signed_in: bool = True,
    headers: Mapping[str, str] = {}, shield: Mapping[str, Any] = {},
    data: Mapping[str, str] | None = None, content: bytes = b"",
) -> int:  # fmt: skip
    cookie = {"cookie": f"chartloom_session={WORD}"} if signed_in else {}
    body = urlencode(data).encode() if data is not None else content
    asked = {"host": "localhost", **cookie, **headers}
    return answered(behind.shield(**shield), path, method, asked, body)[0]
