"""How extracted docs become pages."""

from pathlib import Path

import pytest

from sysimage.errors import UserError
from toolchains.docs.reference import examples, page, render, render_all, render_index, write_all

_EXTRACTED = r"""
rule_info {
  rule_name: "box_image"
  doc_string: "Packs a box. It is\nsquare.\n\n```starlark\nbox_image(\n    name = \"box\",\n)\n```"
  attribute { name: "name" doc_string: "A unique name for this target." type: NAME mandatory: true }
  attribute {
    name: "src"
    doc_string: "What is\n  in it, a|b."
    type: LABEL
    provider_name_group { provider_name: "BoxInfo" origin_key { name: "BoxInfo" file: "//x:y.bzl" } }
    default_value: "None"
  }
  attribute { name: "tags" doc_string: "Words." type: STRING_LIST default_value: "[]" }
}
func_info {
  function_name: "box_test"
  parameter { name: "name" doc_string: "name." mandatory: true }
  parameter { name: "size" doc_string: "size." default_value: "\"small\"" }
  parameter { name: "kwargs" doc_string: "the rest." }
  doc_string: "Shakes a box.\n"
}
provider_info { provider_name: "BoxInfo" doc_string: "A box." field_info { name: "lid" doc_string: "File: the lid." } }
module_extension_info {
  extension_name: "boxes"
  doc_string: "Boxes of others."
  tag_class { tag_name: "get" attribute { name: "where" doc_string: "Address." type: STRING mandatory: true } }
}
module_docstring: "Boxes."
file: "//box:defs.bzl"
"""

_RENDERED = """\
<!-- Generated from the .bzl files: bazel run //toolchains/docs:reference_update -->

# //box:defs.bzl

Boxes.

## box_image

*rule*

Packs a box. It is
square.

```starlark
box_image(
    name = "box",
)
```

| attribute | type | default | meaning |
| --- | --- | --- | --- |
| `name` | name | **required** | A unique name for this target. |
| `src` | label (BoxInfo) | `None` | What is in it, a\\|b. |
| `tags` | list of strings | `[]` | Words. |

## box_test

*function*

Shakes a box.

| argument | default | meaning |
| --- | --- | --- |
| `name` | **required** | name. |
| `size` | `"small"` | size. |
| `**kwargs` |  | the rest. |

## boxes

*module extension*

Boxes of others.

| attribute of a tag | type | default | meaning |
| --- | --- | --- | --- |
| `get.where` | string | **required** | Address. |

## BoxInfo

*provider*

A box.

| field | meaning |
| --- | --- |
| `lid` | File: the lid. |
"""


def test_page() -> None:
    assert render(page("box", _EXTRACTED)) == _RENDERED


def test_index() -> None:
    assert render_index([page("box", _EXTRACTED)]).splitlines()[6:] == [
        "## [//box:defs.bzl](box.md)",
        "",
        "| name | what it is |",
        "| --- | --- |",
        "| [box_image](box.md#box_image) | Packs a box. |",
        "| [box_test](box.md#box_test) | Shakes a box. |",
        "| [boxes](box.md#boxes) | Boxes of others. |",
        "| [BoxInfo](box.md#boxinfo) | A box. |",
    ]


def test_files() -> None:
    assert list(render_all([page("box", _EXTRACTED)])) == ["README.md", "box.md"]


@pytest.mark.parametrize(
    ("doc", "expected"),
    [
        ("Text only.", []),
        ("```starlark\na()\n```", ["a()\n"]),
        ("```starlark\na()\n```\nand\n```starlark\nb()\n\nc()\n```\n", ["a()\n", "b()\n\nc()\n"]),
        ("```sh\nls\n```", []),
    ],
)
def test_examples(doc: str, expected: list[str]) -> None:
    assert examples(doc) == expected


def test_examples_of_a_page() -> None:
    assert page("box", _EXTRACTED).examples == ('box_image(\n    name = "box",\n)\n',)


def test_pages_are_written_before_former_ones_go(tmp_path: Path) -> None:
    (tmp_path / "former.md").write_text("former")
    (tmp_path / "kept.md").write_text("old")
    (tmp_path / "new.md").mkdir()  # so that this page cannot be written
    with pytest.raises(UserError) as caught:
        write_all(tmp_path, {"kept.md": "new", "new.md": "new"})
    assert str(caught.value) == f"cannot write {tmp_path}/new.md: Is a directory"
    assert (tmp_path / "former.md").read_text() == "former"

    (tmp_path / "new.md").rmdir()
    write_all(tmp_path, {"kept.md": "new", "new.md": "new"})
    assert {file.name: file.read_text() for file in tmp_path.iterdir()} == {"kept.md": "new", "new.md": "new"}
