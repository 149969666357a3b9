"""Ids met so far, kept on disk: a proteome of any size is checked in the same memory."""

from __future__ import annotations

import sqlite3

from protloc.data.records import Broken, Protein
from protloc.errors import UserError


class Seen:
    """A set of ids that takes no memory to speak of.

    SQLite keeps a private temporary file, which it removes itself, and a few MiB of it in memory.
    """

    def __init__(self) -> None:
        self._db = sqlite3.connect("", isolation_level=None, check_same_thread=False)  # "": a private temporary file
        self._db.execute("PRAGMA journal_mode = OFF")
        self._db.execute("CREATE TABLE seen (id TEXT PRIMARY KEY) WITHOUT ROWID")
        self._db.execute("BEGIN")  # one transaction for all, else each id would be one

    def add(self, id: str) -> bool:
        """Put `id` in; False where it has been in before.

        Raises:
            UserError: the folder for temporary files is full.
        """
        try:
            return self._db.execute("INSERT OR IGNORE INTO seen VALUES (?)", (id,)).rowcount == 1
        except sqlite3.OperationalError as error:
            raise UserError(f"no room for the ids met so far: {error}; TMPDIR=FOLDER names another folder") from error

    def checked(self, record: Protein | Broken) -> Protein | Broken:
        """The record, its id put in; `Broken` in its place where the id has been in before."""
        if isinstance(record, Protein) and not self.add(record.id):
            return Broken(record.id, record.line, "the id has been there before")
        return record

    def close(self) -> None:
        """Remove the file."""
        self._db.close()
