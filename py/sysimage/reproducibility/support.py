"""What environments are made with: a locale, a library that shows another clock, a hook for Python."""

import gzip
import shutil
from dataclasses import dataclass
from pathlib import Path

from sysimage import locked_tool
from sysimage.errors import UserError

_CHARMAP = "ISO-8859-9"
LOCALE = f"tr_TR.{_CHARMAP}"
_FAKETIME = "usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1"
_I18N = "usr/share/i18n"
_HOOK = Path(__file__).parent / "hook" / "sitecustomize.py"


@dataclass(frozen=True, slots=True)
class Support:
    """Where the parts are.

    locales: value of LOCPATH. faketime: value of LD_PRELOAD. hook: value of PYTHONPATH.
    """

    locales: Path
    faketime: Path
    hook: Path


def prepare(tool: Path, folder: Path) -> Support:
    """Compiles the locale, and lays out all that environments need.

    Args:
        tool: the unpacked tool //toolchains/reproducibility/tools:environments.
        folder: where to; it is made.

    Raises:
        UserError: it is another tool, or localedef fails.
    """
    packed = tool / _I18N / "charmaps" / f"{_CHARMAP}.gz"
    if not packed.is_file():
        raise UserError(
            f"{tool} has no {packed.relative_to(tool)}",
            hint="what is wanted is the folder of //toolchains/reproducibility/tools:environments",
        )
    i18n, locales, hook = folder / "i18n", folder / "locales", folder / "hook"
    for each in (i18n / "charmaps", locales, hook):
        each.mkdir(parents=True)
    (i18n / "locales").symlink_to((tool / _I18N / "locales").absolute())
    (i18n / "charmaps" / _CHARMAP).write_bytes(gzip.decompress(packed.read_bytes()))
    language = LOCALE.partition(".")[0]
    arguments = ["--no-archive", "-c", "-i", str(i18n / "locales" / language), "-f", str(i18n / "charmaps" / _CHARMAP)]
    locked_tool.run(tool, "localedef", [*arguments, str(locales / LOCALE)], cwd=i18n / "locales")
    shutil.copyfile(_HOOK, hook / "sitecustomize.py")
    faketime = folder / "libfaketime.so.1"
    shutil.copyfile(tool / _FAKETIME, faketime)
    return Support(locales, faketime, hook)
