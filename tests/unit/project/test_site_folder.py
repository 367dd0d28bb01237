"""A site folder is read whole; each mistake is named with file, line, key and cure."""

from __future__ import annotations

from pathlib import Path

import pytest

from chartloom.domain.errors import ConfigurationError
from chartloom.project import line_of, load_project, read_project, write_site


@pytest.fixture
def site(tmp_path: Path) -> Path:
    folder = tmp_path / "site"
    write_site(folder, name="Test hospital")
    return folder


def test_a_new_site_is_in_order(site: Path) -> None:
    project, findings = read_project(site)
    assert findings == []
    assert project is not None
    assert {f.source for f in project.feeds} == {"mllp", "http", "files"}
    assert len({f.options["port"] for f in project.feeds if "port" in f.options}) == 9


def test_init_never_overwrites(site: Path) -> None:
    before = (site / "chartloom.toml").read_text()
    with pytest.raises(ConfigurationError, match="There is a site here already"):
        write_site(site, name="Other")
    assert (site / "chartloom.toml").read_text() == before


@pytest.mark.parametrize(
    ("edit", "line", "key", "words"),
    [
        (
            "[limits]\nmessage_size_max = 5\n",
            2,
            "limits.message_size_max",
            "message_size_bytes_max",
        ),
        (
            "[limits]\nmessage_size_bytes_max = 268435457\n",
            2,
            "limits.message_size_bytes_max",
            "less than or equal to 268435456",
        ),
        ('source = "mlpp"\n', 1, "source", "'mllp', 'http' or 'files'"),
        ('zone = "Mars/Base"\n', 1, "zone", "IANA"),
        ('mapping = "nowhere"\n', 1, "mapping", "no mapping 'nowhere'"),
        ("[freshness]\n\nmax_s = 0\n", 3, "freshness.max_s", "greater than or equal to 1"),
    ],
)
def test_a_mistake_is_named_with_line_key_and_cure(
    site: Path, edit: str, line: int, key: str, words: str
) -> None:
    base = 'department = "D"\nowner = "o"\nsource = "mllp"\n'
    if edit.startswith("source"):
        base = 'department = "D"\nowner = "o"\n'
    (site / "feeds" / "bad.toml").write_text(base + edit)
    project, findings = read_project(site)
    assert project is None
    [finding] = findings
    assert finding.file == "feeds/bad.toml"
    assert finding.line == base.count("\n") + line
    assert finding.key == key
    assert words in f"{finding.what} {finding.cure}"
    assert finding.cure


def test_options_of_another_source_are_refused(site: Path) -> None:
    (site / "feeds" / "bad.toml").write_text(
        'department = "D"\nowner = "o"\nsource = "files"\n[mllp]\nport = 1\n'
    )
    _, findings = read_project(site)
    assert "[mllp] stands here, but source is 'files'" in findings[0].what


def test_broken_toml_and_wrong_charset_name_the_line(site: Path) -> None:
    (site / "feeds" / "a.toml").write_text('department = "D"\nowner = \n')
    (site / "feeds" / "b.toml").write_bytes(b'department = "D"\nowner = "\xff"\n')
    _, findings = read_project(site)
    assert [(f.file, f.line) for f in findings] == [("feeds/a.toml", 2), ("feeds/b.toml", 2)]


def test_a_missing_folder_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="chartloom init"):
        load_project(tmp_path)


def test_overlay_files_belong_to_their_mapping(site: Path) -> None:
    folder = site / "mappings" / "lab-overlay"
    (folder / "concepts").mkdir(parents=True)
    (folder / "mapping.toml").write_text('base = "hl7v2"\nowner = "lab"\n')
    (folder / "concepts" / "units.csv").write_text("code\n")
    project = load_project(site)
    assert project.mappings["lab-overlay"].overlays == {"concepts/units.csv": b"code\n"}


def test_lines_of_nested_and_dotted_keys() -> None:
    text = "a = 1\n[b]\nc = 2\n[b.d]\ne.f = 3\n"
    assert line_of(text, ("b", "c")) == 3
    assert line_of(text, ("b", "d", "e", "f")) == 5
    assert line_of(text, ("b", "absent")) == 2
    assert line_of(text, ("nowhere",)) == 0
