"""The settings of the service: one class that is the reference manual, and where each value came from.

Precedence: command line > `RECOGNITION_*` environment > TOML file > defaults. A key or variable that is not known is an
error that names it, because a setting that is silently ignored is worse than none.
"""

import os
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, ValidationError, model_validator
from pydantic_settings import BaseSettings, EnvSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

from service.engine.decoding import Decoding
from service.engine.providers import Device
from service.event_loop import EventLoop
from service.models.variant import PrecisionChoice

PREFIX = "RECOGNITION_"
OF_OTHER_COMMANDS = frozenset(
    {
        "RECOGNITION_SERVER",
        "RECOGNITION_TOKEN",
        "RECOGNITION_TLS",
        "RECOGNITION_ROOT_CERTIFICATES",
        "RECOGNITION_CLIENT_CERTIFICATE",
        "RECOGNITION_CLIENT_KEY",
    }
)

Port = Annotated[int, Field(ge=0, le=65535)]
Positive = Annotated[int, Field(ge=1)]


class SettingsInvalid(Exception):
    """A setting is unknown or holds a wrong value; the text names it and its origin."""


class Settings(BaseSettings):
    """Everything that can be set, as `--name`, `RECOGNITION_NAME` or in TOML. Names carry their unit."""

    model_config = SettingsConfigDict(
        frozen=True, extra="forbid", use_attribute_docstrings=True, env_prefix=PREFIX, env_ignore_empty=True
    )

    models: Path = Path("var/models")
    """Directory of the model repository, as `recognition-export` publishes it."""
    trusted_keys: Path | None = None
    """File with public keys, or directory of *.pub files: only packages that one of them signed are served."""
    model_control: Literal["none", "explicit"] = "none"
    """explicit lets callers load and unload models of the repository (Open Inference Protocol); none refuses that."""
    reload_seconds: Annotated[float, Field(ge=0, le=86_400)] = 5.0
    """How often the repository is looked at for new versions and moved aliases, which are taken up with no failed
    request; 0 looks on SIGHUP only, and so does model_control = explicit."""
    golden_seconds: Annotated[float, Field(ge=0, le=86_400)] = 60.0
    """How often a golden sample is sent through each live version; one that no longer agrees with training answers no
    more, and the server is not ready. 0 never checks after the load."""
    model_trial: Literal["none", "plain", "all"] = "plain"
    """Which models are first loaded and run once in a process with limits: plain ones, for which nothing vouches, or
    packages too. One that breaks the runtime is refused then. Costs a second or two each."""
    require_all_models: bool = True
    """Whether a refused version stops the start; otherwise the rest is served and that one is listed as failed."""
    host: str = "127.0.0.1"
    """Address that the ports are bound to; 0.0.0.0 for all interfaces, as in a container."""
    grpc_port: Port = 8001
    """Port of the gRPC API; 0 picks a free one and logs it."""
    fast_grpc_port: Port | None = None
    """Port of a second gRPC door for small calls at a high rate, which speaks HTTP/2 itself (service/http2) and costs a
    third of the first's time; 0 picks a free one and logs it. Left out, there is none."""
    http: bool = True
    """Whether the REST API and the playground page are offered over HTTP."""
    http_port: Port = 8000
    """Port of the REST API and the playground; 0 picks a free one and logs it."""
    metrics_port: Port = 8002
    """Port of the Prometheus metrics; 0 picks a free one and logs it."""
    device: Device = Device.AUTO
    """Where models compute: cuda, tensorrt, openvino (or exit with an error), cpu, or auto: CUDA where it is, else
    OpenVINO where its runtime is installed, else the CPU."""
    provider_options: str = ""
    """Options of the execution provider, as NAME=VALUE,NAME=VALUE: gpu_mem_limit=8589934592 for CUDA, NUM_STREAMS=2 for
    OpenVINO. One that the provider does not have stops the start."""
    precision: PrecisionChoice = PrecisionChoice.AUTO
    """Arithmetic of models: fp32, fp16, int8 (a package without it is refused), bf16 (with OpenVINO, of the fp32
    graph), or auto: the fastest when measured at the load that agrees with the golden samples."""
    serve_precisions: Literal["chosen", "all"] = "chosen"
    """all also serves the other variants of each package that agree with its golden samples, to callers that name their
    precision; each costs its load time and its memory."""
    threads: Annotated[int, Field(ge=0)] = 0
    """Threads of one inference on the CPU; 0 means one for each core that the process may use, and one alone for
    networks of at most ten million multiplications an image, in which several would mostly wait for each other."""
    decode_threads: Annotated[int, Field(ge=0)] = 0
    """Threads that decode images; 0 means one for each core that the process may use."""
    decode: Decoding = Decoding.EXACT
    """How JPEG files are decoded: exact, scaled (down, where they are at least twice the size that the model needs) or
    fast (also where they are less than that); the last two change answers a little, see docs/decoding.md."""
    event_loop: EventLoop = EventLoop.AUTO
    """The loop that calls are answered on: uvloop, asyncio, or auto: uvloop where it is installed."""
    decode_isolation: Literal["auto", "thread", "process"] = "auto"
    """Where images are decoded: thread; process: in processes of their own, so that a crash costs one image and no
    more; auto: in threads, but small files that come many together in processes, as most of that decoding is Python."""
    decode_seconds: Annotated[float, Field(gt=0, le=600)] = 5.0
    """What decoding one image may take in a process of its own; in a thread the limits on its size decide."""
    max_batch_size: Annotated[int, Field(ge=1, le=1024)] = 64
    """Most images that are computed together; fewer where larger batches were measured not to pay."""
    max_delay_ms: Annotated[float, Field(ge=0, le=10_000)] = 0.0
    """How long the oldest image waits for company when the model is idle, unless its deadline is near; 0 never waits.
    Above 0 batches are as large as `max_batch_size` says, whether that pays or not."""
    slo_p99_ms: Annotated[float, Field(ge=0, le=60_000)] = 0.0
    """In how long 99 % of the images shall be answered once decoded; batches are kept so small that an image can wait
    for one and be in the next, on all lanes at once. Where batches save nothing, queues decide: at 0.8 of the capacity
    it takes eleven times an image's time at best. 0 sets no such bound."""
    parallel_batches: Annotated[int, Field(ge=0, le=256)] = 0
    """Batches of a model that are computed side by side; 0 means one on a GPU, and on the CPU as many as `threads` says
    or as there are cores. One image alone has all threads (one in a tiny network, where `threads` is 0); many have a
    core each, and after three seconds of that, where memory allows, a second session for it. Models that take less than
    2 ms have one batch while little waits."""
    max_queue_images: Positive = 1024
    """Images that may wait for each model, those of lower priority not counted; beyond that requests are refused with
    QUEUE_FULL."""
    cache_bytes: Annotated[int, Field(ge=0)] = 0
    """Memory for the outputs of images that were answered, found again by the SHA-256 of the file; 0 keeps none."""
    max_queue_bytes: Positive = 2**30
    """Bytes that the tensors waiting for each model may have; beyond that requests are refused with QUEUE_FULL."""
    max_request_images: Positive = 256
    """Most images in one request that takes several."""
    max_image_bytes: Positive = 10 * 2**20
    """Largest image file in bytes."""
    max_image_side: Positive = 8192
    """Longest side of an image in pixels."""
    max_image_pixels: Positive = 24_000_000
    """Most pixels of an image, width × height."""
    tokens: Path | None = None
    """File of tokens (service/api/auth/tokens.py; `token new` writes it). Left out, everybody may call; with it every
    call needs a token of the file, but for the liveness. It is read again when it changes."""
    tls_certificate: Path | None = None
    """PEM file with the certificate of the server and those that lead to its root; turns TLS on, on every port."""
    tls_key: Path | None = None
    """PEM file with the key of that certificate. All files of TLS are read again when they change."""
    tls_client_ca: Path | None = None
    """PEM file with the roots of the clients' certificates; with it the API's ports take no client without one."""
    max_message_bytes: Positive = 64 * 2**20
    """Largest gRPC message or HTTP body in bytes."""
    max_connection_streams: Positive = 4096
    """Calls that one gRPC connection may have open at a time. Those beyond wait at the client, or where it did not know
    in time are refused by gRPC without a reason; so it is well above what the queue takes, which gives reasons."""
    max_metadata_bytes: Annotated[int, Field(ge=1024, le=2**20)] = 16 * 2**10
    """Largest metadata of a gRPC call, or headers of an HTTP request, in bytes."""
    connection_age_seconds: Annotated[float, Field(ge=0)] = 600.0
    """After which a gRPC connection is closed in good order, so that clients spread over new replicas; 0 never."""
    default_deadline_seconds: Annotated[float, Field(gt=0)] = 10.0
    """Deadline of calls that bring none."""
    drain_seconds: Annotated[float, Field(ge=0, le=600)] = 5.0
    """After SIGTERM: how long calls are still taken while the health checks already say NOT_SERVING."""
    grace_seconds: Annotated[float, Field(ge=0, le=600)] = 20.0
    """After that: how long accepted calls may take to finish."""
    traces_endpoint: str = ""
    """OTLP collector that traces are sent to over gRPC, as http://HOST:4317; empty sends none."""
    traces_share: Annotated[float, Field(ge=0, le=1)] = 1.0
    """Share of the calls that are traced, where the caller has not decided."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """Least level that is logged; debug adds a line for every call."""
    log_format: Literal["auto", "json", "text"] = "auto"
    """json, text, or auto: text on a terminal and json elsewhere."""

    @model_validator(mode="after")
    def _check_tls(self) -> Self:
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise ValueError("tls_certificate and tls_key belong together: set both, or none")
        if self.tls_client_ca is not None and self.tls_certificate is None:
            raise ValueError("tls_client_ca asks clients for certificates, which needs tls_certificate and tls_key")
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - the signature is pydantic's
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Only what `read_settings` hands over counts; it asks the other sources itself, to know the origins."""
        return (init_settings,)


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingsWithOrigins:
    """The settings in force, and for each name where its value came from."""

    settings: Settings
    origins: Mapping[str, str]


def read_settings(command_line: Mapping[str, Any], *, file: Path | None = None) -> SettingsWithOrigins:
    """Merges all sources. Values of None on the command line were not given. Raises SettingsInvalid."""
    values: dict[str, Any] = {}
    origins = dict.fromkeys(Settings.model_fields, "default")
    given = {name: value for name, value in command_line.items() if value is not None}
    for origin, found in (
        (f"file {file}", _from_file(file)),
        ("environment", _from_environment()),
        ("command line", given),
    ):
        values.update(found)
        origins.update(dict.fromkeys(found, origin))
    try:
        settings = Settings(**values)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        if not first["loc"]:
            raise SettingsInvalid(first["msg"].removeprefix("Value error, ")) from error
        name = str(first["loc"][0])
        raise SettingsInvalid(f"{name} ({origins.get(name, 'unknown')}): {first['msg']}") from error
    return SettingsWithOrigins(settings=settings, origins=origins)


def _from_file(file: Path | None) -> dict[str, Any]:
    if file is None:
        return {}
    try:
        values = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsInvalid(f"the settings file {file} cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsInvalid(f"the settings file {file} is not TOML: {error}") from error
    _refuse_unknown(set(values), f"the settings file {file}", str)
    return values


def _from_environment() -> dict[str, Any]:
    given = {name.upper() for name in os.environ if name.upper().startswith(PREFIX)} - OF_OTHER_COMMANDS
    _refuse_unknown({name.removeprefix(PREFIX).lower() for name in given}, "the environment", _variable)
    return EnvSettingsSource(Settings)()


def _variable(name: str) -> str:
    return PREFIX + name.upper()


def _refuse_unknown(names: set[str], where: str, spell: Callable[[str], str]) -> None:
    unknown = sorted(names - set(Settings.model_fields))
    if unknown:
        raise SettingsInvalid(
            f"{where} sets {spell(unknown[0])}, which is no setting; `recognition-serve config show` lists them all"
        )
