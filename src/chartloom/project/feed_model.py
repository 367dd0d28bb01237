"""A feed as typed values: what ``feeds/<name>.toml`` may say."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from chartloom.project.model import Name, Strict, Zone


class LimitSettings(Strict):
    """``[limits]`` of a feed. Passing one gives the sender a clear answer."""

    message_size_bytes_max: int = Field(
        16 * 1024 * 1024,
        ge=1024,
        le=256 * 1024 * 1024,
        description="Largest message or batch accepted.",
    )
    messages_per_second_max: int = Field(
        0, ge=0, description="Rate limit of the feed; 0 means none."
    )
    connections_max: int = Field(2048, ge=1, description="Most connections at a time.")
    idle_timeout_s: float = Field(
        0.0, ge=0, description="Seconds until a silent connection is closed; 0 keeps it."
    )
    frame_timeout_s: float = Field(
        60.0, gt=0, description="Seconds within which a begun message must be complete."
    )
    resources_max: int = Field(
        5000,
        ge=1,
        le=1_000_000,
        description="Most resources that one message may become; with more it is quarantined.",
    )


class FreshnessSettings(Strict):
    """``[freshness]`` of a feed: its promise."""

    max_s: int = Field(
        3600, ge=1, description="Data older than this many seconds is labelled stale."
    )


class FeedSettings(Strict):
    """``feeds/<name>.toml``: one configured stream."""

    department: str = Field(min_length=1, description="Department that owns the data.")
    owner: str = Field(min_length=1, description="Person or team to ask; shown with every Issue.")
    source: Literal["mllp", "http", "files"] = Field(description="Kind of transport.")
    format: Literal["hl7v2", "fhir"] = Field("hl7v2", description="What the bytes are.")
    mapping: Name | None = Field(
        None,
        description="A folder in ``mappings/`` or a built-in (``hl7v2``, ``fhir``); "
        "by default the built-in of the format.",
    )
    namespace: str = Field(
        "",
        description="In which the feed's patient and order numbers are counted. Feeds of the same "
        "system name the same one; by default the feed's own name.",
    )
    zone: Zone | None = Field(None, description="Time zone of times that carry none.")
    acknowledge: Literal["landed", "parsed"] = Field(
        "landed", description="When a positive ACK is sent: durable, or durable and readable."
    )
    charset: str = Field("utf-8", description="Character set where the message names none.")
    sensitive: bool = Field(
        False,
        description="What the feed sends is restricted (label R) until a rule has labelled it: "
        "for a psychiatric ward, a substance use clinic.",
    )
    freshness: FreshnessSettings = FreshnessSettings()
    limits: LimitSettings = LimitSettings()
    mllp: dict[str, str | int | float | bool] = Field(
        default_factory=dict, description="Options of the ``mllp`` source."
    )
    http: dict[str, str | int | float | bool] = Field(
        default_factory=dict, description="Options of the ``http`` source."
    )
    files: dict[str, str | int | float | bool] = Field(
        default_factory=dict, description="Options of the ``files`` source."
    )

    @model_validator(mode="after")
    def _options_of_the_source_only(self) -> FeedSettings:
        for other in ("mllp", "http", "files"):
            if other != self.source and getattr(self, other):
                raise ValueError(
                    f"[{other}] stands here, but source is {self.source!r}; remove the table "
                    f"or set source = {other!r}"
                )
        return self

    @property
    def options(self) -> dict[str, str | int | float | bool]:
        """The options of the configured source."""
        chosen: dict[str, str | int | float | bool] = getattr(self, self.source)
        return chosen
