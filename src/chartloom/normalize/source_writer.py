"""Writes Python source line by line, and the pieces that segment and datatype code share."""

from __future__ import annotations

import re
from functools import lru_cache
from types import CodeType

from chartloom.normalize.model import Row, Token

#: The label of a list's first item, whichever table or segment makes it: ``dosageInstruction[0]``.
FIRST = "0"


#: Elements whose labels name a url in ``extensions.csv``.
EXTENSIONS = ("extension", "modifierExtension")


@lru_cache(maxsize=1024)
def compiled(text: str, name: str) -> CodeType:
    """What a table was written as, compiled. Most tables of two versions of a mapping are the
    same, and compiling them is most of what reading a mapping costs.
    """
    return compile(text, f"<chartloom {name}>", "exec")


class Writer:
    """Lines of source with indentation."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.depth = 0

    def __call__(self, line: str) -> None:
        self.lines.append("    " * self.depth + line)

    def block(self, line: str) -> _Block:
        """``with write.block("if x:"):`` indents what follows."""
        self(line)
        return _Block(self)

    @property
    def text(self) -> str:
        """Everything written."""
        return "\n".join(self.lines) + "\n"


class _Block:
    def __init__(self, writer: Writer) -> None:
        self.writer = writer

    def __enter__(self) -> None:
        self.writer.depth += 1

    def __exit__(self, *_: object) -> None:
        self.writer.depth -= 1


def identifier(text: str) -> str:
    """A Python name for a table or label."""
    return re.sub(r"\W", "_", text)


class Setter:
    """Writes code that puts a value at a target path.

    Labelled items live in local variables: ``s_...`` (one item) or ``e_...`` (items by repetition).
    With ``traced``, the code also keeps their indices, and a path expression comes out.
    """

    def __init__(self, write: Writer, extensions: dict[str, str], traced: bool) -> None:
        self.write, self.extensions, self.traced = write, extensions, traced
        self.labels: dict[str, Token] = {}

    def declare(self, rows: tuple[Row, ...]) -> None:
        """Writes the initial values of all labelled items of a table."""
        for row in rows:
            prefix = ""
            for token in row.target:
                prefix = f"{prefix}.{token.name}[{token.label}]"
                if token.label and token.label != FIRST and prefix not in self.labels:
                    self.labels[prefix] = token
                    name = identifier(prefix)
                    self.write(f"s{name} = {'{}' if token.each else 'None'}")
                    if self.traced:
                        self.write(f"n{name} = {'{}' if token.each else '0'}")

    def open(self, tokens: tuple[Token, ...], at: str = "out") -> tuple[str, str, str]:
        """Code down to the container of the last token: (variable, path expression, prefix)."""
        path, prefix = "", ""
        for level, token in enumerate(tokens):
            prefix = f"{prefix}.{token.name}[{token.label}]"
            at, index = self._step(token, at, f"d{level}", prefix)
            path += f"{token.name}{index}."
        return at, path, prefix

    def _step(self, token: Token, at: str, into: str, prefix: str) -> tuple[str, str]:
        w = self.write
        if not token.many:
            w(f"{into} = {at}.get({token.name!r})")
            w(f"if {into} is None: {into} = {at}[{token.name!r}] = {{}}")
            return into, ""
        if token.label == FIRST:
            w(f"L = {at}.get({token.name!r})")
            w(f"if L is None: L = {at}[{token.name!r}] = [{{}}]")
            w(f"{into} = L[0]")
            return into, "[0]"
        name = identifier(prefix)
        if not token.label:
            self._append(token, at, into, "None")
            return into, "[{len(L) - 1}]"
        if token.each:
            w(f"{into} = s{name}.get(i)")
            with w.block(f"if {into} is None:"):
                self._append(token, at, into, f"n{name}[i]")
                w(f"s{name}[i] = {into}")
            return into, f"[{{n{name}[i]}}]"
        with w.block(f"if s{name} is None:"):
            self._append(token, at, f"s{name}", f"n{name}")
        w(f"{into} = s{name}")
        return into, f"[{{n{name}}}]"

    def _append(self, token: Token, at: str, into: str, index: str) -> None:
        w = self.write
        w(f"L = {at}.get({token.name!r})")
        w(f"if L is None: L = {at}[{token.name!r}] = []")
        url = self.extensions.get(token.label, "") if token.name in EXTENSIONS else ""
        w(f"{into} = {{'url': {url!r}}}" if url else f"{into} = {{}}")
        w(f"L.append({into})")
        if self.traced and index != "None":
            w(f"{index} = len(L) - 1")

    def put(self, tokens: tuple[Token, ...], primitive: bool = False) -> str:
        """Code that puts ``v`` (not None) at the path; the path as an f-string body."""
        w = self.write
        at, path, _ = self.open(tokens[:-1])
        last = tokens[-1]
        if last.many:
            w(f"L = {at}.get({last.name!r})")
            w(f"if L is None: L = {at}[{last.name!r}] = []")
            w("L.append(v)")
            return path + last.name + "[{len(L) - 1}]"
        if primitive:
            with w.block("if v.__class__ is Prim:"):
                w(f"{at}['_{last.name}'] = {{'extension': [v.extension]}}")
                w("v = v.value")
            w(f"if v is not None: {at}[{last.name!r}] = v")
        else:
            w(f"{at}[{last.name!r}] = v")
        return path + last.name
