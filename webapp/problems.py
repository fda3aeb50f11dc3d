"""Expected failures: an exception carries a status and a sentence that says what a person can do."""

from collections.abc import Sequence

from pydantic import BaseModel, Field


class Problem(Exception):
    """A failure that is the caller's to mend: what status it has and a sentence that says what to do."""

    status = 400

    def __init__(self, sentence: str, status: int | None = None, fields: Sequence["FieldError"] = ()) -> None:
        super().__init__(sentence)
        self.sentence, self.fields = sentence, fields
        self.status = status or self.status


class NotFound(Problem):
    """There is no such thing."""

    status = 404


class Conflict(Problem):
    """The state of the thing does not allow it."""

    status = 409


class Invalid(Problem):
    """A value that its type allows and we do not."""

    status = 422

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}", fields=[FieldError(field=field, message=message)])


class FieldError(BaseModel):
    """What is wrong with one field."""

    field: str = Field(examples=["num_rounds"])
    message: str = Field(examples=["Input should be greater than or equal to 1"])
