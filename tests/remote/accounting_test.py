"""The table of stored bytes."""

from pathlib import Path

from tests.remote.accounting import Row, account, table
from tests.remote.execution_log import REMOTE, Spawn, read

LAYER = Spawn(
    "RootfsLayer",
    "//os:base",
    REMOTE,
    False,
    {"external/deb/a.deb": ("a", 10), "py/tools/x.py": ("x", 1), "bin/external/w/site-packages/w.so": ("w", 2)},
    {"bin/base.tar.zst": ("l", 8)},
)
ARCHIVE = Spawn("ImageArchive", "//os/dev:img", REMOTE, False, {"bin/base.tar.zst": ("l", 8)}, {"bin/img": ("i", 9)})


def test_each_blob_counts_once_as_what_it_is_to_the_actions() -> None:
    blobs = {"a": 10, "x": 1, "w": 2, "l": 8, "i": 9, "message": 3}
    assert account(blobs, [LAYER, ARCHIVE]) == [
        Row("packages of the image", 1, 10),
        Row("output of ImageArchive dev:img", 1, 9),
        Row("output of RootfsLayer os:base", 1, 8),
        Row("actions, folders and results, as messages", 1, 3),
        Row("wheels", 1, 2),
        Row("sources and tools", 1, 1),
    ]


def test_what_is_not_in_the_storage_is_not_counted() -> None:
    assert account({"i": 9}, [LAYER, ARCHIVE]) == [Row("output of ImageArchive dev:img", 1, 9)]


def test_table() -> None:
    assert table([Row("one", 2, 3_000_000), Row("two", 1, 1_500_000)], 3_000_000) == (
        "                                                    blobs       MB  archives\n"
        f"one                                                     2     3.00     1.000  {'#' * 40}\n"
        f"two                                                     1     1.50     0.500  {'#' * 20}\n"
        "all                                                     3     4.50     1.500\n"
    )


def test_logs_are_objects_one_behind_the_other(tmp_path: Path) -> None:
    digest = '{"hash": "aa", "sizeBytes": "7", "hashFunctionName": "SHA-256"}'
    entry = (
        '{"mnemonic": "M", "targetLabel": "//l", "runner": "remote", "cacheHit": false, '
        f'"inputs": [{{"path": "i", "digest": {digest}}}, {{"path": "empty"}}], "actualOutputs": []}}'
    )
    (tmp_path / "log").write_text(f"{entry}\n{entry}{entry}\n")
    assert read(tmp_path / "log") == [Spawn("M", "//l", REMOTE, False, {"i": ("aa", 7)}, {})] * 3
