"""Results that come together stand together."""

from chartloom.chart.fold import BOUNDS
from chartloom.chart.panels import OTHER_PARTS, PANELS, RESULT_PARTS, part_of
from chartloom.domain.chart import Section

LOINC = "http://loinc.org"


def test_every_code_of_a_panel_has_the_part_of_its_panel() -> None:
    for number, codes in enumerate(PANELS):
        assert {part_of(LOINC, code) for code in codes.split()} == {OTHER_PARTS + number}


def test_no_code_is_in_two_panels_and_a_panel_is_kept_ready_whole() -> None:
    codes = [code for panel in PANELS for code in panel.split()]
    assert len(codes) == len(set(codes))
    assert all(len(panel.split()) <= BOUNDS[Section.RESULTS].series for panel in PANELS)


def test_loinc_codes_have_their_check_digit() -> None:
    for code in (code for panel in PANELS for code in panel.split()):
        number, _, check = code.partition("-")
        odd = str(int(number[::-1][::2][::-1]) * 2)
        even = number[::-1][1::2][::-1]
        total = sum(map(int, even + odd))
        assert (10 - total % 10) % 10 == int(check), code


def test_other_codes_and_systems_spread_over_the_other_parts() -> None:
    parts = {part_of("urn:id:L", str(n)) for n in range(500)}
    assert parts == set(range(OTHER_PARTS))
    assert part_of("urn:id:L", "718-7") < OTHER_PARTS < RESULT_PARTS
