"""Join codes: what goes in comes out, and a mistyped one is told from a good one without a server."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from federation.protocol.join_code import BadJoinCode, JoinCode

FULL = JoinCode(
    server="[2001:db8::1]:8080", secret="s" * 24, fingerprint="0f" * 32, name="Müller-Lab 3", dataset="digits",
    partition=0, partitions=2,
)  # fmt: skip
ALPHABET = string.ascii_letters + string.digits + "-_"


@pytest.mark.parametrize("code", [FULL, JoinCode(server="lab:8080", secret="x")])
def test_a_code_is_url_safe_and_says_what_it_was_made_of(code: JoinCode) -> None:
    text = code.encode()
    assert set(text) <= set(ALPHABET) and JoinCode.decode(f" {text}\n") == code


@given(st.data())
def test_a_code_with_a_wrong_a_missing_or_a_further_character_is_refused(data: st.DataObject) -> None:
    text = FULL.encode()
    place = data.draw(st.integers(0, len(text) - 1))
    character = data.draw(st.sampled_from(ALPHABET).filter(lambda c: c != text[place]))
    for wrong in (text[:place] + character + text[place + 1 :], text[:place] + text[place + 1 :], text + character,
                  text[:place] + character + text[place:]):  # fmt: skip
        if wrong != text:
            with pytest.raises(BadJoinCode):
                JoinCode.decode(wrong)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "begins with mj1_"),
        ("mj1_", "mistyped or incomplete"),
        ("mj1_%%%%", "mistyped or incomplete"),
        ("mj1_" + "a" * 10_000, "at most 2,000 characters"),
        ("mj2_abc", "another version of Meadow"),
        (JoinCode.model_construct(server="", secret="x").encode(), "unknown value (server)"),
        (JoinCode.model_construct(server="lab:1", secret="x", partition=3, partitions=2).encode(), "unknown value"),
    ],
)
def test_a_text_that_is_no_code_is_refused_with_the_reason(text: str, says: str) -> None:
    with pytest.raises(BadJoinCode) as caught:
        JoinCode.decode(text)
    assert says in str(caught.value)
