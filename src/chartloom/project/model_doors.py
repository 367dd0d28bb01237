"""``[sign_in]`` and ``[doors]``: how people get in, and how often anybody may knock."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator


class Strict(BaseModel):
    """Settings: an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class SignInSettings(Strict):
    """``[sign_in]``: how people sign in. Without an issuer, only the local operator does."""

    issuer: str = Field(
        "", description="Address of the OpenID Connect provider, exactly as it names itself."
    )
    client_id: str = Field("", description="What the provider calls this console.")
    client_secret_env: str = Field(
        "", description="Name of the environment variable with the client secret."
    )
    scopes: list[str] = Field(["openid", "profile"], description="Scopes to ask the provider for.")
    algorithms: list[Literal["RS256", "RS384", "PS256", "ES256", "ES384", "EdDSA"]] = Field(
        ["RS256"], description="Algorithms in which id tokens may be signed."
    )
    origins: list[str] = Field(
        default_factory=list,
        description="Further origins at which the provider may have its endpoints.",
    )
    builtin: bool = Field(
        False,
        description="For trying only: a provider without passwords that offers everybody in "
        "``staff.toml``.",
    )
    builtin_port: int = Field(
        8421, ge=1, le=65535, description="Port of the provider for trying, on this machine."
    )
    idle_minutes: int = Field(
        15, ge=1, le=720, description="Minutes without use after which a session ends."
    )
    session_hours: int = Field(12, ge=1, le=24, description="Hours after which a session ends.")
    fresh_minutes: int = Field(
        5,
        ge=1,
        le=60,
        description="Minutes for which a sign-in is proof enough to approve a data use or the "
        "destruction of keys; after them the provider is asked to see the person again.",
    )
    require_acr: list[str] = Field(
        default_factory=list,
        description="Classes of sign-in (``acr``) of which the provider must state one, such as "
        "one that stands for two factors. Empty: whatever the provider lets in.",
    )
    require_amr: list[str] = Field(
        default_factory=list,
        description="Methods of sign-in (``amr``, RFC 8176) that the provider must all state, such "
        "as ``mfa``.",
    )

    @model_validator(mode="after")
    def _one_way_in(self) -> SignInSettings:
        if self.builtin and self.issuer:
            raise ValueError("builtin is for trying; with an issuer, remove it")
        if self.issuer and not (self.client_id and self.client_secret_env):
            raise ValueError("an issuer needs client_id and client_secret_env")
        return self


class DomainSettings(Strict):
    """``[[doors.identity.domains]]``: an assigning authority with all its names."""

    name: str = Field(
        "", pattern=r"^[^|~^&\\\s]{0,64}$", description="Its name in HL7 v2 (CX-4.1, HD.1)."
    )
    oid: str = Field(
        "",
        pattern=r"^([0-2](\.(0|[1-9]\d*))+)?$",
        description="Its object identifier, without prefix.",
    )
    uri: str = Field(
        "",
        pattern=r"^((https?|urn):[^\s|]+)?$",
        description="Its address in FHIR (``Identifier.system``), if it is not ``urn:oid:``.",
    )

    @model_validator(mode="after")
    def _some_name(self) -> DomainSettings:
        if not (self.name or self.oid or self.uri):
            raise ValueError("a domain needs a name, an oid or a uri")
        return self


class IdentityDoorSettings(Strict):
    """``[doors.identity]``: the doors through which other systems ask who a patient is: PIX and PDQ
    by HL7 v2 over MLLP, and the same by FHIR under ``/fhir/R4`` of the console."""

    port: int = Field(
        0, ge=0, le=65535, description="Port for queries by HL7 v2 over MLLP. 0: that door is shut."
    )
    host: str = Field("127.0.0.1", description="Address on which that door listens.")
    tls_cert: str = Field(
        "",
        description="PEM file of its certificate. Empty: that of ``[tls]``; ``off``: no TLS, on "
        "this machine only.",
    )
    tls_key: str = Field(
        "", description="PEM file of the key, unless it stands in the file of the certificate."
    )
    tls_client_ca: str = Field(
        "",
        description="PEM file of the authority of clients' certificates, or ``internal``. With "
        "TLS, everybody who asks shows a certificate.",
    )
    charset: str = Field("utf-8", description="Character set of queries that name none (MSH-18).")
    purpose: Literal["TREAT", "HOPERAT"] = Field(
        "TREAT", description="Purpose of use for which queries by HL7 v2 are made."
    )
    connections_max: int = Field(64, ge=1, le=1024, description="Connections at a time.")
    queries_per_minute_max: int = Field(
        600, ge=0, description="Queries by HL7 v2 of one service. 0: without limit."
    )
    domains: list[DomainSettings] = Field(
        default_factory=list,
        description="Assigning authorities that the doors answer for, HL7 v2 and FHIR alike, "
        "each with ``name``, ``oid``, ``uri`` as far as it has them "
        "(``[[doors.identity.domains]]``). "
        "Without any: all that records name, but for numbers of insurance and the like.",
    )


class DoorSettings(Strict):
    """``[doors]``: how often somebody may knock at the console and the API. Whoever comes too often
    is answered 429 and when to come again. 0 means without limit."""

    sign_ins_per_minute_max: int = Field(
        30,
        ge=0,
        description="Tries to sign in from one address: starts, answers of the provider, links. "
        "Everybody behind a proxy has its address.",
    )
    tokens_per_minute_max: int = Field(
        120, ge=0, description="Requests for access tokens (``/token``) from one address."
    )
    searches_per_minute_max: int = Field(
        120, ge=0, description="Searches of one person, or of one service."
    )
    glass_per_hour_max: int = Field(
        30,
        ge=0,
        description="Tries of one person to break the glass. Keep it well above what a night in "
        "the emergency department needs.",
    )
    api_per_minute_max: int = Field(
        600, ge=0, description="Requests to ``/api`` and ``/fhir`` of one person or service."
    )
    identity: IdentityDoorSettings = IdentityDoorSettings()
