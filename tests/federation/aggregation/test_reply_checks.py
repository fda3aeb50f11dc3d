"""Checks of a reply's numbers; their effect on a run is tested with the coordinator."""

from federation.aggregation.reply_checks import check_num_examples
from federation.run.config import MAX_EXAMPLES


def test_a_number_of_samples_with_thousands_of_digits_is_shortened_in_the_refusal() -> None:
    assert check_num_examples(10**4000) == f"num_examples is 1{'0' * 58}…, it must be from 1 to {MAX_EXAMPLES:,}"
