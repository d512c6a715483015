"""What the rules have in common that fill named places: partitions of a disk, volumes of a group."""

load("//toolchains/private:checks.bzl", "check_unique", "quote", "refuse")
load("//toolchains/sysimage/providers:image_info.bzl", "ImageInfo")
load(":plan_image.bzl", "plan_image")

def check_places(rule, kind, filled, empty, max_name):
    """Refuses names that no layout can have, and places that are filled twice or not at all.

    Args:
        rule: name of the rule.
        kind: what a place is called; the attribute that fills them is its plural.
        filled: dict of targets with ImageInfo to names.
        empty: list of names.
        max_name: characters that a name may have.
    """
    attribute = kind + "s"
    names = filled.values()
    if not names:
        refuse(rule, attribute, "fill at least one {}".format(kind), "none")
    check_unique(rule, attribute, names)
    check_unique(rule, "empty", empty)
    for name in empty:
        if name in names:
            refuse(rule, "empty", "not name a {} that `{}` fills".format(kind, attribute), quote(name), "take it out of one of both")
    for each, given in [(attribute, names), ("empty", empty)]:
        for name in given:
            if not name or len(name) > max_name or "=" in name:
                refuse(rule, each, "have names of 1 to {} characters, none of them \"=\"".format(max_name), quote(name))

def refuse_format(rule, kind, filled, formats, what):
    """Refuses images that cannot lie in a place.

    Args:
        rule: name of the rule.
        kind: what a place is called.
        filled: dict of targets with ImageInfo to names.
        formats: list of formats that are refused.
        what: what images of these formats are.
    """
    for image, name in filled.items():
        if image[ImageInfo].format in formats:
            refuse(
                rule,
                kind + "s",
                "not put {} into a {}".format(what, kind),
                "{} for {}".format(image.label, quote(name)),
                "give the filesystem that the {} is to hold".format(kind),
            )

def plan_places(ctx, kind, filled, format, mnemonic):
    """Runs the rule's tool with a layout and what fills its places.

    Args:
        ctx: the context of a rule with the attributes `layout`, `empty` and `_tool`.
        kind: what a place is called, and the tool's flag for one.
        filled: dict of targets with ImageInfo to names.
        format: what the image is, as ImageInfo has it.
        mnemonic: of the action.

    Returns:
        DefaultInfo and ImageInfo, in a list.
    """
    args = ctx.actions.args()
    args.add("--layout", ctx.file.layout)
    inputs = [ctx.file.layout]
    sources = []
    for image, name in filled.items():
        info = image[ImageInfo]
        args.add("--" + kind, info.map, format = name.replace("%", "%%") + "=%s")
        inputs.append(info.map)
        sources.append(info.sources)
    args.add_all(ctx.attr.empty, before_each = "--empty")
    return plan_image(
        ctx,
        args,
        inputs = depset(inputs),
        sources = sources,
        format = format,
        mnemonic = mnemonic,
        progress_message = "Laying out %{label}",
    )
