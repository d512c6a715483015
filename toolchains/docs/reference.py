"""The rule reference: Markdown out of what Bazel extracts from `.bzl` files.

Source: stardoc_output.proto of Bazel (`ModuleInfo` and below); only what all versions from 7 on write is used.

bazel run //toolchains/docs:reference_update
"""

import argparse
import os
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sysimage.errors import UserError
from sysimage.files import write_source
from toolchains.docs.textproto import Message, parse

INDEX = "README.md"
_UPDATED_BY = "bazel run //toolchains/docs:reference_update"
_NOTE = f"<!-- Generated from the .bzl files: {_UPDATED_BY} -->"

_TYPES = {
    "BOOLEAN": "bool",
    "INT": "int",
    "INT_LIST": "list of ints",
    "LABEL": "label",
    "LABEL_DICT_UNARY": "dict of strings to labels",
    "LABEL_LIST": "list of labels",
    "LABEL_STRING_DICT": "dict of labels to strings",
    "NAME": "name",
    "OUTPUT": "name of an output",
    "OUTPUT_LIST": "list of names of outputs",
    "STRING": "string",
    "STRING_DICT": "dict of strings to strings",
    "STRING_LIST": "list of strings",
    "STRING_LIST_DICT": "dict of strings to lists of strings",
}

_ATTRIBUTES = ("attribute", "type", "default", "meaning")
_ARGUMENTS = ("argument", "default", "meaning")
_TAGS = ("attribute of a tag", "type", "default", "meaning")
_FIELDS = ("field", "meaning")

_BLOCK = re.compile(r"^```starlark\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Symbol:
    """Something that a build file may load: a rule, a function, a provider, a module extension."""

    name: str
    kind: str
    doc: str
    rows: tuple[tuple[str, ...], ...]
    headings: tuple[str, ...]

    @property
    def summary(self) -> str:
        """The first sentence of its doc, or the first line of it."""
        first = self.doc.split("\n\n")[0].replace("\n", " ")
        return re.split(r"(?<=\.) ", first)[0]


@dataclass(frozen=True, slots=True)
class Page:
    """One `.bzl` file that build files load from."""

    name: str
    file: str
    doc: str
    symbols: tuple[Symbol, ...]

    @property
    def examples(self) -> tuple[str, ...]:
        """The Starlark blocks of the file's doc and of its symbols' docs."""
        return tuple(block for doc in (self.doc, *(symbol.doc for symbol in self.symbols)) for block in examples(doc))


def examples(doc: str) -> list[str]:
    """The Starlark code blocks of a doc."""
    return _BLOCK.findall(doc + "\n")


def _row(attribute: Message, prefix: str = "") -> tuple[str, ...]:
    """Name, type, default and meaning of an attribute."""
    kind = _TYPES.get(attribute.text("type"), attribute.text("type"))
    providers = sorted(
        {name for group in attribute.all("provider_name_group") for name in group.texts.get("provider_name", [])}
    )
    if providers:
        kind += f" ({' and '.join(providers)})"
    return (f"`{prefix}{attribute.text('name')}`", kind, _default(attribute), attribute.text("doc_string"))


def _default(field: Message) -> str:
    if field.flag("mandatory"):
        return "**required**"
    return f"`{field.text('default_value')}`" if field.text("default_value") else ""


def _parameter(parameter: Message) -> tuple[str, ...]:
    variadic = not parameter.flag("mandatory") and not parameter.text("default_value")
    name = ("**" if variadic else "") + parameter.text("name")
    return (f"`{name}`", _default(parameter), parameter.text("doc_string"))


def _symbols(module: Message) -> Iterable[Symbol]:
    for rule in module.all("rule_info"):
        rows: tuple[tuple[str, ...], ...] = tuple(map(_row, rule.all("attribute")))
        yield Symbol(rule.text("rule_name"), "rule", rule.text("doc_string"), rows, _ATTRIBUTES)
    for function in module.all("func_info"):
        rows = tuple(map(_parameter, function.all("parameter")))
        yield Symbol(function.text("function_name"), "function", function.text("doc_string"), rows, _ARGUMENTS)
    for extension in module.all("module_extension_info"):
        rows = tuple(
            _row(attribute, f"{tag.text('tag_name')}.")
            for tag in extension.all("tag_class")
            for attribute in tag.all("attribute")
        )
        yield Symbol(extension.text("extension_name"), "module extension", extension.text("doc_string"), rows, _TAGS)
    for provider in module.all("provider_info"):
        rows = tuple((f"`{info.text('name')}`", info.text("doc_string")) for info in provider.all("field_info"))
        yield Symbol(provider.text("provider_name"), "provider", provider.text("doc_string"), rows, _FIELDS)


def page(name: str, text: str) -> Page:
    """Reads what `starlark_doc_extract` wrote about a file."""
    module = parse(text)
    return Page(name, module.text("file"), module.text("module_docstring").strip(), tuple(_symbols(module)))


def _table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    cells = [[" ".join(cell.split()).replace("|", "\\|") for cell in row] for row in rows]
    return ["", *(f"| {' | '.join(row)} |" for row in ([*headings], ["---"] * len(headings), *cells))]


def render(page: Page) -> str:
    """The page of one file."""
    lines = [_NOTE, "", f"# {page.file}", "", page.doc]
    for symbol in page.symbols:
        lines += ["", f"## {symbol.name}", "", f"*{symbol.kind}*", "", symbol.doc.strip()]
        if symbol.rows:
            lines += _table(symbol.headings, symbol.rows)
    return "\n".join(lines) + "\n"


def render_index(pages: Sequence[Page]) -> str:
    """The page that leads to the others."""
    lines = [_NOTE, "", "# Rule reference", "", "What a build file may load, by the file that it loads it from."]
    for each in pages:
        lines += ["", f"## [{each.file}]({each.name}.md)"]
        rows = [(f"[{symbol.name}]({each.name}.md#{symbol.name.lower()})", symbol.summary) for symbol in each.symbols]
        lines += _table(("name", "what it is"), rows)
    return "\n".join(lines) + "\n"


def render_all(pages: Sequence[Page]) -> dict[str, str]:
    """File name to text, of all pages."""
    return {INDEX: render_index(pages)} | {f"{each.name}.md": render(each) for each in pages}


def read_pages(words: Sequence[str]) -> list[Page]:
    """Reads `NAME=FILE` words."""
    return [
        page(name, Path(file).read_text(encoding="utf-8")) for name, _, file in (word.partition("=") for word in words)
    ]


def write_all(folder: Path, pages: Mapping[str, str]) -> None:
    """Writes the pages into a folder, each whole or not at all, then removes those that are no more.

    Raises:
        UserError: one cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in pages.items():
        write_source(folder / name, text)
    for former in folder.glob("*.md"):
        if former.name not in pages:
            former.unlink()


def main() -> None:
    """Writes the pages into the workspace."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", required=True, help="where the pages go, from the root of the workspace")
    parser.add_argument("pages", nargs="+", metavar="NAME=FILE", help="a page and what was extracted for it")
    arguments = parser.parse_args()
    workspace = os.environ.get("BUILD_WORKSPACE_DIRECTORY")
    if workspace is None:
        sys.exit(f"the workspace is not known (hint: {_UPDATED_BY})")
    folder = Path(workspace) / arguments.folder
    pages = render_all(read_pages(arguments.pages))
    try:
        write_all(folder, pages)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    print(f"wrote {len(pages)} pages into {arguments.folder}")


if __name__ == "__main__":
    main()
