"""Root key in AWS Key Management Service (its JSON 1.1 protocol: Encrypt and Decrypt)."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

import msgspec

from chartloom.domain.errors import ChartloomError, ConfigurationError
from chartloom.domain.ports import Clock
from chartloom.guard.https import HttpsOrigin
from chartloom.guard.keys.sigv4 import AwsCredentials, sign


class KeyServiceRefused(ChartloomError):
    """A key service answered, but not with a key: access denied, key disabled, wrong ciphertext."""


def credentials_from(environ: Mapping[str, str]) -> AwsCredentials:
    """The usual ``AWS_*`` variables. Raises ``ConfigurationError`` if they are not set."""
    key, secret = environ.get("AWS_ACCESS_KEY_ID", ""), environ.get("AWS_SECRET_ACCESS_KEY", "")
    if not key or not secret:
        raise ConfigurationError(
            "there are no credentials for AWS.",
            where="AWS_ACCESS_KEY_ID",
            cure="Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.",
        )
    return AwsCredentials(key, secret, environ.get("AWS_SESSION_TOKEN", ""))


class AwsKms:
    """One symmetric KMS key.

    key_id: its ARN, id or alias. credentials: asked for every request, so that temporary ones
    can be renewed. origin: the endpoint, ``https://kms.<region>.amazonaws.com`` or a VPC endpoint.
    """

    kind = "aws-kms"

    def __init__(
        self,
        key_id: str,
        region: str,
        credentials: Callable[[], AwsCredentials],
        clock: Clock,
        origin: HttpsOrigin | None = None,
    ) -> None:
        self._key_id = key_id
        self._region = region
        self._credentials = credentials
        self._clock = clock
        self._origin = origin or HttpsOrigin(f"https://kms.{region}.amazonaws.com")

    def encrypt(self, plain: bytes, context: str) -> str:
        """``Encrypt``; the context is bound to the ciphertext and shows in CloudTrail."""
        found = self._call("Encrypt", {"Plaintext": base64.b64encode(plain).decode()}, context)
        return str(_need(found, "CiphertextBlob"))

    def decrypt(self, sealed: str, context: str) -> bytes:
        """``Decrypt``, only by the configured key."""
        found = self._call("Decrypt", {"CiphertextBlob": sealed}, context)
        try:
            return base64.b64decode(_need(found, "Plaintext"), validate=True)
        except binascii.Error as error:
            raise KeyServiceRefused("the answer of the key service is damaged.") from error

    def renew(self, sealed: str, context: str) -> str:
        """Decrypts and encrypts again: KMS encrypts with the newest version of the key."""
        return self.encrypt(self.decrypt(sealed, context), context)

    def rotate(self) -> None:
        """``RotateKeyOnDemand``."""
        self._call("RotateKeyOnDemand", {}, "")

    def where(self) -> str:
        """Endpoint and key."""
        return f"{self._origin.origin} {self._key_id}"

    def _call(self, action: str, fields: dict[str, str], context: str) -> dict[str, Any]:
        asked: dict[str, Any] = {"KeyId": self._key_id, **fields}
        if context:
            asked["EncryptionContext"] = {"purpose": context}
        body = msgspec.json.encode(asked)
        headers = sign(
            self._credentials(),
            region=self._region,
            service="kms",
            method="POST",
            path="/",
            headers={
                "Host": _host_header(self._origin.origin),
                "Content-Type": "application/x-amz-json-1.1",
                "X-Amz-Target": f"TrentService.{action}",
            },
            body=body,
            now_us=self._clock.now_us(),
        )
        answer = self._origin.request("POST", "/", headers, body)
        return json_answer(answer.status, answer.body, self.where(), "__type")


def _host_header(origin: str) -> str:
    """As the request says it: without the default port."""
    return urlsplit(origin).netloc.removesuffix(":443")


def json_answer(status: int, body: bytes, where: str, error_field: str) -> dict[str, Any]:
    """The JSON object of a 200 answer. Raises ``KeyServiceRefused`` naming status and error code.

    Of a refusal only a code is shown: texts of services can echo what was sent.
    """
    try:
        found = msgspec.json.decode(body) if body else {}
    except msgspec.DecodeError:
        found = None
    if status in (200, 204) and isinstance(found, dict):
        return found
    code = found.get(error_field) if isinstance(found, dict) else None
    shown = code.rpartition("#")[2] if isinstance(code, str) and len(code) < 80 else "no code"
    raise KeyServiceRefused(
        f"the key service refused (status {status}, {shown}).",
        where=where,
        cure="Check the key's state and what this service account may do with it.",
    )


def _need(found: dict[str, Any], name: str) -> str:
    value = found.get(name)
    if not isinstance(value, str):
        raise KeyServiceRefused(f"the answer of the key service has no {name}.")
    return value
