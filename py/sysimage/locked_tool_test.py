import os
import stat
from pathlib import Path

import pytest

from sysimage import locked_tool, tree
from sysimage.elf_testing import make
from sysimage.errors import UserError
from sysimage.extents import Sources
from sysimage.tree import Tree

NOTHING = Sources({})
LIBRARIES = "usr/lib/x86_64-linux-gnu"


def packages() -> Tree:
    content = Tree()
    content.put("usr/bin/tool", tree.file(make(["liba.so.1"]), 0o755))
    content.put(f"{LIBRARIES}/liba.so.1.2.3", tree.file(make(["libc.so.6"], "")))
    content.put(f"{LIBRARIES}/liba.so.1", tree.symlink("liba.so.1.2.3"))
    content.put(f"{LIBRARIES}/libc.so.6", tree.file(make([], ""), 0o755))
    content.put(f"{LIBRARIES}/{locked_tool.LOADER}", tree.file(make([], ""), 0o755))
    content.put(f"{LIBRARIES}/libplugin.so.2", tree.file(make(["libc.so.6"], "")))
    content.put(f"usr/lib64/{locked_tool.LOADER}", tree.symlink(f"../lib/x86_64-linux-gnu/{locked_tool.LOADER}"))
    content.put("usr/share/tool/one.rom", tree.file(b"1"))
    content.put("usr/share/tool/two.rom", tree.symlink("/usr/share/tool/one.rom"))
    content.put("usr/share/tool/sub/three.txt", tree.file(b"3"))
    content.put("usr/share/tool/dangling.rom", tree.symlink("nothing"))
    return content


def test_only_what_is_needed() -> None:
    assert locked_tool.select(packages(), NOTHING, ["usr/bin/tool"]) == {
        "bin/tool": "usr/bin/tool",
        "lib/ld-linux-x86-64.so.2": f"{LIBRARIES}/{locked_tool.LOADER}",
        "lib/liba.so.1": f"{LIBRARIES}/liba.so.1.2.3",
        "lib/libc.so.6": f"{LIBRARIES}/libc.so.6",
    }


@pytest.mark.parametrize("runpath", ["/usr/lib/tool", "/nowhere:$ORIGIN/../lib/tool", "${ORIGIN}/../lib/tool"])
def test_libraries_of_its_own_folder(runpath: str) -> None:
    """Only who names the folder finds them there, and finds them there first."""
    content = packages()
    content.put("usr/bin/other", tree.file(make(["libown.so", "liba.so.1"], runpath=runpath), 0o755))
    content.put("usr/lib/tool/libown.so", tree.file(make([], "")))
    content.put("usr/lib/tool/liba.so.1", tree.file(make([], "")))
    assert locked_tool.select(content, NOTHING, ["usr/bin/other"]) == {
        "bin/other": "usr/bin/other",
        "lib/ld-linux-x86-64.so.2": f"{LIBRARIES}/{locked_tool.LOADER}",
        "lib/liba.so.1": "usr/lib/tool/liba.so.1",
        "lib/libown.so": "usr/lib/tool/libown.so",
    }
    content.put("usr/bin/other", tree.file(make(["libown.so"]), 0o755))
    with pytest.raises(UserError, match=r"^/usr/bin/other needs libown\.so, which is in none"):
        locked_tool.select(content, NOTHING, ["usr/bin/other"])


def test_libraries_loaded_at_run_time_and_data() -> None:
    found = locked_tool.select(packages(), NOTHING, ["usr/bin/tool"], ["usr/share/tool/*.rom"], ["libplugin.so.2"])
    assert "lib/libplugin.so.2" in found
    assert [name for name in found if name.startswith("usr/")] == ["usr/share/tool/one.rom", "usr/share/tool/two.rom"]


def test_all_below_a_folder() -> None:
    found = locked_tool.matching(packages(), "usr/share/tool/**")
    assert found == [f"usr/share/tool/{name}" for name in ("one.rom", "sub/three.txt", "two.rom")]


BAD = {
    ("usr/bin/gone", ""): "the packages of this tool have no file /usr/bin/gone",
    (
        "usr/bin/tool",
        "libgone.so.1",
    ): "the list of extra libraries needs libgone.so.1, which is in none of the packages "
    "given (hint: add the package that has it to the tool's package list and refresh the lock)",
}


@pytest.mark.parametrize("case", BAD)
def test_missing_things(case: tuple[str, str]) -> None:
    program, library = case
    with pytest.raises(UserError) as caught:
        locked_tool.select(packages(), NOTHING, [program], extra_libraries=[library] if library else [])
    assert str(caught.value) == BAD[case]


def test_missing_library_names_who_wants_it() -> None:
    content = packages()
    content.remove(f"{LIBRARIES}/libc.so.6")
    with pytest.raises(UserError, match=f"^/{LIBRARIES}/liba.so.1.2.3 needs libc.so.6, which is in none"):
        locked_tool.select(content, NOTHING, ["usr/bin/tool"])


def test_pattern_without_match_and_names_that_collide() -> None:
    with pytest.raises(UserError, match=r"^the packages of this tool have no file that matches 'usr/share/x/\*'$"):
        locked_tool.select(packages(), NOTHING, [], ["usr/share/x/*"])
    content = packages()
    content.put("usr/sbin/tool", tree.file(b"#!/bin/sh\n", 0o755))
    with pytest.raises(UserError, match=r"^two programs are called tool: /usr/bin/tool and /usr/sbin/tool$"):
        locked_tool.select(content, NOTHING, ["usr/bin/tool", "usr/sbin/tool"])


def test_folder_has_plain_files_with_fixed_modes(tmp_path: Path) -> None:
    content = packages()
    chosen = locked_tool.select(content, NOTHING, ["usr/bin/tool"], ["usr/share/tool/*.rom"])
    old = os.umask(0o077)
    try:
        locked_tool.write(content, NOTHING, chosen, tmp_path)
    finally:
        os.umask(old)
    files = {str(path.relative_to(tmp_path)): path for path in tmp_path.rglob("*") if not path.is_dir()}
    assert sorted(files) == sorted(chosen)
    assert not any(path.is_symlink() for path in files.values())
    modes = {name: stat.S_IMODE(path.stat().st_mode) for name, path in files.items()}
    assert modes["bin/tool"] == modes[f"lib/{locked_tool.LOADER}"] == 0o755
    assert modes["usr/share/tool/two.rom"] == 0o644
    assert files["usr/share/tool/two.rom"].read_bytes() == b"1"


def test_command_goes_through_the_loader_of_the_packages(tmp_path: Path) -> None:
    content = packages()
    locked_tool.write(content, NOTHING, locked_tool.select(content, NOTHING, ["usr/bin/tool"]), tmp_path)
    assert locked_tool.command(tmp_path, "tool", ["-x"], argv0="other") == [
        f"{tmp_path}/lib/ld-linux-x86-64.so.2",
        *("--library-path", f"{tmp_path}/lib"),
        *("--argv0", "other"),
        f"{tmp_path}/bin/tool",
        "-x",
    ]


def script(folder: Path, text: str) -> Path:
    (folder / "bin").mkdir()
    (folder / "bin/tool").write_text("#!/bin/sh\n" + text)
    os.chmod(folder / "bin/tool", 0o755)
    return folder


def test_run_has_a_clean_environment(tmp_path: Path) -> None:
    folder = script(tmp_path, 'echo "$LC_ALL $TZ ${HOME-none} $*"\n')
    assert locked_tool.run(folder, "tool", ["a", "b c"]) == "C.UTF-8 UTC none a b c\n"


def test_failure_is_told_with_what_was_said(tmp_path: Path) -> None:
    folder = script(tmp_path, "echo no such disk >&2; exit 7\n")
    with pytest.raises(UserError, match=r"^other failed with exit status 7: no such disk$"):
        locked_tool.run(folder, "tool", [], argv0="other")
