"""Pages as trees: parsed by Python's own parser, asked by tag, id, class and attribute."""

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

import httpx

VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}


class Element:
    """One element: tag, attributes, children and text."""

    def __init__(self, tag: str, attributes: dict[str, str | None]) -> None:
        self.tag, self.attributes = tag, attributes
        self.children: list[Element | str] = []

    def __getitem__(self, name: str) -> str | None:
        return self.attributes[name]

    def __contains__(self, name: str) -> bool:
        return name in self.attributes

    @property
    def text(self) -> str:
        """All text below, with single blanks; thin spaces stay."""
        parts = [one if isinstance(one, str) else one.text for one in self.children]
        return re.sub(r"[ \n]+", " ", " ".join(parts)).strip()

    def all(self, tag: str = "", **wanted: Any) -> list["Element"]:
        """Return the elements below that match, in their order; ``class_`` is one of the classes, True any value."""
        return [element for element in self._below() if element.matches(tag, **wanted)]

    def one(self, tag: str = "", **wanted: Any) -> "Element":
        """Return the only element below that matches."""
        found = self.all(tag, **wanted)
        assert len(found) == 1, f"{len(found)} of {tag} {wanted}"
        return found[0]

    def matches(self, tag: str, **wanted: Any) -> bool:
        classes = (self.attributes.get("class") or "").split()
        has_class = wanted.pop("class_", None)
        return (
            tag in ("", self.tag)
            and (has_class is None or has_class in classes)
            and all(self._has(name.rstrip("_").replace("_", "-"), value) for name, value in wanted.items())
        )

    def _has(self, name: str, value: str | bool) -> bool:
        return name in self.attributes if value is True else self.attributes.get(name) == value

    def _below(self) -> Iterator["Element"]:
        for child in self.children:
            if isinstance(child, Element):
                yield child
                if child.tag != "template":  # what a template holds is not in the page
                    yield from child._below()

    def __repr__(self) -> str:
        return f"<{self.tag} {self.attributes}>"


class _Builder(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.root = Element("", {})
        self.open = [self.root]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, dict(attrs))
        assert len(element.attributes) == len(attrs), f"an attribute stands twice in {attrs}"
        self.open[-1].children.append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.open[-1].children.append(Element(tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open[-1].tag == tag, f"</{tag}> closes {self.open[-1]}"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        self.open[-1].children.append(data)


def parse(html: str) -> Element:
    """Return the tree of a page or a part of one; fails where tags do not match or an id stands twice."""
    builder = _Builder()
    builder.feed(html)
    builder.close()
    assert builder.open == [builder.root], f"not closed: {builder.open[1:]}"
    ids = [element["id"] or "" for element in builder.root.all() if "id" in element]
    assert len(ids) == len(set(ids)), f"ids stand twice: {sorted(i for i in ids if ids.count(i) > 1)}"
    return builder.root


def get_page(http: httpx.Client, path: str, status: int = 200) -> Element:
    """Open a page as a browser does, and check what every page has."""
    answer = http.get(path)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    page = parse(answer.text)
    assert page.one("title").text.endswith("· Meadow")
    assert len(page.all("h1")) == 1
    assert [link.text for link in page.one("nav", aria_label="Main").all("a")] == ["Home", "Runs", "Clients", "Server"]
    assert not page.all("style") and not [one for one in page.all("script") if "src" not in one]
    assert not [one for one in page.all() if "style" in one or any(name.startswith("on") for name in one.attributes)]
    return page


def flash_of(page: Element) -> str:
    """Return the flash message of a page with the word of its button, empty where the page shows none."""
    messages = page.all("div", class_="outcome")
    assert len(messages) <= 1
    return messages[0].text if messages else ""


def get_fragment(http: httpx.Client, path: str, element: str) -> Element:
    """Ask for one element of a page as htmx does; it comes alone."""
    headers = {"HX-Request": "true", "HX-Request-Type": "partial", "HX-Target": f"div#{element}"}
    answer = http.get(path, headers=headers)
    assert answer.status_code == 200, answer.text
    assert answer.headers["vary"] == "HX-Request-Type, HX-Target, Accept-Encoding"
    tree = parse(answer.text)
    roots = [child for child in tree.children if isinstance(child, Element)]
    assert [root.attributes.get("id") for root in roots] == [element], roots
    return roots[0]


def get_both(http: httpx.Client, path: str, element: str) -> Element:
    """Ask for a page and for its part; both say the same. Return the part."""
    page, fragment = get_page(http, path), get_fragment(http, path, element)
    whole = page.one(id=element)
    assert _shape(whole) == _shape(fragment)
    return whole


def _shape(element: Element) -> list[tuple[str, str | None]]:
    """Return tags and ids: what two answers a moment apart have in common."""
    return [(one.tag, one.attributes.get("id")) for one in element.all()]
