"""Names, keys and times that the tests of tokens share, and how a refusal is told."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.support.clock import FakeClock
from tests.support.tokens import ec, public, rsa

from chartloom.guard.tokens import (
    AccessVerifier,
    TokenRefused,
)

ISSUER, AUDIENCE = "https://chart.test", "https://chart.test/fhir"
TOKEN_URL = "https://chart.test/token"
KEY, OTHER, RSA = ec(), ec(), rsa()
CERT = b"DER of a certificate"
NOW_S = 1_780_000_000


def refused(call: Callable[[], object]) -> str:
    with pytest.raises(TokenRefused) as error:
        call()
    assert error.value.reason not in str(error.value)
    return error.value.reason


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(NOW_S * 1_000_000)


@pytest.fixture
def verifier(clock: FakeClock) -> AccessVerifier:
    return AccessVerifier(public(KEY), ISSUER, AUDIENCE, clock)
