"""predict.py: from a model folder and proteins to a table of locations."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import Any

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from transformers.utils import logging as hf_logging

from protloc.config import PredictConfig
from protloc.data import deeploc_table
from protloc.data.accession import accession
from protloc.data.ahead import ahead
from protloc.data.answers import columns
from protloc.data.doubts import DOUBTS, NUCLEIC, like_nucleotides
from protloc.data.outputs import check_files, output_of
from protloc.data.read import read_rows
from protloc.data.records import Broken, Protein
from protloc.data.streams import comes_once, shown
from protloc.data.tables import TableWriter
from protloc.errors import UserError, printable, say
from protloc.inference.predictor import Predictor
from protloc.model.folder import load_model
from protloc.tasks.labels import BETWEEN
from protloc.tasks.task import Task

CHUNK = 256
"""Proteins handed over by the reading thread at once."""

LISTED = 100
"""Records that were skipped and are listed; more are counted alone."""


def predict(config: PredictConfig) -> None:
    """Predict every protein of `config.input`, one row each, in order.

    Raises:
        UserError: for anything that the user can mend; no output is left then.
    """
    hf_logging.disable_progress_bar()
    check_files(config)  # before the model is loaded
    output, tally = output_of(config), Tally()
    predictor = Predictor(
        load_model(config.model_dir), device=config.device, precision=config.precision,
        batch_tokens=config.batch_tokens, window=config.window, exclude=config.exclude,
    )  # fmt: skip
    beside = Beside(predictor.columns, config.keep)
    began = time.perf_counter()
    shape = Shape(config, predictor.task, beside.columns)
    with (
        TableWriter(output, shape.columns, overwrite=config.overwrite, escape_formulas=config.escape_formulas) as table,
        ThreadPoolExecutor(1) as writer,
        progress() as bar,
    ):  # fmt: skip
        task = bar.add_task("", total=None, proteins=0, speed=0)
        written: Future[Any] = writer.submit(list)  # nothing yet
        for rows in predictor.predict(input_proteins(config, tally, beside)):
            beside.join(rows)
            written.result()  # one window is written while the next is computed, no more
            written = writer.submit(table.write, shape.shaped(rows))
            tally.count(rows)
            speed = tally.residues / (time.perf_counter() - began)
            bar.update(task, proteins=tally.proteins, speed=speed)
        written.result()
    shape.tell()
    report(output, tally, time.perf_counter() - began)


class Shape:
    """The table that was asked for: protloc's own with what stands beside it, or DeepLoc's.

    Raises:
        UserError: the output cannot hold it.
    """

    def __init__(self, config: PredictConfig, task: Task, beside: Sequence[str]) -> None:
        self.task, self.named = task, deeploc_table.names(task.names) if config.format == "deeploc" else None
        if self.named is not None and config.output and config.output.endswith((".gff3", ".parquet", ".jsonl")):
            raise UserError(f"format=deeploc is CSV or TSV, and output={config.output} is not", exit_code=2)
        if self.named is not None and config.keep:
            raise UserError("format=deeploc has no room for the columns of keep=: leave one of them out", exit_code=2)
        self.columns = [*columns(task), *beside] if self.named is None else deeploc_table.COLUMNS

    def shaped(self, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """The rows as they are written."""
        return rows if self.named is None else [deeploc_table.as_deeploc(row, self.named) for row in rows]

    def tell(self) -> None:
        """Say which of the model's places have no column."""
        without = [name for name in self.task.names if self.named is not None and name not in self.named]
        if without:
            say(f"format=deeploc has no column for {', '.join(without)}: they stand under Localizations alone")


def input_proteins(config: PredictConfig, tally: Tally, beside: Beside) -> Iterator[Protein]:
    """The input's usable proteins, read ahead by a thread; not so from a pipe, whose reader could not be ended."""
    proteins = usable(config, tally, beside)
    return proteins if comes_once(config.input) else chain.from_iterable(ahead(chunks(proteins)))


def chunks(proteins: Iterator[Protein]) -> Iterator[list[Protein]]:
    """Proteins in lists, so that threads hand over many at once."""
    while chunk := list(islice(proteins, CHUNK)):
        yield chunk


class Beside:
    """Columns for joining the table with others: the accession, and what of the input is kept.

    They go past the model: put down as the proteins are read, joined with the rows as these come back, in their order.

    Args:
        taken: columns of the table; one of the input that is named alike becomes `input_NAME`.
        keep: columns of the input.
    """

    def __init__(self, taken: Sequence[str], keep: Sequence[str]) -> None:
        self.names: dict[str, str] = {}
        for name in ("", *keep):
            shown = name or "accession"
            while shown in (*taken, *self.names.values()):
                shown = f"input_{shown}"
            self.names.setdefault(name, shown)
        self._cells: deque[dict[str, str]] = deque()

    @property
    def columns(self) -> list[str]:
        """Their names in the table."""
        return list(self.names.values())

    def put(self, protein: Protein, cells: dict[str, str]) -> None:
        """What stands beside the next protein."""
        self._cells.append({self.names[name]: cell for name, cell in {"": accession(protein.id), **cells}.items()})

    def join(self, rows: list[dict[str, Any]]) -> None:
        """Add to rows what stands beside them."""
        for row in rows:
            row.update(self._cells.popleft())


@dataclass
class Tally:
    """What the summary tells."""

    locations: Counter[str] = field(default_factory=Counter)
    skipped: int = 0
    listed: list[Broken] = field(default_factory=list)
    proteins: int = 0
    residues: int = 0
    cropped: int = 0
    lower: int = 0
    stop: int = 0
    doubts: Counter[str] = field(default_factory=Counter)

    def skip(self, record: Broken) -> None:
        """Count a broken record; the first ones are kept to be listed."""
        self.skipped += 1
        if self.skipped <= LISTED:
            self.listed.append(record)

    def count(self, rows: list[dict[str, Any]]) -> None:
        """Add rows of the table."""
        self.proteins += len(rows)
        self.locations.update(place for row in rows for place in row["location"].split(BETWEEN))
        self.residues += sum(row["residues_read"] for row in rows)
        self.cropped += sum(row["residues_read"] < row["length"] for row in rows)
        self.doubts.update(doubt for row in rows for doubt in DOUBTS if doubt in row["warnings"])


def usable(config: PredictConfig, tally: Tally, beside: Beside) -> Iterator[Protein]:
    """The input's proteins; a broken record stops them, or is put down as skipped."""
    for record, cells in read_rows(
        config.input, id_column=config.id_column, sequence_column=config.sequence_column, others=config.keep
    ):
        if isinstance(record, Protein) and not config.force and like_nucleotides(record.sequence):
            record = Broken(record.id, record.line, f"{NUCLEIC}; translate it, or give force=true")
        if isinstance(record, Protein):
            tally.lower += record.lower
            tally.stop += record.stop
            beside.put(record, cells)
            yield record
        elif config.on_error == "skip":
            tally.skip(record)
        else:
            raise UserError(f"{record.told(shown(config.input))} (on_error=skip goes on without it)")


def progress() -> Progress:
    """A line that counts proteins while a person watches; nothing in a log file."""
    console = Console(stderr=True)
    return Progress(
        SpinnerColumn(), TextColumn("{task.fields[proteins]:,} proteins"),
        TextColumn("{task.fields[speed]:,.0f} residues/s"), TimeElapsedColumn(),
        console=console, transient=True, disable=not console.is_terminal,
    )  # fmt: skip


def report(output: str, tally: Tally, seconds: float) -> None:
    """The summary, on standard error, so that `output=-` stays a clean table."""
    for record in tally.listed:
        say(f"skipped {printable(record.id)} (line {record.line}): {record.reason}")
    if tally.skipped > LISTED:
        say(f"... and {tally.skipped - LISTED:,} more")
    total = tally.proteins
    where = "standard output" if output == "-" else output
    say(f"{total:,} proteins in {seconds:.1f} s ({tally.residues / max(seconds, 1e-9):,.0f} residues/s) -> {where}")
    changes = {
        "broken records skipped": tally.skipped,
        "proteins longer than the model reads, cropped": tally.cropped,
        "proteins with lower-case residues, read as upper case": tally.lower,
        "proteins whose final * was taken off": tally.stop,
        **{f"proteins with the warning: {doubt}": tally.doubts[doubt] for doubt in DOUBTS},
    }
    for what, count in changes.items():
        if count:
            say(f"{count:8,}  {what}")
    for location, count in tally.locations.most_common():
        say(f"{count:8,}  {count / total:6.1%}  {location}")
