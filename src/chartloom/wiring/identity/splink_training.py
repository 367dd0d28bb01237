"""Splink 5 as another trainer of the same parameters: its EM, our fields and levels.

Splink sees of two records what :func:`compare` says of them, nothing else: what it learns can
stand in place of what our trainer learns, and one can be held against the other.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

from chartloom.domain.errors import ConfigurationError
from chartloom.registry.persons import MatchRecord, Parameters
from chartloom.registry.persons.compare import compare
from chartloom.registry.persons.comparison import FIELDS, LEVELS
from chartloom.registry.persons.keys import keys
from chartloom.registry.persons.record import Kind
from chartloom.registry.persons.train import SESSIONS, Chances, Trained, assemble

_LEVELS_OF: Final = "chartloom_levels"
_PAIRS_KEPT: Final = 1 << 20
_PAIRS_MIN: Final = 50


def train_with_splink(
    records: Mapping[str, MatchRecord], start: Parameters, name: str, random_pairs: int = 200_000
) -> Trained:
    """Parameters learned on ``records`` by Splink; thresholds and limits are those of ``start``.

    Raises ``ConfigurationError`` where Splink is not installed (extra ``identity``), or where no
    kind of key is shared by enough records to learn from.
    """
    try:
        import duckdb
        import pandas as pd
        from splink import DuckDBAPI, Linker, SettingsCreator, block_on
    except ImportError as error:
        raise ConfigurationError(
            "Splink is not installed.", cure="pip install 'chartloom[identity]'"
        ) from error

    known = [(i, r) for i, r in sorted(records.items()) if r.kind is Kind.PERSON]
    people = [r for _, r in known]
    logging.getLogger("splink").setLevel(logging.ERROR)
    connection = duckdb.connect()
    connection.create_function(
        _LEVELS_OF, _levels_of(people, start), ["BIGINT", "BIGINT"], "VARCHAR"
    )
    frame = pd.DataFrame([_row(n, r) for n, r in enumerate(people)])
    sessions = [s for s in SESSIONS if frame[f"key_{s}"].duplicated().any()]
    settings = SettingsCreator(
        link_type="dedupe_only",
        unique_id_column_name="n",
        comparisons=[_comparison(field) for field in FIELDS],
        blocking_rules_to_generate_predictions=[block_on(f"key_{s}") for s in sessions],
    )
    api = DuckDBAPI(connection)
    linker = Linker(api.register(frame), settings, log_level=logging.ERROR)
    linker.training.estimate_u_using_random_sampling(max_pairs=random_pairs, seed=1)
    pairs: dict[str, int] = {}
    for session in sessions:
        sizes = frame[f"key_{session}"].value_counts()
        shared = int((sizes * (sizes - 1) // 2).sum())
        if shared >= _PAIRS_MIN:
            pairs[session] = shared
            linker.training.estimate_parameters_using_expectation_maximisation(
                block_on(f"key_{session}")
            )
    if not pairs:
        raise ConfigurationError(
            "Too few records share a key: there is nothing to learn from.",
            cure="Take a file that holds many people more than once.",
        )
    m, u = _chances(linker.misc.save_model_to_json())
    return assemble(known, start, name, m, u, pairs)


def _row(n: int, record: MatchRecord) -> dict[str, Any]:
    """What Splink holds of a record: its number and one key of each kind."""
    row: dict[str, Any] = dict.fromkeys(f"key_{s}" for s in SESSIONS)
    row["n"] = n
    for key in sorted(keys(record), reverse=True):
        kind = key.partition("|")[0]
        if kind in SESSIONS:
            row[f"key_{kind}"] = key
    return row


def _levels_of(people: list[MatchRecord], start: Parameters) -> Any:
    """Of two numbers, the levels of all fields: a letter each, in order."""
    letters = {f: {level: chr(97 + n) for n, level in enumerate(LEVELS[f])} for f in FIELDS}

    @lru_cache(maxsize=_PAIRS_KEPT)
    def levels(one: int, other: int) -> str:
        c = compare(people[one], people[other], start)
        return "".join(letters[field][getattr(c, field)] for field in FIELDS)

    return levels


def _comparison(field: str) -> Any:
    from splink.comparison_level_library import CustomLevel
    from splink.comparison_library import CustomComparison

    place = FIELDS.index(field) + 1
    # Named, so that a session that blocks on such a key learns nothing of this field.
    named = "".join(
        f" AND (key_{s}_l IS NULL OR key_{s}_l IS NOT NULL)"
        for s, fields in SESSIONS.items()
        if field in fields
    )
    made = []
    for n, level in enumerate(LEVELS[field]):
        said = f"substr({_LEVELS_OF}(n_l, n_r), {place}, 1) = '{chr(97 + n)}'{named}"
        one = CustomLevel(said, label_for_charts=level)
        made.append(one.configure(is_null_level=True) if level == "missing" else one)
    return CustomComparison(comparison_levels=[*made[-1:], *made[:-1]], output_column_name=field)


def _chances(model: dict[str, Any]) -> tuple[Chances, Chances]:
    """m and u by field and level; what Splink never saw has none."""
    found: tuple[Chances, Chances] = ({}, {})
    for comparison in model["comparisons"]:
        field = comparison["output_column_name"]
        for chances, name in zip(found, ("m_probability", "u_probability"), strict=True):
            chances[field] = {
                level["label_for_charts"]: float(level[name])
                for level in comparison["comparison_levels"]
                if isinstance(level.get(name), float)
            }
    return found
