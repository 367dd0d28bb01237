"""Fragments become a section of the changelog, once."""

from __future__ import annotations

import importlib.util
from pathlib import Path

ROOT = Path(__file__).parents[3]
SPEC = importlib.util.spec_from_file_location("changelog", ROOT / "tools" / "changelog.py")
assert SPEC is not None
assert SPEC.loader is not None
changelog = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(changelog)

PAGE = "# Changelog\n\nHow.\n\n## 0.1.0 (2026-01-01)\n\n### Old\n\n- An old point.\n"


def test_fragments_are_gathered_by_issue_with_what_clinicians_see_first(tmp_path: Path) -> None:
    (tmp_path / "2.speed.md").write_text("Faster\nby half.\n")
    (tmp_path / "2.clinical.md").write_text("- One.\n- Two\n  goes on.\n")
    (tmp_path / "3.fix.md").write_text("Mended.\n")
    assert changelog.gathered(tmp_path) == {
        "2": ["- **Clinical.** One.", "- **Clinical.** Two goes on.", "- Faster by half."],
        "3": ["- **Fix.** Mended."],
    }


def test_a_section_is_made_then_added_to_then_dated() -> None:
    made = changelog.with_section(PAGE, "0.2.0", "unreleased", {"2": ["- A."], "3": ["- B."]})
    assert made.index("## 0.2.0 (unreleased)") < made.index("## 0.1.0")
    more = changelog.with_section(made, "0.2.0", "2026-12-01", {"2": ["- C."], "4": ["- D."]})
    assert "unreleased" not in more
    assert "### Messages in, charts out\n\n- A.\n- C.\n\n### Access" in more
    assert "- B.\n\n### Identity, master data, reconciliation\n\n- D.\n\n## 0.1.0" in more
    assert more.endswith("### Old\n\n- An old point.\n")


def test_a_long_point_is_wrapped_and_loses_no_word() -> None:
    said = " ".join(f"word{n}" for n in range(60))
    lines = changelog.wrapped(said).splitlines()
    assert max(map(len, lines)) <= 118
    assert " ".join(changelog.wrapped(said)[2:].split()) == said
