"""A set of ids with a short text each, kept on disk, so that memory does not grow with the input."""

from __future__ import annotations

import sqlite3
from typing import Self


class DiskIndex:
    """Maps ids to texts in a temporary database that disappears when it is closed."""

    def __init__(self) -> None:
        self._database = sqlite3.connect("", isolation_level=None)
        self._database.execute("PRAGMA journal_mode = OFF")
        self._database.execute("PRAGMA cache_size = -4096")
        self._database.execute("CREATE TABLE entry (id TEXT PRIMARY KEY, text TEXT) WITHOUT ROWID")
        self._database.execute("BEGIN")

    def add(self, id: str, text: str = "") -> bool:
        """Enter ``id``; False, and nothing changed, if it is there already."""
        cursor = self._database.execute("INSERT OR IGNORE INTO entry VALUES (?, ?)", (id, text))
        return cursor.rowcount == 1

    def get(self, id: str) -> str | None:
        row = self._database.execute("SELECT text FROM entry WHERE id = ?", (id,)).fetchone()
        return None if row is None else str(row[0])

    def __contains__(self, id: str) -> bool:
        return self.get(id) is not None

    def __len__(self) -> int:
        return int(self._database.execute("SELECT count(*) FROM entry").fetchone()[0])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._database.close()
