"""Public keys that tokens are verified with: JSON Web Key Sets from a file or an exact address."""

from __future__ import annotations

from pathlib import Path
from threading import Lock
from typing import Any, Final, Protocol

from joserfc.errors import JoseError
from joserfc.jwk import ECKey, Key, OKPKey, RSAKey

from chartloom.domain.errors import ChartloomError, ConfigurationError
from chartloom.domain.ports import Clock
from chartloom.guard.https import HttpsOrigin, ServiceUnavailable, origin_of, path_of
from chartloom.guard.tokens.strict import TokenRefused, strict_json

SET_BYTES_MAX: Final = 65_536
KEYS_MAX: Final = 50
RSA_BITS_MIN: Final = 2_048
#: A fetched set is used this long without asking again,
FRESH_S: Final = 300
#: an unknown key id makes us ask at most this often,
RETRY_S: Final = 30
#: and when the issuer is down, an old set is used this long.
STALE_S: Final = 3_600

#: The key type (and curve) that each algorithm must be verified with.
ALGORITHMS: Final = {
    "ES256": ("EC", "P-256"),
    "ES384": ("EC", "P-384"),
    "RS256": ("RSA", ""),
    "RS384": ("RSA", ""),
    "PS256": ("RSA", ""),
    "EdDSA": ("OKP", "Ed25519"),
}
_CLASSES: Final[dict[str, type[Key]]] = {"EC": ECKey, "RSA": RSAKey, "OKP": OKPKey}
#: What is read of a key. Everything else (``x5u``, ``x5c`` ...) is left behind.
_PUBLIC: Final = {"EC": ("crv", "x", "y"), "RSA": ("n", "e"), "OKP": ("crv", "x")}
_PRIVATE: Final = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})


class PublicKeys:
    """A checked set of public keys, by key id."""

    def __init__(self, keys: dict[str, Key]) -> None:
        self._keys = keys

    def __len__(self) -> int:
        return len(self._keys)

    def find(self, kid: str, alg: str) -> Key | None:
        """The key, if it fits the algorithm; never a key of another type."""
        key = self._keys.get(kid)
        if key is None or alg not in ALGORITHMS:
            return None
        kind, curve = ALGORITHMS[alg]
        fits = key.key_type == kind and (not curve or key.dict_value.get("crv") == curve)
        named = key.get("alg")
        return key if fits and (named is None or named == alg) else None


def read_keys(content: bytes) -> PublicKeys:
    """The usable keys of a JSON Web Key Set (RFC 7517).

    Keys of unknown types, for encryption or without an id are left out. Raises ``TokenRefused``
    when it is no set, holds a private or shared key, a weak one, or one id twice.
    """
    if len(content) > SET_BYTES_MAX:
        raise TokenRefused("too-large")
    entries = strict_json(content).get("keys")
    if not isinstance(entries, list) or len(entries) > KEYS_MAX:
        raise TokenRefused("malformed")
    found: dict[str, Key] = {}
    for entry in entries:
        if not isinstance(entry, dict):
            raise TokenRefused("malformed")
        if _PRIVATE & set(entry):
            raise TokenRefused("private-key")
        if not _usable(entry):
            continue
        if entry["kid"] in found:
            raise TokenRefused("malformed")
        found[entry["kid"]] = _import(entry)
    return PublicKeys(found)


def _usable(entry: dict[str, Any]) -> bool:
    kid, operations = entry.get("kid"), entry.get("key_ops", ["verify"])
    return (
        entry.get("kty") in _CLASSES
        and entry.get("use", "sig") == "sig"
        and isinstance(operations, list)
        and "verify" in operations
        and isinstance(kid, str)
        and 0 < len(kid) <= 128
    )


def _import(entry: dict[str, Any]) -> Key:
    kind = entry["kty"]
    names = (*_PUBLIC[kind], "kty", "kid", *(["alg"] if "alg" in entry else []))
    wanted: dict[str, str | list[str]] = {}
    for name in names:
        if not isinstance(entry.get(name), str):
            raise TokenRefused("malformed")
        wanted[name] = entry[name]
    if kind == "RSA" and len(str(wanted["n"])) * 6 < RSA_BITS_MIN:  # base64url: 6 bits each
        raise TokenRefused("weak-key")
    try:
        key = _CLASSES[kind].import_key(wanted)
    except (JoseError, ValueError, KeyError) as error:
        raise TokenRefused("malformed") from error
    if isinstance(key, RSAKey) and key.raw_value.key_size < RSA_BITS_MIN:
        raise TokenRefused("weak-key")
    return key


class KeySource(Protocol):
    """Where keys come from."""

    def find(self, kid: str, alg: str) -> Key:
        """The key. Raises ``TokenRefused`` (``unknown-key``) or ``ServiceUnavailable``."""
        ...


class FixedKeys:
    """Keys that are given once: a service's own, or registered with a client."""

    def __init__(self, keys: PublicKeys) -> None:
        self._keys = keys

    def find(self, kid: str, alg: str) -> Key:
        """The key."""
        key = self._keys.find(kid, alg)
        if key is None:
            raise TokenRefused("unknown-key")
        return key


class FileKeys:
    """A key set in a file, read again when the file changes."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stamp: tuple[int, int, int] | None = None
        self._keys = PublicKeys({})
        self._lock = Lock()
        self._read()

    def find(self, kid: str, alg: str) -> Key:
        """The key."""
        with self._lock:
            self._read()
            return FixedKeys(self._keys).find(kid, alg)

    def _read(self) -> None:
        try:
            about = self._path.stat()
            stamp = (about.st_mtime_ns, about.st_size, about.st_ino)
            if stamp != self._stamp:
                with self._path.open("rb") as f:
                    self._keys = read_keys(f.read(SET_BYTES_MAX + 1))
                self._stamp = stamp
        except (OSError, TokenRefused) as error:
            raise ConfigurationError(
                "the key set cannot be read.",
                where=str(self._path),
                cure="Give a JSON Web Key Set with public keys only.",
            ) from error


class FetchedKeys:
    """A key set at one address, fetched by HTTPS without redirects, kept for some minutes.

    The address comes from configuration or from checked discovery, never from a token. ``client``
    speaks with the address's origin and nothing else.
    """

    def __init__(self, url: str, client: HttpsOrigin, clock: Clock) -> None:
        if origin_of(url) != client.origin:
            raise ConfigurationError("the key set lies at another origin.", where=client.origin)
        self._path = path_of(url)
        self._client = client
        self._clock = clock
        self._lock = Lock()
        self._keys = PublicKeys({})
        self._fetched_us: int | None = None
        self._tried_us: int | None = None

    def find(self, kid: str, alg: str) -> Key:
        """The key; asks the issuer again for a key id that is new, though not often."""
        with self._lock:
            now_us = self._clock.now_us()
            if not self._younger(self._fetched_us, FRESH_S, now_us):
                self._fetch(now_us)
            key = self._keys.find(kid, alg)
            if key is None and not self._younger(self._tried_us, RETRY_S, now_us):
                self._fetch(now_us)
                key = self._keys.find(kid, alg)
        if key is None:
            raise TokenRefused("unknown-key")
        return key

    def _fetch(self, now_us: int) -> None:
        """Fetches; on failure goes on with what there is, as long as it is not too old."""
        usable = self._younger(self._fetched_us, STALE_S, now_us)
        if usable and self._younger(self._tried_us, RETRY_S, now_us):
            return
        self._tried_us = now_us
        try:
            answer = self._client.request("GET", self._path, {"Accept": "application/json"})
            if answer.status != 200:
                raise ServiceUnavailable(
                    f"the key set was answered with status {answer.status}.",
                    where=self._client.origin,
                )
            self._keys, self._fetched_us = read_keys(answer.body), now_us
        except ChartloomError:
            if not usable:
                raise

    @staticmethod
    def _younger(since_us: int | None, seconds: int, now_us: int) -> bool:
        return since_us is not None and 0 <= now_us - since_us < seconds * 1_000_000
