"""Root key in HashiCorp Vault's (or OpenBao's) Transit engine."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from threading import Lock
from typing import Any, Final
from urllib.parse import quote

import msgspec

from chartloom.domain.errors import ConfigurationError
from chartloom.domain.ports import Clock
from chartloom.guard.https import HttpsOrigin
from chartloom.guard.keys.awskms import KeyServiceRefused, json_answer

#: A token is renewed when this share of its life is over.
_RENEW_AT: Final = 0.7


class AppRole(msgspec.Struct, frozen=True):
    """Vault AppRole credentials; ``repr`` shows no secret."""

    role_id: str
    secret_id: str
    mount: str = "approle"

    def __repr__(self) -> str:
        return f"AppRole(mount={self.mount!r})"


class VaultTransit:
    """One key of a Transit engine (type ``aes256-gcm96`` or another AEAD type).

    auth: an :class:`AppRole`, or a function that gives a token (for example read from the file that
    a Vault agent renews). namespace: Vault Enterprise namespace, ``""`` for none.
    """

    kind = "vault-transit"

    def __init__(
        self,
        origin: HttpsOrigin,
        key: str,
        auth: AppRole | Callable[[], str],
        clock: Clock,
        *,
        mount: str = "transit",
        namespace: str = "",
    ) -> None:
        if not key or not mount:
            raise ConfigurationError("the Transit key needs a mount and a name.", where=mount)
        self._origin = origin
        self._key, self._mount = key, mount
        self._auth = auth
        self._clock = clock
        self._namespace = namespace
        self._lock = Lock()
        self._token, self._renew_at_us = "", 0

    def encrypt(self, plain: bytes, context: str) -> str:
        """``vault:v<version>:<ciphertext>``. Transit cannot rewrap what is bound to a context;

        which generation a file holds is told by its check value instead.
        """
        found = self._call("encrypt", {"plaintext": base64.b64encode(plain).decode()})
        return self._ciphertext(found)

    def decrypt(self, sealed: str, context: str) -> bytes:
        """The plain bytes."""
        found = self._call("decrypt", {"ciphertext": sealed})
        plain = found.get("plaintext")
        try:
            return base64.b64decode(plain if isinstance(plain, str) else "!", validate=True)
        except binascii.Error as error:
            raise KeyServiceRefused("the answer of the key service is damaged.") from error

    def renew(self, sealed: str, context: str) -> str:
        """Transit's ``rewrap``: the plain key does not leave Vault."""
        return self._ciphertext(self._call("rewrap", {"ciphertext": sealed}))

    def rotate(self) -> None:
        """A new version of the key in Vault."""
        path = f"/v1/{quote(self._mount)}/keys/{quote(self._key, safe='')}/rotate"
        self._post(path, {}, self._logged_in())

    def where(self) -> str:
        """Server and key."""
        return f"{self._origin.origin} {self._mount}/{self._key}"

    def _ciphertext(self, found: dict[str, Any]) -> str:
        sealed = found.get("ciphertext")
        if not isinstance(sealed, str) or not sealed.startswith("vault:v"):
            raise KeyServiceRefused("the answer of the key service has no ciphertext.")
        return sealed

    def _call(self, action: str, asked: dict[str, Any]) -> dict[str, Any]:
        path = f"/v1/{quote(self._mount)}/{action}/{quote(self._key, safe='')}"
        data = self._post(path, asked, self._logged_in()).get("data")
        return data if isinstance(data, dict) else {}

    def _post(self, path: str, asked: dict[str, Any], token: str) -> dict[str, Any]:
        headers = {"Content-Type": "application/json", "X-Vault-Request": "true"}
        if token:
            headers["X-Vault-Token"] = token
        if self._namespace:
            headers["X-Vault-Namespace"] = self._namespace
        answer = self._origin.request("POST", path, headers, msgspec.json.encode(asked))
        if answer.status == 403:
            self._renew_at_us = 0  # the token may have been revoked: log in afresh next time
        return json_answer(answer.status, answer.body, self.where(), "")

    def _logged_in(self) -> str:
        """A token that holds."""
        if not isinstance(self._auth, AppRole):
            return self._auth()
        with self._lock:
            now_us = self._clock.now_us()
            if now_us >= self._renew_at_us:
                asked = {"role_id": self._auth.role_id, "secret_id": self._auth.secret_id}
                path = f"/v1/auth/{quote(self._auth.mount)}/login"
                auth = self._post(path, asked, "").get("auth")
                if not isinstance(auth, dict) or not isinstance(auth.get("client_token"), str):
                    raise KeyServiceRefused("the key service gave no token.", where=self.where())
                self._token = auth["client_token"]
                lease_s = auth.get("lease_duration")
                lease_s = lease_s if isinstance(lease_s, int) and lease_s > 0 else 60
                self._renew_at_us = now_us + int(lease_s * _RENEW_AT * 1e6)
            return self._token
