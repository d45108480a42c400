"""A model package on disk, and the refusal of one that must not be served."""

from dataclasses import dataclass
from pathlib import Path

from service.models.manifest import Manifest, digest_of
from service.models.onnx_file import OnnxFileInvalid, check_graph

GRAPH_SUFFIX = ".onnx"


class PackageRefused(Exception):
    """The package must not be served; the text names the file and what is wrong with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """One version on disk, its manifest read. `digest` is the SHA-256 of the manifest."""

    path: Path
    manifest: Manifest
    digest: str

    def where(self, file: str) -> str:
        """How messages name a file of the package: its place in the repository."""
        return f"{self.manifest.name}/{self.manifest.version}/{file}"

    def read(self, file: str) -> bytes:
        """The content of a file of the package. Raises PackageRefused where it is not what the manifest says."""
        record = self.manifest.files[file]
        try:
            content = (self.path / file).read_bytes()
        except OSError as error:
            raise PackageRefused(f"{self.where(file)} cannot be read: {error.strerror}") from error
        found = digest_of(content)
        if found != record.sha256:
            raise PackageRefused(
                f"{self.where(file)} was changed after publishing: the manifest says SHA-256 {record.sha256}, "
                f"the file has {found}. Publish the model again."
            )
        if file.endswith(GRAPH_SUFFIX):
            self._check_graph(file, content)
        return content

    def _check_graph(self, file: str, content: bytes) -> None:
        try:
            check_graph(content, packaged=True)
        except OnnxFileInvalid as error:
            raise PackageRefused(f"{self.where(file)} {error}") from error

    def check_files(self) -> None:
        """Raises PackageRefused where any file of the package differs from its digest."""
        for file in self.manifest.files:
            self.read(file)
