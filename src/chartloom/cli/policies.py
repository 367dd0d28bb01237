"""``policies``: a site's own policies beside those that are shipped, one by one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from chartloom.cli.output import OUT, Table, print_json
from chartloom.cli.site import SiteOption

JsonOption = Annotated[bool, typer.Option("--json", help="JSON for machines.")]
NameArgument = Annotated[str, typer.Argument(help="The policy's @id.")]
_COLOURS = {
    "lacking": "red",
    "older": "red",
    "retired": "yellow",
    "changed": "cyan",
    "declined": "bright_black",
}


def register(app: typer.Typer) -> None:
    """Adds ``policies`` with its commands."""
    policies = typer.Typer(
        help="The site's own access policies, and those that are shipped.",
        invoke_without_command=True,
    )
    policies.callback(epilog="Examples:  chartloom policies  ·  chartloom policies --all")(list_)
    policies.command(epilog="Example:  chartloom policies show service-identify")(show)
    policies.command(epilog="Example:  chartloom policies adopt service-identify")(adopt)
    policies.command(
        epilog='Example:  chartloom policies decline reconcile-care --reason "we do not reconcile"'
    )(decline)
    app.add_typer(policies, name="policies")


def list_(
    context: typer.Context,
    site: SiteOption = Path(),
    all_: Annotated[bool, typer.Option("--all", help="Also those that are as shipped.")] = False,
    json: JsonOption = False,
) -> None:
    """What the site's folder lacks of the shipped policies, has older, or has changed.

    Nothing is ever taken over by itself: a policy that is lacking neither permits nor forbids.
    """
    if context.invoked_subcommand is not None:
        return
    from chartloom.guard.policy.shipped import TO_DECIDE, Standing
    from chartloom.project import load_project
    from chartloom.project.policies import compared

    found = compared(load_project(site))
    shown = [one for one in found if all_ or one.standing not in (Standing.SAME, Standing.OWN)]
    if json:
        print_json(
            [
                {"name": one.name, "standing": one.standing, "file": one.file, "line": one.line}
                for one in shown
            ]
        )
        return
    if not found:
        OUT.print("This site has no policies of its own: the shipped ones hold.")
        return
    if not shown:
        OUT.print("[green]In order:[/] all shipped policies are here as they are shipped.")
        return
    table = Table("Policy", "Stands", "File", "Adopting would change")
    for one in shown:
        colour = _COLOURS.get(one.standing, "")
        said = Text(one.standing.value, style=colour)
        table.add_row(one.name, said, one.file, one.summary if one.ours else "")
    OUT.print(table)
    if any(one.standing in TO_DECIDE for one in shown):
        OUT.print("Look at each: chartloom policies show NAME; then adopt or decline it.")


def show(name: NameArgument, site: SiteOption = Path()) -> None:
    """What adopting the shipped policy would change, as a diff."""
    from chartloom.domain.errors import ConfigurationError
    from chartloom.project import load_project
    from chartloom.project.policies import compared

    one = next((o for o in compared(load_project(site)) if o.name == name), None)
    if one is None:
        raise ConfigurationError(
            "There is no such policy.", where=name, cure="See `chartloom policies --all`."
        )
    OUT.print(f"{one.name}: {one.standing}", style="bold", highlight=False)
    text = one.diff() if one.ours else one.theirs
    OUT.print(text or one.theirs, markup=False, highlight=False, soft_wrap=True)


def adopt(
    name: NameArgument,
    site: SiteOption = Path(),
    replace: Annotated[
        bool, typer.Option("--replace", help="Also over what the site changed itself.")
    ] = False,
) -> None:
    """Writes one shipped policy into the site's folder; running processes read it when they start.

    Refused, with nothing written, if the policies would not be in order afterwards.
    """
    from chartloom.project import load_project
    from chartloom.project.policies import adopt as take

    one = take(load_project(site), name, replace=replace)
    OUT.print(f"[green]Adopted:[/] {one.name} in {one.file} ({one.summary}). Restart the site.")


def decline(
    name: NameArgument,
    reason: Annotated[str, typer.Option(help="Why; kept beside the policies.")],
    site: SiteOption = Path(),
) -> None:
    """Notes that this site does not want a shipped policy; a later text of it is told again."""
    from chartloom.project import load_project
    from chartloom.project.policies import decline as refuse

    one = refuse(load_project(site), name, reason)
    OUT.print(f"[green]Declined:[/] {one.name}. It is told again when its shipped text changes.")
