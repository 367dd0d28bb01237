"""Pages of the directory: people, places and drugs of the hospital, and what is to be settled."""

from chartloom.serve.directory.door import DirectoryDoor

__all__ = ["DirectoryDoor"]
