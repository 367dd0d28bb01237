"""The files of a new site, as ``chartloom init`` writes them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from chartloom.domain.errors import ConfigurationError
from chartloom.domain.feed import Feed
from chartloom.domain.message import Format

_SETTINGS = """\
# A Chartloom site. `chartloom check` validates this folder; `chartloom up` runs it.
[site]
name = "{name}"
zone = "{zone}"              # IANA zone of times that carry none

[store]
data = "var"                # embedded PostgreSQL, keys, logs; keep it out of git
# dsn_env = "CHARTLOOM_DSN" # use your own PostgreSQL >= 15 instead

[engines]
workers = {workers}

[console]
host = "127.0.0.1"
port = {console_port}
"""

_TLS = """
[tls]                       # one certificate for the console and all feeds
certificate = "internal"    # of the site's own authority (`chartloom ca`), or a PEM file
names = ["localhost", "127.0.0.1"]  # under which others reach this machine
client_ca = "internal"      # who signs the certificates of senders and services
"""

_GITIGNORE = "var/\n"

_README = """\
# {name}

This folder is a Chartloom site.

| path | what |
|---|---|
| `chartloom.toml` | site, store, processes, console |
| `feeds/*.toml` | one file per feed: owner, transport, mapping, limits, promise of freshness |
| `mappings/<name>/` | your own mapping tables, laid over the built-in ones |
| `policies/*.cedar` | who may see what, and for which purpose |
| `staff.toml` | who works here: roles, departments, practitioner numbers |
| `sensitivity/*.csv` | your own rules for what is sensitive, laid over the built-in ones |
| `reconciliation/*.toml` | your own rules of reconciliation, laid over the built-in ones |
| `registry/persons/*.json` | weights of the matcher, trained on your own records |
| `registry/formulary/*.csv` | your drugs: ingredients, brands, products, NDC |
| `registry/directory/*.csv` | your people and places, and which source to trust about them |
| `var/` | data, keys, logs (not in git; back up `var/keys` separately) |

    chartloom check      # is everything in order?
    chartloom up         # run it
    chartloom send FILE --feed adt
"""

_STAFF = """\
# Who works here. `subject` is what the identity provider calls the person (claim `sub`).
#
# [[staff]]
# subject = "a.ames"
# name = "Alice Ames"
# roles = ["clinician"]             # clinician, department_head, integration_engineer, analyst,
#                                   # privacy_officer, auditor, administrator, data_steward
# departments = ["3W"]              # names of places or organisations as the feeds write them
# practitioner = ["NPI|1234567893"] # authority|number as the feeds write them
# patient = ["HOSP|4711"]           # the person's own record numbers as a patient
#
# [claims]                          # roles and departments from the token
# roles_claim = "groups"
# departments_claim = ""
# [claims.roles]
# "hospital-doctors" = "clinician"
"""

_CARRIES = {
    "adt": ("Patient administration", "ADT: admissions, transfers, discharges, updates"),
    "lab": ("Laboratory", "ORU: results"),
    "orders": ("Order entry", "ORM, OMG, OML: orders"),
    "pharmacy": ("Pharmacy", "RDE, RDS, RAS: prescriptions, dispenses, administrations"),
    "immunisation": ("Immunization registry", "VXU: immunizations"),
    "documents": ("Medical records", "MDM: documents"),
    "scheduling": ("Scheduling", "SIU: appointments"),
    "billing": ("Billing", "DFT: charges"),
}

_OWNER = "integration@example.org"


def _default_feeds() -> tuple[Feed, ...]:
    return (
        *(
            Feed(name, department, _OWNER, "mllp", Format.HL7V2)
            for name, (department, _) in _CARRIES.items()
        ),
        Feed("fhir", "Community clinic", _OWNER, "http", Format.FHIR, freshness_max_s=86_400),
        Feed("inbox", "Medical records", _OWNER, "files", Format.HL7V2, freshness_max_s=86_400),
    )


_WHAT = {
    "mllp": "HL7 v2 over MLLP",
    "http": "FHIR R4 resources and transaction or batch Bundles",
    "files": "HL7 v2 files dropped into a folder",
}

_TLS_HINT = """\
# tls_cert = "tls/server.crt"       # TLS: certificate and key of this server; default: [tls]
# tls_key = "tls/server.key"
# tls_client_ca = "tls/clients.crt" # demand client certificates of this authority
"""


def _quoted(value: str) -> str:
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def feed_toml(feed: Feed, port: int, site_zone: str) -> str:
    """``feeds/<name>.toml`` for a feed; ``port`` is where it shall listen."""
    what = _CARRIES[feed.name][1] if feed.name in _CARRIES else _WHAT[feed.source]
    lines = [
        f"# {what}",
        f"department = {_quoted(feed.department)}",
        f"owner = {_quoted(feed.owner)}",
        f"source = {_quoted(feed.source)}",
        f"format = {_quoted(feed.format.value)}",
    ]
    if feed.namespace:
        lines.append(f"namespace = {_quoted(feed.namespace)}  # numbers patients and orders")
    if feed.zone not in ("UTC", site_zone):
        lines.append(f"zone = {_quoted(feed.zone)}")
    if feed.charset != "utf-8":
        lines.append(f"charset = {_quoted(feed.charset)}  # where a message names none")
    lines += ["", f"[{feed.source}]"]
    if feed.source == "files":
        lines.append('folder = "inbox"')
    else:
        lines += ['host = "127.0.0.1"', f"port = {port}", _TLS_HINT.rstrip()]
    lines += ["", "[freshness]", f"max_s = {feed.freshness_max_s}", ""]
    return "\n".join(lines)


def write_site(
    folder: Path,
    *,
    name: str,
    zone: str = "UTC",
    workers: int = 1,
    console_port: int = 8420,
    first_port: int = 26610,
    feeds: Sequence[Feed] = (),
    tls: bool = False,
) -> list[Path]:
    """Writes a new site; returns the files written. ``feeds``: by default one per kind of message.
    tls: every door speaks TLS with certificates of the internal authority.

    Raises ``ConfigurationError`` if there is a site already; nothing is overwritten.
    """
    from chartloom.guard.policy import builtin_texts  # heavy: brings the policy engine

    if (folder / "chartloom.toml").exists():
        raise ConfigurationError(
            "There is a site here already.",
            where=str(folder),
            cure="Choose another folder, or edit the files in this one.",
        )
    settings = _SETTINGS.format(
        name=name.replace('"', "'"), zone=zone, workers=workers, console_port=console_port
    )
    files = {
        "chartloom.toml": settings + (_TLS if tls else ""),
        ".gitignore": _GITIGNORE,
        "README.md": _README.format(name=name),
        "staff.toml": _STAFF,
        **{f"policies/{file}": text for file, text in builtin_texts().items()},
    }
    for offset, feed in enumerate(feeds or _default_feeds()):
        files[f"feeds/{feed.name}.toml"] = feed_toml(feed, first_port + offset, zone)
    written = []
    for relative, content in sorted(files.items()):
        path = folder / relative
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content, encoding="utf-8")
        except OSError as e:
            raise ConfigurationError(
                f"The site cannot be made here: {e.strerror or e}.",
                where=str(path),
                cure="Choose a folder that you may write to, on a disk with room.",
            ) from e
        written.append(path)
    (folder / "inbox").mkdir(exist_ok=True)
    return written
