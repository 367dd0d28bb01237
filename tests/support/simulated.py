"""Simulated hospitals that several tests look at; each is run once."""

from __future__ import annotations

from functools import cache

from chartloom.simulate import Hospital, Rates, SimMessage, Truth

#: Everything goes wrong several times as often as usual.
ROUGH = Rates(
    duplicate=0.05, conflict=0.01, late=0.05, out_of_order=0.05,
    garbage=0.01, cut_header=0.01, cut_short=0.01, stripped=0.3,
    correction=0.15, wrong_patient=0.05, contradiction=0.2,
    cancelled_admission=0.1, cancelled_transfer=0.6, cancelled_discharge=0.15,
    duplicate_registration=0.2, vaccine_refused=0.15, vaccine_deleted=0.1,
    allergy_refuted=0.4, partial_birth_date=0.1,
)  # fmt: skip


def rough_hospital(seed: int = 7, patients: int = 60) -> Hospital:
    """A small hospital with many accidents."""
    return Hospital(seed, patients=patients, history_days=150, rates=ROUGH)


@cache
def rough_run(seed: int = 7, patients: int = 60) -> tuple[tuple[SimMessage, ...], Truth]:
    """Its messages over 180 days, and the truth."""
    house = rough_hospital(seed, patients)
    return tuple(house.messages(days=30)), house.truth(days=30)
