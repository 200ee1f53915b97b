"""A network of FinBERT's form that knows a few words: the same files, inputs and outputs, small enough to be made here.

Each known token adds its own three logits; the sum over the attended tokens is the answer.
"""

import json
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

ORDER = ("positive", "negative", "neutral")
"""FinBERT's own order of the classes."""

WORDS = {"surges": (3.0, 0.0, 0.0), "hacked": (0.0, 4.0, 0.5), "meets": (0.0, 0.0, 2.0), "##s": (0.25, 0.0, 0.0)}
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
VOCABULARY = [*SPECIAL, *WORDS, "bitcoin"]
LONGEST = 16


def build(folder: Path, *, order: tuple[str, ...] = ORDER, outputs: int = 3) -> Path:
    """Write the three files and return the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    onnx.save(_network(outputs), folder / "model.onnx")
    _tokenizer().save(str(folder / "tokenizer.json"))
    config = {"id2label": {str(place): name for place, name in enumerate(order)}, "max_position_embeddings": LONGEST}
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def logits_of(tokens: list[str]) -> np.ndarray:
    """What the network answers to these tokens, in the order of `ORDER`."""
    return np.sum([WORDS.get(token, (0.0, 0.0, 0.0)) for token in tokens], axis=0)


def _tokenizer() -> Tokenizer:
    tokenizer = Tokenizer(models.WordPiece({word: place for place, word in enumerate(VOCABULARY)}, unk_token="[UNK]"))  # noqa: S106
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    ends = [(token, VOCABULARY.index(token)) for token in ("[SEP]", "[CLS]")]
    tokenizer.post_processor = processors.BertProcessing(*ends)
    return tokenizer


def _network(outputs: int) -> onnx.ModelProto:
    table = np.array([WORDS.get(word, (0.0, 0.0, 0.0)) for word in VOCABULARY], np.float32)[:, :outputs]
    names = ("input_ids", "attention_mask", "token_type_ids")
    inputs = [helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "tokens"]) for name in names]
    nodes = [
        helper.make_node("Gather", ["table", "input_ids"], ["embedded"]),
        helper.make_node("Cast", ["attention_mask"], ["mask"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["mask", "last"], ["mask_column"]),
        helper.make_node("Mul", ["embedded", "mask_column"], ["attended"]),
        helper.make_node("ReduceSum", ["attended", "middle"], ["logits"], keepdims=0),
        helper.make_node("Identity", ["token_type_ids"], ["unused"]),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        inputs,
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", outputs])],
        [
            numpy_helper.from_array(table, "table"),
            numpy_helper.from_array(np.array([2], np.int64), "last"),
            numpy_helper.from_array(np.array([1], np.int64), "middle"),
        ],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
