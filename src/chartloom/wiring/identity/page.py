"""The report of an evaluation as one HTML file with SVG plots; no scripts, nothing loaded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from html import escape
from math import log10
from typing import Final

from chartloom.wiring.identity.evaluation import VERDICTS, Evaluation, thresholds

_STYLE: Final = (
    "body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;"
    "color:#1b2733}table{border-collapse:collapse;margin:1rem 0}td,th{padding:.25rem .75rem;"
    "border-bottom:1px solid #d5dde5;text-align:right}"
    "td:first-child,th:first-child{text-align:left}"
    "svg{max-width:100%;height:auto}.right{fill:#2a7f62}.wrong{fill:#c0392b}.bar{fill:#3b6ea5}"
    "text{font-size:12px;fill:#1b2733}.axis{stroke:#8496a9}.line{fill:none;stroke:#3b6ea5;"
    "stroke-width:2}"
)
_WIDTH: Final = 720
_HEIGHT: Final = 240


def page(evaluation: Evaluation, title: str) -> str:
    """The whole page."""
    r = evaluation.report
    rows = [
        ("Records, persons, clusters", f"{r.records:,} · {r.persons:,} · {r.found:,}"),
        ("Links: precision", f"{r.links.precision:.5f} ({r.links.wrong} wrong)"),
        ("Pairs in clusters: precision, recall, F1", _three(r.pairs)),
        ("Clusters that are exactly one person: precision, recall, F1", _three(r.clusters)),
        ("B-cubed precision, recall", f"{r.bcubed_precision:.5f} · {r.bcubed_recall:.5f}"),
        ("Clusters with more than one person", f"{r.mixed} ({r.mixed_share:.4%})"),
        ("Recall when every review is answered", f"{r.reviewed:.5f}"),
        (
            "Reviews",
            f"{r.queue:,} ({r.queue_share:.3%} of records), {r.queue_right:,} are one person",
        ),
        ("Parameters", escape(evaluation.parameters)),
    ]
    parts = [
        "<!doctype html><html lang='en'><meta charset='utf-8'>",
        f"<title>{escape(title)}</title><style>{_STYLE}</style><h1>{escape(title)}</h1>",
        "<table>" + "".join(f"<tr><td>{k}</td><td>{v}</td></tr>" for k, v in rows) + "</table>",
        "<h2>Weights of pairs</h2><p>Pairs by bits of evidence, counts on a logarithmic scale. "
        "Upwards: one person; downwards: two.</p>",
        _histogram(evaluation.weights),
        "<h2>Precision and recall by weight</h2>",
        _curve(thresholds(evaluation), r.pairs.right + r.pairs.missed),
    ]
    for kind, groups in evaluation.groups.items():
        parts += [
            f"<h2>Records in a wrong cluster, by {escape(kind)}</h2>",
            _bars(groups),
            _beside(evaluation, kind),
        ]
    if evaluation.tags:
        parts += ["<h2>The same, by what the file says of them</h2>", _bars(evaluation.tags)]
    parts.append("<h2>Mistakes</h2>")
    for kind, classes in evaluation.classes.items():
        parts.append(_table(kind, classes))
    return "".join(parts) + "</html>\n"


def _three(score: object) -> str:
    return " · ".join(f"{getattr(score, name):.5f}" for name in ("precision", "recall", "f1"))


def _histogram(weights: Sequence[tuple[float, bool]]) -> str:
    counts = Counter((int(w // 2) * 2, right) for w, right in weights)
    if not counts:
        return "<p>No pairs.</p>"
    low, high = min(b for b, _ in counts), max(b for b, _ in counts)
    top = max(log10(n + 1) for n in counts.values())
    step = _WIDTH / ((high - low) / 2 + 1)
    middle = _HEIGHT / 2
    shapes = [f"<line class='axis' x1='0' x2='{_WIDTH}' y1='{middle}' y2='{middle}'/>"]
    for (bits, right), n in sorted(counts.items()):
        size = (middle - 16) * log10(n + 1) / top
        y = middle - size if right else middle
        name = "right" if right else "wrong"
        shapes.append(
            f"<rect class='{name}' x='{(bits - low) / 2 * step:.1f}' y='{y:.1f}' "
            f"width='{max(step - 1, 1):.1f}' height='{size:.1f}'>"
            f"<title>{bits} to {bits + 2} bits: {n:,}</title></rect>"
        )
    shapes.append(f"<text x='0' y='{_HEIGHT - 2}'>{low} bits</text>")
    shapes.append(f"<text x='{_WIDTH}' y='{_HEIGHT - 2}' text-anchor='end'>{high + 2} bits</text>")
    return _svg(shapes, "Pairs by weight")


def _curve(points: Sequence[tuple[float, int, int]], true_pairs: int) -> str:
    if not points or not true_pairs:
        return "<p>No pairs.</p>"
    every = max(1, len(points) // 400)
    chosen = [*points[::every], points[-1]]
    line = " ".join(
        f"{right / true_pairs * (_WIDTH - 60) + 50:.1f},"
        f"{_HEIGHT - 30 - (right / (right + wrong)) * (_HEIGHT - 50):.1f}"
        for _, right, wrong in chosen
    )
    shapes = [
        f"<line class='axis' x1='50' x2='{_WIDTH - 10}' y1='{_HEIGHT - 30}' y2='{_HEIGHT - 30}'/>",
        f"<line class='axis' x1='50' x2='50' y1='20' y2='{_HEIGHT - 30}'/>",
        f"<polyline class='line' points='{line}'/>",
        "<text x='4' y='24'>1.0</text>",
        f"<text x='{_WIDTH - 10}' y='{_HEIGHT - 10}' text-anchor='end'>recall of pairs 1.0</text>",
        f"<text x='50' y='{_HEIGHT - 10}'>precision of links and reviews together</text>",
    ]
    return _svg(shapes, "Precision and recall")


def _bars(groups: Mapping[str, tuple[int, int, float]]) -> str:
    top = max((rate for _, _, rate in groups.values()), default=0.0) or 1.0
    height = 24 * len(groups) + 8
    shapes = []
    for row, (name, (records, wrong, rate)) in enumerate(groups.items()):
        y = 24 * row + 4
        shapes.append(f"<text x='0' y='{y + 14}'>{escape(name or 'not said')}</text>")
        shapes.append(
            f"<rect class='bar' x='150' y='{y}' height='18' width='{rate / top * 330:.1f}'/>"
        )
        shapes.append(
            f"<text x='{160 + rate / top * 330:.1f}' y='{y + 14}'>"
            f"{rate:.2%} ({wrong:,} of {records:,})</text>"
        )
    return _svg(shapes, "Share of records in a wrong cluster", height)


def _beside(evaluation: Evaluation, kind: str) -> str:
    """Each group's rate beside the whole's, and whether a group stands above twice of it."""
    rows = "".join(
        f"<tr><td>{escape(group or 'not said')}</td><td>{b.ratio:.2f}</td>"
        f"<td>{b.low:.2f} to {b.high:.2f}</td><td>{VERDICTS[b.verdict]}</td></tr>"
        for group, b in evaluation.beside[kind].items()
    )
    records, wrong, rate = evaluation.whole
    return (
        f"<p>The whole: {rate:.2%} ({wrong:,} of {records:,}). Intervals hold 95 times of 100 for "
        "all groups of this kind together, by persons.</p>"
        "<table><tr><th>group</th><th>times the whole</th><th>interval</th><th></th></tr>"
        f"{rows}</table>"
    )


def _table(kind: str, classes: Mapping[str, int]) -> str:
    if not classes:
        return f"<p>{escape(kind)}: none.</p>"
    rows = "".join(f"<tr><td>{escape(k)}</td><td>{n:,}</td></tr>" for k, n in classes.items())
    return f"<table><tr><th>{escape(kind)}</th><th>pairs</th></tr>{rows}</table>"


def _svg(shapes: Sequence[str], label: str, height: int = _HEIGHT) -> str:
    return (
        f"<svg viewBox='0 0 {_WIDTH} {height}' role='img' aria-label='{escape(label)}' "
        f"width='{_WIDTH}' height='{height}'>{''.join(shapes)}</svg>"
    )
