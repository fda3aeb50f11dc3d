"""What the bodies of the API's calls have in common."""

from pydantic import BaseModel, ConfigDict


class StrictBody(BaseModel):
    """A body without unknown fields; values are not converted: a number as text is rejected."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
