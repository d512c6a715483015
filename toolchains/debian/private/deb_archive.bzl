"""One .deb, fetched by hash."""

load(":mirrors.bzl", "bad_mirror_message", "gone_message", "no_mirror_message", "parse_deb822", "parse_one_line", "select_mirrors", "url_of", "variable_of")

_APT_FOLDER = "/etc/apt"

_BUILD = """\
filegroup(
    name = "deb",
    srcs = [{}],
    visibility = ["//visibility:public"],
)
"""

def _read(rctx, path):
    # Not watched: where a file comes from is no input, its hash says what it is.
    return rctx.read(path, watch = "no")

def _apt_sources(rctx):
    """The machine's apt sources, as a list of (address, components)."""
    sources = []
    main = rctx.path(_APT_FOLDER + "/sources.list")
    if main.exists:
        sources += parse_one_line(_read(rctx, main))
    folder = rctx.path(_APT_FOLDER + "/sources.list.d")
    if folder.exists:
        for path in sorted(folder.readdir(watch = "no"), key = lambda path: path.basename):
            if path.basename.endswith(".list"):
                sources += parse_one_line(_read(rctx, path))
            elif path.basename.endswith(".sources"):
                sources += parse_deb822(_read(rctx, path))
    return sources

def _deb_archive_impl(rctx):
    archive = rctx.attr.archive
    configured = rctx.os.environ.get(variable_of(archive), "")
    sources = [] if configured else _apt_sources(rctx)
    mirrors = select_mirrors(archive, configured, sources, rctx.attr.snapshot)
    if not mirrors:
        fail(no_mirror_message(archive))
    bad = bad_mirror_message(archive, mirrors)
    if bad:
        fail(bad)
    urls = [url_of(mirror, rctx.attr.path) for mirror in mirrors]
    filename = rctx.attr.path.rpartition("/")[2]

    # No canonical id: the same bytes are the same package, wherever they came from before.
    result = rctx.download(
        url = urls,
        output = filename,
        sha256 = rctx.attr.sha256,
        allow_fail = True,
    )
    if not result.success:
        fail(gone_message(
            rctx.attr.package,
            rctx.attr.version,
            rctx.attr.architecture,
            archive,
            urls,
            rctx.attr.sha256,
            rctx.attr.snapshot,
        ))
    rctx.file("BUILD.bazel", _BUILD.format(repr(filename)), executable = False)

deb_archive = repository_rule(
    implementation = _deb_archive_impl,
    doc = """\
Fetches one .deb of a package lock by its sha256, when a build first needs it.

Its address is made of a mirror (NAME_MIRROR in the environment, else the machine's apt configuration) and the
path in the lock. The repository cache, `--experimental_downloader_config` and `--distdir` work as with any download.
""",
    attrs = {
        "architecture": attr.string(doc = "Debian architecture, for messages.", mandatory = True),
        "archive": attr.string(doc = "Archive that has it: `debian`, `debian-security`.", mandatory = True),
        "package": attr.string(doc = "Package name, for messages.", mandatory = True),
        "path": attr.string(doc = "Path in the archive.", mandatory = True),
        "sha256": attr.string(doc = "Hash of the file, hexadecimal.", mandatory = True),
        "snapshot": attr.string(doc = "Date of the lock as archive snapshots write it.", mandatory = True),
        "version": attr.string(doc = "Package version, for messages.", mandatory = True),
    },
)
