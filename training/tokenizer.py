"""The tokenizer: byte-level BPE over the problems' own text, digits one by one.

The pre-tokenizer is the one llama.cpp knows as ``smollm``, so the same ids come out of both formats.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers

from dynasor.models import formats
from training.chains import long_chain, short_chain
from training.curriculum import SIZES
from training.problems import draw_problem

VOCABULARY_SIZE = 448
MAX_LENGTH = 2048
SPECIAL = (formats.PAD, formats.BEGIN, formats.END, formats.USER, formats.ASSISTANT, formats.JUDGE)


def train_tokenizer(folder: Path, num_chains: int = 12_000) -> Tokenizer:
    """Learn the merges and write ``tokenizer.json`` and ``tokenizer_config.json``."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY_SIZE - 2,
        special_tokens=list(SPECIAL),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        min_frequency=2,
        show_progress=False,
    )
    tokenizer.train_from_iterator(_texts(num_chains), trainer)
    tokenizer.add_tokens(
        [AddedToken(tag, normalized=False, special=False) for tag in (formats.THINK, formats.END_THINK)]
    )
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": formats.BEGIN,
        "eos_token": formats.END,
        "pad_token": formats.PAD,
        "model_max_length": MAX_LENGTH,
        "clean_up_tokenization_spaces": False,
        "add_bos_token": False,
        "chat_template": formats.CHAT_TEMPLATE,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=1) + "\n")
    return tokenizer


def load_tokenizer(folder: Path) -> Tokenizer:
    return Tokenizer.from_file(str(folder / "tokenizer.json"))


def _texts(num_chains: int) -> Iterator[str]:
    rng = random.Random("tokenizer")
    for _ in range(num_chains):
        problem = draw_problem(rng.choice(SIZES), "train", rng)
        chain = (long_chain(problem, rng) if rng.random() < 0.4 else None) or short_chain(problem, rng)
        yield problem.question
        yield chain.text
        yield f"\n\n{formats.ANSWER_PREFIX}{problem.answer}}}"
