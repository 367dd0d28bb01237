"""AWS Signature Version 4 for one request with a known body.

The steps of "Create a signed AWS API request" (AWS General Reference): canonical request, string to
sign, derived signing key, Authorization header.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime

import msgspec


class AwsCredentials(msgspec.Struct, frozen=True):
    """An access key; ``session_token`` is set for temporary ones. ``repr`` shows no secret."""

    access_key_id: str
    secret_access_key: str
    session_token: str = ""

    def __repr__(self) -> str:
        return f"AwsCredentials({self.access_key_id!r})"


def sign(
    credentials: AwsCredentials,
    *,
    region: str,
    service: str,
    method: str,
    path: str,
    query: str = "",
    headers: Mapping[str, str],
    body: bytes,
    now_us: int,
) -> dict[str, str]:
    """``headers`` (which must hold ``Host``) with ``X-Amz-Date`` and ``Authorization`` added.

    path and query: in canonical form already.
    """
    at = datetime.fromtimestamp(now_us // 1_000_000, UTC).strftime("%Y%m%dT%H%M%SZ")
    signed = {**headers, "X-Amz-Date": at}
    if credentials.session_token:
        signed["X-Amz-Security-Token"] = credentials.session_token
    canonical = {k.lower(): " ".join(v.split()) for k, v in signed.items()}
    names = ";".join(sorted(canonical))
    lines = [
        method,
        path,
        query,
        *(f"{k}:{canonical[k]}" for k in sorted(canonical)),
        "",
        names,
        hashlib.sha256(body).hexdigest(),
    ]
    scope = f"{at[:8]}/{region}/{service}/aws4_request"
    digest = hashlib.sha256("\n".join(lines).encode()).hexdigest()
    key = b"AWS4" + credentials.secret_access_key.encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    to_sign = f"AWS4-HMAC-SHA256\n{at}\n{scope}\n{digest}"
    signature = hmac.digest(key, to_sign.encode(), "sha256").hex()
    signed["Authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={credentials.access_key_id}/{scope}, "
        f"SignedHeaders={names}, Signature={signature}"
    )
    return signed
