"""What is refused to callers nobody knows: counted at the outermost layer, and on record."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.support.behind_shield import Behind, answered, ask


@pytest.fixture
def behind() -> Behind:
    return Behind()


@pytest.mark.parametrize(
    ("path", "method", "headers", "status", "why"),
    [
        ("/feeds", "GET", {"Host": "elsewhere"}, 400, "host"),
        ("/feeds", "GET", {"Host": "localhost"}, 401, "not-signed-in"),
        ("/sign-in?x=%00", "GET", {"Host": "localhost"}, 404, "null-character"),
        ("/sign-in", "PUT", {"Host": "localhost"}, 405, "method"),
        (
            "/enter",
            "POST",
            {"Host": "localhost", "Sec-Fetch-Site": "cross-site"},
            403,
            "other-site",
        ),
    ],
)
def test_what_strangers_are_refused_is_counted(
    behind: Behind, path: str, method: str, headers: dict[str, str], status: int, why: str
) -> None:
    assert answered(behind.shield(), path, method, headers)[0] == status
    assert (behind.strange, behind.turned, behind.reached) == ([why], [], [])


def test_of_known_callers_and_of_what_is_open_nothing_is_counted(behind: Behind) -> None:
    assert ask(behind, "/feeds?x=%00") == 404
    assert ask(behind, "/sign-in", signed_in=False) == 200
    assert behind.strange == []


def test_before_all_is_closed_what_was_counted_is_written(behind: Behind) -> None:
    async def end() -> None:
        said = iter(["lifespan.startup", "lifespan.shutdown"])

        async def receive() -> dict[str, str]:
            return {"type": next(said)}

        async def app(scope: Any, receive: Any, send: Any) -> None:
            for _ in range(2):
                behind.strange.append((await receive())["type"])

        shield = behind.shield()
        shield._app = app
        await shield({"type": "lifespan"}, receive, app)

    asyncio.run(end())
    assert behind.strange == ["lifespan.startup", "flushed", "lifespan.shutdown"]
