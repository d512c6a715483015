"""Shell scripts."""

from pathlib import Path

from tests.lint.checkout import check, sources


def test_shellcheck(tmp_path: Path) -> None:
    files = sources("shell", tmp_path)
    mend = "change what it names, or give the reason in a `# shellcheck disable=...` comment"
    check(["shellcheck", "--external-sources", "--source-path=SCRIPTDIR", *files], tmp_path, mend)
