"""How often things go wrong. Every rate is a probability; all zero gives a clean hospital."""

from __future__ import annotations

from typing import Final

import msgspec


class Rates(msgspec.Struct, frozen=True):
    """First what can happen to a message on its way, then what people and systems do."""

    duplicate: float = 0.01  #: per message: the identical bytes once more
    conflict: float = 0.002  #: per message: the previous control id is used again
    late: float = 0.01  #: per message: minutes to hours late
    out_of_order: float = 0.01  #: per message: overtaken by up to a minute
    garbage: float = 0.001  #: per message: followed by bytes that are no message
    cut_header: float = 0.001  #: per message: first sent cut within MSH, then whole
    cut_short: float = 0.001  #: per message: first sent without its last segments, then whole
    stripped: float = 0.15  #: per message: without trailing separators that are usual on the feed

    correction: float = 0.03  #: per final report: corrected later
    wrong_patient: float = 0.005  #: per order: a result filed here that belongs to somebody else
    contradiction: float = 0.01  #: per value out of range: flagged normal
    cancelled_admission: float = 0.02  #: per encounter: A11 and again
    cancelled_transfer: float = 0.05  #: per transfer: A12
    cancelled_discharge: float = 0.02  #: per discharge: A13, then A03 once more
    duplicate_registration: float = 0.03  #: per person: a second record number, merged later
    no_show: float = 0.08  #: per appointment
    cancelled_appointment: float = 0.08  #: per appointment
    rescheduled_appointment: float = 0.15  #: per appointment
    vaccine_refused: float = 0.05  #: per dose
    vaccine_deleted: float = 0.01  #: per dose: recorded in error
    other_hand: float = 0.0  #: per person of the clinic: registered there anew, in other words
    mixed_up: float = 0.0  #: per person: somebody else is typed over the record, and put right
    silent_stop: float = 0.25  #: per long-term prescription and year
    allergy_refuted: float = 0.15  #: per drug allergy
    partial_birth_date: float = 0.01  #: per person


#: Nothing goes wrong on the way and nobody errs.
CLEAN: Final = Rates(**dict.fromkeys(Rates.__struct_fields__, 0.0))
#: The usual, and more of what people must look at: who is whom.
EVENTFUL: Final = Rates(other_hand=0.8, mixed_up=0.03)
#: People err as usual, the wires are perfect.
PERFECT_WIRES: Final = Rates(
    duplicate=0, conflict=0, late=0, out_of_order=0,
    garbage=0, cut_header=0, cut_short=0, stripped=0,
)  # fmt: skip
