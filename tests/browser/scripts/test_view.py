"""static/js/charts/view.js: a zoom from an address that anybody may have typed."""

import pytest

from tests.browser.scripts.conftest import Scripts


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("from=2&to=9.5", {"min": 2, "max": 9.5}),
        ("from=2", None),
        ("", None),
        ("from=9&to=2", None),
        ("from=3&to=3", None),
        ("from=0&to=Infinity", None),
        ("from=-Infinity&to=3", None),
        ("from=a&to=b", None),
    ],
)
def test_a_zoom_has_two_finite_ends(scripts: Scripts, query: str, expected: dict[str, float] | None) -> None:
    source = "({ readZoom }, query) => readZoom(new URLSearchParams(query))"
    assert scripts.run("charts/view.js", source, query) == expected
