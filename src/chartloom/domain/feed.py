"""A feed as the other rooms see it (``project`` reads it from ``feeds/*.toml``)."""

from __future__ import annotations

import msgspec

from chartloom.domain.message import Format

#: ``Feed.source`` of feeds that no door takes messages for: Chartloom itself lands them.
INTERNAL_SOURCE = "internal"


class FeedLimits(msgspec.Struct, frozen=True):
    """Explicit limits; passing one gives a clear answer to the sender."""

    message_size_bytes_max: int = 16 * 1024 * 1024
    messages_per_second_max: int = 0  #: 0: no limit of rate
    connections_max: int = 2048
    idle_timeout_s: float = 0.0  #: 0: idle connections are kept
    frame_timeout_s: float = 60.0  #: a frame that was begun must end within this time
    resources_max: int = 5000  #: of one message; with more it goes to quarantine


class Feed(msgspec.Struct, frozen=True):
    """One configured stream.

    source: ``mllp``, ``http``, ``files`` or ``internal``. namespace: in which its patients and
    orders are numbered; feeds of one system may share one (default: the feed's name). acknowledge:
    ``landed`` (durable, the default) or ``parsed`` (also readable as HL7 v2). zone: IANA zone of
    times that carry none. options: the source's own keys (host, port, tls_*, path, token, ...),
    validated. freshness_max_s: the contract's promise; older data is labelled stale.
    """

    name: str
    department: str
    owner: str
    source: str
    format: Format
    mapping: str = "hl7v2"
    namespace: str = ""
    zone: str = "UTC"
    acknowledge: str = "landed"
    freshness_max_s: int = 3600
    charset: str = "utf-8"  #: assumed where MSH-18 says nothing
    limits: FeedLimits = FeedLimits()
    options: dict[str, str | int | bool | float] = {}
    sensitive: bool = False  #: without a label from a rule, its data is restricted (label R)

    @property
    def internal(self) -> bool:
        """Whether Chartloom itself lands its messages; nothing is promised about their age."""
        return self.source == INTERNAL_SOURCE

    @property
    def patient_namespace(self) -> str:
        """The namespace its identifiers live in."""
        return self.namespace or self.name
