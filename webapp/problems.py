"""Expected failures: an exception carries a status and a sentence that says what a person can do."""

from collections.abc import Mapping, Sequence
from errno import EDQUOT, ENOSPC

from pydantic import BaseModel, Field


class Problem(Exception):
    """A failure that the caller can fix: its HTTP status, and a sentence that says what to do."""

    status = 400

    def __init__(
        self, sentence: str, status: int | None = None, fields: Sequence["FieldError"] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:  # fmt: skip
        super().__init__(sentence)
        self.sentence, self.fields, self.headers = sentence, fields, headers or {}
        self.status = status or self.status

    @property
    def words(self) -> str:
        """The sentence for a form that shows the field itself: without the name of the field."""
        return f"{self.fields[0].message}." if self.fields else self.sentence


class NotFound(Problem):
    """The run, client or file does not exist."""

    status = 404


class Conflict(Problem):
    """The current state of the run or client does not allow the action."""

    status = 409


class Invalid(Problem):
    """A value of the right type that is not valid."""

    status = 422

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}", fields=[FieldError(field=field, message=message)])


class FieldError(BaseModel):
    """A field and what is wrong with its value."""

    field: str = Field(examples=["num_rounds"])
    message: str = Field(examples=["Input should be greater than or equal to 1"])


def not_stored(sentence: str, error: OSError) -> Problem:
    """Return the problem of a file that the disk did not take, with what the system and a person can do about it."""
    advice = "Free up disk space" if error.errno in (ENOSPC, EDQUOT) else "Check the data directory"
    return Problem(f"{sentence}: {error.strerror or error}. {advice}.", 507)
