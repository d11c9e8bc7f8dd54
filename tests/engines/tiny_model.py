"""A random Llama that takes a second to build, as a GGUF file and as a Hugging Face folder: the same weights.

It writes endless printable nonsense: the output rows of all other tokens, the end token too, are zero, so
a generation runs until ``max_tokens`` unless it is stopped. That is what tests of an engine need. Its tokenizer
puts the begin token before every text, and its chat template does too, as with many models in the wild.
"""

from __future__ import annotations

import json
import random
import struct
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from dynasor.models.formats import ASSISTANT, BEGIN, CHAT_TEMPLATE, END, PAD, USER

SPECIAL = (PAD, BEGIN, END, USER, ASSISTANT)
MERGES = (("t", "h"), ("th", "e"))
HIDDEN, INTERMEDIATE, LAYERS, HEADS, CONTEXT = 128, 256, 2, 4, 8192
HEAD = HIDDEN // HEADS
EPSILON, ROPE_BASE = 1e-5, 10000.0


@dataclass(frozen=True, slots=True)
class Tensor:
    shape: tuple[int, ...]
    values: array[float]

    def rotary_rows_interleaved(self) -> Tensor:
        """Rows of a query or key projection in llama.cpp's order: the two halves of each head, interleaved."""
        rows, columns = self.shape
        half = HEAD // 2
        order = [head * HEAD + j * half + i for head in range(rows // HEAD) for i in range(half) for j in (0, 1)]
        values = array("f")
        for row in order:
            values.extend(self.values[row * columns : (row + 1) * columns])
        return Tensor(self.shape, values)


def byte_letters() -> list[str]:
    """The printable letter that stands for each byte in a byte-level BPE vocabulary (GPT-2's table)."""
    plain = {*range(33, 127), *range(161, 173), *range(174, 256)}
    others = iter(range(256, 512))
    return [chr(byte) if byte in plain else chr(next(others)) for byte in range(256)]


def vocabulary() -> list[str]:
    return [*SPECIAL, *byte_letters(), *("".join(pair) for pair in MERGES)]


def random_weights(seed: int = 0) -> dict[str, Tensor]:
    """All tensors under their Hugging Face names."""
    draw = random.Random(seed)

    def matrix(rows: int, columns: int, deviation: float) -> Tensor:
        return Tensor((rows, columns), array("f", (draw.gauss(0, deviation) for _ in range(rows * columns))))

    def ones() -> Tensor:
        return Tensor((HIDDEN,), array("f", [1.0] * HIDDEN))

    num_tokens = len(vocabulary())
    weights = {
        "model.embed_tokens.weight": matrix(num_tokens, HIDDEN, 1.0),
        "model.norm.weight": ones(),
        "lm_head.weight": speaking_rows_only(matrix(num_tokens, HIDDEN, 0.35)),
    }
    inner, outer = HIDDEN**-0.5, INTERMEDIATE**-0.5
    for layer in range(LAYERS):
        prefix = f"model.layers.{layer}."
        weights[prefix + "input_layernorm.weight"] = ones()
        weights[prefix + "post_attention_layernorm.weight"] = ones()
        for name in ("q_proj", "k_proj", "v_proj", "o_proj"):
            weights[f"{prefix}self_attn.{name}.weight"] = matrix(HIDDEN, HIDDEN, inner)
        for name in ("gate_proj", "up_proj"):
            weights[f"{prefix}mlp.{name}.weight"] = matrix(INTERMEDIATE, HIDDEN, inner)
        weights[prefix + "mlp.down_proj.weight"] = matrix(HIDDEN, INTERMEDIATE, outer)
    return weights


def speaking_rows_only(head: Tensor) -> Tensor:
    letters = byte_letters()
    speakable = {letters[byte] for byte in range(32, 127)} | {"".join(pair) for pair in MERGES}
    for index, token in enumerate(vocabulary()):
        if token not in speakable:
            head.values[index * HIDDEN : (index + 1) * HIDDEN] = array("f", [0.0] * HIDDEN)
    return head


def write_gguf(path: Path, weights: Mapping[str, Tensor]) -> Path:
    tokens = vocabulary()
    metadata: dict[str, Any] = {
        "general.architecture": "llama",
        "general.name": path.stem,
        "llama.context_length": CONTEXT,
        "llama.embedding_length": HIDDEN,
        "llama.block_count": LAYERS,
        "llama.feed_forward_length": INTERMEDIATE,
        "llama.attention.head_count": HEADS,
        "llama.attention.head_count_kv": HEADS,
        "llama.attention.layer_norm_rms_epsilon": EPSILON,
        "llama.rope.freq_base": ROPE_BASE,
        "llama.rope.dimension_count": HEAD,
        "llama.vocab_size": len(tokens),
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": "smollm",
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.token_type": [3 if token in SPECIAL else 1 for token in tokens],
        "tokenizer.ggml.merges": [" ".join(pair) for pair in MERGES],
        "tokenizer.ggml.bos_token_id": SPECIAL.index(BEGIN),
        "tokenizer.ggml.eos_token_id": SPECIAL.index(END),
        "tokenizer.ggml.padding_token_id": SPECIAL.index(PAD),
        "tokenizer.ggml.add_bos_token": True,
        "tokenizer.chat_template": CHAT_TEMPLATE,
    }
    tensors = {
        gguf_name(name): tensor.rotary_rows_interleaved() if "q_proj" in name or "k_proj" in name else tensor
        for name, tensor in weights.items()
    }
    with path.open("wb") as file:
        file.write(b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(metadata)))
        for key, value in metadata.items():
            file.write(gguf_string(key) + gguf_value(value))
        offset = 0
        for name, tensor in tensors.items():
            dimensions = tensor.shape[::-1]
            file.write(gguf_string(name) + struct.pack("<I", len(dimensions)))
            file.write(struct.pack(f"<{len(dimensions)}QIQ", *dimensions, 0, offset))
            offset += padded(4 * len(tensor.values))
        for tensor in tensors.values():
            pad(file)
            file.write(tensor.values.tobytes())
    return path


GGUF_NAMES = {
    "model.embed_tokens": "token_embd",
    "model.norm": "output_norm",
    "lm_head": "output",
    "model.layers.": "blk.",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}


def gguf_name(name: str) -> str:
    for theirs, ours in GGUF_NAMES.items():
        name = name.replace(theirs, ours)
    return name


def gguf_string(text: str) -> bytes:
    data = text.encode()
    return struct.pack("<Q", len(data)) + data


def gguf_value(value: Any) -> bytes:
    match value:
        case bool():
            return struct.pack("<I?", 7, value)
        case int():
            return struct.pack("<II", 4, value)
        case float():
            return struct.pack("<If", 6, value)
        case str():
            return struct.pack("<I", 8) + gguf_string(value)
        case [str(), *_]:
            return struct.pack("<IIQ", 9, 8, len(value)) + b"".join(map(gguf_string, value))
        case [int(), *_]:
            return struct.pack(f"<IIQ{len(value)}i", 9, 5, len(value), *value)
    raise TypeError(f"no GGUF form for {value!r}")


def padded(size: int, alignment: int = 32) -> int:
    return -(-size // alignment) * alignment


def pad(file: BinaryIO) -> None:
    file.write(bytes(padded(file.tell()) - file.tell()))


def write_huggingface(folder: Path, weights: Mapping[str, Tensor]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    tokens = vocabulary()
    write_safetensors(folder / "model.safetensors", weights)
    config = {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_act": "silu",
        "attention_bias": False,
        "mlp_bias": False,
        "tie_word_embeddings": False,
        "torch_dtype": "float32",
        "vocab_size": len(tokens),
        "hidden_size": HIDDEN,
        "intermediate_size": INTERMEDIATE,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": HEADS,
        "num_key_value_heads": HEADS,
        "head_dim": HEAD,
        "max_position_embeddings": CONTEXT,
        "rope_theta": ROPE_BASE,
        "rms_norm_eps": EPSILON,
        "bos_token_id": SPECIAL.index(BEGIN),
        "eos_token_id": SPECIAL.index(END),
        "pad_token_id": SPECIAL.index(PAD),
    }
    tokenizer_config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": BEGIN,
        "eos_token": END,
        "pad_token": PAD,
        "clean_up_tokenization_spaces": False,
        "chat_template": CHAT_TEMPLATE,
    }
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "tokenizer_config.json").write_text(json.dumps(tokenizer_config))
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer(tokens)))
    return folder


def tokenizer(tokens: Sequence[str]) -> dict[str, Any]:
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    begin = {"SpecialToken": {"id": BEGIN, "type_id": 0}}
    return {
        "version": "1.0",
        "added_tokens": [{"id": index, "content": token, **flags} for index, token in enumerate(SPECIAL)],
        "pre_tokenizer": byte_level,
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [begin, {"Sequence": {"id": "A", "type_id": 0}}],
            "pair": [begin, {"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
            "special_tokens": {BEGIN: {"id": BEGIN, "ids": [SPECIAL.index(BEGIN)], "tokens": [BEGIN]}},
        },
        "decoder": byte_level,
        "model": {
            "type": "BPE",
            "vocab": {token: index for index, token in enumerate(tokens)},
            "merges": [list(pair) for pair in MERGES],
        },
    }


def write_safetensors(path: Path, weights: Mapping[str, Tensor]) -> None:
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    offset = 0
    for name, tensor in weights.items():
        size = 4 * len(tensor.values)
        header[name] = {"dtype": "F32", "shape": list(tensor.shape), "data_offsets": [offset, offset + size]}
        offset += size
    text = json.dumps(header).encode()
    data = b"".join(tensor.values.tobytes() for tensor in weights.values())
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)
