"""The outermost layer by itself: who gets past it, with which answer, and what stays outside."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from starlette.requests import Request
from tests.support.behind_shield import ANN, CSRF, WORD, Behind, answered, ask

from chartloom.domain.audit import AuditUnavailable
from chartloom.guard.clients import PEER
from chartloom.serve.errors import PAGES
from chartloom.serve.limits import Refused
from chartloom.serve.shield import (
    BODY_BYTES_MAX,
    FORM_BYTES_MAX,
    MACHINE_PATHS,
    OPEN_PATHS,
    policy_scopes,
)


@pytest.fixture
def behind() -> Behind:
    return Behind()


def test_without_a_session_only_open_pages_are_reached(behind: Behind) -> None:
    for path in ("/", "/chart", "/api/chart/x", "/static", "/sign-in/other", "/healthz/x", "/me"):
        assert ask(behind, path, signed_in=False) == 401, path
    assert behind.reached == []
    for path in (*sorted(OPEN_PATHS), "/static/x.css"):
        assert ask(behind, path, signed_in=False) == 200, path
    assert behind.visitors == [None] * len(behind.reached)
    assert ask(behind, "/chart") == 200
    assert behind.visitors[-1] == ANN
    assert ask(behind, "/chart", signed_in=False, headers={"cookie": "chartloom_session=x"}) == 401


def test_machines_and_pictures_have_no_session(behind: Behind) -> None:
    behind.trouble = AuditUnavailable("down")
    for path in (*sorted(MACHINE_PATHS), "/static/x.css"):
        assert ask(behind, path) == 200
    assert behind.visitors == [None] * (len(MACHINE_PATHS) + 1)
    assert ask(behind, "/chart") == 503


@pytest.mark.parametrize("host", ["evil.example", "", "localhost.evil.example", "127.0.0.1"])
def test_another_host_is_not_served(behind: Behind, host: str) -> None:
    assert ask(behind, "/sign-in", headers={"host": host}) == 400
    assert behind.reached == []
    for own in ("localhost", "LOCALHOST:8000", "[::1]", "[::1]:443"):
        assert ask(behind, "/sign-in", headers={"host": own}) == 200


def test_who_knocks_too_often_waits_and_is_on_record_once(behind: Behind) -> None:
    behind.too_often = Refused(None, 7, first=True)  # type: ignore[arg-type]
    assert ask(behind, "/chart") == 429
    assert behind.noted == [True]
    behind.too_often = Refused(None, 7, first=False)  # type: ignore[arg-type]
    assert ask(behind, "/chart") == 429
    assert behind.noted == [True]
    assert behind.reached == []


@pytest.mark.parametrize("path", ["/chart/%00", "/chart?x=%00", "/chart?a=b&x=y%00z"])
def test_what_no_database_can_hold_is_not_there(behind: Behind, path: str) -> None:
    assert ask(behind, path) == 404
    assert behind.reached == []


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "X"])
def test_other_methods_are_not_served(behind: Behind, method: str) -> None:
    assert ask(behind, "/chart", method) == 405
    assert behind.reached == []
    assert ask(behind, "/chart", "HEAD") == 200


# Forms


def post(behind: Behind, path: str = "/glass", **more: Any) -> int:
    return ask(behind, path, "POST", data={"csrf": CSRF, "a": "b"} | more.pop("data", {}), **more)


def test_a_form_comes_with_the_secret_of_its_session(behind: Behind) -> None:
    assert post(behind) == 200
    assert behind.forms == [{"csrf": [CSRF], "a": ["b"]}]
    for wrong in ("", "x", CSRF[:-1], CSRF + "x"):
        assert post(behind, data={"csrf": wrong}) == 403
    assert ask(behind, "/glass", "POST", data={"a": "b"}) == 403
    assert post(behind, signed_in=False) == 401
    assert len(behind.reached) == 1


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"sec-fetch-site": "same-origin"}, 200),
        ({"sec-fetch-site": "none"}, 200),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "same-site"}, 403),
        ({"origin": "http://localhost"}, 200),
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "http://localhost.evil.example"}, 403),
        ({"origin": "http://localhost:81"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "http://localhost", "sec-fetch-site": "cross-site"}, 403),
    ],
)
def test_a_form_comes_from_a_page_of_ours(
    behind: Behind, headers: dict[str, str], status: int
) -> None:
    for path in ("/glass", "/enter"):
        assert post(behind, path, headers=headers) == status
    assert post(behind, "/token", headers=headers, signed_in=False) == 200  # no browser's


def test_a_form_is_not_larger_than_any_of_ours(behind: Behind) -> None:
    assert post(behind, data={"text": "x" * (FORM_BYTES_MAX - 200)}) == 200
    assert post(behind, data={"text": "x" * FORM_BYTES_MAX}) == 413
    many = "&".join(f"a{n}=b" for n in range(1001)).encode()
    assert ask(behind, "/token", "POST", content=many) == 413
    assert len(behind.reached) == 1


def test_a_form_holds_nothing_that_no_database_can(behind: Behind) -> None:
    assert post(behind, data={"a": "x\0y"}) == 200
    assert behind.forms[0]["a"] == ["xy"]


@pytest.mark.parametrize(
    ("token", "body", "status"),
    [
        (CSRF, b"{}", 200),
        ("", b"{}", 403),
        ("x", b"{}", 403),
        (CSRF, b"x" * (FORM_BYTES_MAX + 1), 413),
    ],
)
def test_what_a_browser_posts_to_the_fhir_door(
    behind: Behind, token: str, body: bytes, status: int
) -> None:
    headers = {"content-type": "application/fhir+json", "x-csrf-token": token}
    assert ask(behind, "/fhir/R4/Patient/$match", "POST", headers=headers, content=body) == status
    assert len(behind.reached) == (status == 200)
    # Elsewhere only a form carries the secret.
    assert ask(behind, "/glass", "POST", headers=headers, content=body) in (403, 413)


# Services


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


def test_a_service_asks_the_api_by_its_token(behind: Behind) -> None:
    def by_token(path: str, headers: dict[str, str], **more: Any) -> int:
        return ask(behind, path, signed_in=False, headers=headers, **more)

    assert by_token("/api/chart/x", bearer("good")) == 200
    visitor = behind.visitors[0]
    assert visitor is not None
    assert (visitor.principal.subject, visitor.principal.service) == ("lab", True)
    assert visitor.principal.scopes == {"system/*.rs", "system/*.read", "system/Patient.rs"}
    assert by_token("/api/chart/x", bearer("bad")) == 401
    assert by_token("/api/chart/x", {"authorization": "Basic good"}) == 401
    assert by_token("/api/chart/x", {"authorization": "good"}) == 401
    assert by_token("/chart/x", bearer("good")) == 401
    assert by_token("/apix/chart", bearer("good")) == 401
    assert by_token("/api/chart/x", bearer("good"), shield={"services": False}) == 401
    assert len(behind.reached) == 1


@pytest.mark.parametrize(
    ("path", "kind", "body", "status"),
    [
        ("/api/x", "application/json", b"{}", 405),
        ("/fhir/R4/Patient/$match", "application/fhir+json", b"{}", 200),
        ("/fhir/R4/Patient/$match", "application/json; charset=utf-8", b"{}", 200),
        ("/fhir/R4/Patient/_search", "application/x-www-form-urlencoded", b"a=b", 200),
        ("/fhir/R4/Patient/$match", "", b"{}", 415),
        ("/fhir/R4/Patient/$match", "text/html", b"{}", 415),
        ("/fhir/R4/Patient/$match", "application/json", b"x" * (BODY_BYTES_MAX + 1), 413),
        (
            "/fhir/R4/Patient/_search",
            "application/x-www-form-urlencoded",
            b"&".join(b"a=b" for _ in range(1001)),
            413,
        ),
    ],
)
def test_what_a_service_posts(
    behind: Behind, path: str, kind: str, body: bytes, status: int
) -> None:
    headers = bearer("good") | {"content-type": kind}
    assert ask(behind, path, "POST", signed_in=False, headers=headers, content=body) == status
    assert behind.reached == ([path] if status == 200 else [])
    assert ask(behind, path, "POST", signed_in=False, content=body) == 401
    from_elsewhere = headers | {"origin": "http://evil.example"}
    asked = ask(behind, path, "POST", signed_in=False, headers=from_elsewhere, content=body)
    assert asked == 403


def test_a_token_for_an_unknown_purpose_is_none(behind: Behind) -> None:
    for purpose, status in (("", 200), ("TREAT", 200), ("HOPERAT", 200), ("ANY", 401)):
        behind.purpose = purpose
        assert ask(behind, "/api/x", signed_in=False, headers=bearer("good")) == status


def test_a_token_is_verified_with_the_certificate_that_was_shown(behind: Behind) -> None:
    scope = {"type": "http", "path": "/api/x", "headers": [(b"authorization", b"Bearer good")],
             PEER: b"der", "query_string": b"", "method": "GET", "server": ("localhost", 80),
             "scheme": "http"}  # fmt: skip
    request = Request(scope)
    assert asyncio.run(behind.shield()._visitor(request)) is not None
    assert behind.tokens == [("good", b"der")]


@pytest.mark.parametrize(
    ("scopes", "more"),
    [
        (set(), set()),
        ({"system/*.c"}, set()),
        ({"system/*.r"}, set()),
        ({"system/*.s"}, set()),
        ({"system/Patient.c"}, set()),
        ({"system/Observation.rs"}, set()),
        ({"user/*.rs"}, set()),
        ({"system/Patient.c?_source=records"}, set()),
        ({"system/Patient.rs?birthdate=gt2000"}, set()),
        ({"system/*.sr"}, set()),
        ({"system/*.cruds"}, {"system/*.read", "system/Patient.rs"}),
    ],
)
def test_scopes_are_what_policies_name(scopes: set[str], more: set[str]) -> None:
    assert policy_scopes(frozenset(scopes)) == scopes | more


# What is on every answer


def test_over_https_browsers_are_told_to_stay_there(behind: Behind) -> None:
    for https in (True, False):
        shield, host = behind.shield(https=https), {"host": "localhost"}
        for path, status in (("/sign-in", 200), ("/x", 401)):
            found, headers = answered(shield, path, "GET", host)
            assert found == status
            assert ("strict-transport-security" in headers) is https
            assert headers["x-frame-options"] == "DENY"
            assert headers["cache-control"] == "no-store"
        assert "cache-control" not in answered(shield, "/static/x", "GET", host)[1]


def test_what_is_no_request_goes_on(behind: Behind) -> None:
    asyncio.run(behind.shield()({"type": "lifespan"}, None, None))  # type: ignore[arg-type]
    assert behind.reached == ["lifespan"]


JSON, FORM = "application/fhir+json", "application/x-www-form-urlencoded"
BEARER = {"authorization": "Bearer good"}


@pytest.mark.parametrize(
    ("path", "method", "headers", "content", "status", "why"),
    [
        ("/chart?x=%00", "GET", {}, b"", 404, "null-character"),
        ("/chart", "PUT", {}, b"", 405, "method"),
        ("/chart", "POST", {"origin": "https://evil.example"}, b"", 403, "other-site"),
        ("/chart", "POST", {"content-type": FORM}, b"csrf=forged", 403, "form-secret"),
        ("/chart", "POST", {"content-type": FORM}, b"a" * (FORM_BYTES_MAX + 1), 413, "too-large"),
        ("/api/chart", "POST", BEARER, b"", 405, "method"),
        ("/fhir/R4/Patient", "POST", BEARER, b"{}", 415, "media-type"),
        ("/fhir/R4/Patient", "POST", BEARER, b"a" * (BODY_BYTES_MAX + 1), 413, "too-large"),
        ("/fhir/R4/Patient", "POST", BEARER | {"content-type": FORM}, b"&" .join([b"a=b"] * 1001),
         413, "too-large"),
    ],
)  # fmt: skip
def test_what_a_known_caller_is_refused_at_the_door_is_on_record(
    behind: Behind, path: str, method: str, headers: dict[str, str], content: bytes, status: int,
    why: str,
) -> None:  # fmt: skip
    """One event each; and where none can be written, the answer is that the record is down."""
    known = BEARER.items() <= headers.items()
    asked: dict[str, Any] = {"signed_in": not known, "headers": headers, "content": content}
    assert ask(behind, path, method, **asked) == status
    assert (behind.turned, behind.reached) == ([why], [])
    behind.audit_trouble = AuditUnavailable("down")
    assert ask(behind, path, method, **asked) == 503


@pytest.mark.parametrize("path", ["/chart/find", "/backchannel-logout", "/fhir/R4/Patient/$match"])
def test_who_hangs_up_within_a_body_is_no_error(behind: Behind, path: str) -> None:
    """Anybody could fill the log of errors."""
    sent: list[Any] = []
    scope = {
        "type": "http", "method": "POST", "path": path, "query_string": b"",
        "headers": [(b"host", b"localhost"), (b"cookie", f"chartloom_session={WORD}".encode())],
        "scheme": "http", "server": ("localhost", 80), "client": ("127.0.0.1", 1),
    }  # fmt: skip
    parts = [{"type": "http.request", "body": b"a=b", "more_body": True}]

    async def receive() -> dict[str, Any]:
        return parts.pop() if parts else {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(behind.shield()(scope, receive, send))
    assert sent == []
    assert behind.reached == []


def test_every_refusal_has_words_of_its_own() -> None:
    """A body of a kind that is not read was told as a fault of ours."""
    assert {400, 401, 403, 404, 405, 413, 415, 429, 503} <= PAGES.keys()
