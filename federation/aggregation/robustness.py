"""Two rules that need the whole round: how much a client may weigh, how long its update may be. Off by default."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import median

import numpy as np

from federation.aggregation.running_mean import BLOCK
from federation.run.config import RunConfig
from federation.run.events import Metrics
from federation.weights.layout import NumpyArray

REPLIES_FOR_NORMS = 3
"""With two replies the longer one is at most twice the median: the rule says nothing before the third."""


@dataclass(frozen=True)
class HeldReply:
    """A good train reply. ``remark`` says what a rule did with it, ``refused`` why it does not count."""

    client_id: int
    flats: dict[str, NumpyArray]
    num_examples: int
    metrics: Metrics
    counts_as: int
    remark: str | None = None
    refused: str | None = None


def whole_round_rules(config: RunConfig) -> bool:
    """Say whether a run's replies must be held until all are there."""
    return config.norm_rule != "off" or config.max_weight_share is not None


def apply_rules(replies: Sequence[HeldReply], base: dict[str, NumpyArray], config: RunConfig) -> list[HeldReply]:
    """Return the replies as they count. ``base`` holds the weights that were sent out, a flat array for each dtype."""
    judged = list(replies)
    if config.norm_rule != "off" and len(judged) >= REPLIES_FOR_NORMS:
        judged = _limit_norms(judged, base, config.norm_limit, clip=config.norm_rule == "clip")
    if config.max_weight_share is not None:
        judged = _limit_shares(judged, config.max_weight_share)
    return judged


def update_norm(flats: dict[str, NumpyArray], base: dict[str, NumpyArray]) -> float:
    """Return the Euclidean norm of weights minus base over all floating-point arrays, summed in float64."""
    total = 0.0
    for dtype, flat in flats.items():
        if flat.dtype.kind != "f":
            continue
        for start in range(0, flat.size, BLOCK):
            step = flat[start : start + BLOCK].astype(np.float64) - base[dtype][start : start + BLOCK]
            total += float(np.dot(step, step))
    return math.sqrt(total)


def _limit_norms(replies: list[HeldReply], base: dict[str, NumpyArray], limit: float, *, clip: bool) -> list[HeldReply]:
    """Clip or refuse updates over ``limit`` times the round's median norm (Sun et al., 2019, with a relative bound).

    Where most clients return the weights as they were, the median is 0 and says nothing about the others.
    """
    norms = [update_norm(reply.flats, base) for reply in replies]
    bound = limit * median(norms)
    if bound == 0:
        return replies
    judged = []
    for reply, norm in zip(replies, norms, strict=True):
        if norm <= bound:
            judged.append(reply)
            continue
        said = f"its update has norm {norm:.3g}, {limit:g} times the round's median is {bound:.3g}"
        if clip:
            clipped = {k: _towards(base[k], flat, bound / norm) for k, flat in reply.flats.items()}
            judged.append(replace(reply, flats=clipped, remark=f"{said}: it was clipped"))
        else:
            judged.append(replace(reply, refused=said))
    return judged


def _towards(base: NumpyArray, flat: NumpyArray, share: float) -> NumpyArray:
    """Return base + share × (flat - base) in the array's dtype; whole numbers stay as they came.

    Reckoned in float32 at least: the way from one float16 to another may be longer than float16 goes.
    """
    if flat.dtype.kind != "f":
        return flat
    moved = np.subtract(flat, base, dtype=np.promote_types(flat.dtype, np.float32))
    moved *= share
    moved += base
    return moved.astype(flat.dtype, copy=False)


def _limit_shares(replies: list[HeldReply], share: float) -> list[HeldReply]:
    """Let no client count for more than ``share`` of the round's samples, as far as the number of clients allows."""
    counted = [reply for reply in replies if reply.refused is None]
    if not counted:
        return replies
    ceiling = _ceiling([reply.num_examples for reply in counted], max(share, 1 / len(counted)))
    return [_cut(reply, ceiling, share) for reply in replies]


def _cut(reply: HeldReply, ceiling: int, share: float) -> HeldReply:
    if reply.refused is not None or reply.num_examples <= ceiling:
        return reply
    said = f"counts as {ceiling} of its {reply.num_examples} samples: no client weighs more than {share:.0%}"
    return replace(reply, counts_as=ceiling, remark=said)


def _ceiling(counts: list[int], share: float) -> int:
    """Return the largest number of samples such that nobody, cut to it, has more than ``share`` of the sum."""
    ordered = sorted(counts, reverse=True)
    for cut in range(len(ordered)):
        rest = sum(ordered[cut:])
        if cut * share >= 1:
            break
        ceiling = share * rest / (1 - cut * share)
        if ordered[cut] <= ceiling + 1e-9:
            return max(1, int(ceiling + 1e-9)) if cut else ordered[0]
    return max(1, ordered[-1])
