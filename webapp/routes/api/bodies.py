"""What the bodies of the API's calls have in common."""

from pydantic import BaseModel, ConfigDict


class StrictBody(BaseModel):
    """A body with no unknown field, in which nothing is converted: a number in a text is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
