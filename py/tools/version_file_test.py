"""The version: constant without a status file, checked with one."""

import pytest

from sysimage.errors import UserError
from tools.version_file import version

STATUS = "BUILD_USER somebody\nSTABLE_VERSION 1.2.3-rc1\n"


@pytest.mark.parametrize(
    ("status", "suffix", "expected"),
    [
        (None, "", "0.0.0"),
        (None, "-test", "0.0.0-test"),
        (STATUS, "", "1.2.3-rc1"),
        (STATUS, "-test", "1.2.3-rc1-test"),
    ],
)
def test_version(status: str | None, suffix: str, expected: str) -> None:
    assert version("0.0.0", status, "STABLE_VERSION", suffix) == expected


@pytest.mark.parametrize(
    ("default", "status", "message"),
    [
        (
            "0",
            "BUILD_USER somebody\n",
            "a stamped build wants STABLE_VERSION, which the workspace status does not have (hint: "
            + "print 'STABLE_VERSION <version>' in the command of --workspace_status_command)",
        ),
        ("two words", None, "version 'two words' is not a plain word (hint: letters, digits and ._+~-, at most 128)"),
        ("", None, "version '' is not a plain word (hint: letters, digits and ._+~-, at most 128)"),
    ],
)
def test_bad_versions(default: str, status: str | None, message: str) -> None:
    with pytest.raises(UserError) as caught:
        version(default, status, "STABLE_VERSION", "")
    assert str(caught.value) == message
