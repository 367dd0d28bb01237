"""Noise family E, *stranger*: another country, other names, another's idea of what goes wrong.

Names of origins that no parameters have counted, addresses of other shapes, and mistakes as those
who test matchers make them up: so many per record, in any field, at any place. Written before any
rule was changed for it, and measured once with each state of the rules; nothing is set on it.
"""

from __future__ import annotations

import unicodedata
from random import Random
from typing import Final
from zlib import crc32

import msgspec

from chartloom.simulate.identity.people import Human
from chartloom.simulate.identity.registration import Registration


def _listed(text: str, between: str | None = None) -> tuple[str, ...]:
    return tuple(text.split(between))


_FAMILIES: Final = _listed(
    "Virtanen Korhonen Mäkinen Nieminen Heikkinen Koskinen Järvinen Lehtonen Saarinen Salminen "
    "Rossi Ferrari Esposito Bianchi Romano Ricci Marino Greco Conti Giordano Mancini Lombardi "
    "Yılmaz Kaya Demir Şahin Çelik Yıldız Aydın Öztürk Arslan Doğan Kılıç Aslan Çetin Koç Kurt "
    "Papadopoulos Georgiou Ioannou Nikolaidis Dimitriou Pappas Vasileiou Konstantinou Makris "
    "Dubois Moreau Laurent Lefebvre Mercier Fontaine Chevalier Rousseau Blanchard Gauthier Perrin "
    "Murphy Kelly Byrne Ryan Walsh Doyle Gallagher Doherty Kennedy Lynch Brennan Quinn McCarthy "
    "Bērziņš Kalniņš Ozols Jansons Kazlauskas Petrauskas Tamm Saar Mägi Kask Szabó Tóth Nagy Kiss"
)
_ENDS: Final = ("",) * 6 + _listed("nen elli oğlu idis eau ault aitis son ini")
_WOMEN: Final = _listed(
    "Aino Aada Helmi Eevi Kerttu Giulia Chiara Francesca Alessia Ludovica Zeynep Elif Ayşe Emine "
    "Merve Büşra Eleni Vasiliki Katerina Despina Camille Manon Océane Élodie Margaux Siobhán Aoife "
    "Niamh Ciara Orla Līga Dace Rūta Eglė Kadri Ilze Zsófia Réka Boglárka Ildikó Tuuli Pirkko Beril"
)
_MEN: Final = _listed(
    "Eetu Väinö Onni Juhani Tapio Lorenzo Matteo Gianluca Riccardo Tommaso Mehmet Mustafa Emre "
    "Burak Oğuz Kerem Giorgos Kostas Spyros Panagiotis Thibault Étienne Rémi Guillaume Baptiste "
    "Cillian Oisín Tadhg Eoin Cormac Jānis Andris Mindaugas Vytautas Tõnu Margus Balázs Zoltán "
    "Gergő Levente Antti Esa Hakan Leandros"
)
_STREETS: Final = _listed(
    "High Street,Station Road,Rue de la Paix,Hauptstraße,Via Garibaldi,Calle Mayor,Church Lane,"
    "Bahnhofstraße,Rue Victor Hugo,Via Roma,Mannerheimintie,Atatürk Caddesi,Avenida de América,"
    "Queens Road,Mill Close,Schillerweg,Piazza Dante,Impasse des Lilas,Kirchgasse,Park Crescent",
    ",",
)
_TOWNS: Final = _listed(
    "Leeds,Lyon,Köln,Torino,Sevilla,Tampere,İzmir,Patras,Cork,Rīga,Szeged,Dijon,Bath,Graz,Bergen",
    ",",
)
_KEYS: Final = ("qwertyuiop", "asdfghjkl", "zxcvbnm", "1234567890")


class Rates(msgspec.Struct, frozen=True):
    """Chances per registration."""

    mistakes: tuple[float, ...] = (0.75, 0.18, 0.07)  #: of 0, 1, 2 slips in fields chosen at random
    capitals: bool = False  #: all in capitals, without accents
    letters: int = 40  #: what is kept of every text
    crossed: float = 0.005  #: family and given name in each other's field
    day_first: float = 0.01  #: day and month
    hyphen: float = 0.3  #: of married women: both names with a hyphen, from some systems
    missing: float = 0.05  #: of every field but the family name
    no_number: float = 0.5
    moved: float = 0.05
    country_code: float = 0.5


PLAIN: Final = Rates()
CAPITALS: Final = Rates(
    capitals=True, letters=20, missing=0.08, hyphen=0.5, crossed=0.01, no_number=0.7
)
CORRUPTED: Final = Rates(mistakes=(0.5, 0.3, 0.2), missing=0.1, moved=0.1, no_number=0.4)


class StrangerNoise:
    """``StrangerNoise(CAPITALS)``: one of family E."""

    def __init__(self, rates: Rates = PLAIN) -> None:
        self.rates = rates

    def spoil(self, rng: Random, r: Registration, who: Human, people: list[Human]) -> set[str]:
        """Changes a registration in place."""
        rates, done = self.rates, set[str]()
        self.settle(r, who)
        married = who.married is not None and r.family != _family(who.family)
        if married and rng.random() < rates.hyphen:
            r.family = f"{_family(who.family)}-{r.family}"
            done.add("hyphen")
        if rng.random() < rates.moved:
            r.street = f"{rng.randrange(1, 300)} {rng.choice(_STREETS)}"
        for field in ("given", "middle", "sex", "birth", "street", "email", "mother", "postal"):
            if rng.random() < rates.missing * (0.3 if field in ("given", "birth") else 1.0):
                setattr(r, field, "")
        if rng.random() < rates.missing:
            r.phones = []
        if rng.random() < rates.no_number:
            r.ssn = ""
        if len(r.birth) == 10 and r.birth[8:] <= "12" and rng.random() < rates.day_first:
            r.birth = f"{r.birth[:4]}-{r.birth[8:]}-{r.birth[5:7]}"
            done.add("birth")
        for _ in range(rng.choices(range(len(rates.mistakes)), rates.mistakes)[0]):
            done.add(_slip(rng, r))
        if rng.random() < rates.crossed:
            r.family, r.given = r.given or r.family, r.family if r.given else ""
            done.add("swapped")
        self._format(rng, r)
        return done

    def settle(self, r: Registration, who: Human) -> None:
        """The same person as one of another country."""
        r.family, r.former = _family(r.family), _family(r.former)
        r.mother = _family(r.mother)
        pool = _WOMEN if who.sex == "F" else _MEN
        # Brothers and sisters are called otherwise; father and son who share a name go on doing so.
        own = crc32(who.given.lower().encode()) if "namesake" in who.tags else who.index
        if r.given == who.given:
            r.given = pool[own % len(pool)]
        r.middle = pool[crc32(r.middle.lower().encode()) % len(pool)] if r.middle else ""
        house, _, street = r.street.partition(" ")
        place = crc32(street.encode())
        line = _STREETS[place % len(_STREETS)] + (" " + "NSEW"[place % 4] if place % 3 == 0 else "")
        if r.street:
            r.street = f"{line} {house}" if crc32(r.city.encode()) % 2 else f"{house} {line}"
        town = crc32(f"{r.city}{r.postal}".encode())
        if r.city:
            r.city = _TOWNS[town % len(_TOWNS)]
            r.postal = f"{r.city[:2].upper()}{town % 20} {town % 9}{'ABDEFG'[town % 6]}H"
        if r.email:
            head, _, tail = r.email.partition("@")
            number = "".join(c for c in head if c.isdigit())
            made = f"{r.given[:1]}{r.family}".lower().replace(" ", "")
            r.email = f"{''.join(c for c in made if c.isascii())}{number}@{tail}"

    def _format(self, rng: Random, r: Registration) -> None:
        rates = self.rates
        if rng.random() < rates.country_code:
            r.phones = [f"+358 {p[:2]} {p[2:6]} {p[6:]}" for p in r.phones]
        else:
            r.phones = [f"0{p[:2]} {p[2:6]}-{p[6:]}" for p in r.phones]
        for field in ("family", "given", "middle", "former", "street", "city", "mother"):
            text = getattr(r, field)[: rates.letters].strip()
            setattr(r, field, _capitals(text) if rates.capitals else text)


def _family(text: str) -> str:
    """Every word of a family name in another country's names; the same word, the same name."""
    return " ".join(_word(w) for w in text.replace("-", " ").split())


def _word(word: str) -> str:
    at = crc32(word.lower().encode())
    head = _FAMILIES[at % len(_FAMILIES)]
    end = _ENDS[at // 1000 % len(_ENDS)]
    return head[: 4 if len(head) > 5 else 3] + _ENDS_OF[at // 7000 % 12] + end if end else head


_ENDS_OF: Final = ("a", "o", "u", "ar", "el", "in", "os", "um", "ak", "il", "et", "ur")


def _slip(rng: Random, r: Registration) -> str:
    """One mistake in a field chosen at random; what it was in."""
    field = rng.choice(("family", "given", "birth", "street", "phones", "city", "postal", "ssn"))
    if field == "phones":
        r.phones = [_mistyped(rng, p, "0123456789") for p in r.phones[:1]] + r.phones[1:]
    elif field == "birth":
        text = _mistyped(rng, r.birth.replace("-", ""), "0123456789")
        if len(text) == 8 and "01" <= text[4:6] <= "12" and "01" <= text[6:] <= "28":
            r.birth = f"{text[:4]}-{text[4:6]}-{text[6:]}"
    elif field == "ssn":
        r.ssn = _mistyped(rng, r.ssn, "0123456789") if r.ssn else ""
    else:
        text = getattr(r, field)
        setattr(r, field, _mistyped(rng, text, "aeiounrstl") if len(text) > 2 else text)
    return "spelling" if field in ("family", "given") else field


def _mistyped(rng: Random, text: str, others: str) -> str:
    """A letter put in, left out, changed for a neighbour's, or two changed over."""
    if len(text) < 2:
        return text
    at, kind = rng.randrange(len(text)), rng.randrange(4)
    if kind == 0:
        return text[:at] + rng.choice(others) + text[at:]
    if kind == 1:
        return text[:at] + text[at + 1 :]
    if kind == 2:
        return text[:at] + _neighbour(rng, text[at]) + text[at + 1 :]
    at = min(at, len(text) - 2)
    return text[:at] + text[at + 1] + text[at] + text[at + 2 :]


def _neighbour(rng: Random, letter: str) -> str:
    for row in _KEYS:
        at = row.find(letter.lower())
        if at >= 0:
            return rng.choice(row[max(0, at - 1) : at + 2])
    return letter


def _capitals(text: str) -> str:
    plain = unicodedata.normalize("NFKD", text.replace("ı", "i").replace("ß", "ss"))
    return "".join(c for c in plain if not unicodedata.combining(c)).upper()
