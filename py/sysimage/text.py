"""Text and numbers that others wrote: what they are, or a refusal."""

import json
import re
from pathlib import Path
from typing import Any

from sysimage.errors import UserError

DIGITS = 20  # of a decimal number, at most: enough for 64 bits
_DECIMAL = re.compile(rf"[0-9]{{1,{DIGITS}}}")


def is_decimal(text: str) -> bool:
    """Whether a text is a number of 1 to 20 of the digits 0 to 9, and nothing else.

    `str.isdigit` is true of more than `int` takes (superscripts), `int` takes more than files mean
    (signs, blanks, underscores, digits of other scripts), and of thousands of digits neither.
    """
    return _DECIMAL.fullmatch(text) is not None


def read_text(path: Path | str) -> str:
    """A file of UTF-8.

    Raises:
        UserError: it cannot be read, or is something else.
    """
    try:
        return Path(path).read_bytes().decode("utf-8")
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UserError(
            f"{path} is not a text in UTF-8: byte {error.start} is {error.object[error.start]:#04x}"
        ) from error


def parse_json(data: str | bytes) -> Any:
    """JSON as Python's values; unlike with `json.loads`, what is nested too deeply is a ValueError as all that is bad.

    Raises:
        ValueError: it is not JSON.
    """
    try:
        return json.loads(data)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
