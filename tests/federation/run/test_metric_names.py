"""Names that people use are kept, short lists are spread, and what is left out is named."""

import math

from federation.run.metric_names import clean_metrics, dropped_sentence

GOOD = ("metrics/mAP50(B)", "recall@5", "top-5 acc", "γ", "_private", "<b>x</b>", "x" * 100)
BAD = ("", " x", "x" * 101, "line\nbreak", "\x1b[31m", 'quote"', "back\\slash")


def test_names_that_people_use_are_kept_and_others_are_named() -> None:
    kept, dropped = clean_metrics(dict.fromkeys((*GOOD, *BAD), 1.0))
    assert tuple(kept) == GOOD
    [(reason, names)] = dropped.items()
    assert tuple(names) == BAD
    said = dropped_sentence(reason, names)
    assert said.isprintable() and "and 2 others" in said


def test_short_lists_are_spread_and_long_ones_left_out() -> None:
    kept, dropped = clean_metrics({"f1": [0.5, 1], "empty": [], "long": [0.0] * 21, "mixed": [1, "a"], "flag": True})
    assert kept == {"f1[0]": 0.5, "f1[1]": 1.0}
    assert dropped == {"no number": ["empty", "mixed", "flag"], "a list of more than 20": ["long"]}


def test_at_most_a_hundred_metrics_are_kept_and_no_list_by_half() -> None:
    kept, dropped = clean_metrics({**{f"m{i}": i for i in range(90)}, "per_class": [0.0] * 11, "last": 10**400})
    assert (len(kept), kept["last"]) == (91, math.inf)
    assert dropped == {"over 100 metrics": ["per_class"]}
