"""The flags of boot_files, and its files."""

import pytest

from sysimage.errors import UserError
from tools import boot_files


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["state"], "--variable 'state' is not of the form NAME=VALUE"),
        (["=x"], "--variable '=x' is not of the form NAME=VALUE"),
        (["x="], "--variable 'x=' is not of the form NAME=VALUE"),
        (["x=1", "x=2"], "--variable 'x' is given twice"),
    ],
)
def test_bad_variables(words: list[str], message: str) -> None:
    with pytest.raises(UserError) as caught:
        boot_files.parse_variables(words)
    assert str(caught.value) == message


def test_variables() -> None:
    assert boot_files.parse_variables(["a=1", "b=2=3"]) == {"a": "1", "b": "2=3"}
