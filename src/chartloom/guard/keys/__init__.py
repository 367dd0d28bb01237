"""Subject keys and the key-encryption key. Start with :class:`KeyBroker`; see the README here."""

from chartloom.guard.keys.awskms import AwsKms, KeyServiceRefused, credentials_from
from chartloom.guard.keys.broker import KeyBroker, OpeningKey, Rotation, SealingKey
from chartloom.guard.keys.kek import (
    EnvironmentKek,
    FileKek,
    GenerationUnknown,
    Kek,
    KekDescription,
    KeyDamaged,
)
from chartloom.guard.keys.rooted import RootedKek, RootKey
from chartloom.guard.keys.sigv4 import AwsCredentials
from chartloom.guard.keys.vault import AppRole, VaultTransit

__all__ = [
    "AppRole",
    "AwsCredentials",
    "AwsKms",
    "EnvironmentKek",
    "FileKek",
    "GenerationUnknown",
    "Kek",
    "KekDescription",
    "KeyBroker",
    "KeyDamaged",
    "KeyServiceRefused",
    "OpeningKey",
    "RootKey",
    "RootedKek",
    "Rotation",
    "SealingKey",
    "VaultTransit",
    "credentials_from",
]
