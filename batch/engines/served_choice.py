"""Which model of which servers, and how they are reached: what the remote engine is told."""

from dataclasses import dataclass, field
from pathlib import Path

from recognition_client import ModelInfo, RecognitionClient

from batch.plan import Model

TIMEOUT_SECONDS = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedChoice:
    """Which model of which servers."""

    servers: tuple[str, ...]
    name: str | None = None
    version: int | None = None
    alias: str | None = None
    patience_seconds: float = 300.0
    """How long nothing of a chunk may be answered before the job gives up."""
    token: str | None = field(default=None, repr=False)
    tls: bool = False
    root_certificates: Path | None = None
    client_certificate: tuple[Path, Path] | None = None

    def client(self, server: str) -> RecognitionClient:
        """Of one of the servers; nothing is connected yet."""
        return RecognitionClient(
            server,
            timeout_seconds=TIMEOUT_SECONDS,
            token=self.token,
            tls=self.tls,
            root_certificates=self.root_certificates,
            client_certificate=self.client_certificate,
        )


def model_of(info: ModelInfo) -> Model:
    return Model(
        name=info.name,
        version=info.version,
        digest=info.digest,
        precision=info.precision,
        provider=info.provider,
        labels=info.labels,
        embedding_size=info.embedding_size,
    )
