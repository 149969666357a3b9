"""How does training scale over processes?

    python benchmarks/scaling.py --processes 1 2 4 8
    python benchmarks/scaling.py --device cpu --processes 1 2

Strong scaling: the same batch over more processes. Weak scaling: a batch that grows with them. Shown are real residues
a second of forward, backward and optimizer step, on lengths drawn as DeepLoc's are, each process with its share of each
batch; and the share of the time that is spent in exchanging gradients, from the same steps without it.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import time

import numpy as np
import torch
import torch.distributed as dist
from throughput import CLASSES, architecture, protein_lengths

from protloc.data.batching import BatchOrder, RankBatches, as_batch
from protloc.model.classifier import ProteinClassifier
from protloc.model.configuration import ProteinClassifierConfig
from protloc.model.precision import autocast, pick_precision
from protloc.runs.processes import launch


def measure(model_name: str, device_name: str, batch: int, steps: int, longest: int) -> tuple[float, float]:
    """Real residues a second over all processes, and the share of the time spent in exchange; run in each process."""
    rank, world = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    cuda = device_name == "cuda"
    device = torch.device("cuda", int(os.environ["LOCAL_RANK"])) if cuda else torch.device("cpu")
    dist.init_process_group("nccl" if cuda else "gloo")
    torch.manual_seed(0)
    config = ProteinClassifierConfig(
        backbone=architecture(model_name), pooling="mean", num_labels=CLASSES, special_token_ids=[0]
    )
    model = ProteinClassifier(config).to(device)
    wrapped = torch.nn.parallel.DistributedDataParallel(model, device_ids=[device] if cuda else None)
    lengths = protein_lengths(None, batch * (steps + 1)).clip(max=longest) + 2
    order = BatchOrder(lengths, batch, seed=0)
    shares = list(RankBatches(order, rank, world, model.family.attention_cost(model.config.backbone)))
    rng = np.random.default_rng(1)
    proteins = [rng.integers(5, 25, size=n, dtype=np.int32) for n in lengths]
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-5, fused=True)
    precision = pick_precision("auto", device)

    def seconds(exchange: bool) -> float:
        dist.barrier()
        began = time.perf_counter()
        for share in shares[1:]:
            with contextlib.nullcontext() if exchange else wrapped.no_sync():
                made = as_batch([proteins[i] for i in share], pad_id=0, packed=True, device=device)
                with autocast(precision, device):
                    logits = wrapped(**made).logits
                (logits.float().logsumexp(1).sum() / batch).backward()
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        if cuda:
            torch.cuda.synchronize()
        dist.barrier()
        return time.perf_counter() - began

    seconds(exchange=True)
    with_exchange, without = (min(seconds(exchange) for _ in range(3)) for exchange in (True, False))
    residues = sum(int(lengths[b].sum()) - 2 * len(b) for b in order.batches(0)[1:])
    dist.destroy_process_group()
    return residues / with_exchange, max(0.0, 1 - without / with_exchange)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--processes", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--model", default="small", choices=("small", "protbert", "esm2_8m", "esm2_650m"))
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu", choices=("cpu", "cuda"))
    parser.add_argument("--batch", type=int, default=16, help="proteins a batch (of one process, for weak scaling)")
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--max-length", type=int, default=1024)
    options = parser.parse_args()
    print(f"{options.model} on {options.device}, torch {torch.__version__}")
    for kind in ("strong", "weak"):
        print(f"\n{kind} scaling\n{'processes':>10}{'batch':>8}{'residues/s':>13}{'speed-up':>10}{'exchange':>10}")
        first = 0.0
        for count in options.processes:
            batch = options.batch * (count if kind == "weak" else 1)
            arguments = (options.model, options.device, batch, options.steps, options.max_length)
            speed, exchange = launch(measure, arguments, processes=count, nodes=1, rendezvous=None)
            first = first or speed
            print(f"{count:>10}{batch:>8}{speed:>13,.0f}{speed / first:>10.2f}{exchange:>10.1%}")


if __name__ == "__main__":
    main()
