"""The command `recognition-serve`: reads the settings, runs the server, or shows what the settings are."""

import inspect
import json
import os
from dataclasses import asdict
from pathlib import Path
from types import NoneType
from typing import Annotated, Any, Literal, Union

import typer

from service import token_command
from service.config import Settings, SettingsInvalid, SettingsWithOrigins, read_settings

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
config_app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)
app.add_typer(config_app, name="config", help="What the settings are and where they came from.")
app.add_typer(token_command.app, name="token", help="Makes and lists the tokens that callers need.")


def serve(context: typer.Context, config: Path | None, **given: Any) -> None:
    """Serves the models of a repository over gRPC.

    Every option can also be given in the environment as RECOGNITION_NAME or in a TOML file as name; `config show` lists
    them with the values in force.

    Example: recognition-serve --models var/models --grpc-port 8001
    """
    context.obj = read = _settings(given, config)
    if context.invoked_subcommand is None:
        raise typer.Exit(_run(read))


def _signature() -> inspect.Signature:
    """The command's options, one for each setting, so that the settings class stays the only list of them."""
    options = {
        name: Annotated[
            _option_type(field.annotation), typer.Option(help=f"{field.description} Default: {field.default}.")
        ]
        for name, field in Settings.model_fields.items()
    }
    options["config"] = Annotated[Path | None, typer.Option(help="TOML file with settings.", metavar="FILE")]
    parameters = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)
        for name, annotation in options.items()
    ]
    context = inspect.Parameter("context", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context)
    return inspect.Signature([context, *parameters])


def _option_type(annotation: Any) -> Any:
    """What typer parses: flags, numbers and paths; everything else is text that the settings check."""
    simple = annotation if annotation in {bool, int, float, Path} else str
    return Union[simple, NoneType]  # noqa: UP007 - built at run time


serve.__signature__ = _signature()  # type: ignore[attr-defined] # functions take it, the stubs do not say so
app.callback(invoke_without_command=True)(serve)


@config_app.command("show")
def show(context: typer.Context, *, as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False) -> None:
    """Prints every setting with its value and its origin.

    Example: recognition-serve --config serve.toml config show
    """
    read: SettingsWithOrigins = context.obj
    values = read.settings.model_dump(mode="json")
    if as_json:
        rows = {name: {"value": value, "origin": read.origins[name]} for name, value in values.items()}
        typer.echo(json.dumps(rows, indent=1))
        return
    from rich.console import Console  # the start does without it
    from rich.table import Table

    table = Table("setting", "value", "origin", "meaning")
    for name, field in Settings.model_fields.items():
        table.add_row(name, str(values[name]), read.origins[name], field.description)
    Console().print(table)


@app.command("doctor")
def doctor(
    context: typer.Context, *, as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False
) -> None:
    """Looks at all that a start needs, and says what to do; exit code 1 where the service would not start.

    Example: recognition-serve --models var/models doctor
    """
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from service.doctor.examination import examine
    from service.doctor.finding import Verdict

    read: SettingsWithOrigins = context.obj
    findings = examine(read.settings)
    if as_json:
        typer.echo(json.dumps([asdict(finding) for finding in findings], indent=1))
    else:
        table = Table("", "subject", "seen", "what to do")
        for finding in findings:
            table.add_row(finding.verdict, finding.subject, escape(finding.saw), escape(finding.advice))
        Console().print(table)
    if any(finding.verdict is Verdict.FAILURE for finding in findings):
        raise typer.Exit(1)


def _settings(command_line: dict[str, Any], config: Path | None) -> SettingsWithOrigins:
    try:
        return read_settings(command_line, file=config)
    except SettingsInvalid as error:
        _complain(str(error))
        raise typer.Exit(2) from error


def _run(read: SettingsWithOrigins) -> Literal[0, 1]:
    # gRPC's core would write lines of its own among those of the log, for a caller's mistakes too.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    from service.allocator import keep_freed_memory
    from service.api.calls import add_call
    from service.bootstrap import build_server
    from service.engine.providers import ProviderUnavailable
    from service.engine.session import quiet_runtime
    from service.event_loop import EventLoopUnavailable, run
    from service.logs import configure_logs
    from service.models.repository import PackageRefused
    from service.models.signature import KeysInvalid
    from service.ports import StartRefused
    from service.server import DeviceFailed

    configure_logs(level=read.settings.log_level, form=read.settings.log_format, processors=[add_call])
    quiet_runtime()
    keep_freed_memory()

    async def serve_until_told() -> None:
        server = await build_server(read.settings)
        try:
            await server.run()
        except DeviceFailed as error:
            _complain(str(error))
            os._exit(1)  # threads that wait for a dead device would keep the process for ever

    try:
        run(serve_until_told(), read.settings.event_loop)
    except (StartRefused, EventLoopUnavailable, KeysInvalid, ProviderUnavailable, PackageRefused) as error:
        _complain(str(error))
        return 1
    return 0


def _complain(sentence: str) -> None:
    typer.echo(f"recognition-serve: {sentence}", err=True)


def main() -> None:
    """Entry point of the console script."""
    app(prog_name="recognition-serve")


if __name__ == "__main__":
    main()
