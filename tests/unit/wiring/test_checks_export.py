"""What leaves needs an approved data use that is as wide: each reason for a no, alone."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from tests.security.test_checks_shredding import House
from tests.support.memory_doors import MemoryUses

from chartloom.domain.access import DataUse, UseState
from chartloom.domain.errors import ConfigurationError
from chartloom.domain.grant import Purpose
from chartloom.guard.audit import Recorder
from chartloom.guard.authority import AccessDenied
from chartloom.guard.deid import Profile
from chartloom.guard.staff import Principal
from chartloom.wiring.export import Exporter

ANA = Principal("ana", roles=frozenset({"analyst"}))
SECOND_US = 1_000_000


class Desk:
    def __init__(self, folder: Path) -> None:
        self.house = House(folder)
        self.uses = MemoryUses(self.house.guard)
        self.good = DataUse(
            "use", "t", Purpose.RESEARCH, ("Patient.gender",), "all", ("ana",),
            self.house.clock.now_us() + SECOND_US, "ana", 1, UseState.APPROVED, "officer", 2,
            persons=("p1", "p2"), profile="shifted", k=11,
        )  # fmt: skip
        self.exporter = Exporter(
            None, self.uses, self.house.authority, Recorder(self.house.audit), self.house.guard,  # type: ignore[arg-type]
            self.house.clock, folder / "keys", by="operator:7", everyone=lambda: ("p1", "p2", "p3"),
        )  # fmt: skip

    def put(self, **changes: object) -> None:
        self.uses.rows["use"] = msgspec.structs.replace(self.good, **changes)  # type: ignore[arg-type]

    def denials(self) -> int:
        return len(self.house.audit.events)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_an_approved_use_is_good(desk: Desk) -> None:
    desk.put()
    assert desk.exporter._use(ANA, "use") == desk.good
    assert desk.denials() == 0


@pytest.mark.parametrize(
    "changes",
    [{"state": s} for s in UseState if s is not UseState.APPROVED]
    + [{"users": ("bob",)}, {"until_us": 1}, {"decided_by": "ana"}],
)
def test_a_use_that_is_not_good_is_denied_and_on_record(
    desk: Desk, changes: dict[str, object]
) -> None:
    desk.put(**changes)
    with pytest.raises(AccessDenied):
        desk.exporter._use(ANA, "use")
    event = desk.house.last()
    assert (event.kind, event.denied, event.behalf) == ("export", "data-use", "ana")


def test_a_use_that_is_not_there_or_names_nothing_is_none(desk: Desk) -> None:
    with pytest.raises(AccessDenied):
        desk.exporter._use(ANA, "nothing")
    desk.put(fields=())
    with pytest.raises(ConfigurationError, match="names no fields"):
        desk.exporter._use(ANA, "use")


@pytest.mark.parametrize(
    ("persons", "profile", "k", "wider"),
    [
        (("p1",), Profile.SHIFTED, 11, ""),
        (("p1", "p2"), Profile.SAFE_HARBOR, 20, ""),
        (("p1", "p3"), Profile.SHIFTED, 11, "persons"),
        (("p1",), Profile.LIMITED, 11, "profile"),
        (("p1",), Profile.SHIFTED, 10, "k "),
        (("p3",), Profile.LIMITED, 1, "persons, profile"),
    ],
)
def test_nothing_is_wider_than_approved(
    desk: Desk, persons: tuple[str, ...], profile: Profile, k: int, wider: str
) -> None:
    if not wider:
        desk.exporter._check(ANA, desk.good, persons, profile, k)
        assert desk.denials() == 0
        return
    with pytest.raises(ConfigurationError, match=wider):
        desk.exporter._check(ANA, desk.good, persons, profile, k)
    assert desk.house.last().denied == "wider-than-approved"


def test_an_export_is_not_written_over_another(desk: Desk, tmp_path: Path) -> None:
    desk.put()
    (tmp_path / "there").mkdir()
    with pytest.raises(ConfigurationError, match="there"):
        desk.exporter.export(ANA, "use", ("p1",), tmp_path / "there")


def test_a_project_has_one_key(desk: Desk) -> None:
    assert desk.exporter._key("a") == desk.exporter._key("a") != desk.exporter._key("b")


# The nouns themselves


def test_a_use_says_itself_what_it_is_good_for(desk: Desk) -> None:
    use, now_us = desk.good, desk.good.until_us - 1
    assert use.in_force("ana", Purpose.RESEARCH, now_us)
    assert not use.in_force("bob", Purpose.RESEARCH, now_us)
    assert not use.in_force("ana", Purpose.QUALITY, now_us)
    assert not use.in_force("ana", Purpose.RESEARCH, use.until_us)
    for state in UseState:
        changed = msgspec.structs.replace(use, state=state)
        approved = state is UseState.APPROVED
        assert changed.in_force("ana", Purpose.RESEARCH, now_us) is approved
    assert use.covers(("p1",))
    assert not use.covers(("p1", "p3"))
    assert msgspec.structs.replace(use, everyone=True).covers(("p3",))
    assert not msgspec.structs.replace(use, persons=()).covers(("p1",))


def test_an_export_is_checked_first_and_on_record_before_anything_is_written(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.put()
    with pytest.raises(ConfigurationError, match="persons"):
        desk.exporter.export(ANA, "use", ("p3",), tmp_path / "made")
    monkeypatch.setattr(Exporter, "_look", lambda *_: iter(()))
    monkeypatch.setattr(Exporter, "_write", lambda *_: None)
    for folder, what in ((None, "dry-run"), (tmp_path / "made", "ndjson")):
        before = desk.denials()
        desk.exporter.export(ANA, "use", ("p1",), folder)
        event = desk.house.last()
        assert (desk.denials() - before, event.kind, event.denied) == (1, "export", "")
        assert what in repr(event)
