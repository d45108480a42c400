"""The commands for what is published already, and for keys. Only parse, call and print."""

import dataclasses
from pathlib import Path
from typing import Annotated

import typer

from export.import_command import import_command
from export.options import MODELS, AsJson, Name, Named, Repository, Version, print_json
from export.rollout_commands import add_rollout_commands


def add_commands(app: typer.Typer) -> None:
    """Adds them to the command recognition-export."""
    example = "Example: recognition-export"
    app.command("list", epilog=f"{example} list --to var/models")(list_versions)
    app.command("show", epilog=f"{example} show fashion_cnn 3")(show)
    app.command("diff", epilog=f"{example} diff fashion_cnn 2 3")(diff)
    app.command("alias", epilog=f"{example} alias fashion_cnn stable 3")(alias)
    add_rollout_commands(app)
    app.command("prune", epilog=f"{example} prune fashion_cnn --keep 3")(prune_versions)
    app.command("keygen", epilog=f"{example} keygen release")(keygen)
    app.command("sign", epilog=f"{example} sign fashion_cnn 3 --signing-key release.key")(sign)
    app.command(
        "import", epilog=f"{example} import model.onnx --labels labels.txt --preprocessing imagenet --images photos/"
    )(import_command)


def list_versions(to: Repository = MODELS, as_json: AsJson = False) -> None:
    """Lists every version of every model, with what is wrong with it."""
    from export.destination import destination

    with destination(to) as repository:
        rows = repository.summaries()
    if as_json:
        print_json([dataclasses.asdict(row) for row in rows])
        return
    if not rows:
        typer.echo(f"{to} holds no model; `recognition-export RUN --to {to}` publishes one")
    for row in rows:
        names = f" ({', '.join(row.aliases)})" if row.aliases else ""
        accuracy = "" if row.accuracy is None else f"{row.accuracy:.2%}  {'+'.join(row.precisions)}  "
        size = f"{row.size_bytes:,} bytes  {row.digest[:12]}" if row.digest else ""
        typer.echo(f"{row.name} {row.version}{names}  {accuracy}{size}{row.problem}")


def show(name: Name, version: Named, to: Repository = MODELS, as_json: AsJson = False) -> None:
    """Shows what a version is: its card, or with --json its manifest. Every file is checked."""
    from export.card import variant_lines
    from export.destination import destination

    with destination(to) as repository:
        package = repository.open(name, repository.number(name, version))
        if as_json:
            print_json({"digest": package.digest, "manifest": package.manifest.model_dump(mode="json")})
            return
        typer.echo(f"{name} version {package.manifest.version}, digest {package.digest}")
        for line in variant_lines(package.manifest):
            typer.echo(line)
        if "card.md" in package.manifest.files:
            typer.echo("\n" + package.read("card.md").decode())


def diff(
    name: Name,
    first: Annotated[str, typer.Argument(metavar="V1", help="The number of a version, or an alias of it.")],
    second: Annotated[str, typer.Argument(metavar="V2", help="The same.")],
    to: Repository = MODELS,
    data: Annotated[
        Path | None,
        typer.Option("--data", metavar="DIR", help="Their data set, where it is not in a known place."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Compares two versions: metrics, size, what changed, and how often they give the same answer."""
    from export.destination import destination
    from export.difference import difference

    with destination(to) as repository:
        packages = [repository.open(name, repository.number(name, which)) for which in (first, second)]
        found = difference(packages[0], packages[1], data_directory=data)
    if as_json:
        print_json(dataclasses.asdict(found))
        return
    for title, (before, after) in (
        ("accuracy", found.accuracies),
        ("macro-F1", found.macro_f1),
        ("calibration error", found.ece),
    ):
        typer.echo(f"{title:<18} {before:.2%} -> {after:.2%} ({(after - before) * 100:+.2f} points)")
    typer.echo(f"{'size':<18} {found.size_bytes[0]:,} -> {found.size_bytes[1]:,} bytes")
    typer.echo(f"{'same answer':<18} {found.agreement:.2%} of {found.compared_images:,} images, {found.compared_on}")
    typer.echo(f"{'changed':<18} {', '.join(found.changed) or 'nothing'}")


def alias(
    name: Name,
    alias_name: Annotated[str, typer.Argument(metavar="ALIAS", help="For example stable, which answers by default.")],
    version: Version,
    to: Repository = MODELS,
    as_json: AsJson = False,
) -> None:
    """Lets an alias name a version."""
    from export.destination import destination

    with destination(to) as repository:
        aliases = repository.set_alias(name, alias_name, version)
    if as_json:
        print_json(aliases)
    else:
        typer.echo(f"{name}: " + ", ".join(f"{key} -> {value}" for key, value in sorted(aliases.items())))


def prune_versions(
    name: Name,
    keep: Annotated[int, typer.Option(min=1, metavar="N", help="So many of the newest versions stay.")],
    to: Repository = MODELS,
    as_json: AsJson = False,
) -> None:
    """Removes old versions; never the newest, nor one that an alias names."""
    from export.destination import destination

    with destination(to) as repository:
        gone = repository.prune(name, keep=keep)
    if as_json:
        print_json({"removed": gone})
    else:
        typer.echo(f"{name}: removed {', '.join(map(str, gone)) or 'nothing'}")


def keygen(
    path: Annotated[Path, typer.Argument(metavar="PATH", help="PATH.key and PATH.pub are written.")],
    as_json: AsJson = False,
) -> None:
    """Makes a pair of Ed25519 keys: one signs packages, the other goes to the servers (trusted_keys)."""
    from export.signing import SigningKey, make_keys

    private, public = make_keys(path)
    name = SigningKey.read(private).name
    if as_json:
        print_json({"signing_key": str(private), "trusted_key": str(public), "name": name})
    else:
        typer.echo(
            f"{private} signs (--signing-key; keep it secret); servers trust {public} (--trusted-keys): key {name}"
        )


def sign(
    name: Name,
    version: Named,
    signing_key: Annotated[Path, typer.Option("--signing-key", metavar="FILE", help="Ed25519 key (PEM); see keygen.")],
    to: Repository = MODELS,
    as_json: AsJson = False,
) -> None:
    """Signs a version that is published already; every file of it is checked first."""
    from export.destination import destination
    from export.signing import SigningKey

    key = SigningKey.read(signing_key)
    with destination(to) as repository:
        package = repository.sign(name, repository.number(name, version), key.sign)
    number = package.manifest.version
    if as_json:
        print_json({"name": name, "version": number, "digest": package.digest, "key": key.name})
    else:
        typer.echo(f"{name} version {number}, digest {package.digest}: signed with key {key.name}")
