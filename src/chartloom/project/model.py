"""The site folder as typed values: what ``chartloom.toml`` may say (``feed_model``: the feeds).

Unknown keys are errors. Every key is documented here; ``docs/reference/settings.md`` is generated
from these descriptions.
"""

from __future__ import annotations

from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, Field

from chartloom.project.model_doors import DoorSettings, SignInSettings
from chartloom.project.model_doors import Strict as Strict


def _known_zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError) as e:
        raise ValueError(
            f"{value!r} is not an IANA time zone; use a name such as 'Europe/Berlin' or 'UTC'"
        ) from e
    return value


Zone = Annotated[str, AfterValidator(_known_zone)]
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,62}$")]


class SiteSettings(Strict):
    """``[site]``: who runs this."""

    name: str = Field(min_length=1, max_length=100, description="Name shown in the console.")
    zone: Zone = Field(
        "UTC", description="IANA time zone of the site; feeds take it unless they name their own."
    )


class StoreSettings(Strict):
    """``[store]``: where everything is kept."""

    data: str = Field(
        "var",
        min_length=1,
        description="Folder of the embedded store, keys, logs and run files; relative to the site.",
    )
    dsn_env: str = Field(
        "",
        description="Name of the environment variable with the DSN of a PostgreSQL >= 15. "
        "Empty: the embedded PostgreSQL is used.",
    )


class EngineSettings(Strict):
    """``[engines]``: how many processes of which kind."""

    workers: int = Field(1, ge=1, le=64, description="Worker processes on this machine.")
    batch_max: int = Field(
        500, ge=1, le=5000, description="Most messages that a worker applies in one transaction."
    )
    lanes_per_worker_max: int = Field(
        64, ge=1, le=64, description="Most lanes one worker leases; lower it to spread the load."
    )


class ConsoleSettings(Strict):
    """``[console]``: the pages for people."""

    host: str = Field("127.0.0.1", description="Address the console listens on.")
    port: int = Field(8420, ge=1, le=65535, description="Port of the console.")
    url: str = Field(
        "",
        pattern=r"^(https?://[A-Za-z0-9.:\[\]-]+(/[A-Za-z0-9._/-]*)?)?$",
        description="Address under which people and services reach the console, if it is another "
        "than host and port say (behind a proxy). Access tokens of services are made for it.",
    )
    metrics_token_env: str = Field(
        "",
        description="Environment variable that holds the bearer token for ``/metrics``. Empty: "
        "``metrics_local`` decides.",
    )
    metrics_local: bool = Field(
        True,
        description="Without a token, ``/metrics`` answers those who ask from this very machine "
        "(not through a proxy), and nobody else.",
    )


class TlsSettings(Strict):
    """``[tls]``: one certificate for the console and for every feed that names none of its own.

    ``internal`` in place of a file means the site's own authority (``chartloom ca``).
    """

    certificate: str = Field(
        "",
        description="PEM file with the certificate chain, or ``internal``; turns TLS on for the "
        'console and all listening feeds. A feed with ``tls_cert = "off"`` goes without.',
    )
    key: str = Field(
        "", description="PEM file of the key, unless it stands in the file of the certificate."
    )
    names: list[str] = Field(
        ["localhost", "127.0.0.1"],
        description="Names and addresses under which others reach this machine, for the internal "
        "certificate.",
    )
    client_ca: str = Field(
        "",
        description="PEM file of the authority of clients' certificates, or ``internal``: the "
        "console looks at those that are shown (for tokens bound to them), and feeds with "
        "``tls_client_ca`` demand them.",
    )
    authority: str = Field(
        "", description="Folder of the internal authority. Empty: ``ca`` in the data folder."
    )


class KeySettings(Strict):
    """``[keys]``: references to key material; never the keys themselves."""

    folder: str = Field(
        "",
        description="Folder of the key files (mode 0700). Empty: ``keys`` in the data folder. "
        "Keep a copy of it elsewhere: without it nothing can be read.",
    )
    kek: Literal["file", "environment", "aws-kms", "vault"] = Field(
        "file",
        description="Where the key-encryption key is, which wraps the key of every patient: files, "
        "an environment variable, or a key service.",
    )
    kek_folder: str = Field(
        "",
        description="Folder of its generations (with a key service: wrapped by it). Empty: ``kek`` "
        "in the key folder. Better on another disk than the store and its backups.",
    )
    kek_env: str = Field(
        "CHARTLOOM_KEK",
        min_length=1,
        description="Environment variable with the generations, like ``1:<64 hex digits>``; for "
        "``environment``.",
    )
    kms_key: str = Field("", description="ARN, id or alias of the key in AWS KMS.")
    kms_region: str = Field("", description="AWS region of that key, like ``eu-central-1``.")
    kms_endpoint: str = Field(
        "", description="Origin of the KMS endpoint, if it is not the public one of the region."
    )
    vault_url: str = Field("", description="Origin of Vault, like ``https://vault.example:8200``.")
    vault_key: str = Field("chartloom", description="Name of the key in Vault's Transit engine.")
    vault_mount: str = Field("transit", description="Mount of the Transit engine.")
    vault_namespace: str = Field("", description="Vault Enterprise namespace, if any.")
    vault_role_env: str = Field(
        "CHARTLOOM_VAULT_ROLE_ID",
        description="Environment variable with the AppRole's role id; its secret id is in the same "
        "name with ``SECRET`` for ``ROLE``.",
    )
    vault_token_file: str = Field(
        "", description="File with a Vault token that an agent renews, in place of an AppRole."
    )
    service_ca: str = Field(
        "", description="PEM file of the only authority to believe for the key service."
    )


class AuditSettings(Strict):
    """``[audit]``: the record of who did what."""

    heads_copy: str = Field(
        "",
        description="File that gets a copy of every signed head of the audit log: on another "
        "machine's disk, best where bytes can only be added. Whoever rewrites the whole log here "
        "is found out by it (``chartloom audit verify --heads``).",
    )


class RetentionSettings(Strict):
    """``[retention]``: how long what grows with every message is kept. Messages and charts are
    kept for ever; statistics older than two hours are kept as totals."""

    duplicate_days: int = Field(
        90,
        ge=1,
        le=3650,
        description="Days for which a message that is sent again is recognised as a duplicate. "
        "Later it is landed and applied once more.",
    )
    outbox_days: int = Field(
        14,
        ge=1,
        le=3650,
        description="Days for which the record of each commit is kept for those who follow the "
        "store; longer while one of them has not acknowledged it.",
    )
    issue_days: int = Field(
        400, ge=2, le=3650, description="Days for which Issues are counted per feed, code and day."
    )


class AccessSettings(Strict):
    """``[access]``: who may see what. The rules themselves are in ``policies/*.cedar``."""

    policies: str = Field(
        "policies", min_length=1, description="Folder of the access policies (Cedar)."
    )
    staff: str = Field(
        "staff.toml",
        min_length=1,
        description="File that says who works here: roles, departments, practitioner numbers.",
    )
    sensitivity: str = Field(
        "sensitivity",
        min_length=1,
        description="Folder of your own sensitivity rules (CSV), laid over the built-in ones.",
    )
    grant_ttl_s: int = Field(
        300,
        ge=10,
        le=300,
        description="Seconds after which access of a person is decided again.",
    )
    attending_days: int = Field(
        7, ge=0, le=3650, description="Days an attending keeps access after the stay."
    )
    encounter_days: int = Field(
        30,
        ge=0,
        le=3650,
        description="Days before and after an encounter in which others who take part have access.",
    )
    department_days: int = Field(
        30,
        ge=0,
        le=3650,
        description="Days before and after for the department where the patient is.",
    )
    appointment_days: int = Field(
        30, ge=0, le=3650, description="Days before and after an appointment."
    )
    ordering_days: int = Field(
        30, ge=0, le=3650, description="Days after an order for who ordered or performs it."
    )
    care_team_days: int = Field(
        30, ge=0, le=3650, description="Days after somebody has left the care team."
    )
    open_days_max: int = Field(
        180,
        ge=1,
        le=3650,
        description="Days after which a stay whose end nobody told counts as over.",
    )
    glass_hours: int = Field(8, ge=1, le=168, description="Hours for which a broken glass is open.")
    glass_repeat_days: int = Field(
        7,
        ge=1,
        le=365,
        description="Days within which the reason once given may open the same chart again; "
        "after them a new reason is asked.",
    )


class IdentitySettings(Strict):
    """``[identity]``: who is one person."""

    records: int = Field(
        100_000,
        ge=1_000,
        le=1_000_000_000,
        description="About how many records of patients there are, of all sources together. The "
        "more there are, the more of them look alike by chance, and the more has to agree before "
        "two are linked or reviewed. Four times fewer or more do no harm; `chartloom doctor` says "
        "when it is no longer so. Set it with `chartloom identity records`.",
    )
    overlay_people: Literal[1, 2] = Field(
        2,
        description="How many people have to say, each by themselves, that a message which makes "
        "somebody else of a record is about the same person, before it is applied.",
    )


class Settings(Strict):
    """``chartloom.toml``."""

    site: SiteSettings
    store: StoreSettings = StoreSettings()
    engines: EngineSettings = EngineSettings()
    console: ConsoleSettings = ConsoleSettings()
    tls: TlsSettings = TlsSettings()
    keys: KeySettings = KeySettings()
    audit: AuditSettings = AuditSettings()
    access: AccessSettings = AccessSettings()
    sign_in: SignInSettings = SignInSettings()
    doors: DoorSettings = DoorSettings()
    retention: RetentionSettings = RetentionSettings()
    identity: IdentitySettings = IdentitySettings()
