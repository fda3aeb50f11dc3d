"""Notes in Markdown: written as HTML without images, raw HTML or headings above those of the page."""

from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import Markup

HIGHEST_HEADING = 3
_reader = MarkdownIt("commonmark", {"html": False, "breaks": True}).enable(["table", "strikethrough"]).disable("image")


def markdown(text: str) -> Markup:
    """Return a text in Markdown as HTML. Only the elements of Markdown come of it; addresses of scripts stay text."""
    tokens = _reader.parse(text)
    for token in _all(tokens):
        if token.type.startswith("heading_"):
            token.tag = f"h{min(6, int(token.tag[1:]) + HIGHEST_HEADING - 1)}"
        elif token.type == "link_open":
            token.attrs |= {"rel": "noopener noreferrer nofollow"}
        elif "style" in token.attrs:
            del token.attrs["style"]  # the alignment of a column, which the security policy forbids
    return Markup(_reader.renderer.render(tokens, _reader.options, {}))  # the renderer escapes texts


def plain(text: str) -> str:
    """Return the first line of a text in Markdown, without its marks."""
    for token in _reader.parse(text):
        if token.type == "inline" and (words := "".join(_words(child) for child in token.children or ()).strip()):
            return words.partition("\n")[0]
        if token.type in ("fence", "code_block") and token.content.strip():
            return token.content.strip().partition("\n")[0]
    return ""


def _all(tokens: list[Token]) -> list[Token]:
    return [one for token in tokens for one in (token, *(token.children or ()))]


def _words(token: Token) -> str:
    return "\n" if token.type in ("softbreak", "hardbreak") else token.content
