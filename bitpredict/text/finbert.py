"""FinBERT (Araci, 2019), or any BERT with its three classes, through ONNX Runtime and `tokenizers`: no torch.

A folder holds `model.onnx`, `tokenizer.json` and `config.json` in the form in which the hub's ONNX exports have them.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bitpredict.errors import ModelError
from bitpredict.text.model import CLASSES, Bools, Floats, Sentiments, from_probabilities, readable

if TYPE_CHECKING:
    from onnxruntime import InferenceSession
    from tokenizers import Encoding, Tokenizer

NETWORK, TOKENS, CONFIG = "model.onnx", "tokenizer.json", "config.json"
FILES = (NETWORK, TOKENS, CONFIG)
ORIGIN = "origin.json"
"""Where downloaded files came from and their SHA-256; a folder of the user's own needs none."""

_AT_ONCE = 32
_LONGEST = 512
"""Tokens that BERT was trained to read; a config may allow fewer."""


class FinBert:
    """The network of a folder.

    Raises:
        ModelError: a file is missing, or the network's classes are not negative, neutral and positive.
    """

    name = "finbert"

    def __init__(self, folder: Path) -> None:
        if absent := [name for name in FILES if not (folder / name).is_file()]:
            raise ModelError(f"no {', '.join(absent)} in {folder}; `bitpredict sentiment download` fetches them")
        self._folder = folder
        config = _read_config(folder / CONFIG)
        self._order = _class_order(folder / CONFIG, config)
        self._longest = min(int(config.get("max_position_embeddings", _LONGEST)), _LONGEST)

    @cached_property
    def version(self) -> str:
        """Named by the files' content.

        Raises:
            ModelError: the files were downloaded and are others by now.
        """
        digests = {name: _sha256(self._folder / name) for name in FILES}
        origin = self._folder / ORIGIN
        if origin.is_file() and _read_config(origin).get("sha256") != digests:
            raise ModelError(f"{self._folder} is not what was downloaded; `bitpredict sentiment download` it again")
        return f"finbert-{hashlib.sha256(''.join(digests.values()).encode()).hexdigest()[:12]}"

    def score(self, texts: Sequence[str]) -> Sentiments:
        """What each text says.

        Raises:
            ModelError: the files cannot be loaded, or the network does not take or give what FinBERT does.
        """
        parts = [self._probabilities(texts[start : start + _AT_ONCE]) for start in range(0, len(texts), _AT_ONCE)]
        probabilities = np.concatenate([np.empty((0, len(CLASSES))), *(part for part, _ in parts)])
        found = np.concatenate([np.empty(0, np.bool_), *(known for _, known in parts)])
        return from_probabilities(self.name, self.version, probabilities, found)

    def _probabilities(self, texts: Sequence[str]) -> tuple[Floats, Bools]:
        from onnxruntime.capi import onnxruntime_pybind11_state as errors

        encoded = self._tokenizer.encode_batch([readable(text) for text in texts])
        try:
            logits = np.asarray(self._session.run(None, self._inputs(encoded))[0], np.float64)
        except (errors.Fail, errors.InvalidArgument, errors.RuntimeException) as error:
            raise ModelError(f"{self._folder / NETWORK} does not read as BERT does ({error}); fetch another") from error
        if logits.shape != (len(texts), len(CLASSES)) or not np.isfinite(logits).all():
            raise ModelError(f"{self._folder / NETWORK} answers {logits.shape}, not 3 numbers a text; fetch another")
        powers = np.exp(logits - logits.max(axis=1, keepdims=True))[:, self._order]
        return powers / powers.sum(axis=1, keepdims=True), np.array([self._has_words(each) for each in encoded])

    def _inputs(self, encoded: "Sequence[Encoding]") -> dict[str, np.ndarray[Any, np.dtype[np.int64]]]:
        offered = {
            "input_ids": [each.ids for each in encoded],
            "attention_mask": [each.attention_mask for each in encoded],
            "token_type_ids": [each.type_ids for each in encoded],
        }
        wanted = [each.name for each in self._session.get_inputs()]
        return {name: np.array(offered[name], np.int64) for name in wanted if name in offered}

    def _has_words(self, encoding: "Encoding") -> bool:
        """Whether a token is neither one of BERT's own nor an unknown word."""
        tokens = zip(encoding.tokens, encoding.special_tokens_mask, strict=True)
        return any(not special and token != "[UNK]" for token, special in tokens)  # noqa: S105 no password

    @cached_property
    def _tokenizer(self) -> "Tokenizer":
        from tokenizers import Tokenizer

        path = self._folder / TOKENS
        try:
            tokenizer = Tokenizer.from_file(str(path))
        except Exception as error:
            raise ModelError(f"{path} cannot be loaded ({error}); fetch it again") from error
        tokenizer.enable_truncation(self._longest)
        tokenizer.enable_padding()
        return tokenizer

    @cached_property
    def _session(self) -> "InferenceSession":
        import onnxruntime
        from onnxruntime.capi import onnxruntime_pybind11_state as errors

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1  # the last bits do not depend on the machine
        path = str(self._folder / NETWORK)
        try:
            return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        except (errors.Fail, errors.InvalidGraph, errors.InvalidProtobuf, errors.NotImplemented) as error:
            raise ModelError(f"{path} cannot be loaded ({error}); fetch it again or update onnxruntime") from error


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _read_config(path: Path) -> Mapping[str, Any]:
    try:
        config = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise ModelError(f"{path} cannot be read ({why}); fetch it again") from error
    if not isinstance(config, dict):
        raise ModelError(f"{path} holds no settings; fetch it again")
    return config


def _class_order(path: Path, config: Mapping[str, Any]) -> list[int]:
    """The network's own places of negative, neutral and positive."""
    labels = config.get("id2label")
    places = {str(name).lower(): place for place, name in labels.items()} if isinstance(labels, dict) else {}
    if sorted(places) != sorted(CLASSES) or sorted(places.values()) != ["0", "1", "2"]:
        raise ModelError(f"{path} names the classes {labels}, not negative, neutral and positive; choose another model")
    return [int(places[name]) for name in CLASSES]
