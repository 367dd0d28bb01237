"""Splink 5 on the same records, as a batch tool would use it: one reasonable model, not tuned.

It gets the values that our matcher compares (folded already), so that the difference lies in the
model, the guards and the clustering, not in cleaning.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from chartloom.registry.persons import MatchRecord


def version() -> str:
    """Of Splink; raises ImportError where it is not installed (extra ``identity``)."""
    import splink

    return str(splink.__version__)


def splink_clusters(
    records: Mapping[str, MatchRecord], threshold: float = 0.95
) -> tuple[dict[str, str], list[tuple[str, str]], float]:
    """(record -> cluster, pairs above the threshold, CPU seconds incl. training)."""
    import logging

    import pandas as pd
    import splink.comparison_library as cl
    from splink import DuckDBAPI, Linker, SettingsCreator, block_on

    logging.getLogger("splink").setLevel(logging.ERROR)
    frame = pd.DataFrame([_row(i, r) for i, r in records.items()])
    rules = [
        block_on("national"),
        block_on("given", "family", "birth"),
        block_on("given", "birth"),
        block_on("family", "birth"),
        block_on("phone"),
        block_on("given", "family", "postal"),
        block_on("postal", "house", "given"),
        block_on("family", "given", "substr(birth, 1, 4)"),
        block_on("email"),
    ]
    settings = SettingsCreator(
        link_type="dedupe_only",
        unique_id_column_name="unique_id",
        blocking_rules_to_generate_predictions=rules,
        comparisons=[
            cl.NameComparison("given").configure(term_frequency_adjustments=True),
            cl.NameComparison("family").configure(term_frequency_adjustments=True),
            cl.DamerauLevenshteinAtThresholds("birth", [1, 2]),
            cl.ExactMatch("sex"),
            cl.ExactMatch("postal").configure(term_frequency_adjustments=True),
            cl.JaroWinklerAtThresholds("street", [0.9]),
            cl.LevenshteinAtThresholds("phone", [1]),
            cl.ExactMatch("email"),
            cl.LevenshteinAtThresholds("national", [1]),
        ],
        retain_intermediate_calculation_columns=False,
    )
    start = time.process_time()
    api = DuckDBAPI()
    linker = Linker(api.register(frame), settings, log_level=logging.ERROR)
    training = linker.training
    training.estimate_probability_two_random_records_match(
        [block_on("national"), block_on("given", "family", "birth")], recall=0.8
    )
    training.estimate_u_using_random_sampling(max_pairs=1e6, seed=1)
    for rule in (block_on("family", "birth"), block_on("given", "postal"), block_on("phone")):
        training.estimate_parameters_using_expectation_maximisation(rule)
    predicted = linker.inference.predict(threshold_match_probability=threshold)
    clustered = linker.clustering.cluster_pairwise_predictions_at_threshold(
        predicted, threshold_match_probability=threshold
    )
    pairs = predicted.as_pandas_dataframe()[["unique_id_l", "unique_id_r"]]
    table = clustered.as_pandas_dataframe()[["unique_id", "cluster_id"]]
    seconds = time.process_time() - start
    people = {str(i): str(c) for i, c in table.itertuples(index=False)}
    return people, [(str(a), str(b)) for a, b in pairs.itertuples(index=False)], seconds


def _row(record_id: str, r: MatchRecord) -> dict[str, Any]:
    home = r.homes[0] if r.homes else None
    national = next((n.value for n in r.numbers if n.kind == "national"), None)
    return {
        "unique_id": record_id,
        "given": r.givens[0] if r.givens else None,
        "family": r.families[0] if r.families else None,
        "birth": r.birth or None,
        "sex": r.sex or None,
        "postal": (home.postal or None) if home else None,
        "house": (home.house or None) if home else None,
        "street": f"{home.house} {home.street}".strip() or None if home else None,
        "phone": r.phones[0] if r.phones else None,
        "email": r.emails[0] if r.emails else None,
        "national": national,
    }
