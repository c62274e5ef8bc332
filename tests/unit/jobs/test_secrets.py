"""Secrets as values: their variables' names, and the masker that keeps them out of texts."""

import base64
import json
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanfold.jobs.secrets import MASK, SHORTEST_MASKED, Credential, Masker, SecretType, environment_of

VALUES = ["wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", 'with "quotes" and \\ back', "ключ от двери", "a&b=c d/e+f"]


def test_a_pair_is_given_as_access_key_and_secret_key() -> None:
    given = environment_of(Credential("my-s3", SecretType.AWS, "AKIA", "s3cret-value"))
    assert given == {"MY_S3_ACCESS_KEY": "AKIA", "MY_S3_SECRET_KEY": "s3cret-value"}


def test_a_secret_of_type_other_is_one_variable_under_its_id() -> None:
    assert environment_of(Credential("api-token", SecretType.OTHER, "", "value")) == {"API_TOKEN": "value"}


def test_a_credential_does_not_show_its_value() -> None:
    assert "s3cret-value" not in repr(Credential("a", SecretType.AWS, "AKIA", "s3cret-value"))


@pytest.mark.parametrize("value", VALUES)
def test_a_value_is_masked_however_it_is_spelled(value: str) -> None:
    data = value.encode()
    spelled = {
        "plain": f"key={value};",
        "base64": base64.b64encode(data).decode(),
        "urlsafe": base64.urlsafe_b64encode(data).decode(),
        "basic": base64.b64encode(b"user:" + data).decode(),
        "basic2": base64.b64encode(b"u:" + data + b"\n").decode(),
        "hex": data.hex(),
        "HEX": data.hex().upper(),
        "url": quote(value, safe=""),
        "path": quote(value),
        "form": quote_plus(value),
        "json": json.dumps({"key": value}),
        "utf8": json.dumps({"key": value}, ensure_ascii=False),
        "repr": repr([value]),
    }
    masked = {name: Masker([value])(text) for name, text in spelled.items()}
    assert [name for name, text in masked.items() if MASK not in text] == []
    assert [name for name, text in masked.items() if value in text or data.hex() in text.lower()] == []


def test_what_stands_around_a_value_stays() -> None:
    assert Masker(["s3cret-value"])("key=s3cret-value; done") == "key=***; done"


def test_each_line_of_a_value_is_masked() -> None:
    mask = Masker(["-----BEGIN KEY-----\nMIIEvQIBADANBg\nkqhkiG9w0BAQEF\n-----END KEY-----"])
    assert mask("MIIEvQIBADANBg") == MASK


def test_values_too_short_to_be_told_from_words_are_left_alone() -> None:
    assert Masker(["x" * (SHORTEST_MASKED - 1)])("xxxxx") == "xxxxx"


def test_without_values_nothing_is_masked() -> None:
    assert Masker([])("text") == "text"


@given(st.text(min_size=SHORTEST_MASKED), st.text(), st.text())
def test_no_text_keeps_a_value(value: str, before: str, after: str) -> None:
    masked = Masker([value])(before + value + after)
    assert value not in masked or value in MASK or _made_by_joining(value, before, after)


def _made_by_joining(value: str, before: str, after: str) -> bool:
    """Where neighbours and the mask's own stars happen to spell the value again."""
    return "*" in value or value in before + after


@given(st.binary(min_size=SHORTEST_MASKED, max_size=60), st.binary(max_size=4), st.binary(max_size=4))
def test_base64_is_found_at_every_offset(data: bytes, before: bytes, after: bytes) -> None:
    value = data.hex()
    text = base64.b64encode(before + value.encode() + after).decode()
    assert MASK in Masker([value])(text)


LINES = "\n".join(f"{line:02}" + "MIIEvQIBADANBgkqhkiG9w0BAQEF" * 2 for line in range(9))
PEM = f"-----BEGIN PRIVATE KEY-----\n{LINES}\n-----END PRIVATE KEY-----"


@pytest.mark.parametrize("width", [64, 76])
@pytest.mark.parametrize("end", ["", "\n"])
@pytest.mark.parametrize("value", [PEM, PEM.replace("\n", ""), "k" * 58, "é" * 47])
def test_base64_is_masked_where_it_was_wrapped_over_lines(value: str, end: str, width: int) -> None:
    text = base64.b64encode((value + end).encode()).decode()
    _masked_but_a_rest(value, [text[start : start + width] for start in range(0, len(text), width)])


@pytest.mark.parametrize("value", [PEM, "k" * 31])
def test_hex_is_masked_where_it_was_wrapped_over_lines(value: str) -> None:
    text = value.encode().hex()
    _masked_but_a_rest(value, [text[start : start + 60] for start in range(0, len(text), 60)])


def _masked_but_a_rest(value: str, lines: list[str]) -> None:
    mask = Masker([value])
    assert len(lines) > 1
    assert {mask(line) for line in lines[:-1]} == {MASK}
    rest = mask(lines[-1]).replace(MASK, "").strip("=")
    assert len(rest) <= SHORTEST_MASKED + 1, (
        "less than the shortest value that is masked, and a letter for the line's end"
    )
    assert mask("\n".join(lines)).splitlines()[:-1] == [MASK] * (len(lines) - 1)
