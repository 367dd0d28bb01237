"""An element of a merged resource leads to the right statement, also where lists are merged."""

from __future__ import annotations

from chartloom.chart import merge
from chartloom.domain.resource import Contribution, ResourceState, Stamp
from chartloom.serve.elements import element_in, resolve, stamp_at, stated_elements
from chartloom.serve.json_view import Anchor, at_path, leaves, readable, render


def stay(*places: str, **more: object) -> Contribution:
    return Contribution(
        {
            "resourceType": "Encounter",
            "id": "e1",
            "status": "in-progress",
            "location": [{"location": {"reference": f"Location/{p}"}} for p in places],
            **more,
        },
        "p1",
    )


def two_messages() -> tuple[ResourceState, Contribution]:
    first = stay("z", period={"start": "2026-01-01"})
    second = stay("a", period={"end": "2026-01-05"})
    state = merge(None, first, Stamp(1, 10, 1))
    return merge(state, second, Stamp(1, 20, 2)), second


def test_items_of_a_merged_list_lead_to_the_message_that_said_them() -> None:
    state, second = two_messages()
    names = [item["location"]["reference"] for item in state.resource["location"]]
    assert sorted(names) == ["Location/a", "Location/z"]
    for i, name in enumerate(names):
        stamp = stamp_at(state, f"location[{i}].location.reference")
        assert stamp is not None
        assert stamp.position == (2 if name == "Location/a" else 1)
    at = names.index("Location/a")
    assert element_in(state, f"location[{at}].location", second.resource) == "location[0].location"


def test_parts_of_an_object_lead_to_their_own_messages() -> None:
    state, _ = two_messages()
    start, end = stamp_at(state, "period.start"), stamp_at(state, "period.end")
    assert start is not None
    assert end is not None
    assert (start.position, end.position) == (1, 2)


def test_what_nobody_stated_has_no_stamp() -> None:
    state, _ = two_messages()
    assert stamp_at(state, "id") is None
    assert stamp_at(state, "serviceType") is None
    assert stamp_at(state, "") is None


def test_choices_and_alternatives_resolve_to_what_is_there() -> None:
    resource = {"effectivePeriod": {"start": "2026"}, "valueString": "x", "valueSet": "no"}
    assert resolve(resource, "effective[x]|issued") == "effectivePeriod"
    assert resolve(resource, "issued|effective[x].start") == "effectivePeriod.start"
    assert resolve(resource, "value[x]") == "valueString"
    assert resolve(resource, "note|code") == "note"
    assert resolve(resource, "||") == ""


def test_stated_elements_name_items_by_index() -> None:
    state, _ = two_messages()
    stated = dict(stated_elements(state))
    assert {"location[0]", "location[1]", "status"} <= set(stated)


def test_paths() -> None:
    resource = {"name": [{"given": ["A", "B"]}], "active": True}
    assert at_path(resource, "name[0].given[1]") == "B"
    assert at_path(resource, "name[1].given") is None
    assert at_path(resource, "name.given") is None
    assert at_path(resource, "active[0]") is None
    assert dict(leaves(resource)) == {
        "name[0].given[0]": "A",
        "name[0].given[1]": "B",
        "active": True,
    }


def test_json_is_escaped_and_linked() -> None:
    resource = {"a": "<script>", "b": [1, {"c": 'x"y'}]}

    def lead(path: str) -> Anchor | None:
        return Anchor(f"/e/{path}", "Evidence", ((1, 2),)) if path == "a" else None

    drawn = str(render(resource, lead))
    assert "<script>" not in drawn
    assert 'href="/e/a"' in drawn
    assert 'data-spans="1-2"' in drawn
    assert drawn.count("<a ") == 1


def test_values_are_readable_on_one_line() -> None:
    assert readable([{"use": "official", "family": "Weber", "given": ["Anna"]}]) == (
        "official · Weber · Anna"
    )
    concept = {"coding": [{"system": "http://loinc.org", "code": "718-7"}], "text": "Hb"}
    assert readable(concept) == "718-7 · Hb"
    assert readable({"system": "http://loinc.org"}) == "http://loinc.org"
    assert readable({"data": "x" * 1000}).endswith("…")
    assert readable(True) == "true"
