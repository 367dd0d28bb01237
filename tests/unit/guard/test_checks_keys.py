"""Keys and generations that are not there, not whole or gone in this very moment: each case alone,
and what is at hand costs no look-up."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.support.clock import FakeClock
from tests.support.memory_keys import MemoryKeys
from tests.support.patience import PATIENCE_S

from chartloom.domain.errors import ConfigurationError
from chartloom.domain.grant import Purpose
from chartloom.domain.keys import StaleGeneration, SubjectShredded, WrappedKey
from chartloom.guard import Fetched, Guard
from chartloom.guard.keys import FileKek, GenerationUnknown, KeyBroker, KeyDamaged
from chartloom.guard.keys.files import alone
from chartloom.guard.keys.kek import VARIABLE, EnvironmentKek

HEX = "ab" * 32


class Site:
    """Brokers ("processes") over one store of keys."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.clock, self.store = folder / "kek", FakeClock(), MemoryKeys()
        self.guard = Guard.open(folder / "keys", self.clock)
        self.all = self.guard.mint("worker", Purpose.OPERATIONS)

    def process(self, **more: Any) -> KeyBroker:
        kek = FileKek(self.folder, create=True)
        return KeyBroker(kek, self.store, self.guard, self.clock, **more)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


# The broker


def test_those_never_seen_are_not_looked_up(site: Site) -> None:
    site.process().ensure(["new"], unseen=True)
    assert (site.store.calls["get"], site.store.calls["put_absent"]) == (0, 1)


def test_a_key_that_is_there_is_not_offered_again(site: Site) -> None:
    site.process().ensure(["p"])
    other = site.process()
    other.ensure(["p"])
    assert site.store.calls["put_absent"] == 1


def stored(site: Site, *subjects: str) -> dict[str, WrappedKey]:
    """Their keys as they are kept."""
    return {s: k for s, k in site.store.get(subjects).items() if isinstance(k, WrappedKey)}


def test_keys_that_came_along_are_not_looked_up_and_those_that_did_not_are(site: Site) -> None:
    site.process().ensure(["p1", "p2"])
    one, other = site.process(), site.process()
    for broker in (one, other):
        broker.look()
    came = Fetched(one.mark, stored(site, "p1"))
    site.store.calls.clear()
    assert one.ensure(["p1"], fetched=came) == frozenset()
    assert site.store.calls["get"] == 0
    came = Fetched(other.mark, came.keys)
    assert other.ensure(["p1", "p2", "new"], fetched=came) == frozenset()
    assert other.opening_keys(site.all, ["p1", "p2", "new"]).keys() == {"p1", "p2", "new"}


def test_a_key_that_came_along_before_it_was_destroyed_is_destroyed(site: Site) -> None:
    one, other = site.process(), site.process()
    one.ensure(["p"])
    other.look(now=True)
    came = Fetched(other.mark, stored(site, "p"))
    one.shred("p", "staff-1", "patient-request")
    other.look(now=True)
    assert other.ensure(["p"], fetched=came) == {"p"}
    with pytest.raises(SubjectShredded):
        other.sealing_key("p")


def test_keys_used_earlier_are_at_hand(site: Site) -> None:
    broker = site.process(cached_max=2)
    broker.ensure(["p1"])
    broker.ensure(["p2"])
    site.store.calls.clear()
    broker.ensure(["p1"])
    assert site.store.calls["get"] == 0


def test_a_key_destroyed_while_it_was_rewrapped_is_destroyed(site: Site) -> None:
    """Between the two looks of one opening its generation was retired and its key shredded."""
    one, other = site.process(), site.process()
    one.ensure(["p1", "p2"])
    opening = site.process()
    real = site.store.get

    def overtaken(subjects: Sequence[str]) -> dict[str, Any]:
        found = real(subjects)
        site.store.get = real  # type: ignore[method-assign]
        other.shred("p1", "officer", "court-order")
        other.rotate()
        other.retire(1)
        opening._kek.reload()
        return found

    site.store.get = overtaken  # type: ignore[method-assign]
    with pytest.raises(SubjectShredded) as gone:
        opening.opening_keys(site.all, ["p1", "p2"])
    assert gone.value.subjects == ("p1",)


def test_without_subject_keys_nobody_is_destroyed(site: Site) -> None:
    assert site.guard.prepare(["p"]) == frozenset()


def test_who_cannot_catch_up_with_a_rotation_says_so(site: Site) -> None:
    broker = site.process()
    site.store.floor = 99
    with pytest.raises(StaleGeneration):
        broker.ensure(["p"])
    assert site.store.rows == {}


# Generations in files


def test_a_folder_without_a_key_is_no_key(tmp_path: Path) -> None:
    (tmp_path / "kek").mkdir(mode=0o700)
    with pytest.raises(ConfigurationError, match="no key-encryption key"):
        FileKek(tmp_path / "kek")


def test_other_files_are_no_generations(site: Site) -> None:
    kek = FileKek(site.folder, create=True)
    for name in ("old", "1a", "-2", "\u00b2", "\u0661\u0662"):
        (site.folder / f"{name}.key").write_text(HEX)
    assert FileKek(site.folder).describe().generations == kek.describe().generations == (1,)


def test_a_generation_that_cannot_be_read_is_not_passed_over(site: Site) -> None:
    kek = FileKek(site.folder, create=True)
    kek.rotate()
    (site.folder / "1.key").write_text("damaged")
    with pytest.raises(ConfigurationError, match="hexadecimal"):
        FileKek(site.folder)


def test_a_destroyed_generation_is_destroyed_in_memory_too(site: Site) -> None:
    kek = FileKek(site.folder, create=True)
    generation, wrapped = kek.wrap([bytes(32)])
    kek.rotate()
    kek.destroy(generation)
    with pytest.raises(GenerationUnknown):
        kek.unwrap(generation, wrapped)
    assert kek.describe().generations == (2,)


class Late(FileKek):
    """A folder of which the first looks show nothing, as while another process rotates."""

    blind = 1

    def _look(self) -> dict[int, Path]:
        if self.blind:
            self.blind -= 1
            return {}
        return super()._look()


def test_who_was_late_makes_no_first_generation(site: Site) -> None:
    broker = site.process()
    broker.rotate()
    broker.retire(1)
    assert Late(site.folder, create=True).generation == 2
    assert [f.name for f in site.folder.glob("*.key")] == ["2.key"]


def test_a_first_generation_that_cannot_be_kept_is_told(site: Site) -> None:
    site.process()

    class Blind(Late):
        blind = 9

    with pytest.raises(ConfigurationError, match="there already"):
        Blind(site.folder, create=True)


def test_no_generation_comes_or_goes_while_another_process_looks(site: Site) -> None:
    kek = FileKek(site.folder, create=True)
    kek.rotate()
    changes: tuple[tuple[Callable[[], object], list[str]], ...] = (
        (lambda: kek.destroy(1), ["2.key"]),
        (kek.rotate, ["2.key", "3.key"]),
        (lambda: FileKek(site.folder / "new", create=True), ["1.key"]),
    )
    (site.folder / "new").mkdir(mode=0o700)
    for change, after in changes:
        folder = site.folder / "new" if after == ["1.key"] else site.folder
        before = sorted(f.name for f in folder.glob("*.key"))
        changing = threading.Thread(target=change)
        with alone(folder):
            changing.start()
            changing.join(0.05)
            assert changing.is_alive()
            assert sorted(f.name for f in folder.glob("*.key")) == before
        changing.join(PATIENCE_S)
        assert sorted(f.name for f in folder.glob("*.key")) == after


# Generations in a variable


@pytest.mark.parametrize(
    "text", ["", "1", HEX, f"x:{HEX}", f":{HEX}", f"-1:{HEX}", f"\u00b2:{HEX}", f"\u0661:{HEX}",
             f"1:{HEX},", f"1:{HEX};2:{HEX}".replace(":", "")],
)  # fmt: skip
def test_a_variable_in_another_form_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="not in the form"):
        EnvironmentKek({VARIABLE: text})


def test_of_a_generation_that_is_not_there_nothing_is_destroyed() -> None:
    kek = EnvironmentKek({VARIABLE: f"1:{HEX},2:{HEX}"})
    kek.destroy(7)
    with pytest.raises(ConfigurationError, match="cannot be changed"):
        kek.destroy(1)
    assert kek.describe().generations == (1, 2)


def test_a_wrapped_key_leaves_no_other_subject(site: Site) -> None:
    broker = site.process()
    broker.ensure(["p1", "p2"])
    row = site.store.rows["p1"]
    assert isinstance(row, WrappedKey)
    site.store.rows["p2"] = msgspec.structs.replace(row, subject="p2")
    with pytest.raises(KeyDamaged):
        site.process().opening_key(site.all, "p2")
