"""Labels of what an HL7 v2 message says and no resource holds: Z-segments, fields without a rule.

The bytes are in the message all the same. A field is judged whole: each of its leaves as words, and
as a code of the systems that stand beside it (in a segment of which nothing became anything,
anywhere in the segment), else by its shape. Free text of more than ``VALUE_TEXT_MAX`` characters is
not read, as elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import msgspec

from chartloom.domain.labels import BIT, Label, mask
from chartloom.formats.hl7v2 import Delimiters, Segment, Tree
from chartloom.normalize.sensitivity import Labeller

#: Fields that are remembered, with what was found out about them.
_REMEMBERED = 8192
_LENGTH_MAX = 512
_DELIMITERS_MAX = 16
#: Letter and two digits are a category of ICD-10, and as often a bed or a ward.
_BARE_CATEGORY = re.compile(r"[A-Z]\d[0-9A-Z]", re.IGNORECASE)
#: In these a letter and two digits are a ward, a room or a bed.
_PLACES = frozenset({"PV1", "NPU"})
_RESTRICTED = BIT[Label.R]


class _Field(msgspec.Struct, frozen=True, gc=False):
    """One field: its labels by what stands in it alone, the URLs that it names, and its leaves."""

    labels: int
    urls: tuple[str, ...] = ()
    leaves: tuple[str, ...] = ()


class LeftOver:
    """Judges fields by the rules of a site; remembers what it found, as the labeller does.

    systems: names of code systems in messages (``LN``) -> URL.
    """

    def __init__(self, labeller: Labeller, systems: Mapping[str, str]) -> None:
        self._labeller = labeller
        self._systems = systems
        #: by delimiters: fields that were judged, with and without bare categories of ICD-10
        self._known: dict[Delimiters, tuple[dict[str, _Field], dict[str, _Field]]] = {}
        self._last: tuple[Delimiters | None, tuple[dict[str, _Field], dict[str, _Field]]]
        self.forget()

    def forget(self) -> None:
        """Forgets the texts that were judged."""
        self._known.clear()
        self._last = None, ({}, {})

    def labels(
        self,
        tree: Tree,
        left: Sequence[tuple[Segment, tuple[int, ...]]],
        ran_by: Sequence[Mapping[tuple[int, int], None]],
        *,
        sensitive: bool,
    ) -> int:
        """Mask of the labels of these fields.

        ran_by: what rules ran over each segment, by its number. sensitive: the feed is declared so;
        then a segment of which nothing became anything, and that no rule labels, is restricted.
        """
        delimiters, memos = self._last
        if tree.delimiters is not delimiters:
            if len(self._known) >= _DELIMITERS_MAX:
                self._known.clear()
            memos = self._known.setdefault(tree.delimiters, ({}, {}))
            self._last = tree.delimiters, memos
        strict, plain = memos
        found = 0
        for segment, fields in left:
            held = segment.fields
            if not ran_by[segment.index]:
                bare = segment.name not in _PLACES
                known = strict if bare else plain
                labels = self._unheard(segment, fields, tree, known, bare=bare)
                found |= labels or (_RESTRICTED if sensitive else 0)
                continue
            for number in fields:
                text = held[number]
                if (field := plain.get(text)) is not None:
                    found |= field.labels
                elif not text.isdigit():
                    found |= self._judge(text, tree, plain, bare=False).labels
        return found

    def _unheard(
        self,
        segment: Segment,
        fields: tuple[int, ...],
        tree: Tree,
        known: dict[str, _Field],
        *,
        bare: bool,
    ) -> int:
        """The labels of a segment of which nothing became anything."""
        texts = [segment.fields[number] for number in fields]
        judged = [known.get(t) or self._judge(t, tree, known, bare=bare) for t in texts]
        labels = 0
        for field in judged:
            labels |= field.labels
        for url in {url for field in judged for url in field.urls}:
            for field in judged:
                for leaf in field.leaves:
                    labels |= mask(self._labeller.labels_of_code(url, leaf))
        return labels

    def _judge(self, text: str, tree: Tree, known: dict[str, _Field], *, bare: bool) -> _Field:
        """bare: a letter and two digits alone are taken for a category of ICD-10."""
        labeller = self._labeller
        labels, urls, every = 0, dict[str, None](), list[str]()
        for repetition in tree.repetitions(text):
            leaves = [
                plain
                for component in tree.components(repetition)
                for leaf in tree.subcomponents(component)
                if (plain := tree.unescape(leaf).strip())
            ]
            named = [url for leaf in leaves if (url := self._url(leaf))]
            for leaf in leaves:
                labels |= mask(labeller.labels_of_words(leaf))
                if not named and (bare or not _BARE_CATEGORY.fullmatch(leaf)):
                    labels |= mask(labeller.labels_of_code("", leaf))
                for url in named:
                    labels |= mask(labeller.labels_of_code(url, leaf))
            urls.update(dict.fromkeys(named))
            every += leaves
        field = _Field(labels, tuple(urls), tuple(every))
        escape = tree.delimiters.split_escape  # whose meaning depends on the character set
        if len(text) <= _LENGTH_MAX and escape not in text:
            if len(known) >= _REMEMBERED:
                known.clear()
            known[text] = field
        return field

    def _url(self, name: str) -> str:
        """The URL of a code system with rules that is named like this; "" if there is none."""
        url = self._systems.get(name, name)
        return url if self._labeller.named(url) else ""
