"""Results that come together stand together: in which part of the results a code is kept.

A report of a blood count changes every part in which one of its results stands. Kept together,
they change one; kept by chance, nearly as many as there are results. So LOINC codes that
laboratories and monitors report together have a part of their own, and every other code gets one of
the rest by its hash. A part without any of a patient's results does not exist: parts cost nothing.
"""

from __future__ import annotations

from typing import Final
from zlib import crc32

_LOINC: Final = "http://loinc.org"

#: LOINC codes by what is reported together. A group has no more than the series that one part
#: keeps ready (``fold.BOUNDS``).
PANELS: Final = (
    # Blood count, with differential.
    "6690-2 26464-8 789-8 26453-1 718-7 4544-3 20570-8 787-2 785-6 786-4 788-0 21000-5 777-3"
    " 26515-7 32623-1 751-8 770-8 731-0 736-9 742-7 5905-5 711-2 713-8 704-7 706-2",
    # Electrolytes, kidney, glucose.
    "2951-2 2947-0 2823-3 6298-4 2075-0 2069-3 2028-9 1963-8 33037-3 1863-0 3094-0 6299-2"
    " 2160-0 38483-4 33914-3 62238-1 98979-8 2345-7 2339-0 17861-6 49765-1 2777-1 19123-9 2601-3",
    # Liver, proteins, enzymes, inflammation.
    "1742-6 1743-4 1920-8 30239-8 6768-6 2324-2 1975-2 1968-7 1971-1 2885-2 1751-7 10834-0"
    " 2532-0 3040-3 1798-8 2157-6 1988-5 30522-7 33959-8 3084-1",
    # Clotting.
    "5902-2 6301-6 34714-6 3173-2 14979-9 3255-7 48065-7 48066-5 3243-3 27811-9",
    # Vital signs and body measures.
    "8310-5 8331-1 8867-4 8889-8 9279-1 8480-6 8462-4 85354-9 8478-0 59408-5 2708-6 29463-7"
    " 3141-9 8302-2 39156-5 9843-4 72514-3 9269-2",
    # Blood gases.
    "2744-1 2746-6 11558-4 2019-8 2021-4 11557-6 2703-7 2705-2 11556-8 1960-4 14627-4 11555-0"
    " 1925-7 2518-9 2524-7 19991-9 20564-1",
    # Lipids, glycated haemoglobin, thyroid, iron.
    "2093-3 2571-8 2085-9 13457-7 2089-1 18262-6 13458-5 9830-1 43396-1 4548-4 17856-6 3016-3"
    " 11580-8 3024-7 3051-0 3053-6 2498-4 2500-7 2502-3 2276-4",
    # Urine.
    "5811-5 5803-2 2756-5 5792-7 5797-6 5804-0 5794-3 5802-4 5799-2 5770-3 20405-7 5778-6"
    " 5767-9 5821-4 13945-1 5787-7 25145-4 14959-1 2161-8 2888-6",
)

#: How many parts codes of no panel are spread over.
OTHER_PARTS: Final = 16
RESULT_PARTS: Final = OTHER_PARTS + len(PANELS)

_PART_OF: Final = {
    code: OTHER_PARTS + number for number, codes in enumerate(PANELS) for code in codes.split()
}


def part_of(system: str, code: str) -> int:
    """The part of a result, by its main code alone: all units of one thing share a row."""
    known = _PART_OF.get(code) if system == _LOINC else None
    return crc32(f"{system}\x1f{code}".encode()) % OTHER_PARTS if known is None else known
