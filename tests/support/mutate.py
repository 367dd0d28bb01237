"""Seeded damage to HL7 v2 messages: truncations, flips, giant fields, wrong charsets, framing."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

#: Small made-up messages to damage where no corpus is at hand.
SEEDS = (
    b"MSH|^~\\&|LAB|H^1.2^ISO|EHR|C|20260101120000||ORU^R01^ORU_R01|M1|P|2.5.1|||AL|NE||"
    b"UNICODE UTF-8\r"
    b"PID|1||100^^^H&1.2&ISO^MR~9^^^S^SS||Doe^Jane^^^^^L||19700101|F|||1 Main^^City||(555)1\r"
    b"OBR|1|A|B|24331-1^Lipids^LN|||202601011200\rOBX|1|NM|718-7^Hb^LN||13.50|g/dL|12-16|N|||F\r"
    b'OBX|2|TX|X||line\\.br\\two \\T\\ \\XC3A9\\||||||F\rNTE|1||""\rZPI|1|own\r',
    "MSH|^~\\&#|ADT|H|||20260101||ADT^A40|M2|P|2.7|||||||8859/1\rEVN|A40|2026\rPID|1||5^^^H^MR||"
    "Müller^Zoë\rMRG|4^^^H^MR\rPV1|1|I|W^1^2\r".encode("iso8859-1"),
    b"FHS|^~\\&\rBHS|^~\\&\rMSH|^~\\&|A|||||ADT^A01|1|P|2.3\rPID|||1\rBTS|1\rFTS|1\r",
    "MSH|^~\\&|P|H|||2026||RDE^O11|M4|P|2.5||||||~ISO IR87\rPID|||7||山田^太郎\r".encode(
        "iso2022_jp"
    ),
    "MSH|^~\\&|P|H|||2026||ADT^A08|M5|P|2.5||||||BIG-5\rPID|||7||許功蓋^育\r".encode("cp950"),
    "\ufeffMSH|^~\\&|P|H|||2026||ADT^A08|M6|P|2.5\rPID|||7||Zoë\r".encode("utf-16-le"),
)
_PIECES = (
    *(
        b"|",
        b"^",
        b"~",
        b"\\",
        b"&",
        b"#",
        b"\r",
        b"\n",
        b"\r\n",
        b"\x0b",
        b"\x1c\r",
        b"\x00",
        b"\xff",
    ),
    *(b"\xef\xbb\xbf", b"MSH|", b"\rMSH|^~\\&|", b"\rPID|", b"\rOBX|", b"\\X", b"\\M2442\\", b'""'),
    *(b"\x1b$B", b"\x1b(B", b"\xc3", b"\x81\x30", b"UNICODE UTF-16", b"\r\xef\xbb\xbfMSH|"),
)
_CHARSETS = (
    *(b"ASCII", b"8859/1", b"8859/15", b"UNICODE UTF-8", b"UNICODE UTF-16", b"GB 18030-2000"),
    *(b"KS X 1001", b"ISO IR87", b"~ISO IR87", b"ISO IR159", b"CNS 11643", b"Shift_JIS", b"BIG-5"),
    b"nonsense",
)

Mutation = Callable[[random.Random, bytes], bytes]


def _truncate(r: random.Random, data: bytes) -> bytes:
    start = r.choice((0, 0, 0, r.randint(0, len(data))))
    return data[start : r.randint(0, len(data))]


def _flip_bits(r: random.Random, data: bytes) -> bytes:
    out = bytearray(data)
    for _ in range(min(len(out), r.randint(1, 16))):
        out[r.randrange(len(out))] ^= 1 << r.randrange(8)
    return bytes(out)


def _overwrite(r: random.Random, data: bytes) -> bytes:
    at = r.randint(0, len(data))
    return data[:at] + r.randbytes(r.randint(1, 64)) + data[at + r.randint(0, 64) :]


def _insert(r: random.Random, data: bytes) -> bytes:
    for _ in range(r.randint(1, 8)):
        at = r.randint(0, len(data))
        data = data[:at] + r.choice(_PIECES) * r.choice((1, 1, 1, 2, 50)) + data[at:]
    return data


def _giant_field(r: random.Random, data: bytes) -> bytes:
    at = r.randint(0, len(data))
    piece = r.choice((*_PIECES, b"A", b"line of text\n", b"\\.sp99\\", b"a|b\n", b"\\XC3A9\\"))
    return data[:at] + piece * (r.randint(1_000, 100_000) // len(piece)) + data[at:]


def _charset(r: random.Random, data: bytes) -> bytes:
    lines = data.split(b"\r", 1)
    fields = lines[0].split(b"|")
    fields += [b""] * (18 - len(fields))
    fields[17] = r.choice(_CHARSETS)
    damaged = b"\r".join([b"|".join(fields), *lines[1:]])
    return _insert(r, damaged) if r.random() < 0.5 else damaged


def _recode(r: random.Random, data: bytes) -> bytes:
    codecs = ("utf-16-le", "utf-16-be", "utf-32-le", "cp037", "gb18030", "utf-16")
    text = data.decode("latin-1")
    return text.encode(r.choice(codecs), "replace")


def _framing(r: random.Random, data: bytes) -> bytes:
    frame = (b"\x0b", b"\x1c\r", b"\x1c", b"\r", b"\x0b\x0b", b"\x1c\x1c\r", b"\x1a", b"")
    return r.choice(frame) + data + r.choice(frame) + r.choice((b"", data)) + r.choice(frame)


def _delimiters(r: random.Random, data: bytes) -> bytes:
    length = r.randint(0, 7)
    return data.replace(
        b"|^~\\&", bytes(r.choices(b"|^~\\&#$%@!aZ9. \x1d\xe9\xff", k=length + 1)), 1
    )


def _shuffle(r: random.Random, data: bytes) -> bytes:
    lines = data.split(b"\r")
    r.shuffle(lines)
    return r.choice((b"\r", b"\n", b"\r\n")).join(lines)


def _random(r: random.Random, data: bytes) -> bytes:
    return r.randbytes(r.randint(0, 4_096))


MUTATIONS: dict[str, Mutation] = {
    f.__name__.strip("_"): f
    for f in (
        _truncate,
        _flip_bits,
        _overwrite,
        _insert,
        _giant_field,
        _charset,
        _recode,
        _framing,
        _delimiters,
        _shuffle,
        _random,
    )
}


def mutants(
    seed: int, count: int, originals: tuple[bytes, ...] = SEEDS
) -> Iterator[tuple[str, bytes]]:
    """(names of mutations, damaged message): the same ones for the same seed."""
    r = random.Random(seed)
    names = list(MUTATIONS)
    for _ in range(count):
        data = r.choice(originals)
        chosen = r.choices(names, k=r.choice((1, 1, 2, 3)))
        for name in chosen:
            data = MUTATIONS[name](r, data)
        yield "+".join(chosen), data
