"""Why data cannot be used. The sentence may go to a server, so it quotes no cell and no file."""


class BadData(ValueError):
    """The data cannot be used; the sentence names row and column, and says what to do.

    ``private`` is for the person's own terminal only: the value of a cell, or names of files.
    """

    def __init__(self, sentence: str, private: str = "") -> None:
        super().__init__(sentence)
        self.private = private

    @property
    def whole(self) -> str:
        """The sentence with its private part."""
        return f"{self} ({self.private})" if self.private else str(self)


def leave_out(name: str) -> str:
    """Return the option that leaves a column out, as a shell takes it."""
    return f'--ignore "{name}"' if " " in name else f"--ignore {name}"
