"""What was published, in its forms, and what is none."""

from pathlib import Path

import pytest

from sysimage.errors import UserError
from sysimage.rebuild.published import Published, file_hash, parse_published

HASH = "6105d6cc76af400325e94d588ce511be5bfdbb73b437dc51eca43917d7a43e3d"  # of b"image"
OTHER = "ab" * 32
FORM = "(hint: a line is 64 hex digits, two blanks and a name, as sha256sum writes it)"


@pytest.mark.parametrize(
    ("name", "text", "hashes"),
    [
        ("a.sha256", f"{HASH}  a.tar.zst\n", {"a.tar.zst": HASH}),
        ("a.sha256", f"{HASH.upper()} *out/a.tar.zst\n", {"a.tar.zst": HASH}),
        ("a.sha256", f"{HASH}\n", {"": HASH}),
        ("SHA256SUMS", f"{HASH}  a\n{OTHER}  b c\n", {"a": HASH, "b c": OTHER}),
    ],
)
def test_lists(tmp_path: Path, name: str, text: str, hashes: dict[str, str]) -> None:
    (tmp_path / name).write_text(text)
    assert parse_published(name, tmp_path) == Published(hashes)


def test_bare_hashes_and_images(tmp_path: Path) -> None:
    (tmp_path / "image").write_bytes(b"image")
    assert parse_published(HASH.upper(), tmp_path) == Published({"": HASH})
    assert parse_published("image", tmp_path) == Published({"": HASH}, tmp_path / "image")
    assert file_hash(tmp_path / "image") == HASH


def test_which_hash() -> None:
    assert Published({"": HASH}).hash_of("anything") == HASH
    assert Published({"a": HASH, "b": OTHER}).hash_of("b") == OTHER
    with pytest.raises(UserError) as caught:
        Published({"b": OTHER, "a": HASH}).hash_of("c")
    assert str(caught.value) == (
        "what is published is a, b; the target makes c "
        "(hint: give the label of that file as --target, or the bare hash as --published)"
    )


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("none", "--published 'none' is neither a file nor a sha256"),
        ("", "--published '' is neither a file nor a sha256"),
        (
            HASH[1:],
            f"--published {HASH[1:]!r} is neither a file nor a sha256 (hint: a sha256 has 64 hex digits, this has 63)",
        ),
        ("bad.sha256", f"bad.sha256 is not a list of checksums: line 2 is 'what' {FORM}"),
        ("binary.sha256", f"binary.sha256 is not a list of checksums: line 1 is '\\\\xff\\x00' {FORM}"),
        ("empty.sha256", f"empty.sha256 is empty {FORM}"),
        ("short.sha256", f"short.sha256 is not a list of checksums: line 1 is '{HASH[:40]}' {FORM}"),
        ("folder", "cannot read {}/folder: Is a directory"),
        ("folder.sha256", "cannot read {}/folder.sha256: Is a directory"),
    ],
)
def test_what_is_none(tmp_path: Path, word: str, message: str) -> None:
    (tmp_path / "bad.sha256").write_text(f"{HASH}  a\nwhat\n")
    (tmp_path / "binary.sha256").write_bytes(b"\xff\0\n")
    (tmp_path / "empty.sha256").touch()
    (tmp_path / "short.sha256").write_text(f"{HASH[1:]}  a\n")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder.sha256").mkdir()
    if word == "short.sha256":
        message = message.replace(HASH[:40], HASH[1:41])
    with pytest.raises(UserError) as caught:
        parse_published(word, tmp_path)
    assert str(caught.value) == message.format(tmp_path)
