"""What machines are told without a session: no details, and metrics only for whom they are for."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.requests import Request

from chartloom.domain.errors import StoreUnavailable
from chartloom.serve.readiness import MetricsRule, Readiness


def request(client: str = "127.0.0.1", **headers: str) -> Request:
    pairs = [(k.replace("_", "-").encode(), v.encode()) for k, v in headers.items()]
    scope: dict[str, Any] = {"type": "http", "headers": pairs, "client": (client, 1)}
    return Request(scope)


@pytest.mark.parametrize(
    ("rule", "asked", "admitted"),
    [
        (MetricsRule(), request(), True),
        (MetricsRule(), request("::1"), True),
        (MetricsRule(), request("10.0.0.7"), False),
        (MetricsRule(), request("testclient"), False),
        (MetricsRule(), request(x_forwarded_for="10.0.0.7"), False),
        (MetricsRule(), request(forwarded="for=10.0.0.7"), False),
        (MetricsRule(local=False), request(), False),
        (MetricsRule("secret"), request(), False),
        (MetricsRule("secret"), request("10.0.0.7", authorization="Bearer secret"), True),
        (MetricsRule("secret"), request(authorization="Bearer secre"), False),
        (MetricsRule("secret"), request(authorization="Basic secret"), False),
        (MetricsRule("secret"), request(authorization="Bearer "), False),
    ],
)
def test_metrics_are_for_those_the_rule_names(
    rule: MetricsRule, asked: Request, admitted: bool
) -> None:
    assert rule.admits(asked) is admitted


def test_readiness_is_asked_of_the_store_and_remembered_for_a_moment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now, asked, down = [100.0], [0], [False]
    monkeypatch.setattr("chartloom.serve.readiness.time.monotonic", lambda: now[0])

    def check() -> None:
        asked[0] += 1
        if down[0]:
            raise StoreUnavailable("full")

    readiness = Readiness(check)
    assert readiness.ready()
    down[0] = True
    assert readiness.ready()
    assert asked[0] == 1
    now[0] += 3
    assert not readiness.ready()
    down[0] = False
    now[0] += 3
    assert readiness.ready()
