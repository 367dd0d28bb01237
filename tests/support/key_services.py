"""AWS KMS and Vault Transit as far as their public protocols go, for real HTTPS servers in tests.

Both keep real AES-GCM keys and check what a real service checks: the SigV4 signature over what
arrived, the encryption context, tokens, key versions.
"""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import hmac
import json
import os
import re
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from tests.support.tls_server import Asked, Reply


def _json(status: int, value: Any) -> Reply:
    return Reply(status, json.dumps(value).encode())


class FakeKms:
    """One KMS key in one region."""

    arn = "arn:aws:kms:eu-central-1:111122223333:key/0d3a"

    def __init__(self, access: dict[str, str], region: str, now_us: int) -> None:
        self.access, self.region, self.now_us = access, region, now_us
        self.session_token = ""
        self.disabled = False
        self._key = AESGCM(os.urandom(32))

    def __call__(self, asked: Asked) -> Reply:
        problem = self._signature_problem(asked)
        if problem:
            return _json(400, {"__type": problem, "message": asked.body.decode()})
        body = json.loads(asked.body)
        if body["KeyId"] != self.arn:
            return _json(400, {"__type": "com.amazonaws.kms#NotFoundException"})
        if self.disabled:
            return _json(400, {"__type": "DisabledException", "message": "disabled"})
        action = asked.headers["x-amz-target"].removeprefix("TrentService.")
        return getattr(self, f"_{action.lower()}")(body)

    def _encrypt(self, body: dict[str, Any]) -> Reply:
        nonce = os.urandom(12)
        sealed = nonce + self._key.encrypt(
            nonce, base64.b64decode(body["Plaintext"]), self._aad(body)
        )
        return _json(200, {"CiphertextBlob": base64.b64encode(sealed).decode(), "KeyId": self.arn})

    def _decrypt(self, body: dict[str, Any]) -> Reply:
        sealed = base64.b64decode(body["CiphertextBlob"])
        try:
            plain = self._key.decrypt(sealed[:12], sealed[12:], self._aad(body))
        except InvalidTag:
            return _json(400, {"__type": "InvalidCiphertextException"})
        return _json(200, {"Plaintext": base64.b64encode(plain).decode(), "KeyId": self.arn})

    def _rotatekeyondemand(self, body: dict[str, Any]) -> Reply:
        return _json(200, {"KeyId": self.arn})

    @staticmethod
    def _aad(body: dict[str, Any]) -> bytes:
        return json.dumps(body.get("EncryptionContext", {}), sort_keys=True).encode()

    def _signature_problem(self, asked: Asked) -> str:
        """SigV4 as the receiving side computes it, from what came over the wire."""
        found = re.fullmatch(
            r"AWS4-HMAC-SHA256 Credential=([^/]+)/(\d{8})/([^/]+)/kms/aws4_request, "
            r"SignedHeaders=([a-z0-9;-]+), Signature=([0-9a-f]{64})",
            asked.headers.get("authorization", ""),
        )
        if not found:
            return "MissingAuthenticationTokenException"
        access_id, day, region, names, signature = found.groups()
        at = asked.headers["x-amz-date"]
        sent = dt.datetime.strptime(at, "%Y%m%dT%H%M%SZ").replace(tzinfo=dt.UTC)
        if abs(sent.timestamp() - self.now_us / 1e6) > 300 or not at.startswith(day):
            return "RequestExpired"
        if region != self.region or access_id not in self.access:
            return "UnrecognizedClientException"
        if asked.headers.get("x-amz-security-token", "") != self.session_token:
            return "UnrecognizedClientException"
        signed = names.split(";")
        if not {"host", "x-amz-date", "x-amz-target"} <= set(signed) or signed != sorted(signed):
            return "IncompleteSignature"
        canonical = f"{asked.method}\n{asked.path}\n\n"
        for name in signed:
            canonical += f"{name}:{asked.headers[name].strip()}\n"
        canonical += f"\n{names}\n{hashlib.sha256(asked.body).hexdigest()}"
        text = "\n".join(
            (
                "AWS4-HMAC-SHA256",
                at,
                f"{day}/{region}/kms/aws4_request",
                hashlib.sha256(canonical.encode()).hexdigest(),
            )
        )
        key = f"AWS4{self.access[access_id]}".encode()
        for part in (day, region, "kms", "aws4_request"):
            key = hmac.new(key, part.encode(), hashlib.sha256).digest()
        good = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
        return "" if hmac.compare_digest(good, signature) else "InvalidSignatureException"


class FakeVault:
    """A Transit engine at ``transit/`` with one key, an AppRole, and tokens that can be revoked."""

    def __init__(self, key: str = "chartloom", namespace: str = "") -> None:
        self.key, self.namespace = key, namespace
        self.versions = [AESGCM(os.urandom(32))]
        self.min_decryption_version = 1
        self.tokens = {"static-token"}
        self.role = {"role_id": "role-1", "secret_id": "secret-1"}
        self.logins = 0
        self.lease_s = 3600

    def __call__(self, asked: Asked) -> Reply:
        if self.namespace and asked.headers.get("x-vault-namespace") != self.namespace:
            return _json(404, {"errors": []})
        if asked.headers.get("x-vault-request") != "true":
            return _json(412, {"errors": ["missing X-Vault-Request"]})
        body = json.loads(asked.body or b"{}")
        if asked.path == "/v1/auth/approle/login":
            return self._login(body)
        if asked.headers.get("x-vault-token") not in self.tokens:
            return _json(403, {"errors": ["permission denied"]})
        if asked.path == f"/v1/transit/keys/{self.key}/rotate":
            self.versions.append(AESGCM(os.urandom(32)))
            return Reply(204)
        found = re.fullmatch(rf"/v1/transit/(encrypt|decrypt|rewrap)/{self.key}", asked.path)
        if not found:
            return _json(404, {"errors": []})
        try:
            return _json(200, {"data": getattr(self, f"_{found[1]}")(body)})
        except (InvalidTag, IndexError, ValueError):
            return _json(400, {"errors": ["invalid ciphertext"]})

    def _login(self, body: dict[str, Any]) -> Reply:
        if body != self.role:
            return _json(400, {"errors": ["invalid role or secret ID"]})
        self.logins += 1
        token = f"token-{self.logins}"
        self.tokens.add(token)
        return _json(200, {"auth": {"client_token": token, "lease_duration": self.lease_s}})

    def _encrypt(self, body: dict[str, Any]) -> dict[str, Any]:
        version = len(self.versions)
        nonce = os.urandom(12)
        sealed = nonce + self.versions[-1].encrypt(nonce, base64.b64decode(body["plaintext"]), None)
        text = base64.b64encode(sealed).decode()
        return {"ciphertext": f"vault:v{version}:{text}", "key_version": version}

    def _decrypt(self, body: dict[str, Any]) -> dict[str, Any]:
        found = re.fullmatch(r"vault:v([1-9]\d*):([A-Za-z0-9+/=]+)", body["ciphertext"])
        if not found or int(found[1]) < self.min_decryption_version:
            raise ValueError(body["ciphertext"])
        sealed = base64.b64decode(found[2])
        plain = self.versions[int(found[1]) - 1].decrypt(sealed[:12], sealed[12:], None)
        return {"plaintext": base64.b64encode(plain).decode()}

    def _rewrap(self, body: dict[str, Any]) -> dict[str, Any]:
        return self._encrypt(self._decrypt(body))
