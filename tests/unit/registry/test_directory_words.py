"""What stewards say about the directory: which word counts, and what follows from it."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from chartloom.registry.directory import (
    DUPLICATE_POSSIBLE,
    NPI_CHECK_DIGIT,
    NUMBER_SHARED,
    PRACTITIONER_UNRESOLVED,
    VALUES_DIFFER,
    About,
    Directory,
    DirectoryKind,
    Question,
    Said,
    Word,
    about_of,
    changes_of,
    load_directory,
    load_tables,
    record_on,
    told_by,
)

DAY_US = 86_400_000_000
TABLES = {
    "practitioners.csv": b"""source,key,npi,identifiers,family,given,department,phone,at
hr,E17,1234567893,urn:id:EHR|4711,Okafor,Ngozi,Cardiology,480-112-0001,2024-05-01
ehr,4711,,urn:id:EHR|4711,OKAFOR,N.,,480-112-9999,2026-01-01
cred,9,1234567893,,Whitfield,Rosa,,,2025-01-01
lab,L1,,urn:id:EHR|4712,Lindqvist,Per,,1,2024-05-01
rad,R1,,urn:id:EHR|4712,Lindqvist,Per,,2,2024-05-01
old,X1,1234567890,,Ngozi,Okafor,,,2020-02-02
new,Y1,,,Ngozi,Okafor,,,2021-02-02
"""
}


def asked(found: Directory, code: str, day: str = "2026-11-22") -> list[Question]:
    return [q for q in found.open_questions(day) if q.code == code]


def say(q: Question, said: Said, at_us: int = 1, **more: str) -> Word:
    return Word(about_of(q), said, "user:lena", at_us, seen=q.seen, **more)


def only(code: str) -> Question:
    (question,) = asked(load_directory(TABLES), code)
    return question


def test_two_of_one_number_are_one_if_a_steward_says_so() -> None:
    question = only(NUMBER_SHARED)
    assert question.items == ("cred|9", "hr|E17")
    found = load_directory(TABLES, [say(question, Said.SAME)])
    one = found.find(DirectoryKind.PRACTITIONER, "urn:id:EHR", "4711")
    assert one is not None
    assert one.members == ("cred|9", "ehr|4711", "hr|E17")
    assert asked(found, NUMBER_SHARED) == []


def test_two_of_one_number_stay_two_and_are_not_asked_about_again() -> None:
    question = only(NUMBER_SHARED)
    found = load_directory(TABLES, [say(question, Said.DIFFERENT)])
    assert len(found.golden) == len(load_directory(TABLES).golden)
    assert asked(found, NUMBER_SHARED) == []
    taken_back = [say(question, Said.DIFFERENT), say(question, Said.WITHDRAW, 2)]
    assert asked(load_directory(TABLES, taken_back), NUMBER_SHARED) == [question]


def test_who_is_called_the_same_may_be_one() -> None:
    question = only(DUPLICATE_POSSIBLE)
    assert question.items == ("new|Y1", "old|X1")
    joined = load_directory(TABLES, [say(question, Said.SAME)])
    assert ("new|Y1", "old|X1") in [g.members for g in joined.golden]
    parted = load_directory(TABLES, [say(question, Said.DIFFERENT)])
    assert asked(parted, DUPLICATE_POSSIBLE) == []


def test_what_was_parted_is_not_joined_by_a_number_either() -> None:
    rows = b"source,key,identifiers,family,given\na,1,u|x,Roe,Jan\nb,2,u|x,Roe,Jan\n"
    assert len(load_directory({"practitioners.csv": rows}).golden) == 1
    about = About(DUPLICATE_POSSIBLE, "Practitioner", "", ("a|1", "b|2"))
    found = load_directory({"practitioners.csv": rows}, [Word(about, Said.DIFFERENT, "u", 1)])
    assert [g.members for g in found.golden] == [("a|1",), ("b|2",)]
    assert found.open_questions("2026-11-22") == ()


def test_a_value_is_kept_until_something_new_is_said() -> None:
    question = only(VALUES_DIFFER)
    word = say(question, Said.KEEP, text="1")
    found = load_directory(TABLES, [word])
    one = found.find(DirectoryKind.PRACTITIONER, "urn:id:EHR", "4712")
    assert one is not None
    value = one.attributes["phone"]
    assert (value.text, value.rule, value.by) == ("1", "steward", "user:lena")
    assert [(c.source, c.holds) for c in value.claims] == [("lab", True), ("rad", False)]
    assert asked(found, VALUES_DIFFER) == []
    more = TABLES["practitioners.csv"] + b"pbx,P1,,urn:id:EHR|4712,Lindqvist,Per,,3,2024-05-01\n"
    later = load_directory({"practitioners.csv": more}, [word])
    assert [g.text("phone") for g in later.golden if "pbx|P1" in g.members] == ["1"]
    assert len(asked(later, VALUES_DIFFER)) == 1
    gone = TABLES["practitioners.csv"].replace(b",Per,,1,", b",Per,,4,")
    assert len(asked(load_directory({"practitioners.csv": gone}, [word]), VALUES_DIFFER)) == 1


def test_what_is_put_off_comes_back_on_its_day() -> None:
    question = only(NPI_CHECK_DIGIT)
    assert question.text == "1234567890"
    found = load_directory(TABLES, [say(question, Said.IGNORE, until="2026-12-01")])
    assert asked(found, NPI_CHECK_DIGIT, "2026-11-30") == []
    assert asked(found, NPI_CHECK_DIGIT, "2026-12-01") == [question]


def test_a_number_that_no_table_has_is_somebodys() -> None:
    about = About(PRACTITIONER_UNRESOLVED, "Practitioner", "", ("urn:id:PHARM|88",))
    found = load_directory(TABLES, [Word(about, Said.SAME, "u", 1, text="hr|E17")])
    one = found.find(DirectoryKind.PRACTITIONER, "urn:id:PHARM", "88")
    assert one is not None
    assert "hr|E17" in one.members
    named = {
        "resourceType": "Practitioner",
        "identifier": [{"system": "urn:id:PHARM", "value": "88"}],
    }
    assert found.resolves(named)
    assert not load_directory(TABLES).resolves(named)


WORDS = [
    Word(about_of(q), said, by, at_us, text="1" if said is Said.KEEP else "", until=until)
    for q in load_directory(TABLES).questions
    for said, until in (
        (Said.SAME, ""), (Said.DIFFERENT, ""), (Said.KEEP, ""), (Said.IGNORE, "2027-01-01"),
        (Said.WITHDRAW, ""),
    )
    for by, at_us in (("user:a", 1), ("user:b", 1), ("user:a", 2))
]  # fmt: skip


@given(st.lists(st.sampled_from(WORDS), max_size=12), st.randoms())
@settings(max_examples=60, deadline=None)
def test_words_count_whatever_their_order(words: list[Word], random) -> None:  # type: ignore[no-untyped-def]
    shuffled = words * 2
    random.shuffle(shuffled)
    assert told_by(words) == told_by(shuffled)
    one, two = load_directory(TABLES, words), load_directory(TABLES, shuffled)
    assert (one.golden, one.questions) == (two.golden, two.questions)


def test_contradicting_words_join_nobody() -> None:
    rows = b"source,key,family,given\na,1,Roe,Jan\nb,2,Roe,Jan\nc,3,Roe,Jan\n"

    def word(a: str, b: str, said: Said) -> Word:
        return Word(About(DUPLICATE_POSSIBLE, "Practitioner", "", (a, b)), said, "u", 1)

    words = [
        word("a|1", "b|2", Said.SAME),
        word("b|2", "c|3", Said.SAME),
        word("a|1", "c|3", Said.DIFFERENT),
    ]
    found = load_directory({"practitioners.csv": rows}, words)
    assert [g.members for g in found.golden] == [("a|1", "b|2"), ("c|3",)]


def test_a_record_as_it_was_and_what_changed() -> None:
    tables = load_tables(TABLES)
    question = only(NUMBER_SHARED)
    word = Word(about_of(question), Said.SAME, "user:lena", 20_000 * DAY_US)  # 2024-10-04
    record = load_directory(TABLES, [word]).find(DirectoryKind.PRACTITIONER, "urn:id:EHR", "4711")
    assert record is not None
    versions = [("2026-11-01", tables)]
    then, parts = record_on(versions, [word], record, "2024-06-01")
    assert then is not None
    assert (then.text("phone"), then.members, parts) == ("480-112-0001", ("hr|E17",), 1)
    assert record_on(versions, [word], record, "2023-01-01") == (None, 0)
    apart, parts = record_on(versions, [], record, "2026-06-01")
    assert apart is not None
    assert (apart.members, parts) == (("cred|9",), 2)
    changes = changes_of(versions, [word], record)
    assert [(c.day, c.after) for c in changes if c.attribute == "phone"] == [
        ("2026-01-01", "480-112-9999"),
    ]
    assert (changes[-1].day, changes[-1].attribute) == ("2024-05-01", "known")
    assert ("2025-01-01", "cred|9") in [(c.day, c.after) for c in changes]


def test_what_a_hand_edited_in_a_table_is_not_forgotten() -> None:
    now = load_tables(TABLES)
    before = {"practitioners.csv": TABLES["practitioners.csv"].replace(b"Cardiology", b"Surgery")}
    versions = [("2026-03-01", load_tables(before)), ("2026-09-01", now)]
    record = load_directory(TABLES).find(DirectoryKind.PRACTITIONER, "urn:id:EHR", "4711")
    assert record is not None
    then, _ = record_on(versions, [], record, "2026-08-31")
    assert then is not None
    assert then.text("department") == "Surgery"
    assert ("2026-09-01", "Surgery", "Cardiology") in [
        (c.day, c.before, c.after) for c in changes_of(versions, [], record)
    ]
