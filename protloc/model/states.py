"""A frozen backbone's states, computed once and kept on disk.

While the backbone does not change, its states of a protein do not either: many epochs of a head cost one pass of the
backbone. They are kept in shards of some thousand proteins, which makes an interrupted run lose one shard at most, and
found again by what was read of the protein, so that another split or a larger data set computes only what is new.

    FOLDER/<key of the weights>/<shard>/digests.npy, offsets.npy, states.npy
"""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from protloc.data.encoding import ResidueEncoder
from protloc.errors import UserError
from protloc.model.classifier import ProteinClassifier
from protloc.model.forward import Forward

log = logging.getLogger(__name__)

FORMAT = "1"
"""Part of every key; raised when what is written changes, so that nothing stale is read."""

SHARD = 2_048
"""Proteins a shard."""


class StateStore:
    """States of proteins, memory-mapped; by their residues.

    Args:
        folder: of one backbone.
        encoder: what the backbone reads of a protein.
    """

    def __init__(self, folder: Path, encoder: ResidueEncoder) -> None:
        self.folder, self.encoder = folder, encoder
        self._places: dict[bytes, tuple[np.ndarray, int, int]] = {}
        for shard in sorted(folder.glob("[0-9a-f]*")):
            self._open(shard)

    def __contains__(self, sequence: str) -> bool:
        return self._digest(sequence) in self._places

    def __getitem__(self, sequence: str) -> np.ndarray:
        """Shape `(rows, D)`, float16 or float32, mapped from the disk: a row a residue, or one in all."""
        states, start, end = self._places[self._digest(sequence)]
        return states[start:end]

    def add(self, sequences: Sequence[str], rows: Sequence[int], fill: Callable[[np.ndarray, np.ndarray], None],
            size: int, dtype: Any) -> None:  # fmt: skip
        """Write a shard; it is there whole, or not at all.

        Args:
            sequences: N proteins.
            rows: how many rows each has.
            fill: called with the states `(sum of rows, D)`, still empty, and where each protein begins `(N + 1,)`.
            size: D.
            dtype: of the states.
        """
        digests = b"".join(self._digest(sequence) for sequence in sequences)
        offsets = np.concatenate([[0], np.cumsum(rows)])
        self.folder.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=".unfinished-", dir=self.folder))
        try:
            states = np.lib.format.open_memmap(
                temporary / "states.npy", mode="w+", dtype=dtype, shape=(int(offsets[-1]), size)
            )
            fill(states, offsets)
            states.flush()
            np.save(temporary / "offsets.npy", offsets)
            np.save(temporary / "digests.npy", np.frombuffer(digests, dtype=np.uint8).reshape(-1, 16))
            target = self.folder / hashlib.blake2b(digests, digest_size=16).hexdigest()
            if not target.exists():  # another run may have been faster
                os.replace(temporary, target)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
        self._open(target)

    def _open(self, shard: Path) -> None:
        states = np.load(shard / "states.npy", mmap_mode="r")
        offsets = np.load(shard / "offsets.npy").tolist()
        digests = np.load(shard / "digests.npy").tobytes()
        for i, (start, end) in enumerate(pairwise(offsets)):
            self._places[digests[16 * i : 16 * i + 16]] = states, start, end

    def _digest(self, sequence: str) -> bytes:
        return hashlib.blake2b(self.encoder.read(sequence).encode("ascii"), digest_size=16).digest()


def states_key(model: ProteinClassifier, encoder: ResidueEncoder, kind: str) -> str:
    """A name for everything that states depend on beside the residues.

    Args:
        model: its backbone's configuration and every weight count.
        encoder: the token of each residue.
        kind: what is kept, and how precisely.
    """
    digest = hashlib.blake2b(f"{FORMAT}\n{kind}\n".encode(), digest_size=16)
    digest.update(model.config.backbone.to_json_string().encode())
    for part in (encoder.table, encoder.start, encoder.end):
        digest.update(part.tobytes() + b"\n")
    for name, weight in sorted(model.backbone.state_dict().items()):
        digest.update(f"{name} {weight.dtype} {tuple(weight.shape)}\n".encode())
        digest.update(weight.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
    return digest.hexdigest()


def frozen_states(
    forward: Forward, encoder: ResidueEncoder, sequences: Sequence[str], folder: Path,
    told: Callable[[int, int], None] = lambda done, total: None,
) -> StateStore:  # fmt: skip
    """The store with the states of all `sequences`; those that it lacks are computed now.

    Where the pooling learns nothing (`mean`, `cls`), the pooled vector is kept, one row a protein, in fp32. Else a row
    a residue: in fp32 where the model computes in fp32, in fp16 otherwise, whose rounding is below bf16's own.

    Args:
        forward: the model on its device.
        encoder: of the model.
        sequences: residues of proteins, repeats allowed.
        folder: of all stores.
        told: called with proteins done and in all, as it goes on.

    Raises:
        UserError: the disk is too small for them.
    """
    model = forward.model
    pooled = not any(True for _ in model.pooling.parameters())
    precise = pooled or forward.precision == "fp32"
    dtype = np.float32 if precise else np.float16
    kept_as = torch.float32 if precise else torch.float16
    kind = f"{model.config.pooling if pooled else 'residues'} {forward.precision} {np.dtype(dtype)}"
    store = StateStore(folder / states_key(model, encoder, kind), encoder)
    wanted = list(dict.fromkeys(sequences))
    missing = [sequence for sequence in wanted if sequence not in store]
    size = model.config.backbone.hidden_size
    rows = [1 if pooled else len(encoder.read(sequence)) for sequence in missing]
    log.info(
        "frozen backbone: states of %s of %s proteins are in %s, %s to compute (%.1f GiB)",
        f"{len(wanted) - len(missing):,}", f"{len(wanted):,}", store.folder, f"{len(missing):,}",
        _bytes(rows, size, dtype) / 2**30,
    )  # fmt: skip
    _check_room(folder, _bytes(rows, size, dtype))

    def states(batch: dict[str, Any]) -> Tensor:
        hidden_BTD, residues_BT = model.encode(**batch)
        return model.pooling(hidden_BTD.float(), residues_BT) if pooled else hidden_BTD[residues_BT].to(kept_as)

    for begin in range(0, len(missing), SHARD):
        shard, shard_rows = missing[begin : begin + SHARD], rows[begin : begin + SHARD]
        encoded = [encoder.encode(sequence) for sequence in shard]

        def fill(out: np.ndarray, offsets: np.ndarray, encoded: list[np.ndarray] = encoded, begin: int = begin) -> None:
            done = begin
            for indices, found in forward.over(encoded, states):
                ends = np.cumsum([offsets[i + 1] - offsets[i] for i in indices])[:-1]
                for i, part in zip(indices, np.split(found.numpy(), ends), strict=True):
                    out[offsets[i] : offsets[i + 1]] = part
                done += len(indices)
                told(done, len(missing))

        store.add(shard, shard_rows, fill, size, dtype)
    return store


def _bytes(rows: Sequence[int], size: int, dtype: Any) -> int:
    return sum(rows) * size * np.dtype(dtype).itemsize


def _check_room(folder: Path, needed: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise UserError(
            f"{folder}: the frozen backbone's states take {needed / 2**30:.1f} GiB, but {free / 2**30:.1f} GiB are "
            "free; give data.cache_dir= on a larger disk, or model.pooling=mean, which keeps one row a protein"
        )
