"""The proteins of a run: split, labelled, counted."""

from __future__ import annotations

import hashlib
import logging
from collections import Counter
from dataclasses import dataclass

import datasets
import numpy as np

from protloc.config import DataConfig
from protloc.data.parse import complaint, quiet_datasets
from protloc.data.records import Broken
from protloc.data.sources import read_source
from protloc.data.split import stratified_first, stratified_split
from protloc.errors import UserError
from protloc.tasks.labels import RESERVED, LabelSpace

log = logging.getLogger(__name__)

Splits = dict[str, datasets.Dataset]


@dataclass(frozen=True)
class Corpus:
    """What a run trains, chooses and measures on.

    The splits have the columns `id`, `sequence`, `label` (class number), `location` (its name), `membrane` (S, M, U or
    null) and `length` (residues).

    Attributes:
        train: training proteins.
        validation: proteins that choose the best epoch.
        test: proteins that are measured once, at the end; None where there are none.
        labels: the classes: the locations of the training proteins.
        counts: how many proteins each split has, and how many were dropped, relabelled or changed on the way.
        notes: a line for a person on each of these changes.
        fingerprint: SHA-256 over ids, sequences, labels and splits, in hexadecimal.
        name: the data set, for tables and the model card.
    """

    train: datasets.Dataset
    validation: datasets.Dataset
    test: datasets.Dataset | None
    labels: LabelSpace
    counts: dict[str, int]
    notes: list[str]
    fingerprint: str
    name: str


def load_corpus(options: DataConfig) -> Corpus:
    """Read, check, split and count the proteins that `options` names.

    Raises:
        UserError: for anything wrong with the files, before any training.
    """
    with quiet_datasets():
        return _load(options)


def _load(options: DataConfig) -> Corpus:
    source = read_source(options)
    counts, notes = Counter(source.counts), list(source.notes)
    splits = _with_validation(source.splits, options)
    for name, rows in splits.items():
        if len(rows):
            continue
        if name not in source.files:  # a validation split that was to be held out
            raise UserError(
                f"{source.files['train']}: no class has the 3 training proteins that it takes to hold one out for "
                "validation: add proteins"
            )
        raise UserError(f"{source.files[name]}: no {name} proteins")
    labels = LabelSpace.of(splits["train"]["location"])
    _check_classes(splits, labels, source.files)
    for flag, key, text in (
        ("lower", "lower_case_folded", "lower-case residues read as upper case"),
        ("stop", "stop_codon_removed", "a final * left out"),
    ):
        changed = sum(int(np.count_nonzero(rows[flag])) for rows in splits.values())
        if changed:
            counts[key] = changed
            notes.append(f"{changed} proteins: {text}")
    if options.limit is not None:
        splits = _limited(splits, labels, options.limit, counts, notes)
    _count_shared(splits, counts, notes)
    finished = {name: _labelled(rows, labels) for name, rows in splits.items()}
    counts.update({name: len(rows) for name, rows in finished.items()})
    sizes = ", ".join(f"{len(rows):,} {name}" for name, rows in finished.items())
    log.info("data %s: %s proteins in %d classes", source.name, sizes, len(labels))
    for note in notes:
        log.info("data %s: %s", source.name, note)
    return Corpus(
        finished["train"], finished["validation"], finished.get("test"), labels, dict(counts), notes,
        _fingerprint(finished), source.name,
    )  # fmt: skip


def _with_validation(splits: Splits, options: DataConfig) -> Splits:
    """Hold a share of the training proteins out, where the data has no validation split of its own."""
    if "validation" in splits:
        return splits
    classes = np.unique(splits["train"]["location"], return_inverse=True)[1]
    stay, held = stratified_split(classes, options.validation_share, options.split_seed)
    train = splits["train"]
    parts = {"train": train.select(stay), "validation": train.select(held)}
    return parts | ({"test": splits["test"]} if "test" in splits else {})


def _check_classes(splits: Splits, labels: LabelSpace, files: dict[str, str]) -> None:
    sizes = Counter(splits["train"]["location"])
    for name in RESERVED:
        if name in labels:
            raise UserError(f"{files['train']}: class {name!r} is named like a column of the predictions: rename it")
    for name, size in sorted(sizes.items()):
        if size < 2:
            raise UserError(
                f"{files['train']}: class {name!r} has {size} training protein; each class needs 2 or more: "
                "add proteins, or take the class out"
            )
    if len(labels) < 2:
        raise UserError(f"{files['train']}: one class only, {labels.names[0]!r}; a classifier needs 2 or more")
    for split in ("validation", "test"):
        if split not in splits:
            continue
        rows = splits[split]
        wrong = [i for i, location in enumerate(rows["location"]) if location not in labels]
        if wrong:
            shown = rows.select(wrong[:10])
            broken = [
                Broken(row["id"], row["line"], f"location {row['location']!r} is no class of the training proteins")
                for row in shown
            ]
            raise UserError(complaint(f"{len(wrong)} {split} proteins", files[split], broken, len(wrong)))


def _limited(splits: Splits, labels: LabelSpace, limit: int, counts: Counter[str], notes: list[str]) -> Splits:
    parts: Splits = {}
    for name, rows in splits.items():
        numbers = np.array([labels.index(location) for location in rows["location"]])
        parts[name] = rows.select(stratified_first(numbers, limit))
    left_out = sum(len(splits[name]) - len(parts[name]) for name in splits)
    if left_out:
        counts["left_out_by_limit"] = left_out
        notes.append(f"{left_out} proteins left out by data.limit={limit}")
    return parts


def _count_shared(splits: Splits, counts: Counter[str], notes: list[str]) -> None:
    """Sequences that validation or test share with training: nothing is dropped, but the figures would flatter."""
    train = {hash(sequence) for sequence in splits["train"]["sequence"]}
    for split in ("validation", "test"):
        if split in splits:
            shared = sum(hash(sequence) in train for sequence in splits[split]["sequence"])
            if shared:
                counts[f"sequences_of_{split}_in_train"] = shared
                notes.append(
                    f"{shared} {split} proteins have a sequence that is also in training: figures will flatter"
                )


def _labelled(rows: datasets.Dataset, labels: LabelSpace) -> datasets.Dataset:
    numbers = np.array([labels.index(location) for location in rows["location"]], dtype=np.int64)
    kept = rows.select_columns(["id", "sequence", "location", "membrane", "length"])
    return kept.add_column("label", numbers)


def _fingerprint(splits: Splits) -> str:
    digest = hashlib.sha256()
    for name, rows in splits.items():
        for row in rows.select_columns(["id", "sequence", "location"]):
            digest.update(f"{name}\t{row['id']}\t{row['sequence']}\t{row['location']}\n".encode())
    return digest.hexdigest()
