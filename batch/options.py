"""What the command was given, as one value, and the parts of it that each step needs."""

from dataclasses import dataclass
from pathlib import Path

from batch.engines import EngineName
from batch.engines.build import EngineSettings
from batch.job import JobSettings
from batch.kinds import Format
from batch.plan import Question
from batch.share import Share
from batch.sources.location import Location
from batch.sources.manifest import ManifestColumns


class OptionsInvalid(Exception):
    """Wrong use: the text names the option."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """One field for each option of the command, under its name."""

    source: str
    output: str
    model: str | None
    version: int | None
    alias: str | None
    server: list[str] | None
    models: str
    trusted_keys: str | None
    engine: EngineName | None
    top_k: int
    shard_size: int
    format: Format | None
    min_confidence: float | None
    embeddings: bool
    timings: bool
    precision: str
    device: str
    workers: int | None
    batch_size: int
    max_image_bytes: int
    path_column: str | None
    id_column: str | None
    shares: int
    share: int | None
    patience: float
    ray_address: str | None
    token: str
    token_file: Path | None
    tls: bool
    root_certificates: Path | None
    client_certificate: Path | None
    client_key: Path | None
    restart: bool
    as_json: bool

    @property
    def servers(self) -> tuple[str, ...]:
        return tuple(address.strip() for text in self.server or () for address in text.split(","))

    @property
    def engine_settings(self) -> EngineSettings:
        """Raises OptionsInvalid for options that contradict each other."""
        name = self.engine or (EngineName.REMOTE if self.servers else EngineName.LOCAL)
        if name is EngineName.REMOTE and not self.servers:
            raise OptionsInvalid("--engine remote needs --server HOST:PORT")
        if name is not EngineName.REMOTE and self.servers:
            raise OptionsInvalid(f"--engine {name} asks no server; leave --server out, or choose --engine remote")
        if name is EngineName.REMOTE and self.timings:
            raise OptionsInvalid("--timings is for the engines local and ray: a server times whole requests")
        if odd := [server for server in self.servers if not server or server.startswith(("http:", "https:"))]:
            raise OptionsInvalid(f"--server is HOST:PORT or a target such as dns:///NAME:PORT, and not {odd[0]!r}")
        if self.version is not None and self.alias is not None:
            raise OptionsInvalid("name a --version or an --alias, not both")
        return EngineSettings(
            name=name,
            models=self.models,
            servers=self.servers,
            model=self.model,
            version=self.version,
            alias=self.alias,
            trusted_keys=self.trusted_keys,
            precision=self.precision,
            device=self.device,
            workers=self.workers,
            patience_seconds=self.patience,
            ray_address=self.ray_address,
            token=self._token,
            tls=self.tls,
            root_certificates=self.root_certificates,
            client_certificate=self._client_certificate,
        )

    @property
    def job_settings(self) -> JobSettings:
        """Raises OptionsInvalid for options that contradict each other, SourceInvalid for unknown storage."""
        self._check_output()
        return JobSettings(
            source=self.source,
            question=Question(
                top_k=self.top_k,
                min_confidence=self.min_confidence,
                embeddings=self.embeddings,
                timings=self.timings,
                max_image_bytes=self.max_image_bytes,
                batch_size=self.batch_size,
            ),
            format=self._format,
            shard_size=self.shard_size,
            columns=ManifestColumns(path=self.path_column, id=self.id_column),
            share=self._share,
            restart=self.restart,
        )

    @property
    def _format(self) -> Format:
        """Who writes to `labels.csv` wants CSV."""
        if self.format is not None:
            return self.format
        ending = self.output.rstrip("/").rpartition(".")[2].lower()
        return Format(ending) if ending in set(Format) else Format.PARQUET

    def _check_output(self) -> None:
        """Inside the source, the parts of one run would be images of the next one."""
        source, output = (Location.of(text) for text in (self.source, self.output))
        if source.is_local and output.is_local:
            inside = Path(output.path).resolve().is_relative_to(Path(source.path).resolve())
        else:
            inside = f"{output.url}/".startswith(f"{source.url.rstrip('/')}/")
        if inside:
            raise OptionsInvalid(f"--output {self.output} lies inside the source {self.source}; choose another place")

    @property
    def _token(self) -> str | None:
        if self.token_file is None:
            return self.token or None
        if self.token:
            raise OptionsInvalid("--token-file is given beside --token or RECOGNITION_TOKEN; leave one out")
        try:
            token = self.token_file.read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise OptionsInvalid(f"--token-file {self.token_file} cannot be read as a token: {error}") from error
        if len(token.split()) != 1:
            raise OptionsInvalid(f"--token-file {self.token_file} must hold one token and nothing else")
        return token

    @property
    def _client_certificate(self) -> tuple[Path, Path] | None:
        if (self.client_certificate is None) != (self.client_key is None):
            raise OptionsInvalid("--client-certificate and --client-key belong together")
        return (
            None
            if self.client_certificate is None or self.client_key is None
            else (self.client_certificate, self.client_key)
        )

    @property
    def _share(self) -> Share:
        if self.shares == 1:
            return Share()
        if self.share is None:
            raise OptionsInvalid("--shares needs --share INDEX (on Kubernetes JOB_COMPLETION_INDEX gives it)")
        if self.restart:
            raise OptionsInvalid("--restart would throw away what the other shares wrote; remove the output instead")
        try:
            return Share(index=self.share, of=self.shares)
        except ValueError as error:
            raise OptionsInvalid(f"--share: {error}") from error
