"""Reviewing identities: who may, what is shown, whose word is held back, what is on record."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest
from tests.browser.test_roles import events_since, size_of
from tests.support.console_client import Client
from tests.support.identity_house import DAY, STAFF, House, make
from tests.support.postgres import StoreFactory
from tests.support.site import serving

from chartloom.domain.grant import Purpose
from chartloom.domain.identity import Pair
from chartloom.domain.resource import LinkKind
from chartloom.serve.identity.labels import labelled

STRANGERS = [m.subject for m in STAFF if m.subject not in ("lena", "yusuf", "mina", "both")]
UNKNOWN = "00000000-0000-5000-8000-000000000000"


@pytest.fixture(scope="module")
def house(postgres_server, tmp_path_factory) -> Iterator[House]:
    factory = StoreFactory(postgres_server, tmp_path_factory.mktemp("identity"))
    yield make(factory)
    factory.close()


@pytest.fixture(scope="module")
def url(house: House) -> Iterator[str]:
    with serving(house.site.app()) as address, house.working():
        yield address


@pytest.fixture
def sign_in(house: House, url: str) -> Callable[[str], Client]:
    def signed_in(subject: str) -> Client:
        client = Client(url)
        client.cookie = house.site.sign_in(subject)
        return client

    return signed_in


def path(pair: Pair) -> str:
    return f"/identity/pairs/{pair[0]}/{pair[1]}"


def speak(client: Client, pair: Pair, word: str, **more: str) -> tuple[int, str]:
    form = {"word": word, "csrf": client.csrf("/me"), **more}
    status, headers, _ = client.ask(path(pair), "POST", form)
    return status, headers.get("location", "")


def main_of(text: str) -> str:
    return text[text.index("<main") : text.index("</main>")]


def test_the_queue_names_pairs_and_nobody(sign_in: Callable[[str], Client], house: House) -> None:
    client = sign_in("lena")
    before = size_of(house.site)
    status, _, text = client.ask("/identity")
    assert status == 200
    (event,) = events_since(house.site, before)
    assert (event.actor, event.kind, event.things, event.patients) == (
        "lena", "read", ("identity/queue",), (),
    )  # fmt: skip
    assert event.purpose == Purpose.OPERATIONS
    shown = main_of(text)
    assert "Twins with one number" in shown
    assert path(house.easy[0]) in shown
    for value in house.values():
        assert value not in shown
    # The heaviest first, those that take two people last.
    listed = re.findall(r'class="row-link" href="([^"]+)"', shown)
    assert listed.index(path(house.easy[0])) < listed.index(path(house.pair("twin-a", "twin-b")))


def test_a_stopped_update_shows_the_record_before_and_after(
    sign_in: Callable[[str], Client], house: House
) -> None:
    record = house.ids["over"]
    text = main_of(sign_in("yusuf").ask(path((record, record)))[2])
    assert "Is this still the same person?" in text
    assert text.index("Lindgren") < text.index("Petrakis")
    assert "source not known" not in text
    assert len(re.findall(r"adt, \d+ ", text)) == 2


def test_nobody_decides_about_their_own_records(
    sign_in: Callable[[str], Client], house: House
) -> None:
    mine, client = house.pair("me", "me-too"), sign_in("lena")
    assert sign_in("yusuf").ask(path(mine))[0] == 200
    assert path(mine) not in client.ask("/identity")[2]
    assert client.ask(path(mine))[0] == 404
    assert client.ask(f"/identity/persons/{mine[0]}")[0] == 404
    assert speak(client, mine, "same")[0] == 404


def test_a_pair_shows_what_is_compared_with_words_and_sources(
    sign_in: Callable[[str], Client], house: House
) -> None:
    pair = house.pair("twin-a", "twin-b")
    before = size_of(house.site)
    status, _, text = sign_in("yusuf").ask(path(pair))
    assert status == 200
    (event,) = [e for e in events_since(house.site, before) if e.actor == "yusuf"]
    assert (event.things, event.patients, event.denied) == (("identity/pair",), pair, "")
    shown = main_of(text)
    assert shown.count("Vandermeer") == 2
    assert "<mark>Ella</mark>" in shown
    assert "A national number is the same" in shown
    assert "They look like twins" in shown
    assert re.search(r"\+1\d\.\d", shown)
    assert f"adt, {DAY.day} {DAY:%b %Y}" in shown
    assert "Takes two people" in shown
    assert "VIDtwin" not in shown  # visits are none of a steward's business


@pytest.mark.parametrize("subject", STRANGERS)
def test_without_the_role_there_is_nothing(
    sign_in: Callable[[str], Client], house: House, subject: str
) -> None:
    client = sign_in(subject)
    born = house.easy[0]
    answers = set()
    for address in (
        "/identity", "/identity/figures", path(born), path((UNKNOWN, UNKNOWN[:-1] + "1")),
        f"/identity/persons/{born[0]}", f"/identity/persons/{UNKNOWN}",
    ):  # fmt: skip
        before = size_of(house.site)
        status, _, text = client.ask(address)
        assert status == 404, address
        answers.add(main_of(text))
        (event,) = events_since(house.site, before)
        assert (event.actor, event.denied) == (subject, "denied"), address
    for pair in (born, (UNKNOWN, UNKNOWN[:-1] + "1")):
        before = size_of(house.site)
        form = {"word": "same", "csrf": client.csrf("/me")}
        status, _, text = client.ask(path(pair), "POST", form)
        assert status == 404
        answers.add(main_of(text))
        assert [e.denied for e in events_since(house.site, before)] == ["", "denied"]
    assert len(answers) == 1
    assert "Identity" not in client.ask("/me")[2]
    assert house.words(born) == []


def test_a_steward_compares_no_two_people_at_will(
    sign_in: Callable[[str], Client], house: House
) -> None:
    client = sign_in("yusuf")
    strangers = house.pair("jon-a", "thin-b")
    asked = [client.ask(path(p)) for p in (strangers, (UNKNOWN, UNKNOWN[:-1] + "1"), ("x", "y"))]
    assert {a[0] for a in asked} == {404}
    assert len({main_of(a[2]) for a in asked}) == 1
    assert speak(client, strangers, "same")[0] == 404
    assert house.words(strangers) == []


def test_one_word_decides_moves_on_and_can_be_undone(
    sign_in: Callable[[str], Client], house: House
) -> None:
    client, pair = sign_in("yusuf"), house.easy[0]
    before = size_of(house.site)
    status, onward = speak(client, pair, "same", reason="document-seen")
    assert status == 303
    said = [e for e in events_since(house.site, before) if e.kind == "identity-said"]
    (event,) = said
    assert (event.actor, event.patients) == ("yusuf", pair)
    assert (event.details["word"], event.details["reason"]) == ("same", "document-seen")
    (word,) = house.words(pair)
    assert (word.kind, word.by, word.reason) == (LinkKind.LINK, "yusuf", "document-seen")
    assert onward.startswith("/identity/pairs/")
    assert not onward.startswith(path(pair))
    text = client.ask(onward)[2]
    assert "You said that the pair before is <strong>the same person</strong>" in text
    undo = re.search(r'class="undo" method="post" action="([^"]+)"', text)
    assert undo is not None
    assert undo[1].startswith(path(pair))
    closed = client.ask(path(pair))[2]
    assert "Decided" in main_of(closed)
    assert "One person now" in main_of(closed)
    status, back = speak(client, pair, "withdraw")
    assert status == 303
    assert back.startswith(path(pair))
    assert "is taken back" in client.ask(back)[2]
    assert [w.kind for w in house.words(pair)] == [LinkKind.LINK, LinkKind.WITHDRAW]
    assert path(pair) in client.ask("/identity")[2]
    assert "One person now" not in client.ask(path(pair))[2]


def test_the_second_does_not_see_what_the_first_said(
    sign_in: Callable[[str], Client], house: House
) -> None:
    first, second, third = sign_in("yusuf"), sign_in("lena"), sign_in("mina")
    pair = house.pair("twin-a", "twin-b")
    assert speak(first, pair, "different")[0] == 303
    own = main_of(first.ask(path(pair))[2])
    assert "You said: <strong>not the same person" in own
    everywhere = [path(pair), "/identity?view=half", "/identity/figures"]
    everywhere += [f"/identity/persons/{id}" for id in pair]
    for address in everywhere:
        status, _, text = second.ask(address)
        assert status == 200, address
        for telling in ("Yusuf", "said: <strong>", "relatives", "Twins, siblings"):
            assert telling not in re.sub(r"<select.*?</select>", "", main_of(text)), address
    text = second.ask(path(pair))[2]
    assert "You are the second to look" in text
    assert path(pair) in second.ask("/identity?view=half")[2]
    # The first is not led to it again.
    assert not speak(first, house.easy[0], "different")[1].startswith(path(pair))
    assert speak(first, house.easy[0], "withdraw")[0] == 303
    # Two who do not agree see each other's word then; a third does not.
    assert speak(second, pair, "same")[0] == 303
    assert "Yusuf Adeyemi said: <strong>not the same person" in main_of(second.ask(path(pair))[2])
    assert "Two do not agree" in main_of(first.ask(path(pair))[2])
    assert "said: <strong>" not in main_of(third.ask(path(pair))[2])
    assert speak(second, pair, "different")[0] == 303
    assert "Decided" in main_of(third.ask(path(pair))[2])
    assert "Lena Fischer" in main_of(third.ask(path(pair))[2])
    figures = main_of(third.ask("/identity/figures")[2])
    assert "1 pair was looked at by two people" in figures
    assert "agreed on 0" in figures
    share = re.search(r"Of all records</dt><dd>([0-9.]+) %", figures)
    assert share is not None
    counted = house.site.store.figures(house.site.grant())
    waiting = counted.open_count + counted.half_count + counted.disputed_count
    assert counted.records == len(house.ids)
    assert float(share[1]) == pytest.approx(100 * waiting / counted.records, abs=0.01)


def test_decided_pairs_become_labels_without_values(house: House) -> None:
    store, grant = house.site.store, house.site.grant()
    (label,) = labelled(grant, store, store.parameters.fingerprint)
    assert (label.pair, label.same) == (house.pair("twin-a", "twin-b"), False)
    assert (label.fields["given"], label.fields["national"]) == ("different", "same")
    assert label.reason == "twins-same-number"
    assert labelled(grant, store, "other parameters") == []


def test_what_people_say_twice_is_landed_once(
    sign_in: Callable[[str], Client], house: House
) -> None:
    client, pair = sign_in("yusuf"), house.easy[0]
    count = len(house.words(pair))
    for _ in range(2):
        assert speak(client, pair, "different")[0] == 303
    assert len(house.words(pair)) == count + 1
    assert speak(client, pair, "nonsense")[0] == 404
    assert speak(client, pair, "withdraw")[0] == 303


def test_a_record_that_was_joined_says_why(sign_in: Callable[[str], Client], house: House) -> None:
    text = main_of(sign_in("lena").ask(f"/identity/persons/{house.ids['same-a']}")[2])
    assert "2 records are one person" in text
    assert "the same national number, given name and birth date" in text
    assert path(house.pair("same-a", "same-b")) in text
    for value in house.values():
        assert value not in text


def test_a_chart_says_why_its_records_are_one_person(
    sign_in: Callable[[str], Client], house: House
) -> None:
    address = f"/chart/{house.ids['same-a']}/demographics"
    text = main_of(sign_in("doctor").ask(address)[2])
    assert "These 2 records are one person" in text
    assert "<strong>SGH S1</strong>" in text
    assert "<strong>CLIN 95</strong>" in text
    assert "the same national number, given name and birth date" in text
    assert "/identity/" not in text  # the evidence is for stewards
    both = sign_in("both").ask(address)[2]
    assert path(house.pair("same-a", "same-b")) in both
    assert "may be of this person" not in text


def test_a_possible_other_record_is_named_to_who_may_see_both(
    sign_in: Callable[[str], Client], house: House
) -> None:
    (name,) = [n for n in ("thin-a", "mid-a") if house.ids[n] in house.easy[0]]
    mine, (other,) = house.ids[name], set(house.easy[0]) - {house.ids[name]}
    before = size_of(house.site)
    text = main_of(sign_in("doctor").ask(f"/chart/{mine}/demographics")[2])
    assert "Another record may be of this person" in text
    assert f'href="/chart/{other}"' in text
    seen = events_since(house.site, before)
    assert {p for e in seen for p in e.patients} == {mine, other}
    assert all(not e.denied for e in seen)
    # Of the other doctor's patients, only one of the two.
    text = sign_in("other").ask(f"/chart/{mine}/demographics")[2]
    assert "Nothing here" not in text
    assert "may be of this person" not in text
    assert other not in text


def test_of_a_stopped_update_two_decide_each_by_themselves(
    sign_in: Callable[[str], Client], house: House
) -> None:
    client, record = sign_in("yusuf"), house.ids["over"]
    pair = (record, record)
    text = main_of(client.ask(path(pair))[2])
    assert "Two people decide this, each by themselves" in text
    listed = re.findall(r'data-stopped="(\d+)"', text)
    shown = re.search(r'name="looked" value="([\d,]+)"', text)
    assert shown is not None
    assert shown[1] == ",".join(listed)
    assert "Petrakis" in text[text.index("data-stopped") :]
    for unseen in ({}, {"looked": "0"}, {"looked": "all"}):
        assert speak(client, pair, "same", **unseen)[0] == 404
    assert house.words(pair) == []
    status, onward = speak(client, pair, "same", looked=shown[1])
    assert status == 303
    (word,) = house.words(pair)
    assert (word.two, word.looked) == (True, tuple(map(int, listed)))
    after = main_of(client.ask(onward)[2])
    assert "until a second person says the same" in after
    assert 'class="undo"' in after
    again = main_of(client.ask(path(pair))[2])
    assert "Somebody else has to say the same" in again
    assert "Take back my word" in again
    assert speak(client, pair, "withdraw")[0] == 303
    assert speak(client, pair, "same", looked=shown[1])[0] == 303
    # The second looks without knowing.
    other = sign_in("lena")
    text = main_of(other.ask(path(pair))[2])
    assert "You are the second to look" in text
    assert "said: <strong>" not in text
    status, onward = speak(other, pair, "same", looked=shown[1])
    assert status == 303
    after = main_of(other.ask(onward)[2])
    assert "cannot be undone here" in after
    assert 'class="undo"' not in after
    again = main_of(client.ask(path(pair))[2])
    assert "Take back my word" not in again
    assert speak(client, pair, "withdraw")[0] == 404
    # A form of before: what it is about was let in, which is no attempt at anything.
    before = size_of(house.site)
    assert speak(client, pair, "same", looked=shown[1])[0] == 409
    assert [e for e in events_since(house.site, before) if e.denied] == []
    for unseen in ("0", f"{shown[1]},1"):
        assert speak(client, pair, "same", looked=unseen)[0] == 404


def _merge(client: Client, pair: Pair, operation: str = "merge") -> int:
    form = {
        "csrf": client.csrf("/me"), "source-patient": f"Patient/{pair[0]}",
        "target-patient": f"Patient/{pair[1]}",
    }  # fmt: skip
    return client.ask(f"/fhir/R4/Patient/${operation}", "POST", form)[0]


def test_who_joined_two_records_alone_reads_what_they_said_and_nothing_of_the_records(
    sign_in: Callable[[str], Client], house: House
) -> None:
    pair = house.pair("jon-b", "thin-b")
    client, other, stranger = sign_in("yusuf"), sign_in("lena"), sign_in("doctor")
    assert client.ask(path(pair))[0] == 404
    assert _merge(client, pair) == 200
    before = size_of(house.site)
    status, _, text = client.ask(path(pair))
    assert status == 200
    (event,) = events_since(house.site, before)
    assert (event.things, event.patients, event.denied) == (("identity/pair",), pair, "")
    shown = main_of(text)
    assert "You said: <strong>the same person</strong>. They are one person now." in shown
    assert "Yusuf Adeyemi said: <strong>the same person</strong>" in shown
    assert 'href="/identity"' in shown
    for value in house.values():
        assert value not in shown
    # To others it is a question that somebody else raised; without the role there is nothing.
    text = main_of(other.ask(path(pair))[2])
    assert "Are these one person?" in text
    assert stranger.ask(path(pair))[0] == 404
    assert speak(client, pair, "withdraw")[0] == 303
    shown = main_of(client.ask(path(pair))[2])
    assert "You took back what you said. They are two persons." in shown
    assert "Take back my word" not in shown
    assert [w.kind for w in house.words(pair)] == [LinkKind.MERGE, LinkKind.WITHDRAW]


def test_a_word_that_counts_does_not_wait_for_a_second(
    sign_in: Callable[[str], Client], house: House
) -> None:
    pair = house.pair("jon-b", "thin-b")
    client = sign_in("yusuf")
    assert _merge(client, pair) == 200
    assert _merge(sign_in("mina"), pair) == 200
    text = main_of(client.ask(path(pair))[2])
    assert "You said: <strong>the same person</strong>. It counts." in text
    assert "before it counts" not in text
    for subject in ("yusuf", "mina"):
        assert _merge(sign_in(subject), pair, "unmerge") == 200


def test_a_decided_pair_says_what_was_decided_and_by_whom(
    sign_in: Callable[[str], Client], house: House
) -> None:
    client, pair = sign_in("yusuf"), house.easy[0]
    assert speak(client, pair, "different")[0] == 303
    for subject in ("yusuf", "mina"):
        text = main_of(sign_in(subject).ask(path(pair))[2])
        assert "Decided: Yusuf Adeyemi said <strong>not the same person</strong>" in text
        assert "Back to the queue" in text
    assert speak(client, pair, "withdraw")[0] == 303
    assert "Decided:" not in main_of(client.ask(path(pair))[2])


def test_a_decided_update_is_not_said_to_wait(
    sign_in: Callable[[str], Client], house: House
) -> None:
    """After :func:`test_of_a_stopped_update_two_decide_each_by_themselves`."""
    record = house.ids["over"]
    text = main_of(sign_in("yusuf").ask(path((record, record)))[2])
    assert "Decided: " in text
    assert "It waits in quarantine" not in text
    assert "Two people decide this" not in text
    assert "cannot be undone here" in text


def test_pages_say_which_keys_do_what(sign_in: Callable[[str], Client], house: House) -> None:
    client, pair = sign_in("yusuf"), house.easy[0]
    queue = main_of(client.ask("/identity")[2])
    assert "Keys: <kbd>r</kbd> start reviewing" in queue
    shown = main_of(client.ask(path(pair))[2])
    assert "Keys: <kbd>s</kbd> same person, <kbd>n</kbd> not the same" in shown
    onward = speak(client, pair, "different")[1]
    assert "<kbd>u</kbd> undo what you said before" in main_of(client.ask(onward)[2])
    assert "<kbd>u</kbd> take back your word" in main_of(client.ask(path(pair))[2])
    assert speak(client, pair, "withdraw")[0] == 303
