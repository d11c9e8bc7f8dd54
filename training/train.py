"""The training loop: a fixed number of tokens, the same documents for the same seed, resumable.

``python -m training.train --folder build/model`` trains the base model; it is safe to kill and start
again, the last checkpoint is picked up. Muon for the hidden matrices, AdamW for embeddings and norms.
"""

from __future__ import annotations

import argparse
import math
import os
import random
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from dynasor.models import formats
from training.documents import IGNORED, Batch, Document, DocumentWriter, batches, draw_document
from training.model import Llama, Shape
from training.tokenizer import load_tokenizer, train_tokenizer

TOTAL_TOKENS = 14_000_000
TOKENS_PER_STEP = 8192
DOCUMENTS_PER_ROUND = 1500
WARM_UP_STEPS = 150
MUON_RATE = 0.02
ADAM_RATE = 2e-3
FINAL_RATE = 0.02
SEED = 7


@dataclass(slots=True)
class Progress:
    """How far the training is; saved with the weights. ``round`` seeds the next documents."""

    tokens: int = 0
    steps: int = 0
    round: int = 0
    seconds: float = 0.0


class Trainer:
    """One model, its optimisers and its place in the training."""

    def __init__(
        self, model: Llama, device: str, *, muon_rate: float = MUON_RATE, adam_rate: float = ADAM_RATE
    ) -> None:
        self.model = model.to(device)
        self.device = device
        embeddings = model.model.embed_tokens.weight
        matrices = [p for p in model.parameters() if p.dim() == 2 and p is not embeddings]
        others = [embeddings] + [p for p in model.parameters() if p.dim() < 2]
        self.muon = torch.optim.Muon(matrices, lr=muon_rate, weight_decay=0.1, momentum=0.95)
        self.adam = torch.optim.AdamW(others, lr=adam_rate, betas=(0.9, 0.98), weight_decay=0.0)
        self.rates = [(self.muon, muon_rate), (self.adam, adam_rate)]
        self.loss = torch.compile(self._loss, dynamic=True)

    def _loss(self, ids: Tensor, positions: Tensor, visible: Tensor, targets: Tensor) -> Tensor:
        with torch.autocast(self.device, torch.bfloat16):
            logits = self.model(ids, positions, visible)
        return F.cross_entropy(logits.float().flatten(0, 1), targets.flatten(), ignore_index=IGNORED)

    def step(self, batch: Batch, rate: float) -> float:
        """One update at ``rate`` times the full learning rates; returns the loss before it."""
        for optimiser, full_rate in self.rates:
            optimiser.param_groups[0]["lr"] = full_rate * rate
        parts = (t.to(self.device) for t in (batch.ids, batch.positions, batch.visible, batch.targets))
        loss = self.loss(*parts)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.muon.step()
        self.adam.step()
        self.model.zero_grad(set_to_none=True)
        return float(loss.item())

    def save(self, path: Path, progress: Progress) -> None:
        state = {
            "shape": asdict(self.model.shape),
            "model": self.model.state_dict(),
            "muon": self.muon.state_dict(),
            "adam": self.adam.state_dict(),
            "progress": asdict(progress),
        }
        partial = path.with_suffix(".partial")
        torch.save(state, partial)
        os.replace(partial, path)

    def load(self, path: Path) -> Progress:
        state = torch.load(path, map_location=self.device, weights_only=True)
        self.model.load_state_dict(state["model"])
        self.muon.load_state_dict(state["muon"])
        self.adam.load_state_dict(state["adam"])
        return Progress(**state["progress"])


def load_model(path: Path) -> Llama:
    state = torch.load(path, map_location="cpu", weights_only=True)
    model = Llama(Shape(**state["shape"]))
    model.load_state_dict(state["model"])
    return model


def learning_rate(step: int, done: float) -> float:
    """Linear warm-up, then half a cosine down to ``FINAL_RATE``; a factor in (0, 1]."""
    cosine = 0.5 * (1 + math.cos(math.pi * min(1.0, done)))
    return min(1.0, (step + 1) / WARM_UP_STEPS) * (FINAL_RATE + (1 - FINAL_RATE) * cosine)


def device() -> str:
    return "cuda" if torch.cuda.is_available() else "cpu"


def documents_of_round(writer: DocumentWriter, progress: Progress, total: int) -> list[Document]:
    rng = random.Random(f"{SEED}-{progress.round}")
    return [draw_document(writer, progress.tokens / total, rng) for _ in range(DOCUMENTS_PER_ROUND)]


def rounds(writer: DocumentWriter, progress: Progress, total: int, pad: int) -> Iterator[list[Batch]]:
    while progress.tokens < total:
        documents = documents_of_round(writer, progress, total)
        per_step = TOKENS_PER_STEP // 2 if progress.tokens < 0.4 * total else TOKENS_PER_STEP
        yield list(batches(documents, per_step, pad, random.Random(f"order-{SEED}-{progress.round}")))


def train_base(folder: Path, total: int) -> None:
    """Train from random weights (or the checkpoint in ``folder``) for ``total`` tokens."""
    checkpoint = folder / "base.pt"
    if not (folder / "tokenizer.json").exists():
        train_tokenizer(folder)
    tokenizer = load_tokenizer(folder)
    pad = tokenizer.token_to_id(formats.PAD)
    torch.manual_seed(SEED)
    trainer = Trainer(Llama(Shape(tokenizer.get_vocab_size())), device())
    progress = trainer.load(checkpoint) if checkpoint.exists() else Progress()
    print(
        f"{trainer.model.num_parameters():,} parameters on {trainer.device}, from token {progress.tokens:,}", flush=True
    )
    for batch_list in rounds(DocumentWriter(tokenizer), progress, total, pad):
        began, tokens, losses = time.monotonic(), progress.tokens, 0.0
        for batch in batch_list:
            losses += trainer.step(batch, learning_rate(progress.steps, progress.tokens / total))
            progress.tokens += batch.ids.numel()
            progress.steps += 1
        progress.round += 1
        seconds = time.monotonic() - began
        progress.seconds += seconds
        print(
            f"{progress.tokens / 1e6:6.2f} of {total / 1e6:.1f} M tokens, step {progress.steps}, "
            f"loss {losses / len(batch_list):.4f}, {(progress.tokens - tokens) / seconds:,.0f} tokens/s, "
            f"{progress.seconds / 60:.1f} min",
            flush=True,
        )
        trainer.save(checkpoint, progress)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path("build/model"))
    parser.add_argument("--tokens", type=int, default=TOTAL_TOKENS)
    parser.add_argument("--threads", type=int, help="CPU threads (default: as many as there are cores)")
    arguments = parser.parse_args()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    train_base(arguments.folder, arguments.tokens)


if __name__ == "__main__":
    main()
