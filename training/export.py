"""Write a trained model in both formats it ships in: a Hugging Face folder and a GGUF file.

``python -m training.export --checkpoint build/model/base.pt --tokenizer build/model --output DIR``
"""

from __future__ import annotations

import argparse
import json
import shutil
from dataclasses import asdict
from pathlib import Path

import gguf
import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file

from dynasor.models import formats
from training.model import Shape
from training.train import load_model

NAME = "dynasor-tiny"
GENERATION = {"do_sample": True, "temperature": 1.0, "top_k": 40, "top_p": 0.95, "min_p": 0.05}
"""How to sample unless told otherwise: llama.cpp's own defaults, written down so that vLLM draws alike."""
Array = NDArray[np.float16] | NDArray[np.float32]


def export(checkpoint: Path, tokenizer_folder: Path, output: Path) -> None:
    """Fill ``output`` with ``hf/`` and ``model.gguf``, weights in 16-bit floats."""
    model = load_model(checkpoint)
    weights = {name: value.detach().to(torch.float16).contiguous() for name, value in model.state_dict().items()}
    _write_hf(weights, model.shape, tokenizer_folder, output / "hf")
    _write_gguf(weights, model.shape, output / "hf", output / "model.gguf")


def _write_hf(weights: dict[str, torch.Tensor], shape: Shape, tokenizer_folder: Path, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    save_file({name: value.clone() for name, value in weights.items()}, folder / "model.safetensors", {"format": "pt"})
    (folder / "model.safetensors").chmod(0o644)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(tokenizer_folder / name, folder / name)
    ids = _token_ids(folder)
    config = shape.hf_config(begin=ids[formats.BEGIN], end=ids[formats.END], pad=ids[formats.PAD])
    _write_json(folder / "config.json", config)
    special = {key: config[key] for key in ("bos_token_id", "eos_token_id", "pad_token_id")}
    _write_json(folder / "generation_config.json", {**special, **GENERATION})


def _write_json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, indent=1) + "\n")


def _token_ids(folder: Path) -> dict[str, int]:
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    ids: dict[str, int] = dict(tokenizer["model"]["vocab"])
    for added in tokenizer["added_tokens"]:
        ids.setdefault(added["content"], added["id"])
    return ids


def _write_gguf(weights: dict[str, torch.Tensor], shape: Shape, hf_folder: Path, path: Path) -> None:
    writer = gguf.GGUFWriter(path, "llama")
    _add_shape(writer, shape)
    _add_tokenizer(writer, hf_folder, shape.vocab_size)
    for name, value in _gguf_tensors(weights, shape).items():
        writer.add_tensor(name, np.ascontiguousarray(value))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _add_shape(writer: gguf.GGUFWriter, shape: Shape) -> None:
    sizes = asdict(shape)
    writer.add_name(NAME)
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_F16)
    writer.add_vocab_size(sizes["vocab_size"])
    writer.add_context_length(sizes["max_position_embeddings"])
    writer.add_embedding_length(sizes["hidden_size"])
    writer.add_feed_forward_length(sizes["intermediate_size"])
    writer.add_block_count(sizes["num_hidden_layers"])
    writer.add_head_count(sizes["num_attention_heads"])
    writer.add_head_count_kv(sizes["num_key_value_heads"])
    writer.add_key_length(sizes["head_dim"])
    writer.add_value_length(sizes["head_dim"])
    writer.add_rope_dimension_count(sizes["head_dim"])
    writer.add_rope_freq_base(sizes["rope_theta"])
    writer.add_layer_norm_rms_eps(sizes["rms_norm_eps"])


def _add_tokenizer(writer: gguf.GGUFWriter, hf_folder: Path, vocab_size: int) -> None:
    tokenizer = json.loads((hf_folder / "tokenizer.json").read_text())
    special = {added["content"]: added["special"] for added in tokenizer["added_tokens"]}
    tokens = sorted(_token_ids(hf_folder), key=_token_ids(hf_folder).__getitem__)
    assert len(tokens) == vocab_size, f"{len(tokens)} tokens in the tokenizer, {vocab_size} in the model"
    kinds = {True: gguf.TokenType.CONTROL, False: gguf.TokenType.USER_DEFINED, None: gguf.TokenType.NORMAL}
    merges = tokenizer["model"]["merges"]
    ids = _token_ids(hf_folder)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list(tokens)
    writer.add_token_types([kinds[special.get(token)] for token in tokens])
    writer.add_token_merges([merge if isinstance(merge, str) else " ".join(merge) for merge in merges])
    writer.add_bos_token_id(ids[formats.BEGIN])
    writer.add_eos_token_id(ids[formats.END])
    writer.add_pad_token_id(ids[formats.PAD])
    writer.add_add_bos_token(False)
    writer.add_chat_template(formats.CHAT_TEMPLATE)


def _gguf_tensors(weights: dict[str, torch.Tensor], shape: Shape) -> dict[str, Array]:
    """The weights under GGUF's names; norms in 32 bits, query and key rows in llama.cpp's rotary order."""
    parts = {
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
    tensors: dict[str, Array] = {
        "token_embd.weight": weights["model.embed_tokens.weight"].numpy(),
        "output_norm.weight": weights["model.norm.weight"].float().numpy(),
    }
    for layer in range(shape.num_hidden_layers):
        for ours, theirs in parts.items():
            value: Array = weights[f"model.layers.{layer}.{ours}.weight"].numpy()
            if "norm" in ours:
                value = value.astype(np.float32)
            elif theirs in ("attn_q", "attn_k"):
                value = _rotary_rows(value, shape.num_attention_heads)
            tensors[f"blk.{layer}.{theirs}.weight"] = value
    return tensors


def _rotary_rows(value: Array, heads: int) -> Array:
    """Hugging Face keeps a head's two rotary halves apart, llama.cpp interleaves them."""
    rows, columns = value.shape
    return value.reshape(heads, 2, rows // heads // 2, columns).swapaxes(1, 2).reshape(rows, columns)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--tokenizer", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    arguments = parser.parse_args()
    export(arguments.checkpoint, arguments.tokenizer, arguments.output)


if __name__ == "__main__":
    main()
