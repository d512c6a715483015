import pytest

from benchmarks.workspace import sandboxed


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("INFO: 79 processes: 57 internal, 22 linux-sandbox.\n", 22),
        ("INFO: 9 processes: 3 action cache hit, 1 internal, 8 linux-sandbox.\n", 8),
        ("INFO: 1 process: 1 linux-sandbox.\n", 1),
        ("INFO: 1 process: 1 internal.\n", 0),
        ("INFO: Build completed successfully, 22 total actions\n", 0),
    ],
)
def test_sandboxed_actions_are_counted(text: str, number: int) -> None:
    assert sandboxed("INFO: Found 1 target...\n" + text) == number
