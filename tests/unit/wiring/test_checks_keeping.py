"""Keys from the command line: permitted first, on record next, then done."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tests.security.test_checks_shredding import House
from tests.support.memory_audit import DOWN
from tests.support.memory_keys import MemoryKeys

from chartloom.domain.audit import AuditUnavailable
from chartloom.domain.errors import ConfigurationError
from chartloom.domain.grant import Purpose
from chartloom.domain.keys import SubjectShredded, Tombstone
from chartloom.domain.store import MessageFilter
from chartloom.guard.audit import Kind, Recorder, read_events
from chartloom.guard.authority import AccessDenied, Asking, Need
from chartloom.guard.keys import FileKek, KeyBroker
from chartloom.guard.staff import Principal
from chartloom.project import Project, load_project, write_site
from chartloom.wiring import keeping, keys
from chartloom.wiring.desk import Desk as Desk_
from chartloom.wiring.keeping import KeyKeeper

OPERATOR = Principal("admin", roles=frozenset({"administrator"}))


class Kept(MemoryKeys):
    def destroyed_count(self) -> int:
        return sum(isinstance(k, Tombstone) for k in self.rows.values())


class Desk:
    """As the command line asks: always the same principal."""

    def __init__(self, house: House, principal: Principal) -> None:
        self.principal, self.authority = principal, house.authority
        self.asking = Asking(request_id="r", fresh=True)

    def permit(self, need: Need) -> Any:
        return self.authority.permit(self.principal, need, self.asking)


class Keeper(KeyKeeper):
    """A keeper over keys and a record in memory."""

    def __init__(self, folder: Path, house: House, principal: Principal = OPERATOR) -> None:
        self.house, self._keys = house, Kept()  # type: ignore[assignment]
        self.kek = FileKek(folder / "kek", create=True)
        self._broker = KeyBroker(self.kek, self._keys, house.guard, house.clock)
        self.recorder = Recorder(house.audit)
        self.desk, self.actor = Desk(house, principal), "operator:7"  # type: ignore[assignment]
        self._two = house.two
        self.erased: list[tuple[str, ...]] = []
        store = SimpleNamespace(erase=self._erase)
        self.opened = SimpleNamespace(store=store, clock=house.clock, grant=self._mint)  # type: ignore[assignment]

    def _mint(self, actor: str) -> Any:
        return self.house.guard.mint(actor, Purpose.OPERATIONS)

    def _erase(self, grant: object, source_patients: Sequence[str]) -> dict[str, int]:
        self.erased.append(tuple(source_patients))
        return {}

    def kinds(self) -> list[str]:
        return [e.kind for e in read_events(self.house.audit.events)]


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


@pytest.fixture
def keeper(tmp_path: Path, house: House, monkeypatch: pytest.MonkeyPatch) -> Keeper:
    monkeypatch.setattr(keeping, "_FORGOTTEN_AFTER_S", 0.0)
    made = Keeper(tmp_path, house)
    made._broker.ensure(["one", "uno", "two"])
    return made


def test_a_rotation_is_on_record_before_and_after(keeper: Keeper) -> None:
    assert keeper.rotate(lambda _: None, new_generation=True).generation == 2
    assert keeper.kinds() == ["key-created", "key-rotated"]
    keeper.house.audit.fail = DOWN
    with pytest.raises(AuditUnavailable):
        keeper.rotate(lambda _: None, new_generation=True)
    assert keeper.kek.generation == 2


def test_who_may_not_manage_keys_changes_none(tmp_path: Path, house: House) -> None:
    keeper = Keeper(tmp_path, house, Principal("e", roles=frozenset({"integration_engineer"})))
    keeper._broker.ensure(["one"])
    with pytest.raises(AccessDenied):
        keeper.rotate(lambda _: None, new_generation=True)
    keeper._broker.rotate()
    with pytest.raises(AccessDenied):
        keeper.retire()
    assert keeper.kek.describe().generations == (1, 2)


def test_a_generation_is_retired_after_that_is_on_record(keeper: Keeper) -> None:
    keeper._broker.rotate()
    keeper.house.audit.fail = DOWN
    with pytest.raises(AuditUnavailable):
        keeper.retire()
    assert keeper.kek.describe().generations == (1, 2)
    keeper.house.audit.fail = None
    assert keeper.retire() == (1,)
    assert keeper.kinds() == ["key-retired"]
    assert keeper.kek.describe().generations == (2,)


def test_keys_are_destroyed_after_that_is_on_record(keeper: Keeper, house: House) -> None:
    id = house.approved()
    before = len(house.audit.events)
    real, house.audit.append = house.audit.append, _down  # type: ignore[method-assign]
    with pytest.raises(AuditUnavailable):
        keeper.shred(id)
    house.audit.append = real  # type: ignore[method-assign]
    assert keeper._keys.destroyed_count() == 0
    keeper.shred(id)
    destroyed = [e for e in read_events(house.audit.events[before:]) if e.kind == Kind.KEY_SHREDDED]
    assert [e.patients for e in destroyed] == [("one",), ("uno",)]
    assert keeper.erased == [("one", "uno")]
    for subject in ("one", "uno"):
        with pytest.raises(SubjectShredded):
            keeper._broker.sealing_key(subject)
    assert keeper._broker.sealing_key("two")


def _down(entries: object) -> Any:
    raise DOWN


def test_an_earlier_run_is_told_by_its_tombstones(keeper: Keeper) -> None:
    assert not keeper._any_gone(["one", "nobody"])
    keeper._broker.shred("uno", "operator:7", "court-order")
    assert keeper._any_gone(["one", "uno"])
    assert not keeper._any_gone(["one"])


# Lists at the command line


def test_a_list_names_what_may_be_named_however_long_it_takes_to_find_it() -> None:
    def search(grant: object, where: MessageFilter) -> list[Any]:
        below = [n for n in range(20, 0, -1) if not where.before or n < where.before]
        return [SimpleNamespace(position=n) for n in below[: where.limit]]

    desk = Desk_.__new__(Desk_)
    desk.opened = SimpleNamespace(store=SimpleNamespace(search=search))  # type: ignore[assignment]
    desk.principal = OPERATOR
    even = SimpleNamespace(listable=lambda who, options, some: {n for n in some if n % 2 == 0})
    desk.authority = even  # type: ignore[assignment]
    grant: Any = None
    assert [r.position for r in desk._named(grant, MessageFilter(limit=4))] == [20, 18, 16, 14]
    assert len(desk._named(grant, MessageFilter(limit=15))) == 10


# Where the key-encryption key is


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_site(tmp_path / "north", name="North")
    return tmp_path / "north"


def settings(folder: Path, text: str) -> Project:
    file = folder / "chartloom.toml"
    file.write_text(f"{file.read_text(encoding='utf-8')}\n[keys]\n{text}", encoding="utf-8")
    return load_project(folder)


@pytest.mark.parametrize("text", ['kms_key = "k"\n', 'kms_region = "eu-central-1"\n'])
def test_a_key_in_aws_is_named_whole(folder: Path, house: House, text: str) -> None:
    with pytest.raises(ConfigurationError, match="AWS KMS is not named"):
        keys._aws(settings(folder, text), house.clock)


def test_vault_has_an_address(folder: Path, house: House) -> None:
    with pytest.raises(ConfigurationError, match="address is missing"):
        keys._vault(settings(folder, 'vault_key = "k"\n'), house.clock)
