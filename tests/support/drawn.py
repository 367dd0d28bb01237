"""Reads a drawn message back from its HTML."""

from __future__ import annotations

from html.parser import HTMLParser


class Drawn(HTMLParser):
    """Reads the HTML back: runs with their offsets, what is marked, and which tags occur."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.runs: list[tuple[int, int, bool]] = []
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.text: dict[tuple[int, int], str] = {}
        self._marks = 0
        self._run: tuple[int, int] | None = None
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        values = dict(attrs)
        self._marks += tag == "mark"
        if "data-a" in values:
            self._run = (int(values["data-a"] or ""), int(values["data-b"] or ""))
            self.runs.append((*self._run, self._marks > 0))

    def handle_endtag(self, tag: str) -> None:
        self._marks -= tag == "mark"
        if tag == "span":  # a run holds no other span
            self._run = None

    def handle_data(self, data: str) -> None:
        if self._run is not None:
            self.text[self._run] = self.text.get(self._run, "") + data
