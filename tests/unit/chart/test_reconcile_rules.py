"""The rules' tables: shipped ones load, a site's lie over them, mistakes have a line."""

from __future__ import annotations

from importlib import resources

import pytest

from chartloom.chart.reconcile.rules import TABLES, Rules, builtin_rules, load_rules
from chartloom.domain.errors import ConfigurationError


def test_every_table_is_shipped_and_is_a_field() -> None:
    folder = resources.files("chartloom.chart.reconcile") / "tables"
    shipped = {f.name for f in folder.iterdir() if f.name.endswith(".toml")}
    assert shipped == {f"{name}.toml" for name in TABLES}
    names = {"substances", "conditions", "units", "tests"}
    assert {*TABLES, *names, "fingerprint"} == set(Rules.__struct_fields__)


def test_a_site_changes_single_values() -> None:
    own = load_rules({"medications.toml": b"order_days = 400\n[grace_of_class]\ninsulin = 5\n"})
    usual = builtin_rules()
    assert own.medications.order_days == 400
    assert own.medications.grace_of_class["insulin"] == 5
    assert own.medications.grace_of_class["antibiotic"] == 0
    assert own.medications.supply_days == usual.medications.supply_days
    assert own.fingerprint != usual.fingerprint
    assert load_rules({}).fingerprint == usual.fingerprint


@pytest.mark.parametrize(
    ("file", "content", "where"),
    [
        ("medications.toml", b'\nsupply_days = "x"\n', "medications.toml:2"),
        ("medications.toml", b"\n[grace]\ndays = -1\n", "medications.toml:3"),
        ("medications.toml", b"supply_dayz = 3\n", "medications.toml:1"),
        ("medicines.toml", b"", "medicines.toml"),
    ],
)
def test_mistakes_have_file_and_line(file: str, content: bytes, where: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        load_rules({file: content})
    assert error.value.where == where
