"""Bulk inserts that pass rows to the driver unchanged: a round of many clients has thousands of rows."""

from collections.abc import Sequence
from functools import cache
from typing import Any

from sqlalchemy import Table
from sqlalchemy.orm import Session


def insert_many(
    session: Session, table: Table, rows: Sequence[dict[str, Any]], *, unique: tuple[str, ...] = ()
) -> None:
    """Insert rows that all have the same keys in the same order; a row that exists by the columns ``unique`` stays.

    Values are numbers, strings and None. SQLAlchemy's processing, which they do not need, takes a third of the time.
    """
    if rows:
        statement = _statement(table, session.get_bind().dialect.name, tuple(rows[0]), unique)
        session.connection().exec_driver_sql(statement, [tuple(row.values()) for row in rows])


@cache
def _statement(table: Table, dialect: str, columns: tuple[str, ...], unique: tuple[str, ...]) -> str:
    values = ", ".join(["%s" if dialect == "postgresql" else "?"] * len(columns))
    rest = f" ON CONFLICT ({', '.join(unique)}) DO NOTHING" if unique else ""
    return f"INSERT INTO {table.name} ({', '.join(columns)}) VALUES ({values}){rest}"
