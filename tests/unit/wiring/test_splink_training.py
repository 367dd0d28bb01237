"""Splink as another trainer: the same fields and levels, and much the same weights."""

from __future__ import annotations

import sys

import pytest

from chartloom.domain.errors import ConfigurationError
from chartloom.registry.persons import MatchRecord, default_parameters, standardise
from chartloom.registry.persons.train import train
from chartloom.simulate.identity import PROFILES, generate
from chartloom.wiring.identity.splink_training import train_with_splink


def _records(people: int) -> dict[str, MatchRecord]:
    made = generate(905, people, PROFILES["desk"])
    return {record.id: standardise(record.patient) for record in made}


def test_without_splink_the_cure_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "duckdb", None)
    with pytest.raises(ConfigurationError, match="not installed") as caught:
        train_with_splink(_records(20), default_parameters(), "control")
    assert "chartloom[identity]" in caught.value.cure


def test_splink_finds_the_weights_that_ours_finds() -> None:
    pytest.importorskip("splink", reason="the extra `identity` is not installed")
    records, start = _records(400), default_parameters()
    ours = train(records, start, "ours").parameters
    control = train_with_splink(records, start, "control").parameters
    assert (control.link, control.review) == (start.link, start.review)
    for field, level in (
        ("family", "exact"), ("given", "exact"), ("birth", "exact"), ("phone", "same"),
        ("sex", "same"), ("home", "same"),
    ):  # fmt: skip
        assert abs(control.weights[field][level] - ours.weights[field][level]) < 1.5
