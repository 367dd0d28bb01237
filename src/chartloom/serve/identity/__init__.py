"""The review queue of identities: people say whether two records are one person.

``pages`` has the routes; what is exported here imports no page, for doors and command lines.
"""

from chartloom.serve.identity.door import WORDS, IdentityDoor, reason_for, reasons

__all__ = ["WORDS", "IdentityDoor", "reason_for", "reasons"]
