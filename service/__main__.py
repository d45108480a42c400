"""The command `recognition-serve`: reads the settings, runs the server, or shows what the settings are."""

import asyncio
import json
import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.console import Console
from rich.table import Table

from service.config import SettingsInvalid, SettingsWithOrigins, read_settings

app = typer.Typer(
    add_completion=False,
    no_args_is_help=False,
    pretty_exceptions_enable=False,
    help="Serves the models of a repository over gRPC.\n\nExample: recognition-serve --models var/models",
)
config_app = typer.Typer(help="What the settings are and where they came from.", no_args_is_help=True)
app.add_typer(config_app, name="config")

ConfigFile = Annotated[Path | None, typer.Option("--config", help="TOML file with settings.", metavar="FILE")]


@app.callback(invoke_without_command=True)
def serve(
    context: typer.Context,
    models: Annotated[Path | None, typer.Option(help="Directory of the model repository.", metavar="DIR")] = None,
    host: Annotated[str | None, typer.Option(help="Address to bind; 0.0.0.0 for all interfaces.")] = None,
    grpc_port: Annotated[int | None, typer.Option(help="Port of the gRPC API.")] = None,
    metrics_port: Annotated[int | None, typer.Option(help="Port of the Prometheus metrics.")] = None,
    device: Annotated[str | None, typer.Option(help="auto, cpu or cuda.")] = None,
    require_all_models: Annotated[bool | None, typer.Option(help="Whether a refused model stops the start.")] = None,
    log_level: Annotated[str | None, typer.Option(help="debug, info, warning or error.")] = None,
    config: ConfigFile = None,
) -> None:
    """Every setting can also be given as RECOGNITION_NAME or in the TOML file; `config show` lists them."""
    command_line = {
        "models": models,
        "host": host,
        "grpc_port": grpc_port,
        "metrics_port": metrics_port,
        "device": device,
        "require_all_models": require_all_models,
        "log_level": log_level,
    }
    context.obj = (command_line, config)
    if context.invoked_subcommand is None:
        sys.exit(_run(_settings(command_line, config)))


@config_app.command("show")
def show(
    context: typer.Context,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Prints every setting with its value and its origin.

    Example: recognition-serve --config serve.toml config show
    """
    read = _settings(*context.obj)
    values = read.settings.model_dump(mode="json")
    if as_json:
        print(json.dumps({name: {"value": values[name], "origin": read.origins[name]} for name in values}, indent=1))  # noqa: T201 - the answer
        return
    table = Table("setting", "value", "origin", "meaning")
    for name, field in type(read.settings).model_fields.items():
        table.add_row(name, str(values[name]), read.origins[name], field.description)
    Console().print(table)


def _settings(command_line: dict[str, Any], config: Path | None) -> SettingsWithOrigins:
    try:
        return read_settings(command_line, file=config)
    except SettingsInvalid as error:
        _complain(str(error))
        raise typer.Exit(2) from error


def _run(read: SettingsWithOrigins) -> Literal[0, 1]:
    from service.bootstrap import StartRefused, build_server
    from service.engine.providers import ProviderUnavailable
    from service.logs import configure_logs
    from service.models.repository import PackageRefused

    settings = read.settings
    configure_logs(level=settings.log_level, form=settings.log_format)

    async def run() -> None:
        server = await build_server(settings)
        await server.run()

    try:
        asyncio.run(run())
    except (StartRefused, ProviderUnavailable, PackageRefused) as error:
        _complain(str(error))
        return 1
    return 0


def _complain(sentence: str) -> None:
    print(f"recognition-serve: {sentence}", file=sys.stderr)  # noqa: T201 - the one line for the person who started it


def main() -> None:
    """Entry point of the console script."""
    app(prog_name="recognition-serve")


if __name__ == "__main__":
    main()
