"""The committed rule reference is what the .bzl files say, and its examples are what is built."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from toolchains.docs.reference import Page, examples, read_pages, render_all

PAGES = read_pages(os.environ["PAGES"].split())
UNDOCUMENTED = {"", "A unique name for this target."}


def test_pages_are_up_to_date() -> None:
    folder = Path(os.environ["FOLDER"])
    committed = {file.name: file.read_text(encoding="utf-8") for file in folder.glob("*.md")}
    wanted = render_all(PAGES)
    old = sorted(name for name in committed.keys() | wanted.keys() if committed.get(name) != wanted.get(name))
    if old:
        pytest.fail(f"not up to date: {', '.join(old)}\nTo mend it: bazel run {os.environ['UPDATE']}", pytrace=False)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_everything_is_documented(page: Page) -> None:
    assert page.doc
    for symbol in page.symbols:
        assert symbol.doc, symbol.name
        for row in symbol.rows:
            assert row[-1] not in UNDOCUMENTED or row[0] == "`name`", f"{symbol.name}: {row[0]}"


def built() -> str:
    """The build and module files that have the examples."""
    return "\n".join(Path(file).read_text(encoding="utf-8") for file in os.environ["EXAMPLES"].split())


def blocks() -> Iterator[tuple[str, str]]:
    """The page and the text of each example."""
    for page in PAGES:
        for example in page.examples:
            yield page.name, example


@pytest.mark.parametrize(("page", "example"), blocks())
def test_example_is_built(page: str, example: str) -> None:
    where = os.environ["EXAMPLES"]
    assert re.search(rf"(?m)^{re.escape(example)}", built()), (
        f"{page}: this example does not stand in {where}:\n{example}"
    )


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_everything_has_an_example(page: Page) -> None:
    shown = "\n".join(page.examples)
    for symbol in page.symbols:
        if symbol.kind == "rule":
            assert f"{symbol.name}(" in "".join(examples(symbol.doc)), f"{symbol.name} has no example"
        if symbol.kind == "function":
            assert f"{symbol.name}(" in shown, f"no example uses {symbol.name}"
