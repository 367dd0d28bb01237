"""How a site demands that people sign in, and how it leaves the provider."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec
import pytest
from tests.unit.guard.test_oidc import CLIENT, NOW_S, REDIRECT, Site, site

from chartloom.guard.tokens import Demands, TokenRefused

__all__ = ["site"]


def outcome(site: Site, demands: Demands, **claims: Any) -> str:
    """``""`` if the sign-in is taken, else why not."""
    site.idp.claims = claims
    try:
        site.sign_in(site.party(demands=demands))
    except TokenRefused as error:
        return error.reason
    return ""


TWO_FACTORS = Demands(acr=("silver", "gold"), amr=("mfa", "pwd"))


@pytest.mark.parametrize(
    ("claims", "reason"),
    [
        ({"acr": "gold", "amr": ["otp", "mfa", "pwd"]}, ""),
        ({"acr": "silver", "amr": ["mfa", "pwd"]}, ""),
        ({"amr": ["mfa", "pwd"]}, "acr"),
        ({"acr": "bronze", "amr": ["mfa", "pwd"]}, "acr"),
        ({"acr": ["gold"], "amr": ["mfa", "pwd"]}, "acr"),
        ({"acr": "gold"}, "amr"),
        ({"acr": "gold", "amr": ["mfa"]}, "amr"),
        ({"acr": "gold", "amr": "mfa pwd"}, "amr"),
        ({"acr": "gold", "amr": [["mfa"], "pwd"]}, "amr"),
        ({"acr": "gold", "amr": None}, "amr"),
    ],
)
def test_factors_that_a_site_demands(site: Site, claims: dict[str, Any], reason: str) -> None:
    assert outcome(site, TWO_FACTORS, **claims) == reason


def test_nothing_is_demanded_unless_the_site_says_so(site: Site) -> None:
    assert outcome(site, Demands()) == ""
    assert outcome(site, Demands(), acr="0", amr=[]) == ""
    assert "acr_values" not in site.party().begin()[0]


def test_proof_is_a_time_that_the_provider_states(site: Site) -> None:
    stated = site.sign_in()
    assert (stated.proved, stated.signed_in_s) == (True, NOW_S - 5)
    site.idp.claims = {"auth_time": ...}
    assert site.sign_in().proved is False


def test_leaving_ends_the_providers_session_where_it_offers_that(site: Site) -> None:
    party = site.party()
    assert party.leave("token") == ""
    ends = site.served.url + "/end"
    party.provider = msgspec.structs.replace(party.provider, end_session_endpoint=ends)
    there = urlsplit(party.leave("token"))
    asked = {k: v[0] for k, v in parse_qs(there.query).items()}
    assert there.path == "/end"
    assert asked == {
        "id_token_hint": "token",
        "client_id": CLIENT,
        "post_logout_redirect_uri": REDIRECT.removesuffix("/callback") + "/sign-in",
    }
    assert party.leave("") == ""
