"""Robustness rules that need all updates of a round: a check of norms, and a limit on a client's weight.

Both are off by default.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import median

import numpy as np

from federation.aggregation.running_mean import BLOCK
from federation.run.config import RunConfig
from federation.run.events import Metrics
from federation.run.pooling import NOT_TOLD, Counts
from federation.weights.layout import Flats, NumpyArray

MIN_UPDATES_FOR_NORMS = 3
"""Of two updates the longer one has at most twice the median norm, so the check means nothing with fewer than three."""


@dataclass(frozen=True)
class Update:
    """The valid train reply of one client.

    ``weight`` is the number of samples that it counts as in the average; ``remark`` says how a rule changed the update,
    ``refusal`` why it is not aggregated, ``counts`` are those by which metrics are pooled.
    """

    client_id: int
    flats: Flats
    num_examples: int
    metrics: Metrics
    weight: int
    remark: str | None = None
    refusal: str | None = None
    counts: Counts = NOT_TOLD


def needs_whole_round(config: RunConfig) -> bool:
    """Say whether a run's updates must be held until all of the round have arrived."""
    return config.norm_rule != "off" or config.max_weight_share is not None


def apply_rules(updates: Sequence[Update], sent: Flats, config: RunConfig) -> list[Update]:
    """Return the updates in their order, clipped, down-weighted or refused. ``sent`` are the weights of the task."""
    checked = list(updates)
    if config.norm_rule != "off" and len(checked) >= MIN_UPDATES_FOR_NORMS:
        checked = _limit_norms(checked, sent, config.norm_limit, clip=config.norm_rule == "clip")
    if config.max_weight_share is not None:
        checked = _limit_shares(checked, config.max_weight_share)
    return checked


def update_norm(flats: Flats, sent: Flats) -> float:
    """Return the Euclidean norm of the difference over all floating-point arrays, summed in float64."""
    total = 0.0
    for dtype, flat in flats.items():
        if flat.dtype.kind != "f":
            continue
        for start in range(0, flat.size, BLOCK):
            step = flat[start : start + BLOCK].astype(np.float64) - sent[dtype][start : start + BLOCK]
            total += float(np.dot(step, step))
    return math.sqrt(total)


def _limit_norms(updates: list[Update], sent: Flats, limit: float, *, clip: bool) -> list[Update]:
    """Clip or refuse updates over ``limit`` times the round's median norm (Sun et al., 2019, with a relative bound).

    If most clients return the weights unchanged, the median is 0 and is no measure for the others.
    """
    norms = [update_norm(update.flats, sent) for update in updates]
    bound = limit * median(norms)
    if bound == 0:
        return updates
    checked = []
    for update, norm in zip(updates, norms, strict=True):
        if norm <= bound:
            checked.append(update)
            continue
        sentence = f"its update has norm {norm:.3g}, {limit:g} times the round's median is {bound:.3g}"
        if clip:
            clipped = {k: _interpolate(sent[k], flat, bound / norm) for k, flat in update.flats.items()}
            checked.append(replace(update, flats=clipped, remark=f"{sentence}: it was clipped"))
        else:
            checked.append(replace(update, refusal=sentence))
    return checked


def _interpolate(sent: NumpyArray, flat: NumpyArray, share: float) -> NumpyArray:
    """Return sent + share × (flat - sent) in the array's dtype; integers and bools stay as they arrived.

    Computed in float32 at least: the difference of two float16 may be larger than float16 can hold.
    """
    if flat.dtype.kind != "f":
        return flat
    moved = np.subtract(flat, sent, dtype=np.promote_types(flat.dtype, np.float32))
    moved *= share
    moved += sent
    return moved.astype(flat.dtype, copy=False)


def _limit_shares(updates: list[Update], share: float) -> list[Update]:
    """Limit each client to ``share`` of the round's samples, or to an equal share if there are too few clients."""
    counted = [update for update in updates if update.refusal is None]
    if not counted:
        return updates
    ceiling = _ceiling([update.num_examples for update in counted], max(share, 1 / len(counted)))
    return [_limit_weight(update, ceiling, share) for update in updates]


def _limit_weight(update: Update, ceiling: int, share: float) -> Update:
    if update.refusal is not None or update.num_examples <= ceiling:
        return update
    samples = f"{ceiling:,} of its {update.num_examples:,} samples"
    remark = f"counts as {samples}: the maximum weight per client is {share:.0%}"
    return replace(update, weight=ceiling, remark=remark)


def _ceiling(counts: list[int], share: float) -> int:
    """Return the largest ceiling with which no count, cut to it, is more than ``share`` of the sum of all."""
    ordered = sorted(counts, reverse=True)
    for cut in range(len(ordered)):
        rest = sum(ordered[cut:])
        if cut * share >= 1:
            break
        ceiling = share * rest / (1 - cut * share)
        if ordered[cut] <= ceiling + 1e-9:
            return max(1, int(ceiling + 1e-9)) if cut else ordered[0]
    return max(1, ordered[-1])
