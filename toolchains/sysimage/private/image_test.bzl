"""What an image promises, held against what was reviewed."""

load("//toolchains/private:checks.bzl", "quote", "refuse")
load("//toolchains/python:defs.bzl", "py_binary", "pytest_test")

_RULE = "image_test"
_LOGINS = ["none", "console"]
_FIXTURES = Label("//toolchains/sysimage/testing/image:fixtures")
_TESTS = [
    Label("//toolchains/sysimage/testing/image:disk_test.py"),
    Label("//toolchains/sysimage/testing/image:files_test.py"),
    Label("//toolchains/sysimage/testing/image:login_test.py"),
    Label("//toolchains/sysimage/testing/image:system_test.py"),
]
_GOLDENS = ["golden", "manifest", "sizes"]

def _image_subject_impl(ctx):
    attr = ctx.attr
    if attr.login not in _LOGINS:
        refuse(_RULE, "login", "be \"none\" or \"console\"", quote(attr.login))
    if attr.login == "console" and not attr.password:
        refuse(_RULE, "password", "be the one of root where login is \"console\"", "none")
    if attr.login == "none" and attr.password:
        refuse(_RULE, "password", "be left out where login is \"none\"", quote(attr.password))
    for name in attr.volatile:
        if not name.partition(":")[2]:
            refuse(_RULE, "volatile", "be of the form VOLUME:PATH", quote(name))
    for golden in _GOLDENS:
        if not getattr(ctx.file, golden).is_source:
            refuse(_RULE, golden, "be a file of the source tree, which the update command can write", str(getattr(attr, golden).label))
    names = {}
    for file in [ctx.file.image] + ctx.files.artifacts:
        if file.basename in names:
            refuse(_RULE, "artifacts", "have names that differ", "{} twice".format(quote(file.basename)))
        names[file.basename] = file.short_path
    single = ["budget", "checksum", "dpkg_verify", "golden", "image", "layout", "manifest", "sizes"]
    subject = ctx.actions.declare_file(ctx.label.name + ".json")
    ctx.actions.write(subject, json.encode_indent({
        "artifacts": names,
        "login": attr.login,
        "password": attr.password,
        "reviewed": [file.short_path for file in ctx.files.reviewed],
        "update": attr.update,
        "verity": attr.verity,
        "volatile": attr.volatile,
    } | {name: getattr(ctx.file, name).short_path for name in single}) + "\n")
    files = [subject] + ctx.files.artifacts + ctx.files.reviewed + [getattr(ctx.file, name) for name in single]
    return [DefaultInfo(files = depset([subject]), runfiles = ctx.runfiles(files))]

image_subject = rule(
    implementation = _image_subject_impl,
    doc = "Names the files that an `image_test` works on, for its programs to read.",
    attrs = {
        "artifacts": attr.label_list(doc = "Further files that the budget has limits for.", allow_files = True),
        "budget": attr.label(doc = "Limits of sizes.", allow_single_file = True, mandatory = True),
        "checksum": attr.label(doc = "The image's checksum.", allow_single_file = True, mandatory = True),
        "dpkg_verify": attr.label(doc = "What `dpkg --verify` reports.", allow_single_file = True, mandatory = True),
        "golden": attr.label(doc = "The properties.", allow_single_file = True, mandatory = True),
        "image": attr.label(doc = "The image.", allow_single_file = True, mandatory = True),
        "layout": attr.label(doc = "The table of partitions.", allow_single_file = True, mandatory = True),
        "login": attr.string(doc = "Who may log in.", mandatory = True),
        "manifest": attr.label(doc = "The manifest.", allow_single_file = True, mandatory = True),
        "password": attr.string(doc = "Root's password."),
        "reviewed": attr.label_list(doc = "Reviewed lists.", allow_files = True),
        "sizes": attr.label(doc = "The recorded sizes.", allow_single_file = True, mandatory = True),
        "update": attr.string(doc = "The command that writes the goldens.", mandatory = True),
        "verity": attr.bool(doc = "Whether the root has a hash tree.", default = True),
        "volatile": attr.string_list(doc = "Files whose content the manifest leaves out."),
    },
)

def image_test(
        name,
        image,
        checksum,
        golden,
        dpkg_verify,
        layout,
        login,
        budget,
        sizes,
        manifest,
        reviewed = [],
        password = "",
        volatile = [],
        artifacts = [],
        verity = True,
        size = "medium",
        **kwargs):
    """Tests a disk image with one Debian root filesystem: all that it promises (docs/properties.md).

    Partitions and logical volumes are those of an independent table, as sfdisk, blkid and pvck read them. Accounts, units, special modes and packages are those of
    the golden file, all files those of the manifest. No right, secret, leftover of a machine, dangling path or missing
    account is there that a reviewed row does not explain. Nobody can log in, or only root on the console. Nothing is larger than its
    budget. Our verifiers and foreign judges (sgdisk, e2fsck, fsck.fat, veritysetup, dpkg; and, in the image's own root,
    systemd-analyze verify, sshd, visudo, udevadm) are content.

    `bazel run :<name>_update` writes the goldens anew (`golden`, `manifest`, `sizes`), for the change to be reviewed;
    `bazel run :<name>_size_report` draws how the budget is used, and by which packages.

    ```starlark
    image_test(
        name = "image_test",
        budget = "budget.json",
        checksum = ":disk-img.tar.zst.sha256",
        dpkg_verify = "dpkg-verify.txt",
        golden = "properties.txt",
        image = ":disk-img.tar.zst",
        layout = "layout.txt",
        login = "console",
        manifest = "manifest.mtree",
        password = "root",
        reviewed = ["reviewed.txt"],
        sizes = "sizes.txt",
        volatile = ["boot:boot_args"],
    )
    ```

    A volume is a partition, or a logical volume in one, which is named `PARTITION/VOLUME`: in `volatile`, in the budget, in reviewed lists,
    and as a folder of the manifest.

    Args:
        name: name of the target.
        image: the image, a tar under zstd.
        checksum: its checksum, as sha256sum writes it.
        golden: the reviewed properties.
        dpkg_verify: what `dpkg --verify` reports of the root, reviewed; lines that begin with `#` are comments.
        layout: the table of partitions, written from the contract of the disk and not from what it is built of: lines `type NAME GUID`,
            `disk GUID BYTES`, and number, name, first sector, sectors, type, GUID, content (`ext4`, `vfat`, `LVM2_member`, ...,
            `empty`); where there are logical volumes also `vg NAME UUID EXTENT-BYTES SEQNO STATUS CREATED`,
            `pv PARTITION GROUP UUID FIRST-BYTE`, and `lv PARTITION/VOLUME FIRST-EXTENT EXTENTS UUID CONTENT`.
        login: `"none"`: nobody can log in without a key of his own; `"console"`: root can, with `password`, on each console of the
            kernel command line.
        budget: limits in MiB, JSON: volumes, VOLUME:PATH, names of `image` and `artifacts`; `growth` in per cent.
        sizes: the recorded size of each package.
        manifest: the files, as mtree(5) without what packages determine.
        reviewed: lists of what would be wrong and is right here: rows of check, path pattern, reason. A row that explains
            nothing fails the test.
        password: root's, where login is `"console"`.
        volatile: files whose content the manifest leaves out, VOLUME:PATH: what a stamp or the root hash changes.
        artifacts: further files that the budget has limits for.
        verity: whether the root has a hash tree, which the kernel command lines name; if not, there must be none.
        size: size of the test.
        **kwargs: as for py_test.
    """
    subject = name + "_subject"
    image_subject(
        name = subject,
        testonly = True,
        artifacts = artifacts,
        budget = budget,
        checksum = checksum,
        dpkg_verify = dpkg_verify,
        golden = golden,
        image = image,
        layout = layout,
        login = login,
        manifest = manifest,
        password = password,
        reviewed = reviewed,
        sizes = sizes,
        tags = ["manual"],
        update = "bazel run //{}:{}_update".format(native.package_name(), name),
        verity = verity,
        volatile = volatile,
    )
    pytest_test(
        name = name,
        size = size,
        srcs = _TESTS,
        data = [subject],
        env = {"SUBJECT": "$(rootpath {})".format(subject)},
        deps = [_FIXTURES],
        **kwargs
    )
    for verb in ["update", "size_report"]:
        py_binary(
            name = "{}_{}".format(name, verb),
            testonly = True,
            srcs = [Label("//py/tools:image_properties.py")],
            main = Label("//py/tools:image_properties.py"),
            args = [
                "--subject=$(rootpath {})".format(subject),
                "--{}".format(verb),
            ],
            data = [subject],
            deps = [Label("//py/tools:image_properties")],
        )
