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
from protloc.data.source import Source
from protloc.data.sources import read_source
from protloc.data.split import stratified_first, stratified_split
from protloc.errors import UserError
from protloc.tasks.choose import Wanted, choose_task
from protloc.tasks.labels import places
from protloc.tasks.task import Task

log = logging.getLogger(__name__)

Splits = dict[str, datasets.Dataset]


@dataclass(frozen=True)
class Corpus:
    """What a run trains, chooses and measures on.

    The splits have the columns `id`, `sequence`, `label` (the task's target), `location` (the classes' names, as the
    task writes them), `membrane` (S, M, U or null) and `length` (residues).

    Attributes:
        train: training proteins.
        validation: proteins that choose the best epoch.
        test: proteins that are measured once, at the end; None where there are none.
        task: what is predicted; its classes are the locations of the training proteins.
        counts: how many proteins each split has, and how many were dropped, relabelled or changed on the way.
        notes: a line for a person on each of these changes.
        fingerprint: SHA-256 over ids, sequences, labels and splits, in hexadecimal.
        name: the data set, for tables and the model card.
    """

    train: datasets.Dataset
    validation: datasets.Dataset
    test: datasets.Dataset | None
    task: Task
    counts: dict[str, int]
    notes: list[str]
    fingerprint: str
    name: str


def load_corpus(options: DataConfig, wanted: Wanted = Wanted()) -> Corpus:  # noqa: B008 - frozen
    """Read, check, split and count the proteins that `options` names; `wanted` is what is asked of the task.

    Raises:
        UserError: for anything wrong with the files, before any training.
    """
    with quiet_datasets():
        return _load(options, wanted)


def _load(options: DataConfig, wanted: Wanted) -> Corpus:
    source = read_source(options)
    counts, notes = Counter(source.counts), list(source.notes)
    for name, rows in source.splits.items():
        if not len(rows):
            raise UserError(f"{source.files[name]}: no {name} proteins")
    train = source.splits["train"]
    task = choose_task(
        wanted, train["location"][:], train.unique("membrane"), options.label_separator, source.files["train"]
    )
    _check_classes(source, task, options.label_separator)
    splits = {name: _written(rows, task, options.label_separator) for name, rows in source.splits.items()}
    splits = _with_validation(splits, task, options)
    if not len(splits["validation"]):
        raise UserError(
            f"{source.files['train']}: no class has the 3 training proteins that it takes to hold one out for "
            "validation: add proteins"
        )
    for flag, key, text in (
        ("lower", "lower_case_folded", "lower-case residues read as upper case"),
        ("stop", "stop_codon_removed", "a final * left out"),
    ):
        changed = sum(int(np.count_nonzero(rows[flag])) for rows in splits.values())
        if changed:
            counts[key] = changed
            notes.append(f"{changed} proteins: {text}")
    if options.limit is not None:
        splits = _limited(splits, task, options.limit, counts, notes)
    _count_shared(splits, counts, notes)
    finished = {name: _labelled(rows, task) for name, rows in splits.items()}
    counts.update({name: len(rows) for name, rows in finished.items()})
    sizes = ", ".join(f"{len(rows):,} {name}" for name, rows in finished.items())
    log.info("data %s: %s proteins in %d classes", source.name, sizes, len(task.labels))
    log.info("task %s%s", task.name, ", with the membrane as a second output" if task.has_membrane else "")
    for note in notes:
        log.info("data %s: %s", source.name, note)
    return Corpus(
        finished["train"], finished["validation"], finished.get("test"), task, dict(counts), notes,
        _fingerprint(finished, task), source.name,
    )  # fmt: skip


def _written(rows: datasets.Dataset, task: Task, separator: str) -> datasets.Dataset:
    """The rows, with each location as the task writes it."""
    written = {text: task.written(places(text, separator)) for text in rows.unique("location")}
    if all(text == new for text, new in written.items()):
        return rows
    return rows.remove_columns("location").add_column("location", [written[text] for text in rows["location"]])


def _with_validation(splits: Splits, task: Task, options: DataConfig) -> Splits:
    """Hold a share of the training proteins out, where the data has no validation split of its own."""
    if "validation" in splits:
        return splits
    strata = task.strata(splits["train"]["location"][:])
    stay, held = stratified_split(strata, options.validation_share, options.split_seed)
    train = splits["train"]
    parts = {"train": train.select(stay), "validation": train.select(held)}
    return parts | ({"test": splits["test"]} if "test" in splits else {})


def _check_classes(source: Source, task: Task, separator: str) -> None:
    sizes: Counter[str] = Counter()
    for text, count in Counter(source.splits["train"]["location"]).items():
        sizes.update(dict.fromkeys(places(text, separator), count))
    for name, size in sorted(sizes.items()):
        if size < 2:
            raise UserError(
                f"{source.files['train']}: class {name!r} has {size} training protein; each class needs 2 or more: "
                "add proteins, or take the class out"
            )
    for split, rows in source.splits.items():
        sets = {text: set(places(text, separator)) for text in rows.unique("location")}
        bad = {text for text, found in sets.items() if not found or found - sizes.keys()}
        if bad:
            wrong = [i for i, text in enumerate(rows["location"]) if text in bad]
            broken = [
                Broken(row["id"], row["line"], f"location {row['location']!r} is no class of the training proteins")
                if sets[row["location"]]
                else Broken(row["id"], row["line"], f"no location in {row['location']!r}")
                for row in rows.select(wrong[:10])
            ]
            raise UserError(complaint(f"{len(wrong)} {split} proteins", source.files[split], broken, len(wrong)))


def _limited(splits: Splits, task: Task, limit: int, counts: Counter[str], notes: list[str]) -> Splits:
    parts: Splits = {}
    for name, rows in splits.items():
        parts[name] = rows.select(stratified_first(task.strata(rows["location"][:]), limit))
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


def _labelled(rows: datasets.Dataset, task: Task) -> datasets.Dataset:
    targets = task.targets(rows["location"][:], rows["membrane"][:])
    kept = rows.select_columns(["id", "sequence", "location", "membrane", "length"])
    return kept.add_column("label", targets if targets.ndim == 1 else list(targets))


def _fingerprint(splits: Splits, task: Task) -> str:
    digest = hashlib.sha256()
    for name, rows in splits.items():
        for row in rows.select_columns(["id", "sequence", "location", "membrane"]):
            membrane = f"\t{row['membrane']}" if task.has_membrane else ""
            digest.update(f"{name}\t{row['id']}\t{row['sequence']}\t{row['location']}{membrane}\n".encode())
    return digest.hexdigest()
