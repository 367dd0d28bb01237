"""The files of a new site, as ``chartloom init`` writes them."""

from __future__ import annotations

from pathlib import Path

from chartloom.domain.errors import ConfigurationError

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

_GITIGNORE = "var/\n"

_README = """\
# {name}

This folder is a Chartloom site.

| path | what |
|---|---|
| `chartloom.toml` | site, store, processes, console |
| `feeds/*.toml` | one file per feed: owner, transport, mapping, limits, promise of freshness |
| `mappings/<name>/` | your own mapping tables, laid over the built-in ones |
| `var/` | data, keys, logs (not in git; back up `var/keys` separately) |

    chartloom check      # is everything in order?
    chartloom up         # run it
    chartloom send FILE --feed adt
"""

#: name, department, what it carries, port offset
_FEEDS: tuple[tuple[str, str, str, int], ...] = (
    ("adt", "Patient administration", "ADT: admissions, transfers, discharges, updates", 0),
    ("lab", "Laboratory", "ORU: results", 1),
    ("orders", "Order entry", "ORM, OMG, OML: orders", 2),
    ("pharmacy", "Pharmacy", "RDE, RDS, RAS: prescriptions, dispenses, administrations", 3),
    ("immunisation", "Immunisation registry", "VXU: immunisations", 4),
    ("documents", "Medical records", "MDM: documents", 5),
    ("scheduling", "Scheduling", "SIU: appointments", 6),
    ("billing", "Billing", "DFT: charges", 7),
)

_MLLP_FEED = """\
# {what}
department = "{department}"
owner = "integration@{domain}"
source = "mllp"
format = "hl7v2"

[mllp]
host = "127.0.0.1"
port = {port}
# tls_cert = "tls/server.crt"       # TLS: certificate and key of this server
# tls_key = "tls/server.key"
# tls_client_ca = "tls/clients.crt" # demand client certificates of this authority

[freshness]
max_s = 3600
"""

_HTTP_FEED = """\
# FHIR R4 resources and transaction or batch Bundles
department = "Community clinic"
owner = "integration@{domain}"
source = "http"
format = "fhir"

[http]
host = "127.0.0.1"
port = {port}

[freshness]
max_s = 86400
"""

_FILES_FEED = """\
# HL7 v2 files dropped into a folder
department = "Medical records"
owner = "integration@{domain}"
source = "files"
format = "hl7v2"

[files]
folder = "inbox"

[freshness]
max_s = 86400
"""


def write_site(
    folder: Path,
    *,
    name: str,
    zone: str = "UTC",
    workers: int = 1,
    console_port: int = 8420,
    first_port: int = 26610,
) -> list[Path]:
    """Writes a new site with one feed per kind of message; returns the files written.

    Raises ``ConfigurationError`` if there is a site already; nothing is overwritten.
    """
    if (folder / "chartloom.toml").exists():
        raise ConfigurationError(
            "There is a site here already.",
            where=str(folder),
            cure="Choose another folder, or edit the files in this one.",
        )
    domain = "example.org"
    files = {
        "chartloom.toml": _SETTINGS.format(
            name=name.replace('"', "'"), zone=zone, workers=workers, console_port=console_port
        ),
        ".gitignore": _GITIGNORE,
        "README.md": _README.format(name=name),
        "feeds/fhir.toml": _HTTP_FEED.format(domain=domain, port=first_port + 10),
        "feeds/inbox.toml": _FILES_FEED.format(domain=domain),
    }
    for feed, department, what, offset in _FEEDS:
        files[f"feeds/{feed}.toml"] = _MLLP_FEED.format(
            what=what, department=department, domain=domain, port=first_port + offset
        )
    written = []
    for relative, content in sorted(files.items()):
        path = folder / relative
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
        written.append(path)
    (folder / "inbox").mkdir(exist_ok=True)
    return written
