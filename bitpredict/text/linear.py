"""A linear classifier over TF-IDF terms and VADER's opinion, as plain arrays; what trained it is not needed to serve.

Training is `linear_training.py`'s.
"""

import hashlib
import io
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bitpredict.errors import ModelError, StorageError
from bitpredict.files import replace_file
from bitpredict.text.model import CLASSES, Bools, Floats, Sentiments, from_probabilities
from bitpredict.text.terms import SPLITS, Vocabulary
from bitpredict.text.vader import crypto_vader

_FORMAT = b"1"


@dataclass(frozen=True, eq=False)
class Linear:
    """softmax(row · weights + offset); a row is each vocabulary's terms and then VADER's three numbers.

    Attributes:
        vocabularies: one for each way of splitting; k terms together.
        weights: (k + 3, 3) by class.
        offset: (3,).
        opinion: version of the VADER whose opinion is part of the rows.
    """

    vocabularies: tuple[Vocabulary, ...]
    weights: Floats
    offset: Floats
    opinion: str

    name = "linear"

    @cached_property
    def version(self) -> str:
        digest = hashlib.sha256()
        for name, array in sorted(self._arrays().items()):
            digest.update(f"{name} {array.dtype} {array.shape} ".encode() + array.tobytes())
        return f"linear-{digest.hexdigest()[:12]}"

    def score(self, texts: Sequence[str]) -> Sentiments:
        sums, found = self._sums(texts)
        powers = np.exp(sums - sums.max(axis=1, keepdims=True))
        return from_probabilities(self.name, self.version, powers / powers.sum(axis=1, keepdims=True), found)

    def save(self, path: Path) -> None:
        """Write one file, whole or not at all; the same model gives the same bytes.

        Raises:
            StorageError: the folder cannot be written, or the disk is full.
        """
        content = io.BytesIO()
        with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as file:
            for name, array in self._arrays().items():
                with file.open(zipfile.ZipInfo(f"{name}.npy"), "w") as entry:
                    np.lib.format.write_array(entry, array, allow_pickle=False)
        _write(path, content.getvalue())

    def _sums(self, texts: Sequence[str]) -> tuple[Floats, Bools]:
        """(n, 3) what the softmax is taken of, and (n,) where a word was known: pieces of words alone say little."""
        said = crypto_vader().score(texts)
        opinion = opinions(said)
        sums, found = opinion @ self.weights[-opinion.shape[1] :] + self.offset, said.found.copy()
        for row, text in enumerate(texts):
            before = 0
            for vocabulary in self.vocabularies:
                places, weights = vocabulary.row(text)
                sums[row] += weights @ self.weights[before + places]
                before += len(vocabulary.terms)
                if vocabulary.split == "words" and len(places):
                    found[row] = True
        return sums, found

    def _arrays(self) -> dict[str, npt.NDArray[np.generic]]:
        arrays: dict[str, npt.NDArray[np.generic]] = {
            "format": _bytes(_FORMAT),
            "opinion": _bytes(self.opinion.encode()),
            "weights": self.weights,
            "offset": self.offset,
        }
        for vocabulary in self.vocabularies:
            arrays[f"terms_{vocabulary.split}"] = _bytes("\n".join(vocabulary.terms).encode())
            arrays[f"rarity_{vocabulary.split}"] = vocabulary.rarity
        return arrays


def opinions(said: Sentiments) -> Floats:
    """(n, 3) of VADER's sentiments: score, its negative and its positive part."""
    return np.stack([said.score, said.probabilities[:, 0], said.probabilities[:, 2]], axis=1)


def load(path: Path) -> Linear:
    """Read what `save` wrote.

    Raises:
        ModelError: it is not there, is damaged, or was trained on another VADER's opinion.
    """
    if not path.is_file():
        raise ModelError(f"no trained classifier at {path}; `bitpredict sentiment train FILE` makes one")
    try:
        with np.load(path, allow_pickle=False) as stored:
            model = _rebuilt({name: stored[name] for name in stored.files})
    except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise ModelError(f"{path} is damaged ({error!r}); `bitpredict sentiment train FILE` makes another") from error
    if model.opinion != (ours := crypto_vader().version):
        raise ModelError(f"{path} was trained beside {model.opinion}, here is {ours}; train it anew")
    return model


def _rebuilt(arrays: Mapping[str, npt.NDArray[np.generic]]) -> Linear:
    if arrays["format"].tobytes() != _FORMAT:
        raise ValueError(f"format {arrays['format'].tobytes()!r} is not {_FORMAT!r}")
    vocabularies = tuple(
        Vocabulary(
            split,
            tuple(filter(None, arrays[f"terms_{split}"].tobytes().decode().split("\n"))),
            arrays[f"rarity_{split}"].astype(np.float64),
        )
        for split in SPLITS
    )
    weights, offset = arrays["weights"].astype(np.float64), arrays["offset"].astype(np.float64)
    rows = sum(len(vocabulary.terms) for vocabulary in vocabularies) + 3
    fits = weights.shape == (rows, len(CLASSES)) and offset.shape == (len(CLASSES),)
    if not fits or any(len(each.terms) != len(each.rarity) for each in vocabularies):
        raise ValueError(f"weights of shape {weights.shape} for {rows} numbers a text")
    if not (np.isfinite(weights).all() and np.isfinite(offset).all()):
        raise ValueError("weights are not finite")
    return Linear(vocabularies, weights, offset, arrays["opinion"].tobytes().decode())


def _bytes(content: bytes) -> npt.NDArray[np.generic]:
    return np.frombuffer(content, np.uint8)


def _write(path: Path, content: bytes) -> None:
    try:
        replace_file(path, content, flushed=True, mode=0o600)
    except OSError as error:
        raise StorageError(
            f"{path} cannot be written ({error.strerror}); free space or choose another folder"
        ) from error
