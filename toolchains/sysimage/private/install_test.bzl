"""What we compose of packages, held against a real install of the same packages."""

load("//toolchains/debian:providers.bzl", "DebSetInfo")
load("//toolchains/private:checks.bzl", "check_not_negative", "refuse")
load("//toolchains/python:defs.bzl", "pytest_test")
load("//toolchains/sysimage/providers:rootfs_info.bzl", "RootfsInfo")
load(":sources.bzl", "DEFAULT_EPOCH", "source_key")

_RULE = "install_test"
_FAKEROOT = Label("//toolchains/sysimage/testing:fakeroot")

def _install_subject_impl(ctx):
    check_not_negative(_RULE, "epoch", ctx.attr.epoch)
    base = ctx.attr.base[RootfsInfo]
    packages = ctx.attr.packages[DebSetInfo]
    fakeroot = ctx.attr.fakeroot[DebSetInfo]
    if not packages.essential:
        refuse(_RULE, "packages", "say which of them are essential", "{}, which does not".format(ctx.attr.packages.label), "take a set of a lock")
    sources = base.sources.to_list()
    subject = ctx.actions.declare_file(ctx.label.name + ".json")
    ctx.actions.write(subject, json.encode_indent({
        "accounts": ctx.file.accounts.short_path,
        "debs": [deb.short_path for deb in packages.debs],
        "epoch": ctx.attr.epoch,
        "essential": packages.essential,
        "fakeroot": [deb.short_path for deb in fakeroot.debs],
        "sources": {source_key(file): file.short_path for file in sources},
        "tree": base.tree.short_path,
    }) + "\n")
    files = [subject, ctx.file.accounts, base.tree] + sources + packages.debs + fakeroot.debs
    return [DefaultInfo(files = depset([subject]), runfiles = ctx.runfiles(files))]

install_subject = rule(
    implementation = _install_subject_impl,
    doc = "Names the files that an `install_test` works on, for its program to read.",
    attrs = {
        "accounts": attr.label(doc = "The table of accounts.", allow_single_file = True, mandatory = True),
        "base": attr.label(doc = "What was composed.", mandatory = True, providers = [RootfsInfo]),
        "epoch": attr.int(doc = "What SOURCE_DATE_EPOCH is.", mandatory = True),
        "fakeroot": attr.label(doc = "The packages fakeroot and libfakeroot.", mandatory = True, providers = [DebSetInfo]),
        "packages": attr.label(doc = "The packages that it was composed of.", mandatory = True, providers = [DebSetInfo]),
    },
)

def install_test(name, base, packages, accounts, reviewed, epoch = DEFAULT_EPOCH, fakeroot = _FAKEROOT, size = "large", **kwargs):
    """Tests a base layer against a real install of its packages, maintainer scripts and all.

    The same .deb files are installed by their own dpkg, as an ordinary user in a user namespace (see docs/oracles.md), and the
    trees are compared entry by entry: type, mode, owner by name and number, link target, hard links, device numbers, extended
    attributes, content. Every difference must stand in the reviewed list with its reason, and every row of
    the list must explain a difference.

    ```starlark
    install_test(
        name = "install_test",
        accounts = "accounts.conf",
        base = ":base",
        packages = ":lock_system",
        reviewed = "install-differences.txt",
    )
    ```

    Where user namespaces are not allowed the test fails and says so.

    Args:
        name: name of the target.
        base: the composed root filesystem (RootfsInfo): these packages and nothing else.
        packages: the packages (DebSetInfo), a set of a lock or one that says which are essential.
        accounts: the table of accounts. A real install numbers accounts as they come; they are renumbered by it, by their names.
        reviewed: the list of reviewed differences: rows of path pattern, kind, reason.
        epoch: seconds since 1970, that of `base`: programs that note the day take it from here.
        fakeroot: the packages fakeroot and libfakeroot of the distribution that is installed.
        size: size of the test; about a minute for 200 packages.
        **kwargs: as for py_test.
    """
    install_subject(
        name = name + "_subject",
        testonly = True,
        accounts = accounts,
        base = base,
        epoch = epoch,
        fakeroot = fakeroot,
        packages = packages,
        tags = ["manual"],
    )
    pytest_test(
        name = name,
        size = size,
        srcs = [Label("//toolchains/sysimage/testing:install_test.py")],
        data = [reviewed, name + "_subject"],
        env = {
            "REVIEWED": "$(rootpath {})".format(reviewed),
            "SUBJECT": "$(rootpath {})".format(name + "_subject"),
        },
        deps = [
            Label("//py/sysimage:errors"),
            Label("//py/sysimage:extents"),
            Label("//py/sysimage:tar"),
            Label("//py/sysimage:tree"),
            Label("//py/sysimage/debian"),
            Label("//py/sysimage/difference"),
            Label("//py/sysimage/oracle:normal"),
            Label("//py/sysimage/oracle:real_install"),
        ],
        **kwargs
    )
