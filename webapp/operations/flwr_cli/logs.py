"""The log of a run of an app in whole lines, as far as it is written."""

from webapp.operations.apps.outputs import MAX_LOG_PIECE, AppOutputs
from webapp.sanitizing import clean_line


class FollowedLog:
    """Reads on where it has stopped. What no line of a terminal holds is taken out."""

    def __init__(self, outputs: AppOutputs) -> None:
        self._outputs, self._after = outputs, 0

    def read(self, *, is_over: bool) -> str:
        """Return the lines since the last call; with ``is_over`` also a last one that has no end."""
        pieces = []
        while piece := self._outputs.read(self._after):
            end = piece.rfind(b"\n") + 1
            if not end and (is_over or len(piece) == MAX_LOG_PIECE):
                end = len(piece)
            if not end:
                break
            self._after += end
            pieces.append(piece[:end])
        lines = b"".join(pieces).decode(errors="replace").splitlines()
        return "".join(f"{clean_line(line, MAX_LOG_PIECE)}\n" for line in lines)
