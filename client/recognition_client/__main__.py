"""The command `recognition`: parses, asks the service through RecognitionClient, shows the answers.

Exit code 0 when everything was answered, 1 when something failed (one line on stderr each), 2 for wrong use.
"""

import contextvars
import io
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from recognition_client.client import RecognitionClient
from recognition_client.display import (
    classification_record,
    explanation_record,
    show_classification,
    show_explanation,
    show_json,
    show_line,
    show_models,
)
from recognition_client.errors import AccessDenied, ModelNotFound, Overloaded, RecognitionError, ServerUnreachable
from recognition_client.models import HealthStatus
from recognition_client.requests import MOST_LABELS, MOST_VERSIONS, Priority
from recognition_client.results import ImageError

DEFAULT_SERVER = "localhost:8001"
_FILES_AT_ONCE = 64
_ADVICE: Mapping[type, str] = {
    ServerUnreachable: "Start one with `recognition-serve --models DIR`, or name another with --server HOST:PORT.",
    ModelNotFound: "`recognition models` lists what is there.",
    Overloaded: "Try again in a moment.",
    AccessDenied: "Put the token into RECOGNITION_TOKEN.",
}

app = typer.Typer(
    epilog="Example: recognition classify shoe.png coat.jpg --server localhost:8001",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

_credentials: contextvars.ContextVar[Mapping[str, Any]] = contextvars.ContextVar("credentials")
"""What the options before the command say, for the one command that follows."""
PEM = {"metavar": "FILE", "exists": True, "dir_okay": False}


@app.callback()
def credentials(
    token: Annotated[
        str, typer.Option(envvar="RECOGNITION_TOKEN", show_envvar=True, help="Token; others see it on a command line.")
    ] = "",
    tls: Annotated[bool, typer.Option(envvar="RECOGNITION_TLS", help="The service speaks TLS.")] = False,
    root_certificates: Annotated[
        Path | None, typer.Option(envvar="RECOGNITION_ROOT_CERTIFICATES", help="Its authority, as PEM.", **PEM)
    ] = None,
    client_certificate: Annotated[
        Path | None, typer.Option(envvar="RECOGNITION_CLIENT_CERTIFICATE", help="Shown to the service, as PEM.", **PEM)
    ] = None,
    client_key: Annotated[
        Path | None, typer.Option(envvar="RECOGNITION_CLIENT_KEY", help="The key of that certificate, as PEM.", **PEM)
    ] = None,
) -> None:
    """Asks a recognition service what images show. What is before the command says how to get in."""
    if (client_certificate is None) != (client_key is None):
        raise typer.BadParameter("--client-certificate and --client-key belong together")
    given = {
        "token": token or None,
        "tls": tls,
        "root_certificates": root_certificates,
        "client_certificate": None
        if client_certificate is None or client_key is None
        else (client_certificate, client_key),
    }
    _credentials.set(given)


Server = Annotated[
    str, typer.Option("--server", envvar="RECOGNITION_SERVER", metavar="HOST:PORT", help="Where the service is.")
]
Timeout = Annotated[float, typer.Option("--timeout", min=0.001, help="Seconds that a request may take.")]
Precision = Annotated[
    str | None, typer.Option(help="Which variant, such as int8; `recognition models` lists those that answer.")
]
Json = Annotated[bool, typer.Option("--json", help="One JSON object on a line for each result.")]


@app.command(epilog="Example: recognition classify shoe.png coat.jpg --top-k 3")
def classify(
    images: Annotated[list[Path], typer.Argument(metavar="IMAGE", help="Image files: JPEG, PNG, WebP, GIF or BMP.")],
    model: Annotated[str, typer.Option(help="Which model; not needed where the service has one.")] = "",
    version: Annotated[int | None, typer.Option(min=1, max=MOST_VERSIONS, help="Which version of it.")] = None,
    alias: Annotated[str | None, typer.Option(help="Which alias instead of a version, such as canary.")] = None,
    precision: Precision = None,
    top_k: Annotated[int, typer.Option(min=1, max=MOST_LABELS, help="How many labels, best first.")] = 5,
    min_confidence: Annotated[
        float | None, typer.Option(min=0.0, max=1.0, help="Below this probability the answer is marked unknown.")
    ] = None,
    priority: Annotated[Priority, typer.Option(help="Who goes first where several wait.")] = Priority.NORMAL,
    as_json: Json = False,
    server: Server = DEFAULT_SERVER,
    timeout: Timeout = 10.0,
) -> None:
    """Labels images. Files that fail are named on stderr, one line each; the others are labelled all the same."""
    out, complaints = Console(), Console(stderr=True)
    failed = False
    with _connected(server, timeout) as client:
        for start in range(0, len(images), _FILES_AT_ONCE):
            paths = images[start : start + _FILES_AT_ONCE]
            outcomes = client.batch_classify(
                paths,
                model=model,
                version=version,
                alias=alias,
                precision=precision,
                top_k=top_k,
                min_confidence=min_confidence,
                priority=priority,
            )
            for path, outcome in zip(paths, outcomes, strict=True):
                if as_json:
                    show_json(out, classification_record(path, outcome))
                if isinstance(outcome, ImageError):
                    failed = True
                    show_line(complaints, f"{path}: {outcome}")
                elif not as_json:
                    show_classification(out, path, outcome)
    if failed:
        raise typer.Exit(1)


@app.command(epilog="Example: recognition explain shoe.png --label Sneaker --output map.png")
def explain(
    image: Annotated[Path, typer.Argument(metavar="IMAGE", help="Image file: JPEG, PNG, WebP, GIF or BMP.")],
    label: Annotated[str, typer.Option(help="Which label; left out: the most probable one.")] = "",
    output: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Where the PNG goes; left out: IMAGE-explained.png.")
    ] = None,
    model: Annotated[str, typer.Option(help="Which model; not needed where the service has one.")] = "",
    version: Annotated[int | None, typer.Option(min=1, max=MOST_VERSIONS, help="Which version of it.")] = None,
    alias: Annotated[str | None, typer.Option(help="Which alias instead of a version, such as canary.")] = None,
    precision: Precision = None,
    as_json: Json = False,
    server: Server = DEFAULT_SERVER,
    timeout: Timeout = 10.0,
) -> None:
    """Draws a heat map of what speaks for a label, laid over the image as the model saw it."""
    output = output or Path(f"{image.stem}-explained.png")
    try:
        with _connected(server, timeout) as client:
            found = client.explain(image, label=label, model=model, version=version, alias=alias, precision=precision)
        output.write_bytes(found.overlay_png)
    except OSError as error:
        show_line(Console(stderr=True), f"recognition: {error.filename}: {error.strerror}")
        raise typer.Exit(1) from error
    if as_json:
        show_json(Console(), explanation_record(image, output, found))
    else:
        show_explanation(Console(), output, found)


@app.command(epilog="Example: recognition models --server gpu-box:8001")
def models(as_json: Json = False, server: Server = DEFAULT_SERVER, timeout: Timeout = 10.0) -> None:
    """Lists the models of the service: versions, aliases, state, measured accuracy."""
    out = Console()
    with _connected(server, timeout) as client:
        found = client.list_models()
    if as_json:
        for model in found:
            show_json(out, asdict(model))
    else:
        show_models(out, found)


@app.command(epilog="Example: recognition health fashion_cnn && echo ready")
def health(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="Which model; left out: the service as a whole.")] = "",
    as_json: Json = False,
    server: Server = DEFAULT_SERVER,
    timeout: Timeout = 10.0,
) -> None:
    """Says whether the service, or one of its models, answers; exit code 0 when it does and 1 when not."""
    out = Console()
    with _connected(server, timeout) as client:
        status = client.health(model)
    if as_json:
        show_json(out, {"server": server, "model": model, "status": status})
    else:
        show_line(out, f"{model or server}: {status}")
    if status is not HealthStatus.SERVING:
        raise typer.Exit(1)


@contextmanager
def _connected(server: str, timeout_seconds: float) -> Iterator[RecognitionClient]:
    """A client whose failures become one line and exit code 1, and what cannot be sent a case of wrong use."""
    try:
        with RecognitionClient(server, timeout_seconds=timeout_seconds, **_credentials.get()) as client:
            yield client
    except RecognitionError as error:
        advice = next((_ADVICE[kind] for kind in type(error).__mro__ if kind in _ADVICE), "")
        show_line(Console(stderr=True), f"recognition: {error}" + (f". {advice}" if advice else ""))
        raise typer.Exit(1) from error
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


def main() -> None:
    """Runs the command; a label that the terminal's encoding lacks is shown with question marks."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    app(prog_name="recognition")


if __name__ == "__main__":
    main()
