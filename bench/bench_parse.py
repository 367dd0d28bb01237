"""HL7 v2: messages per CPU second, beside other Python parsers, on all shared messages.

(a) parse: bytes in, tree out. (b) all leaves: parse, then make each leaf an object with its value
and byte span; beside medforge's conversion to nested dicts, which has values but no spans.
Peers get text where they take no bytes; decoding for them is not counted. A peer is measured on the
messages that it can parse, and their number stands beside.

    python bench/bench_parse.py [--repetitions 7]
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from bench._report import Report
from bench._side_by_side import cpu_seconds
from tests.support.corpora import hl7v2_files

from chartloom.formats.hl7v2 import Leaf, parse, peek, serialise

Call = Callable[[Any], object]


def all_leaves(data: bytes) -> list[list[Leaf]]:
    """Every leaf of a message with its path's numbers, value and byte span, held as objects."""
    return [segment.leaves() for segment in parse(data).segments]


def split_only(text: str) -> list[list[str]]:
    """The least that any pure-Python parser has to do; no parser, only a yardstick."""
    return [line.split("|") for line in text.replace("\r\n", "\r").replace("\n", "\r").split("\r")]


def peers() -> dict[str, tuple[Call, bool]]:
    """Name -> (parse function over text with CR line ends, slow?) of the installed peers."""
    found: dict[str, tuple[Call, bool]] = {}
    if medforge := _module("medforge"):
        found["(a) medforge.parse"] = (medforge.parse, False)
        found["(b) medforge.parse().to_dict()"] = (lambda t: medforge.parse(t).to_dict(), False)
    if hl7 := _module("hl7"):
        found["(a) hl7.parse"] = (hl7.parse, True)
    if hl7apy := _module("hl7apy.parser"):
        found["(a) hl7apy.parse_message"] = (
            lambda t: hl7apy.parse_message(t, find_groups=False),
            True,
        )
    return found


def _module(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


def readable(call: Call, inputs: list[Any]) -> list[Any]:
    """The inputs that the parser takes without an error."""
    taken = []
    for one in inputs:
        try:
            call(one)
        except Exception:  # noqa: BLE001 (whatever a peer raises, it could not parse this one)
            continue
        taken.append(one)
    return taken


def run_all(call: Call, inputs: list[Any]) -> Callable[[], None]:
    def run() -> None:
        for one in inputs:
            call(one)

    return run


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--repetitions", type=int, default=7)
    given = options.parse_args()
    messages = [file.read_bytes() for file in hl7v2_files()]
    if not messages:
        sys.exit("no HL7 v2 corpora; set CHARTLOOM_CORPORA")
    texts = [m.decode("utf-8", "replace").lstrip("\ufeff") for m in messages]
    texts = [t.replace("\r\n", "\r").replace("\n", "\r") for t in texts]
    ours: dict[str, tuple[Call, list[Any]]] = {
        "(a) chartloom parse": (parse, messages),
        "(b) chartloom all leaves, values + spans": (all_leaves, messages),
        "    chartloom peek": (peek, messages),
        "    chartloom parse + serialise": (lambda m: serialise(parse(m)), messages),
        "    bare split into fields (yardstick)": (split_only, texts),
    }
    warnings.simplefilter("ignore")
    fast = dict(ours)
    slow: dict[str, tuple[Call, list[Any]]] = {}
    for name, (call, is_slow) in peers().items():
        (slow if is_slow else fast)[name] = (call, readable(call, texts))
    seconds = measure(fast, given.repetitions) | measure(slow, min(3, given.repetitions))
    write(ours | fast | slow, seconds, messages, given)


def measure(calls: dict[str, tuple[Call, list[Any]]], repetitions: int) -> dict[str, float]:
    """Median CPU seconds per message that could be parsed."""
    contenders = {name: run_all(call, inputs) for name, (call, inputs) in calls.items() if inputs}
    taken = cpu_seconds(contenders, repetitions)
    return {name: value / len(calls[name][1]) for name, value in taken.items()}


def write(
    calls: dict[str, tuple[Call, list[Any]]],
    seconds: dict[str, float],
    messages: list[bytes],
    given: argparse.Namespace,
) -> None:
    report = Report(
        "parse",
        messages=len(messages),
        bytes_total=sum(map(len, messages)),
        leaves_total=sum(len(s.leaves()) for m in messages for s in parse(m).segments),
        byte_identical=sum(serialise(parse(m)) == m for m in messages),
        repetitions=given.repetitions,
        statistic="median of CPU time, contenders in turns",
        load_1min=os.getloadavg()[0],
        remark="no peer yields byte spans; ours are part of (b) all the same",
    )
    reference = {
        "(a)": seconds.get("(a) medforge.parse"),
        "(b)": seconds.get("(b) medforge.parse().to_dict()"),
    }
    for name, per_message in seconds.items():
        base = reference.get(name[:3])
        report.row(
            what=name,
            parsed=len(calls[name][1]),
            us_per_message=round(per_message * 1e6, 1),
            msg_per_cpu_s=round(1 / per_message),
            times_medforge=round(base / per_message, 2) if base else "",
        )
    path = report.write()
    print(path.read_text(encoding="utf-8").partition('"rows"')[0])


if __name__ == "__main__":
    main()
