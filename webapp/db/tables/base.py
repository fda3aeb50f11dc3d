"""Base of the tables and the types of their columns. Times are UTC."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, DateTime, Integer, MetaData
from sqlalchemy.engine import Dialect
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import TypeDecorator

Id = BigInteger().with_variant(Integer, "sqlite")
NullableJson = JSON(none_as_null=True)
NO_ID_TWICE = {"sqlite_autoincrement": True}
"""SQLite would else give the id of a deleted row to a new one."""


class UtcTime(TypeDecorator[datetime]):
    """A time that has a time zone in Python, and is stored as UTC because SQLite stores no time zone."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Return the time in UTC; raises ValueError for a time without a zone."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time without a zone")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Return the time with its zone, UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Row(DeclarativeBase):
    """Base of the tables; constraints have fixed names, by which migrations change them."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(column_0_N_label)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


class NumberedRow(Row):
    """Base of the tables whose rows have an id that is given once."""

    __abstract__ = True
    __table_args__: Any = NO_ID_TWICE

    id: Mapped[int] = mapped_column(Id, primary_key=True, sort_order=-1)
