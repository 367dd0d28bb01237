"""Third-party messages beside the repository: read there, never copied."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

#: Globs of the shared HL7 v2 messages, below the corpora's folder.
_HL7V2 = (
    "ms-fhir-converter/hl7v2/**/*.hl7",
    "cdc-reportstream/**/*.hl7",
    "openhie-client-registry/**/HL7/*",
)


def corpora_dir() -> Path:
    """The folder of the corpora: ``$CHARTLOOM_CORPORA``, else ``../shared/data``."""
    given = os.environ.get("CHARTLOOM_CORPORA")
    return Path(given) if given else Path(__file__).parents[3] / "shared" / "data"


def hl7v2_files() -> list[Path]:
    """All shared HL7 v2 files, sorted; empty where the corpora are absent."""
    root = corpora_dir()
    return sorted(f for pattern in _HL7V2 for f in root.glob(pattern) if f.is_file())


def hl7v2_messages() -> list[tuple[str, bytes]]:
    """(name, bytes) of all shared HL7 v2 files; skips the test where the corpora are absent."""
    files = hl7v2_files()
    if not files:
        pytest.skip(f"no HL7 v2 corpora in {corpora_dir()}; set CHARTLOOM_CORPORA")
    root = corpora_dir()
    return [(f.relative_to(root).as_posix(), f.read_bytes()) for f in files]
