"""Notes in Markdown become the elements that Markdown has, and nothing else."""

from tests.support.dashboard import Dashboard
from tests.support.markup import get_page, parse
from tests.webapp.pages.test_run_list import cancelled
from webapp.pages.markdown import markdown, plain

NOTE = """# Baseline

of the **paper**,
see [the split](https://example.org/a?b=1&c=2):

* ward 7
* ward 8

`seed = 7`"""


def test_a_note_is_shown_as_what_its_marks_mean(dashboard: Dashboard) -> None:
    (run_id,) = cancelled(dashboard, "Alpha")
    dashboard.http.post(f"/api/runs/{run_id}/note", json={"note": NOTE})
    note = get_page(dashboard.http, f"/runs/{run_id}").one("section", id="notes").one("div", class_="note")
    assert (note.one("h3").text, note.one("strong").text, note.one("code").text) == ("Baseline", "paper", "seed = 7")
    assert [item.text for item in note.all("li")] == ["ward 7", "ward 8"]
    link = note.one("a")
    assert (link["href"], link["rel"]) == ("https://example.org/a?b=1&c=2", "noopener noreferrer nofollow")
    assert note.all("br"), "line breaks are kept"
    row = get_page(dashboard.http, "/runs").one("tr", id=f"run-{run_id}")
    assert row.one("small", class_="noted").text == "Baseline…"
    assert dashboard.run(run_id)["note"] == NOTE, "the text is kept as it was written"


def test_no_text_becomes_another_element_or_the_address_of_a_script() -> None:
    for text in (
        "<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "![a](https://example.org/a.png)",
        "[a](javascript:alert(1))", "[a](data:text/html,x)", "<a href='javascript:alert(1)'>a</a>",
        '[a](https://example.org "\\" onclick=\\"alert(1)")', "|a|\n|:-:|\n|b|", "[" * 5000, "> " * 1500, "* " * 900,
    ):  # fmt: skip
        tree = parse(markdown(text))
        assert not tree.all("script") and not tree.all("img"), text
        for element in tree.all():
            assert "style" not in element.attributes
            assert not [name for name in element.attributes if name.startswith("on")]
            assert not (element.attributes.get("href") or "").startswith(("javascript", "data"))


def test_the_excerpt_of_a_note_is_its_first_line_without_marks() -> None:
    for text, said in (
        (NOTE, "Baseline"), ("the **split** of\nward 7", "the split of"), ("", ""), ("* `lr` 0.1", "lr 0.1"),
        ("```\nx = 1\n```", "x = 1"), ("<b>bold</b>", "<b>bold</b>"),
    ):  # fmt: skip
        assert plain(text) == said
