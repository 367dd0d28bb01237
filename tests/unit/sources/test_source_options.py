"""Every wrong option is named with a cure; right ones pass."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from chartloom.domain.feed import Feed
from chartloom.domain.message import Format
from chartloom.sources import OPTIONS, validate_options


def _feed(source: str, format_: Format = Format.HL7V2, **options: Any) -> Feed:
    return Feed("f", "d", "o", source, format_, options=options)


@pytest.mark.parametrize(
    "feed",
    [
        _feed("mllp", port=2575),
        _feed("mllp", port=0, host="::1", in_flight_max=5),
        _feed("http", Format.FHIR, port=8080, token_env="X", path="/fhir"),
        _feed("files", folder="inbox", settle_s=0, poll_s=1, pattern="*.hl7", marker=".ok"),
    ],
)
def test_right_options(feed: Feed) -> None:
    assert validate_options(feed) == []


@pytest.mark.parametrize(
    ("feed", "key", "severity"),
    [
        (_feed("ftp"), "source", "error"),
        (_feed("mllp"), "port", "error"),
        (_feed("mllp", port="2575"), "port", "error"),
        (_feed("mllp", port=True), "port", "error"),
        (_feed("mllp", port=70000), "port", "error"),
        (_feed("mllp", port=1, in_flight_max=0), "in_flight_max", "error"),
        (_feed("mllp", port=1, prot=2), "prot", "error"),
        (_feed("mllp", Format.FHIR, port=1), "format", "error"),
        (_feed("mllp", port=1, tls_key="k"), "tls_cert", "error"),
        (_feed("mllp", port=1, tls_client_ca="c"), "tls_client_ca", "error"),
        (_feed("mllp", port=1, host="0.0.0.0"), "host", "warning"),
        (_feed("http", port=1, token="abc"), "token", "error"),
        (_feed("http", port=1, token_env="A", token_file="b"), "token_file", "error"),
        (_feed("files"), "folder", "error"),
        (_feed("files", folder=""), "folder", "error"),
        (_feed("files", folder="x", poll_s=0), "poll_s", "error"),
        (_feed("files", folder="x", pattern="a/*"), "pattern", "error"),
        (_feed("files", folder="x", marker="done"), "marker", "error"),
    ],
)
def test_wrong_options_are_named(feed: Feed, key: str, severity: str) -> None:
    problems = validate_options(feed)
    assert [(p.key, p.severity) for p in problems] == [(key, severity)]
    assert problems[0].what
    assert problems[0].cure


def test_files_named_by_options_must_exist(tmp_path: Path) -> None:
    feed = _feed("mllp", port=1, tls_cert="c.pem", tls_key="k.pem")
    (tmp_path / "c.pem").touch()
    assert [p.key for p in validate_options(feed, tmp_path)] == ["tls_key"]


def test_the_readme_documents_every_option() -> None:
    import chartloom.sources

    readme = (Path(chartloom.sources.__file__).parent / "README.md").read_text()
    for source, options in OPTIONS.items():
        for option in options:
            assert f"`{option.key}`" in readme, f"{source}: {option.key}"
