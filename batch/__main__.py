"""The command `recognition-batch`: parses, runs one job, says what came of it.

Exit code 0 when every image was answered, 3 when some could not be read, 1 when the job failed, 2 for wrong use.
"""

import os
import signal
import sys
from enum import StrEnum
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any

import typer

from batch.engines import EngineName
from batch.kinds import Format

if TYPE_CHECKING:
    from batch.job import Outcome
    from batch.options import Options

os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
"""Arrow's own allocator keeps what was freed: a job's memory grew with its images. Arrow reads this at its import."""

SOME_UNREADABLE = 3
PEM: dict[str, Any] = {"metavar": "FILE", "exists": True, "dir_okay": False}

app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


class PrecisionName(StrEnum):
    """Variants of a package; none is chosen by measuring, so that every run computes the same."""

    FP32 = "fp32"
    FP16 = "fp16"
    INT8 = "int8"


class DeviceName(StrEnum):
    """Where the local and the Ray engine compute."""

    AUTO = "auto"
    CPU = "cpu"
    CUDA = "cuda"


Source = Annotated[
    str,
    typer.Argument(
        metavar="SOURCE",
        help="Folder, 'glob/**/*.jpg', manifest (.csv, .parquet, .jsonl), .tar or .zip; here, on s3:// or gs://.",
    ),
]
Output = Annotated[str, typer.Option(metavar="DIR", help="Folder for the rows; here, on s3:// or gs://.")]
Name = Annotated[str | None, typer.Option(help="Which model; not needed where there is one.")]
Version = Annotated[int | None, typer.Option(min=1, help="Which version of it.")]
Alias = Annotated[str | None, typer.Option(help="Which alias instead of a version, such as canary.")]
Server = Annotated[
    list[str] | None,
    typer.Option(envvar="RECOGNITION_SERVER", metavar="HOST:PORT", help="Where the service is; may be repeated."),
]
Models = Annotated[str, typer.Option(metavar="DIR", help="Model repository, where no server is asked.")]
TrustedKeys = Annotated[
    str | None, typer.Option(metavar="PATH", help="Public keys: only packages that one of them signed are used.")
]
ChosenEngine = Annotated[EngineName | None, typer.Option(help="Default: remote with --server, else local.")]
TopK = Annotated[int, typer.Option(min=1, help="How many labels a row has, best first.")]
ShardSize = Annotated[int, typer.Option(min=1, help="Rows of one part file.")]
Kind = Annotated[
    Format | None,
    typer.Option("--format", help="What the rows are written as. Default: by the ending of DIR, else parquet."),
]
MinConfidence = Annotated[
    float | None, typer.Option(min=0.0, max=1.0, help="Below it: unknown. Default: the model's own threshold.")
]
Embeddings = Annotated[bool, typer.Option("--embeddings", help="A column with the vector of each image.")]
Timings = Annotated[bool, typer.Option("--timings", help="A column decode_ms, which differs from run to run.")]
Precision = Annotated[PrecisionName, typer.Option(help="Variant of the package.")]
Device = Annotated[DeviceName, typer.Option(help="Where the engines local and ray compute.")]
Workers = Annotated[
    int | None, typer.Option(min=1, help="Processes, requests or actors at a time. Default: what the machine has.")
]
BatchSize = Annotated[int, typer.Option(min=1, max=1024, help="Images that are computed together.")]
MaxBytes = Annotated[int, typer.Option(min=1, metavar="BYTES", help="Larger images are not read.")]
PathColumn = Annotated[str | None, typer.Option(metavar="NAME", help="Of a manifest.")]
IdColumn = Annotated[str | None, typer.Option(metavar="NAME", help="Of a manifest.")]
Shares = Annotated[int, typer.Option(min=1, help="Into how many commands the job is divided.")]
ShareIndex = Annotated[
    int | None, typer.Option(min=0, envvar="JOB_COMPLETION_INDEX", help="Which of them this is, from 0.")
]
Patience = Annotated[float, typer.Option(min=0.0, metavar="SECONDS", help="How long a server may be away.")]
RayAddress = Annotated[str | None, typer.Option(help="Of a Ray cluster. Default: RAY_ADDRESS, else one is started.")]
Token = Annotated[
    str,
    typer.Option(envvar="RECOGNITION_TOKEN", show_envvar=True, help="For servers that want one; see `recognition`."),
]
TokenFile = Annotated[Path | None, typer.Option(help="The token alone in a file, such as a mounted secret.", **PEM)]
Tls = Annotated[bool, typer.Option("--tls", envvar="RECOGNITION_TLS", help="The servers speak TLS.")]
RootCertificates = Annotated[
    Path | None, typer.Option(envvar="RECOGNITION_ROOT_CERTIFICATES", help="Their authority, as PEM.", **PEM)
]
ClientCertificate = Annotated[
    Path | None, typer.Option(envvar="RECOGNITION_CLIENT_CERTIFICATE", help="Shown to the servers, as PEM.", **PEM)
]
ClientKey = Annotated[
    Path | None, typer.Option(envvar="RECOGNITION_CLIENT_KEY", help="The key of that certificate, as PEM.", **PEM)
]
Restart = Annotated[bool, typer.Option("--restart", help="Throw away what was written and begin anew.")]
Json = Annotated[bool, typer.Option("--json", help="The summary as one JSON object.")]


@app.command(epilog="Example: recognition-batch photos/ --output labels.parquet --models var/models")
def batch(
    source: Source,
    output: Output,
    model: Name = None,
    version: Version = None,
    alias: Alias = None,
    server: Server = None,
    models: Models = "var/models",
    trusted_keys: TrustedKeys = None,
    engine: ChosenEngine = None,
    top_k: TopK = 5,
    shard_size: ShardSize = 10_000,
    format: Kind = None,  # noqa: A002 - named after its option
    min_confidence: MinConfidence = None,
    embeddings: Embeddings = False,
    timings: Timings = False,
    precision: Precision = PrecisionName.FP32,
    device: Device = DeviceName.AUTO,
    workers: Workers = None,
    batch_size: BatchSize = 16,
    max_image_bytes: MaxBytes = 10 * 2**20,
    path_column: PathColumn = None,
    id_column: IdColumn = None,
    shares: Shares = 1,
    share: ShareIndex = None,
    patience: Patience = 300.0,
    ray_address: RayAddress = None,
    token: Token = "",
    token_file: TokenFile = None,
    tls: Tls = False,
    root_certificates: RootCertificates = None,
    client_certificate: ClientCertificate = None,
    client_key: ClientKey = None,
    restart: Restart = False,
    as_json: Json = False,
) -> None:
    """Classifies any number of images: one row for each, once, whatever happens; run it again and it goes on."""
    _do(dict(locals()))


def _do(given: dict[str, Any]) -> None:
    """Raises typer.Exit and typer.BadParameter, which typer makes exit codes of."""
    from batch.options import Options, OptionsInvalid

    options = Options(**given)
    try:
        outcome = _run(options)
    except OptionsInvalid as error:
        raise typer.BadParameter(str(error)) from error
    except KeyboardInterrupt as error:
        typer.echo("stopped: finished shards are kept; run the same command again to go on", err=True)
        raise typer.Exit(1) from error
    _report(outcome, as_json=options.as_json)
    if (outcome.errors if outcome.summary is None else outcome.summary.errors) > 0:
        raise typer.Exit(SOME_UNREADABLE)


def _run(options: "Options") -> "Outcome":
    from rich.console import Console

    from batch.engines.build import build_engine
    from batch.job import Job
    from batch.store import open_store

    settings, engine_settings = options.job_settings, options.engine_settings
    store = open_store(options.output)
    return Job(settings, build_engine(engine_settings), store, Console(stderr=True)).run()


def _report(outcome: "Outcome", *, as_json: bool) -> None:
    summary = outcome.summary
    if summary is None:
        typer.echo(f"{outcome.shards_done} shards written; other shares of the job are still to come", err=True)
    elif as_json:
        typer.echo(summary.to_json())
    else:
        typer.echo("\n".join(summary.lines()))


def main() -> None:
    """A stop by signal is no error of ours, but the job is not done: exit code 1."""
    from batch.errors import BatchError
    from batch.sources.location import storage_error

    def stop(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, stop)
    try:
        app(prog_name="recognition-batch", standalone_mode=True)
    except BatchError as error:
        typer.echo(f"error: {error}", err=True)
        sys.exit(1)
    except Exception as error:
        known = error if isinstance(error, OSError) else storage_error(error)
        if known is None:
            raise
        typer.echo(f"error: {known.filename or 'storage'}: {known.strerror or known}", err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
