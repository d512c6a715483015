"""The files: properties and manifest against what was reviewed, sizes against the budget."""

from collections.abc import Mapping

from sysimage.inspection import Image
from sysimage.properties import System, manifest, properties, sizes
from sysimage.properties.contents import Content
from sysimage.properties.judges import judge
from sysimage.properties.subject import Subject
from sysimage.text import read_text


def test_properties_are_the_reviewed_ones(about: Subject, image: Image) -> None:
    found, reviewed = properties(image), read_text(about.golden).splitlines()
    gone = [f"- {line}" for line in reviewed if line not in found]
    new = [f"+ {line}" for line in found if line not in reviewed]
    assert found == reviewed, "\n".join(
        [
            "the image promises something else than was reviewed:",
            *gone,
            *new,
            f"If so it shall be: {about.update}",
        ]
    )


def test_files_are_those_of_the_manifest(
    about: Subject, image: Image, system: System, scanned: Mapping[tuple[str, str], Content]
) -> None:
    found = manifest.make(image, system, scanned, about.volatile)
    reviewed = manifest.parse(read_text(about.manifest), str(about.manifest))
    changes = manifest.differences(reviewed, found)
    assert not changes, "\n".join(
        [f"the files are not those of {about.manifest}:", *changes, f"If so it shall be: {about.update}"]
    )
    # mtree(5), as somebody else reads it.
    assert len(judge("bsdtar", "-tf", about.manifest).splitlines()) == len(found.entries)
    # Equal entries in another order, or lines that say nothing.
    assert manifest.dump(found) == read_text(about.manifest), f"{about.manifest} was edited; {about.update}"


def test_sizes_are_within_the_budget(about: Subject, image: Image, system: System) -> None:
    budget = sizes.load_budget(about.budget)
    recorded = sizes.parse(read_text(about.sizes), str(about.sizes))
    used = sizes.uses(image, budget, about.artifacts)
    over = sizes.exceeded(system, budget, used, recorded)
    advice = f"Make it smaller, or raise {about.budget} with the reason; then record the sizes: {about.update}"
    assert not over, "\n".join([*over, "", sizes.report(system, used, recorded, advice)])
