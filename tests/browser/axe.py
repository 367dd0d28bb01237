"""Runs axe-core in a page. The script is a vendored test asset under its own licence."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Page

SCRIPT = (Path(__file__).parent / "vendor" / "axe.min.js").read_text(encoding="utf-8")
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


def violations(page: Page) -> list[str]:
    """What axe finds against WCAG 2.2 AA and its best practices, one line per node."""
    # The page's policy forbids inline scripts; evaluation over the debugging protocol is not one.
    if not page.evaluate("'axe' in window"):
        page.evaluate(SCRIPT)
    # From the top: what lies half below a header that stays is no target that is too small.
    page.evaluate("scrollTo({top: 0, behavior: 'instant'})")
    result = page.evaluate(
        """(tags) => axe.run(document, {
            runOnly: { type: 'tag', values: tags },
            resultTypes: ['violations'],
            preload: false,
        })""",
        TAGS,
    )
    return [
        f"{v['id']}: {node['target']} {node['failureSummary']}"
        for v in result["violations"]
        for node in v["nodes"]
    ]
