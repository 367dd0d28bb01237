"""What the store keeps of the directory besides the tables of the site."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from chartloom.domain.directory import DirectoryVersion, UnknownReference
from chartloom.domain.grant import Grant
from chartloom.domain.resource import FhirJson


class DirectoryRecords(Protocol):
    """Words of stewards, what messages named and nobody knows, and earlier tables.

    Nothing of it is about a patient; any grant opens it. Words are not written here: they land as
    messages of the steward feed and come back derived.
    """

    def directory_words(self, grant: Grant) -> list[FhirJson]:
        """All words there are, as they were said."""
        ...

    def unknown_references(self, grant: Grant, limit: int = 5000) -> list[UnknownReference]:
        """By feed, those that are named most often first."""
        ...

    def directory_versions(self, grant: Grant) -> list[DirectoryVersion]:
        """The tables there were, latest first."""
        ...

    def directory_files(self, grant: Grant, fingerprint: str) -> dict[str, bytes]:
        """Tables as they were: name -> content. Raises ``NotFound``."""
        ...

    def save_directory(self, fingerprint: str, files: Mapping[str, bytes]) -> None:
        """Keeps tables under their fingerprint as of now; known ones are left alone."""
        ...
