"""The keys that seal bodies: one per subject, at hand for as long as they are in use."""

from __future__ import annotations

import hmac
from functools import lru_cache

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

#: Ciphers kept ready; about 1 KB each.
CIPHERS_CACHED_MAX = 50_000


class KeyRing:
    """Gives the AES-256-GCM cipher of a subject (source patient id, or "" for no patient).

    Keys are derived from the site's encryption key. Everything that seals asks here, so that keys
    drawn at random and wrapped per patient can take their place without a change elsewhere.
    """

    def __init__(self, encryption_key: bytes) -> None:
        self._key = encryption_key
        self.cipher = lru_cache(maxsize=CIPHERS_CACHED_MAX)(self._derive)

    def _derive(self, subject: str) -> AESGCM:
        info = b"chartloom subject key 1\x00" + subject.encode("utf-8", "surrogatepass")
        return AESGCM(hmac.digest(self._key, info, "sha256"))
