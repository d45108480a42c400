"""`recognition-serve token`: makes tokens and lists them. The token itself is printed once and kept nowhere."""

import os
from pathlib import Path
from typing import Annotated

import typer

from service.api.auth.tokens import EVERY_MODEL, TokensInvalid, entry, new_token, parse_tokens

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)

File = Annotated[Path, typer.Option(metavar="FILE", help="The file of tokens, as the setting `tokens` names it.")]


@app.command("new")
def new(
    name: Annotated[str, typer.Argument(help="Whose it is, for the log.")],
    *,
    file: File,
    model: Annotated[list[str] | None, typer.Option(help="A model it opens, several times; left out: all.")] = None,
    calls_per_second: Annotated[float | None, typer.Option(help="How often it may call; left out: any rate.")] = None,
    control: Annotated[bool, typer.Option(help="Lets it load and unload its models.")] = False,
    metrics: Annotated[bool, typer.Option(help="Lets it read the metrics.")] = False,
) -> None:
    """Makes a token, adds its hash to the file, and prints it; a running server knows it within a second or two.

    To take it back, remove its entry from the file.

    Example: recognition-serve token new mobile-app --file tokens.toml --model fashion_cnn --calls-per-second 50
    """
    token = new_token()
    try:
        lines = entry(
            token,
            name,
            models=model or [EVERY_MODEL],
            calls_per_second=calls_per_second,
            control=control,
            metrics=metrics,
        )
        before = file.read_bytes() if file.exists() else b""
        after = (before.rstrip() + b"\n\n" + lines.encode()).lstrip()
        parse_tokens(after)
        _replace(file, after)
    except OSError as error:
        raise _refused(f"{file} cannot be written: {error.strerror}") from error
    except TokensInvalid as error:
        raise _refused(f"{file}: {error}") from error
    typer.echo(token)


@app.command("list")
def show(*, file: File) -> None:
    """Lists the tokens of a file: what each may do, and never the token.

    Example: recognition-serve token list --file tokens.toml
    """
    try:
        tokens = parse_tokens(file.read_bytes())
    except OSError as error:
        raise _refused(f"{file} cannot be read: {error.strerror}") from error
    except TokensInvalid as error:
        raise _refused(f"{file}: {error}") from error
    for token in tokens:
        rights = [right for right, given in (("control", token.control), ("metrics", token.metrics)) if given]
        rate = "any rate" if token.calls_per_second is None else f"{token.calls_per_second:g} calls/s"
        typer.echo(f"{token.name}: models {', '.join(token.models)}; {'; '.join([rate, *rights])}")


def _replace(file: Path, content: bytes) -> None:
    """Whole or not at all, since the server may read it at any moment; for the owner's and the group's eyes."""
    beside = file.with_name(f".{file.name}.new")
    with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o640), "wb") as written:
        written.write(content)
    beside.replace(file)


def _refused(sentence: str) -> typer.Exit:
    typer.echo(f"recognition-serve: {sentence}", err=True)
    return typer.Exit(1)
