"""Writes the goldens of an image test anew, draws how an image uses its budget, or prints what an image promises.

image_properties --subject=image_test_subject.json --update
image_properties --subject=image_test_subject.json --size_report
image_properties --image=disk-img.tar.zst
"""

import os
from collections.abc import Sequence
from pathlib import Path

from absl import flags

from sysimage.errors import UserError
from sysimage.files import write_source
from sysimage.inspection import look, open_image
from sysimage.properties import contents, manifest, properties, root_system, sizes, subject
from sysimage.properties.subject import Subject
from sysimage.text import read_text
from tools.main import refuse_arguments, run

_IMAGE = flags.DEFINE_string("image", None, "An image, raw or a tar with it: prints its properties.")
_SUBJECT = flags.DEFINE_string("subject", None, "What an image_test is about, as the rule wrote it.")
_UPDATE = flags.DEFINE_bool("update", False, "Write the goldens of the subject into the workspace.")
_SIZE_REPORT = flags.DEFINE_bool("size_report", False, "Draw how the subject uses its budget.")


def main(argv: Sequence[str]) -> None:
    """Does what the flags say."""
    refuse_arguments(argv)
    if (_IMAGE.value is None) == (_SUBJECT.value is None):
        raise UserError("exactly one of --image and --subject must be given")
    if _IMAGE.value is not None:
        with open_image(_IMAGE.value) as reader:
            print("\n".join(properties(look(reader))))
        return
    if _UPDATE.value == _SIZE_REPORT.value:
        raise UserError("--subject needs one of --update and --size_report")
    about = subject.load(str(_SUBJECT.value))
    if _SIZE_REPORT.value:
        _report(about)
    else:
        _update(about)


def _report(about: Subject) -> None:
    budget = sizes.load_budget(about.budget)
    recorded = sizes.parse(read_text(about.sizes), str(about.sizes))
    with open_image(about.image) as reader:
        image = look(reader)
        print(sizes.report(root_system(image), sizes.uses(image, budget, about.artifacts), recorded))


def _update(about: Subject) -> None:
    top = os.environ.get("BUILD_WORKSPACE_DIRECTORY")
    if not top:
        raise UserError("--update writes into the workspace, which is not known", hint="start it by bazel run")
    with open_image(about.image) as reader:
        image = look(reader)
        system = root_system(image)
        # All of them first: they change together or not at all.
        texts = {
            about.golden: "\n".join(properties(image)) + "\n",
            about.manifest: manifest.dump(manifest.make(image, system, contents.scan(image), about.volatile)),
            about.sizes: sizes.dump(sizes.by_package(system)),
        }
    for path, text in texts.items():
        write_source(Path(top) / path, text)
        print(f"wrote {path}")


if __name__ == "__main__":
    run(main)
