"""dm-verity: a filesystem image with its hash tree behind it.

The root hash leaves this rule in VerityInfo and reaches the kernel arguments
through the provider: nothing downstream parses tool output.
"""

load("//toolchains/private:checks.bzl", "HEX", "check_uuid", "only_has", "quote", "refuse")
load("//toolchains/sysimage/providers:image_info.bzl", "ImageInfo")
load("//toolchains/sysimage/providers:verity_info.bzl", "VerityInfo")
load(":plan_image.bzl", "plan_image")
load(":sources.bzl", "add_sources")

_RULE = "verity_image"

_MAX_SALT_DIGITS = 512

def _check(attr):
    salt = attr.salt
    if not only_has(salt, HEX) or len(salt) % 2 or len(salt) > _MAX_SALT_DIGITS:
        hint = "use \"{}\"".format(salt.lower()) if only_has(salt.lower(), HEX) and salt != salt.lower() else "two digits a byte"
        refuse(_RULE, "salt", "be 0 to 256 bytes of lower-case hex", quote(salt), hint)
    check_uuid(_RULE, "uuid", attr.uuid)
    if attr.src[ImageInfo].format == "verity":
        refuse(_RULE, "src", "be an image without a hash tree", str(attr.src.label), "give the filesystem that the other verity_image has as src")

def _verity_image_impl(ctx):
    _check(ctx.attr)
    image = ctx.attr.src[ImageInfo]
    root_hash = ctx.actions.declare_file(ctx.label.name + ".roothash")
    parameters = ctx.actions.declare_file(ctx.label.name + ".verity.json")
    args = ctx.actions.args()
    args.add("--map", image.map)
    add_sources(args, image.sources)
    args.add("--salt", ctx.attr.salt)
    args.add("--uuid", ctx.attr.uuid)
    args.add("--root_hash_out", root_hash)
    args.add("--parameters_out", parameters)
    return plan_image(
        ctx,
        args,
        inputs = depset([image.map], transitive = [image.sources]),
        sources = [image.sources],
        format = "verity",
        mnemonic = "VerityPlan",
        progress_message = "Hashing %{label}",
        outputs = [root_hash, parameters],
    ) + [VerityInfo(root_hash = root_hash, parameters = parameters)]

verity_image = rule(
    implementation = _verity_image_impl,
    doc = """\
Puts a dm-verity superblock and hash tree behind an image.

sha256, 4096-byte blocks, format 1: what `veritysetup format` makes for the same salt and UUID.

```starlark
verity_image(
    name = "root_verity",
    src = ":root",
    salt = "89bc06702975f10b41dd53e26eb9aef0adde93bc13d73e8f26b496dddefe2483",
    uuid = "1736291d-aceb-42d7-b044-43ee31d86cd4",
)
```
""",
    attrs = {
        "salt": attr.string(doc = "Salt, 0 to 256 bytes as lower-case hex. It is no secret; one for each product keeps hashes of one from being of use for another.", mandatory = True),
        "src": attr.label(doc = "The image to protect. It must never be written afterwards: one changed byte stops the system that reads it.", providers = [ImageInfo], mandatory = True),
        "uuid": attr.string(doc = "UUID in the verity superblock, from `uuidgen`.", mandatory = True),
        "_tool": attr.label(default = "//py/tools:verity_plan", executable = True, cfg = "exec"),
    },
    provides = [ImageInfo, VerityInfo],
)
