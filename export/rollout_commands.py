"""The commands that bring a new version into use: canary, shadow, promote, rollback. Only parse, call and print."""

from typing import Annotated

import typer

from export.options import MODELS, AsJson, Name, Repository, Version, print_json
from export.rollout import Change, promoted, rolled_back, with_canary, with_shadow

Alias = Annotated[str, typer.Option("--alias", metavar="ALIAS", help="The alias whose requests are meant.")]
Share = Annotated[float, typer.Option("--share", min=0.0001, max=1.0, help="Of the requests, 0.05 for 5 %.")]
STABLE = "stable"


def add_rollout_commands(app: typer.Typer) -> None:
    """Adds them to the command recognition-export."""
    example = "Example: recognition-export"
    app.command("canary", epilog=f"{example} canary fashion_cnn 4 --share 0.05")(canary)
    app.command("shadow", epilog=f"{example} shadow fashion_cnn 4 --share 0.2")(shadow)
    app.command("promote", epilog=f"{example} promote fashion_cnn")(promote)
    app.command("rollback", epilog=f"{example} rollback fashion_cnn")(rollback)


def canary(
    name: Name,
    version: Version,
    share: Share = 0.05,
    alias: Alias = STABLE,
    to: Repository = MODELS,
    as_json: AsJson = False,
) -> None:
    """Lets a version answer a share of an alias's requests."""
    _change(name, alias, with_canary(version, share), to=to, as_json=as_json)


def shadow(
    name: Name,
    version: Version,
    share: Share = 1.0,
    alias: Alias = STABLE,
    to: Repository = MODELS,
    as_json: AsJson = False,
) -> None:
    """Lets a version get a copy of an alias's requests; its answers are compared and reach nobody."""
    _change(name, alias, with_shadow(version, share), to=to, as_json=as_json)


def promote(name: Name, alias: Alias = STABLE, to: Repository = MODELS, as_json: AsJson = False) -> None:
    """Lets the canary or shadow of an alias answer all its requests."""
    _change(name, alias, promoted, to=to, as_json=as_json)


def rollback(name: Name, alias: Alias = STABLE, to: Repository = MODELS, as_json: AsJson = False) -> None:
    """Ends the trial of a canary or shadow; without one, goes back to the version that the alias named before."""
    _change(name, alias, rolled_back, to=to, as_json=as_json)


def _change(name: str, alias: str, change: Change, *, to: str, as_json: bool) -> None:
    from export.destination import destination

    with destination(to) as repository:
        route = repository.reroute(name, alias, change)
    if as_json:
        print_json(route.model_dump(exclude_none=True))
        return
    trials = {"answers": route.canary, "is shown": route.shadow}
    beside = [f"{it.version} {does} {it.share:.2%}" for does, it in trials.items() if it is not None]
    before = "" if route.previous is None else f" (before: {route.previous})"
    typer.echo(f"{name}: {alias} -> " + ", ".join([str(route.version), *beside]) + before)
