"""How many residues a second? Five ways to make batches, one model, one loop, interleaved in one run.

    python benchmarks/throughput.py --quick
    python benchmarks/throughput.py --fasta deeploc_data.fasta --json throughput.json
    python benchmarks/throughput.py --model protbert --device cuda --batch 32

- `aws`: pad to the maximum length, batches of 4, fp32: the published AWS sample.
- `hf_random`: random batches, padded to their longest, fp32: Trainer's default collator.
- `hf_grouped_bf16`: batches of like length, padded, bf16 where the device computes it fast: Trainer's best setting.
- `padded`: protloc's padded batches. `packed`: protloc's packed batches. Both in protloc's precision.

`of limit` is the share of the rate that one dense matrix product reaches on the device, in the arithmetic of the last
three: operations that the real residues need, padding not counted (model FLOPs utilization).

All five run through the same loop without Trainer, which is kind to the first three. Weights are random: they do not
change the speed. Speed counts real residues; padding is not work done. A speed of 0: it did not fit the GPU's memory.
Needs torch, transformers and protloc only.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import BertConfig, EsmConfig, PreTrainedConfig

from protloc.data.batching import as_batch
from protloc.model.classifier import ProteinClassifier
from protloc.model.configuration import ProteinClassifierConfig
from protloc.model.forward import CPU_TOKENS, GPU_TOKENS, Forward
from protloc.model.packed import choose_attention
from protloc.model.precision import autocast, pick_precision

RECIPES = ("aws", "hf_random", "hf_grouped_bf16", "padded", "packed")
CLASSES = 10


def architecture(name: str) -> PreTrainedConfig:
    """A backbone's shape; `small` is what two CPU cores can train."""
    bert = {"vocab_size": 30, "max_position_embeddings": 40_000, "attention_probs_dropout_prob": 0.0,
            "hidden_dropout_prob": 0.0, "pad_token_id": 0}  # fmt: skip
    esm = {"vocab_size": 33, "position_embedding_type": "rotary", "token_dropout": True, "pad_token_id": 1,
           "mask_token_id": 32, "attention_probs_dropout_prob": 0.0, "hidden_dropout_prob": 0.0,
           "emb_layer_norm_before": False}  # fmt: skip
    shapes: dict[str, PreTrainedConfig] = {
        "small": BertConfig(
            hidden_size=320, num_hidden_layers=6, num_attention_heads=20, intermediate_size=1280, **bert
        ),
        "protbert": BertConfig(
            hidden_size=1024, num_hidden_layers=30, num_attention_heads=16, intermediate_size=4096, **bert
        ),
        "esm2_8m": EsmConfig(
            hidden_size=320, num_hidden_layers=6, num_attention_heads=20, intermediate_size=1280, **esm
        ),
        "esm2_650m": EsmConfig(
            hidden_size=1280, num_hidden_layers=33, num_attention_heads=20, intermediate_size=5120, **esm
        ),
    }
    return shapes[name]


def forward_flops(backbone: PreTrainedConfig, lengths: np.ndarray) -> float:
    """Floating-point operations of one forward pass over proteins of `lengths` tokens, without any padding.

    Each token: 2 for each weight of the layers' matrices; and for each token that it attends to, 4 a channel and layer.
    Embeddings, norms and the head are left out.
    """
    weights = 4 * backbone.hidden_size**2 + 2 * backbone.hidden_size * backbone.intermediate_size
    n = lengths.astype(float)
    each = backbone.num_hidden_layers * (2 * weights * n + 4 * backbone.hidden_size * n**2)
    return float(each.sum())


def dense_rate(device: torch.device, precision: str) -> float:
    """Operations a second that this device reaches in one large matrix product: the measured limit."""
    size = 8192 if device.type == "cuda" else 2048
    dtype = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[precision]
    a, b = (torch.randn(size, size, device=device, dtype=dtype) for _ in range(2))

    def seconds(times: int) -> float:
        began = time.perf_counter()
        for _ in range(times):
            a @ b
        if device.type == "cuda":
            torch.cuda.synchronize()
        return (time.perf_counter() - began) / times

    seconds(2)
    return 2 * size**3 / min(seconds(5) for _ in range(5))


def protein_lengths(fasta: Path | None, count: int) -> np.ndarray:
    """Lengths of `count` proteins, in residues: of a file, or drawn as DeepLoc's are (median 425, mean 530)."""
    rng = np.random.default_rng(0)
    if fasta is None:
        return np.exp(rng.normal(np.log(425), 0.664, size=count)).astype(int).clip(40, 13_100)
    from protloc.data.fasta import read_fasta
    from protloc.data.records import Protein

    lengths = [len(record.sequence) for record in read_fasta(str(fasta)) if isinstance(record, Protein)]
    return rng.choice(lengths, size=count, replace=False)


class Way:
    """One recipe: its batches, its precision, and the loop over them."""

    def __init__(
        self, recipe: str, model: ProteinClassifier, optimizer: torch.optim.Optimizer, lengths: np.ndarray,
        longest: int, batch: int,
    ) -> None:  # fmt: skip
        self.recipe, self.model, self.optimizer, self.device = recipe, model, optimizer, model.device
        self.pad_id = int(model.config.backbone.pad_token_id)
        fast = pick_precision("auto", self.device)
        self.precision = "fp32" if recipe in ("aws", "hf_random") else fast
        if recipe == "packed":
            choose_attention("packed", model.backbone, self.device, self.precision)  # says so where it cannot
        rng = np.random.default_rng(1)
        self.proteins = [rng.integers(5, 25, size=n + 2, dtype=np.int32) for n in lengths]
        self.residues = int(lengths.sum())
        self.flops = forward_flops(model.config.backbone, lengths + 2)
        self.peak_memory = 0
        self.longest = longest + 2
        self.batches = list(self._batches(np.array([len(p) for p in self.proteins]), 4 if recipe == "aws" else batch))

    def _batches(self, sizes: np.ndarray, count: int) -> Iterator[list[int]]:
        order = np.random.default_rng(2).permutation(len(sizes))
        if self.recipe not in ("aws", "hf_random"):
            order = order[np.argsort(-sizes[order], kind="stable")]
        for start in range(0, len(order), count):
            yield order[start : start + count].tolist()

    def _batch(self, indices: list[int]) -> dict[str, Any]:
        rows = [self.proteins[i] for i in indices]
        made = as_batch(rows, self.pad_id, packed=self.recipe == "packed", device=self.device)
        if self.recipe == "aws":
            missing = self.longest - made["input_ids"].shape[1]
            made = {
                "input_ids": torch.nn.functional.pad(made["input_ids"], (0, missing), value=self.pad_id),
                "attention_mask": torch.nn.functional.pad(made["attention_mask"], (0, missing)),
            }
        return made

    def warm_up(self, max_tokens: int) -> None:
        """So that nothing is set up while the clock runs: on a GPU everything once, on a CPU one small batch."""
        every = self.batches
        if self.device.type == "cpu":
            self.batches = self.batches[-1:]
        else:
            self.predict(max_tokens)
        self.train()
        self.batches = every

    def train(self) -> float:
        """Real residues a second of forward, backward and optimizer step."""
        self.model.train()

        def work() -> None:
            for indices in self.batches:
                with autocast(self.precision, self.device):
                    logits = self.model(**self._batch(indices)).logits
                labels = torch.zeros(len(indices), dtype=torch.int64, device=self.device)
                torch.nn.functional.cross_entropy(logits.float(), labels).backward()
                self.optimizer.step()
                self.optimizer.zero_grad(set_to_none=True)

        return self._timed(work)

    def predict(self, max_tokens: int) -> float:
        """Real residues a second of the forward pass; protloc's ways as `Forward` goes, up to `max_tokens` at once."""
        self.model.eval()
        forward = Forward(
            self.model, self.pad_id, device=self.device, precision=self.precision, max_tokens=max_tokens,
            attention="packed" if self.recipe == "packed" else "padded",
        )  # fmt: skip

        def ours() -> None:
            for _ in forward.over(self.proteins, lambda batch: self.model(**batch).logits.float()):
                pass

        @torch.inference_mode()
        def theirs() -> None:
            for indices in self.batches:
                with autocast(self.precision, self.device):
                    self.model(**self._batch(indices)).logits.float().cpu()

        return self._timed(ours if self.recipe in ("padded", "packed") else theirs)

    def _timed(self, work: Callable[[], None]) -> float:
        if self.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats()
            torch.cuda.synchronize()
        began = time.perf_counter()
        try:
            work()
        except torch.OutOfMemoryError:
            self.optimizer.zero_grad(set_to_none=True)
            torch.cuda.empty_cache()
            return 0.0
        if self.device.type == "cuda":
            torch.cuda.synchronize()
            self.peak_memory = torch.cuda.max_memory_allocated()
        return self.residues / (time.perf_counter() - began)


def measure(options: argparse.Namespace, longest: int | None) -> tuple[dict[str, dict[str, float]], list[Way]]:
    """Medians of `options.rounds` interleaved rounds for one maximum length, and the ways that were measured."""
    lengths = protein_lengths(options.fasta, options.proteins)
    limit = int(longest or lengths.max())
    torch.manual_seed(0)
    config = ProteinClassifierConfig(
        backbone=architecture(options.model), pooling="mean", num_labels=CLASSES, special_token_ids=[0]
    )
    model = ProteinClassifier(config).to(options.device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-5, fused=True)
    lengths = lengths.clip(max=limit)
    ways = [Way(recipe, model, optimizer, lengths, limit, options.batch) for recipe in options.recipes]
    seen: dict[str, dict[str, list[float]]] = {"train": {}, "predict": {}}
    for way in ways:
        way.warm_up(options.max_tokens)
    for _ in range(options.rounds):
        for way in ways:
            seen["predict"].setdefault(way.recipe, []).append(way.predict(options.max_tokens))
            seen["train"].setdefault(way.recipe, []).append(way.train())
    return {what: {r: statistics.median(speeds) for r, speeds in by.items()} for what, by in seen.items()}, ways


def tables(options: argparse.Namespace, longest: int | None, precision: str) -> dict[str, dict[str, float]]:
    """The figures for one maximum length, printed."""
    before = dense_rate(options.device, precision)
    found, ways = measure(options, longest)
    limit = max(before, dense_rate(options.device, precision))  # a machine's clock varies
    print(f"\none dense product reaches {limit / 1e12:.3g} TFLOP/s")
    for what, speeds in found.items():
        first = next(iter(speeds.values()))
        head = "".join(f"{title:>12}" for title in ("residues/s", f"÷ {next(iter(speeds))}", "of limit"))
        print(f"\n{what}, max length {longest or 'none'}\n  {'':18}{head}")
        for way in ways:
            speed = speeds[way.recipe]
            share = (3 if what == "train" else 1) * way.flops * speed / way.residues / limit
            print(f"  {way.recipe:18}{speed:12,.0f}{speed / first:12.2f}{share:12.1%}")
    if options.device.type == "cuda":
        print("peak memory in training: "
              + ", ".join(f"{way.recipe} {way.peak_memory / 2**30:.1f} GiB" for way in ways))  # fmt: skip
    return found


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fasta", type=Path, help="proteins whose lengths are taken; drawn like DeepLoc's without it")
    parser.add_argument("--model", default="small", choices=("small", "protbert", "esm2_8m", "esm2_650m"))
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu", type=torch.device)
    parser.add_argument("--max-lengths", nargs="+", default=["512", "1024", "none"], help="residues read, or none")
    parser.add_argument("--recipes", nargs="+", default=list(RECIPES), choices=RECIPES)
    parser.add_argument("--proteins", type=int, default=192, help="proteins in one round")
    parser.add_argument("--batch", type=int, help="proteins a batch, but for aws; default: 8, on a GPU 64")
    parser.add_argument("--max-tokens", type=int, help="tokens a batch of protloc's prediction; default: its own")
    parser.add_argument("--rounds", type=int, default=5, help="interleaved rounds; medians are shown")
    parser.add_argument("--quick", action="store_true", help="24 proteins, one round, 512 and 1024: under 3 minutes")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    options = parser.parse_args()
    if options.max_tokens is None:
        options.max_tokens = GPU_TOKENS if options.device.type == "cuda" else CPU_TOKENS["packed"]
    if options.batch is None:
        options.batch = 64 if options.device.type == "cuda" else 8
    if options.quick:
        options.proteins, options.rounds, options.max_lengths = 24, 1, ["512", "1024"]
    results: dict[str, dict[str, dict[str, float]]] = {"train": {}, "predict": {}}
    fast = pick_precision("auto", options.device)
    name = torch.cuda.get_device_name(options.device) if options.device.type == "cuda" else "CPU"
    print(f"{options.model} on {name}, {torch.get_num_threads()} CPU threads, torch {torch.__version__}; "
          f"hf_grouped_bf16, padded and packed compute in {fast}")  # fmt: skip
    for longest in options.max_lengths:
        for what, speeds in tables(options, None if longest == "none" else int(longest), fast).items():
            results[what][longest] = speeds
    if options.json:
        options.json.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
