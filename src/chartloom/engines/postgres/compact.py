"""Bodies made small before they are sealed: Zstandard with a dictionary of FHIR's boilerplate.

A message of 1 KB yields 20 KB of FHIR, most of it URLs, codes and property names that every
resource repeats. With a dictionary that knows them a tenth is left, at a lower cost than writing
the rest to log and table.

``bodies.zdict`` was trained by ``tools/build_body_dictionary.py`` on simulated messages. It is part
of the format: never change the file, what was written needs it; add another one beside it.
"""

from __future__ import annotations

import importlib.resources
import sys

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

_LEVEL = 1
#: Begins every Zstandard frame, and no JSON.
_MAGIC = b"\x28\xb5\x2f\xfd"
#: Below this there is nothing to gain.
_SIZE_BYTES_MIN = 100


class Compactor:
    """Packs and unpacks JSON. Thread-safe: a frame is made in one locked call."""

    def __init__(self) -> None:
        file = importlib.resources.files("chartloom.engines.postgres").joinpath("bodies.zdict")
        self._dictionary = zstd.ZstdDict(file.read_bytes())
        self._compressor = zstd.ZstdCompressor(_LEVEL, zstd_dict=self._dictionary)

    def pack(self, plain: bytes) -> bytes:
        """``plain``, smaller if it is not tiny."""
        if len(plain) < _SIZE_BYTES_MIN:
            return plain
        return self._compressor.compress(plain, zstd.ZstdCompressor.FLUSH_FRAME)

    def unpack(self, packed: bytes) -> bytes:
        """The inverse of :meth:`pack`, for bytes whose seal was intact."""
        if packed[:4] != _MAGIC:
            return packed
        return zstd.decompress(packed, self._dictionary)
