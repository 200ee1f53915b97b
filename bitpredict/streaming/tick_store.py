"""Tick models: one JSON file a version. Which of them serves is the registry's to say."""

from pathlib import Path

import msgspec

from bitpredict.errors import ModelError, StorageError
from bitpredict.files import replace_file
from bitpredict.settings import Settings
from bitpredict.streaming.tick_models import TickModel

_DECODER = msgspec.json.Decoder(TickModel)


def read_tick_model(path: Path) -> TickModel:
    """Read a version's file, wherever it lies. Raises ModelError: it is not there or damaged."""
    try:
        return _DECODER.decode(path.read_bytes())
    except (OSError, msgspec.DecodeError) as error:
        raise ModelError(f"the tick model {path} cannot be read ({error}); materialize tick_models again") from error


class TickModelStore:
    """Versions below one folder: `<version>.json`.

    Files appear whole. A version that is there never changes.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    @classmethod
    def from_settings(cls, settings: Settings) -> "TickModelStore":
        return cls(settings.models / "ticks")

    def save(self, model: TickModel) -> Path:
        """Store a version and return its file. Raises StorageError: the folder cannot be written."""
        path = self.file(model.version)
        if not path.exists():
            self._place(path, msgspec.json.format(msgspec.json.encode(model), indent=2))
        return path

    def load(self, version: str) -> TickModel:
        """Read a version. Raises ModelError: it is not there or damaged."""
        return read_tick_model(self.file(version))

    def file(self, version: str) -> Path:
        """Where a version is, or would be."""
        return self.root / f"{version}.json"

    def _place(self, path: Path, content: bytes) -> None:
        try:
            replace_file(path, content, flushed=True)
        except OSError as error:
            raise StorageError(f"{path} cannot be written: {error}; free space or check its permissions") from error
