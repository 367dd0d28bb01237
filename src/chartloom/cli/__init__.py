"""The ``chartloom`` command. Heavy rooms are imported inside commands: help is quick."""

from __future__ import annotations

import re
import sys
from typing import Any

import typer
from typer.core import TyperGroup

from chartloom.cli import (
    audit,
    ca,
    directory,
    export,
    formulary,
    identity,
    inspect,
    keys,
    labels,
    look,
    operate,
    policies,
    service,
    site,
    traffic,
)
from chartloom.cli.memory import keep_private
from chartloom.cli.output import ERR
from chartloom.domain.errors import ChartloomError

#: Words of a library about what was typed -> ours.
_PLAIN = (
    (r"Input should be a valid integer.*", "this is not a whole number."),
    (r"Input should be a valid number.*", "this is not a number."),
    (r"Input should be greater than or equal to (\S+?)\.?$", r"the least is \1."),
    (r"Input should be less than or equal to (\S+?)\.?$", r"the most is \1."),
)


class _Commands(TyperGroup):
    """The commands; what was typed wrongly is said in plain words."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except typer.BadParameter as e:
            for theirs, ours in _PLAIN:
                e.message = re.sub(theirs, ours, e.message, flags=re.DOTALL)
            raise


app = typer.Typer(
    cls=_Commands,
    name="chartloom",
    help="Every feed about a patient, woven into one chart that can be traced to the byte.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for part in (
    inspect, site, traffic, look, operate, ca, keys, export, identity, formulary, directory, audit,
    labels, service, policies,
):  # fmt: skip
    part.register(app)


def main() -> None:
    """Entry point: errors of ours become one clear message and exit code 2."""
    keep_private()
    try:
        app()
    except ChartloomError as e:
        # No markup: a text may name a table such as [mllp].
        for text, style in ((e.where, "bold"), (e.what, "bold red"), (e.cure, "")):
            if text:
                ERR.print(text, style=style, markup=False, highlight=False, soft_wrap=True)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)
