"""The bundler with the locked esbuild and tsc themselves."""

import os
from pathlib import Path

import pytest

from npm import bundle, typescript
from npm.packages import Package
from npm.packages_test import archive
from sysimage.errors import UserError

ESBUILD, COMPILER, NODE = (Path(os.environ[name]).absolute() for name in ("ESBUILD", "COMPILER", "NODE"))


def sources(folder: Path, files: dict[str, str]) -> list[str]:
    """Files as the rules pass them."""
    words = []
    for name, text in files.items():
        file = folder / name.replace("/", "_")
        file.write_text(text)
        words.append(f"{name}={file}")
    return words


def package(folder: Path) -> Package:
    file = archive(
        folder / "p.tgz",
        {
            "package/package.json": '{"name": "p", "main": "main.js", "types": "main.d.ts"}',
            "package/main.js": "/*! Licence of p */ exports.one = () => 1;",
            "package/main.d.ts": "export declare const one: () => number;",
        },
    )
    return Package("node_modules/p", "p", "1.0.0", "sha512-", file)


def make(folder: Path, files: dict[str, str], options: tuple[str, ...] = ()) -> bundle.Bundle:
    """Bundles the first of the files, in a new folder."""
    work = folder / "work"
    work.mkdir()
    return bundle.make(work, ESBUILD, [package(folder)], sources(folder, files), next(iter(files)), "x.js", options)


PROGRAM = {
    "src/x.ts": 'import { one } from "p";\nimport { two } from "./two";\nexport const three: number = one() + two;\n'
}
TWO = {"src/two.ts": "export const two = 2;\n"}


def test_same_bytes_anywhere(tmp_path: Path) -> None:
    folders = [tmp_path / "a", tmp_path / "a/much/longer/path"]
    made = []
    for folder in folders:
        folder.mkdir(parents=True)
        made.append(make(folder, PROGRAM | TWO, ("--sourcemap=linked", "--legal-comments=eof")))
    assert made[0] == made[1]
    assert b"Licence of p" in made[0].program
    for text in (made[0].program, made[0].source_map):
        assert str(tmp_path).encode() not in text
    assert sorted(made[0].metafile["inputs"]) == ["node_modules/p/main.js", "src/two.ts", "src/x.ts"]


def test_the_folders_above_have_no_say(tmp_path: Path) -> None:
    (tmp_path / "tsconfig.json").write_text('{"compilerOptions": {"jsx": "nonsense", "target": "es5"}}')
    (tmp_path / "node_modules/q").mkdir(parents=True)
    (tmp_path / "node_modules/q/index.js").write_text("module.exports = 1;")
    assert make(tmp_path, {"src/x.ts": "class A { #b = 1 }; console.log(new A());"}).program
    from npm import contents

    (tmp_path / "second").mkdir()
    made = make(tmp_path / "second", {"src/x.ts": 'import q from "q"; console.log(q);'})
    with pytest.raises(UserError, match="node_modules/q"):
        contents.used(made.metafile, [])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            'import "./gone";\n',
            'esbuild refuses src/x.ts: Could not resolve "./gone" (src/x.ts:1:7) '
            "(hint: name the file in srcs, or the package that has it in deps)",
        ),
        (
            'import "q";\n',
            'esbuild refuses src/x.ts: Could not resolve "q" (src/x.ts:1:7) '
            "(hint: name the file in srcs, or the package that has it in deps)",
        ),
        ("const = 1;\n", 'esbuild refuses src/x.ts: Expected identifier but found "=" (src/x.ts:1:6)'),
    ],
)
def test_refusals(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UserError) as refused:
        make(tmp_path, {"src/x.ts": text})
    assert str(refused.value) == message


def check(folder: Path, files: dict[str, str]) -> str:
    work = folder / "work"
    work.mkdir()
    return typescript.check(
        work, NODE, COMPILER, [package(folder)], sources(folder, files), None, ["es2022", "webworker"]
    )


def test_types(tmp_path: Path) -> None:
    assert check(tmp_path, PROGRAM | TWO) == ""


def test_wrong_types(tmp_path: Path) -> None:
    found = check(tmp_path, {"src/x.ts": 'import { one } from "p";\nexport const word: string = one();\n'})
    assert found == "src/x.ts(2,14): error TS2322: Type 'number' is not assignable to type 'string'."


def test_no_types(tmp_path: Path) -> None:
    with pytest.raises(UserError) as refused:
        check(tmp_path, {"src/x.js": "1"})
    assert str(refused.value) == "no source is TypeScript (hint: name .ts files in srcs)"
