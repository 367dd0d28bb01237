"""Made-up people: pools of common given and family names of many origins, streets and places.

Any likeness to a person is chance: names are drawn independently of each other. Telephone numbers
are from the range kept free for fiction (555-01xx), e-mail domains from RFC 2606.
"""

from __future__ import annotations

from random import Random
from typing import Final

import msgspec


def _pool(text: str) -> tuple[str, ...]:
    return tuple(text.split())


FAMILY: Final = _pool(
    "Abara Achterberg Adeyemi Aguilar Ahlström Alvarez Anaya Andersen Baptiste Barros Begay "
    "Benally Bergström Bianchi Björklund Blackwood Boateng Bui Calderón Castañeda Chaudhry Chen "
    "Chukwu Cohen Conti Cruz Dang Delgado Desai Diallo Dubois Eriksen Espinoza Fernández "
    "Fitzgerald Flores Fofana García Gonzales Goodluck Grünwald Guzmán Haddad Hansen Harjo "
    "Hernández Hoang Holloway Huang Ibrahim Ibáñez Ito Iyer Jansen Jiménez Jovanović Kaur Keller "
    "Khalil Kim Kowalski Krüger Kumar Laurent Le Lindqvist López Mahmoud Marchetti Martínez Mbeki "
    "McAllister Mendoza Mensah Moreno Muñoz Müller Nakamura Navarro Nez Nguyễn Nowak Nwosu Núñez "
    "O'Donnell O'Malley Obi Okafor Oliveira Olsen Ortega Osei Park Patel Pereira Pham Quintero "
    "Ramírez Rao Reyes Rossi Ruiz Ríos Rømer Santos Sato Schmidt Schäfer Sharma Silva Singh Smith "
    "Suzuki Sánchez Söderberg Tanaka Tran Tsosie Turner Vargas Villanueva Vásquez Walker Wang "
    "Weiß Whitehorse Williams Wójcik Xiong Yamada Yazzie Yilmaz Young Zamora Zapata Zhang "
    "Zieliński Łukasik"
)

GIVEN_F: Final = _pool(
    "Aaliyah Abigail Adaeze Aiko Aisha Alejandra Alma Amara Ana Anaïs Anjali Ayşe Beatriz Bích "
    "Camila Carmen Chloe Chloé Claire Dalia Delfina Doli Eleanor Elena Emily Esperanza Fatima "
    "Fiona Gabriela Grace Greta Haruka Hazel Helena Imani Ines Ingrid Isabel Jasmine Johanna "
    "Josefina Kavya Keiko Leila Lin Lucía Madeleine Mai Margaret María Maya Mei Mónica Nadia "
    "Naomi Nia Noor Olivia Paloma Priya Raquel Renée Rosa Ruth Saanvi Sakura Sigrid Sofía Soledad "
    "Soo-jin Stella Tamika Teresa Thảo Valentina Wanda Ximena Yasmin Yolanda Zainab Zoë"
)

GIVEN_M: Final = _pool(
    "Aaron Abdul Ahiga Alejandro Amir Anders André Antonio Arjun Axel Benjamín Björn Carlos Chidi "
    "Christopher Daniel David Diego Eduardo Elijah Emeka Emmanuel Ethan Felipe François Gabriel "
    "George Gustavo Hai Haruto Hassan Henry Hiroshi Héctor Ibrahim Ivan Jamal James Javier Jesús "
    "Jin Joaquín John José Juan Jérôme Jürgen Kai Karim Kenji Kofi Kwame Lars Liam Luis Malik "
    "Marco Marek Mateo Mehmet Miguel Mohammed Nikhil Noah Olu Omar Pablo Paul Rafael Ravi Ricardo "
    "Robert Samuel Santiago Sebastián Sven Tadeusz Theo Tomás Tyrone Vikram Wei William Xavier "
    "Yusuf Zoltán Ángel Óscar Đức"
)

_STREETS: Final = (
    "Sandpiper Lane",
    "Old Quarry Road",
    "Juniper Street",
    "Cattail Court",
    "Mesquite Avenue",
    "Ferry Landing",
    "Three Wells Road",
    "Lantern Street",
    "Kestrel Way",
    "Saltbush Drive",
    "Almond Row",
    "Heron's Reach",
    "Copper Mill & Bridge Road",
    "Camino del Álamo",
    "Paseo de la Peña",
    "North Orchard Street",
)

_PLACES: Final = (
    ("Saltmarsh", "AZ", "85901"),
    ("Dry Harbor", "AZ", "85903"),
    ("Piñon Flat", "AZ", "85905"),
    ("Lower Kestrel", "AZ", "85907"),
    ("San Telmo del Río", "AZ", "85909"),
    ("Cottonwood Bend", "AZ", "85911"),
)

#: (ISO 639-2 code, weight)
_LANGUAGES: Final = (("eng", 72), ("spa", 17), ("nav", 4), ("vie", 3), ("ara", 2), ("zho", 2))


class Address(msgspec.Struct, frozen=True):
    """Where somebody lives."""

    street: str
    city: str
    state: str
    postal_code: str


def family_name(rng: Random) -> str:
    """One family name; now and then a double one."""
    name = rng.choice(FAMILY)
    return f"{name}-{rng.choice(FAMILY)}" if rng.random() < 0.05 else name


def given_name(rng: Random, sex: str) -> str:
    """One given name."""
    return rng.choice(GIVEN_F if sex == "F" else GIVEN_M)


def address(rng: Random) -> Address:
    """An address that does not exist."""
    city, state, postal_code = rng.choice(_PLACES)
    street = f"{rng.randrange(1, 9800)} {rng.choice(_STREETS)}"
    if rng.random() < 0.2:
        street += f" #{rng.randrange(1, 60)}"
    return Address(street, city, state, postal_code)


def phone(rng: Random) -> str:
    """A number reserved for fiction."""
    return f"({rng.choice(('480', '520', '928'))})555-01{rng.randrange(100):02d}"


def email(given: str, family: str, number: int) -> str:
    """An address under a reserved domain."""
    ascii_name = "".join(c for c in f"{given}.{family}".lower() if c.isascii() and c not in "' ")
    return f"{ascii_name}{number}@example.org"


def language(rng: Random) -> str:
    """A preferred language."""
    codes, weights = zip(*_LANGUAGES, strict=True)
    return str(rng.choices(codes, weights)[0])
