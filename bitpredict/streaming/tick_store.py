"""Trained tick models: one JSON file a version, and for each symbol the name of the one that serves."""

from pathlib import Path
from uuid import uuid4

import msgspec

from bitpredict.errors import ModelError, StorageError
from bitpredict.forecasting.model_folder import write_flushed
from bitpredict.settings import Settings
from bitpredict.streaming.tick_models import TickModel

_DECODER = msgspec.json.Decoder(TickModel)


class TickModelStore:
    """Versions below one folder: `<version>.json`, and `<symbol>.champion` with the version that serves.

    Files appear whole. A version that is there never changes.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    @classmethod
    def from_settings(cls, settings: Settings) -> "TickModelStore":
        return cls(settings.models / "ticks")

    def save(self, model: TickModel) -> Path:
        """Store a version and return its file. Raises StorageError: the folder cannot be written."""
        path = self._file(model.version)
        if not path.exists():
            self._place(path, msgspec.json.format(msgspec.json.encode(model), indent=2))
        return path

    def load(self, version: str) -> TickModel:
        """Read a version. Raises ModelError: it is not there or damaged."""
        path = self._file(version)
        try:
            return _DECODER.decode(path.read_bytes())
        except (OSError, msgspec.DecodeError) as error:
            raise ModelError(f"tick model {version} cannot be read from {path} ({error}); train it anew") from error

    def serve(self, symbol: str, version: str) -> None:
        """Make a version the one that serves a symbol; an earlier one again is the rollback.

        Raises:
            ModelError: it is not there. StorageError: the folder cannot be written.
        """
        self.load(version)
        self._place(self.root / f"{symbol}.champion", version.encode())

    def champions(self) -> dict[str, str]:
        """Symbol -> the version that serves it."""
        return {path.stem: path.read_text().strip() for path in sorted(self.root.glob("*.champion"))}

    def _file(self, version: str) -> Path:
        return self.root / f"{version}.json"

    def _place(self, path: Path, content: bytes) -> None:
        unfinished = path.with_name(f".{path.name}-{uuid4().hex}")
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            write_flushed(unfinished, content)
            unfinished.replace(path)
        except OSError as error:
            unfinished.unlink(missing_ok=True)
            raise StorageError(f"{path} cannot be written: {error}; free space or check its permissions") from error
