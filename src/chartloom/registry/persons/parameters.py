"""What the matcher was taught: weights per level, rarity of names, thresholds. Versioned, frozen.

The built-in set was trained on simulated records (``docs/explanations/identity.md``); a site may
train its own with ``chartloom identity train`` and keep it in its folder.
"""

from __future__ import annotations

import hashlib
from functools import cache, cached_property
from importlib.resources import files
from math import log2
from typing import Annotated, Final

import msgspec

from chartloom.domain.errors import ChartloomError
from chartloom.registry.persons.comparison import LEVELS
from chartloom.registry.persons.rules import JUDGED_BY


class Parameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True, dict=True):
    """Everything a decision depends on besides the two records.

    weights: log2(m/u) by field and level; ``missing`` weighs 0. families, givens: share of records
    with this (squeezed) name; usual_family, usual_given: the chance that two people chosen at
    random agree, which the weights of ``exact`` hold already. link, review: least weight in bits.
    household_max: most that home, telephone and mother's name may weigh together, for they come
    together. carriers_max: a key that more records carry is no key. records: among about so many
    the thresholds hold. link_far, review_far: bits more for two who share nothing local, where
    there are more records than that; see ``population.py``.
    """

    name: str
    weights: dict[str, dict[str, float]]
    families: dict[str, float]
    givens: dict[str, float]
    usual_family: float
    usual_given: float
    link: float
    review: float
    household_max: float = 12.0
    carriers_max: int = 60
    records: Annotated[int, msgspec.Meta(ge=1)] = 100_000
    link_far: float = 0.0
    review_far: float = 0.0

    def __post_init__(self) -> None:
        for field, levels in LEVELS.items():
            known = self.weights.get(field, {})
            for level, older in _CAME_LATER.get(field, {}).items():
                if level not in known and older in known:
                    known[level] = known[older]
            if missing := [level for level in levels if level != "missing" and level not in known]:
                raise ChartloomError(
                    f"The matcher's parameters have no weight for {field}: {', '.join(missing)}.",
                    where=self.name,
                    cure="Train them anew with `chartloom identity train`.",
                )
            known["missing"] = 0.0
        if self.review > self.link or self.review + self.review_far > self.link + self.link_far:
            raise ChartloomError(
                "The matcher's threshold for review is above the one for linking.",
                where=self.name,
                cure="Set `review` below `link`.",
            )

    def family_rarity(self, name: str) -> float:
        """Bits by which an agreeing family name says more (or less) than names do on average."""
        return self._rarities[0].get(name, self._unseen[0])

    def given_rarity(self, name: str) -> float:
        """The same for a given name."""
        return self._rarities[1].get(name, self._unseen[1])

    def knows_family(self, name: str) -> bool:
        """Whether so many people have this family name that it was counted."""
        return name in self.families

    def knows_given(self, name: str) -> bool:
        """Whether so many people have this given name that it was counted."""
        return name in self.givens

    @cached_property
    def _rarities(self) -> tuple[dict[str, float], dict[str, float]]:
        return (
            {name: _rarity(share, self.usual_family) for name, share in self.families.items()},
            {name: _rarity(share, self.usual_given) for name, share in self.givens.items()},
        )

    @cached_property
    def _unseen(self) -> tuple[float, float]:
        """Of a name that was not counted: rare, but how rare nobody knows."""
        return float(bool(self.families)), float(bool(self.givens))

    @cached_property
    def fingerprint(self) -> str:
        """Of all content, and of the rules beside it: decisions of equal fingerprints are equal."""
        return hashlib.sha256(dump(self) + JUDGED_BY.encode()).hexdigest()[:16]


#: Levels that a file may not know yet -> the level that held them before.
_CAME_LATER: Final = {"family": {"renamed": "different"}}

#: A name adds and takes no more bits than these.
_RARITY_MAX: Final = 4.0
_RARITY_MIN: Final = -4.0


def _rarity(share: float, usual: float) -> float:
    return min(max(log2(usual / share), _RARITY_MIN), _RARITY_MAX)


def dump(parameters: Parameters) -> bytes:
    """Canonical JSON: sorted keys, one value a line so that changes can be reviewed."""
    return msgspec.json.format(msgspec.json.encode(parameters, order="sorted"), indent=1) + b"\n"


def load(data: bytes, where: str = "") -> Parameters:
    """Reads what :func:`dump` wrote. Raises ChartloomError that says what is wrong."""
    try:
        return msgspec.json.decode(data, type=Parameters)
    except (msgspec.DecodeError, msgspec.ValidationError) as e:
        raise ChartloomError(
            f"These are no parameters of the matcher: {e}.",
            where=where,
            cure="Train them anew with `chartloom identity train`.",
        ) from e


@cache
def default_parameters() -> Parameters:
    """The built-in set."""
    data = (files("chartloom.registry.persons") / "data" / "default.json").read_bytes()
    return load(data, "default.json")
