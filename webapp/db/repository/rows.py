"""Statements that are the same for every table: on a row by its id, and inserts of many rows."""

from collections.abc import Sequence
from functools import cache
from typing import Any, TypeVar

from sqlalchemy import Table, delete, func, select, update
from sqlalchemy.orm import Session

from webapp.db.tables import NumberedRow, Row
from webapp.problems import NotFound

N = TypeVar("N", bound=NumberedRow)
R = TypeVar("R", bound=Row)


def get_row(session: Session, table: type[N], row_id: int, noun: str) -> N:
    """Return a row; raises NotFound, whose sentence calls the row by the noun."""
    row = session.get(table, row_id)
    if row is None:
        raise NotFound(f"There is no {noun} {row_id}.")
    return row


def count_rows(session: Session, table: type[Row]) -> int:
    """Return how many rows a table has."""
    return session.scalar(select(func.count()).select_from(table)) or 0


def insert_row(session: Session, row: R) -> R:
    """Add a row; its id is set then."""
    session.add(row)
    session.flush()
    return row


def change_row(session: Session, table: type[NumberedRow], row_id: int, **values: Any) -> None:
    """Write columns of a row."""
    session.execute(update(table).where(table.id == row_id).values(**values))


def delete_row(session: Session, table: type[NumberedRow], row_id: int) -> None:
    """Delete a row."""
    session.execute(delete(table).where(table.id == row_id))


def insert_many(
    session: Session, table: Table, rows: Sequence[dict[str, Any]], *, unique: tuple[str, ...] = ()
) -> None:
    """Insert rows that all have the same keys in the same order; a row that exists by the columns ``unique`` stays.

    Values are numbers, strings and None. They go to the driver unchanged: a round of many clients has thousands of
    rows, and SQLAlchemy's processing, which they do not need, takes a third of the time.
    """
    if rows:
        statement = _statement(table, session.get_bind().dialect.name, tuple(rows[0]), unique)
        session.connection().exec_driver_sql(statement, list(map(tuple, map(dict.values, rows))))


@cache
def _statement(table: Table, dialect: str, columns: tuple[str, ...], unique: tuple[str, ...]) -> str:
    values = ", ".join(["%s" if dialect == "postgresql" else "?"] * len(columns))
    rest = f" ON CONFLICT ({', '.join(unique)}) DO NOTHING" if unique else ""
    return f"INSERT INTO {table.name} ({', '.join(columns)}) VALUES ({values}){rest}"
