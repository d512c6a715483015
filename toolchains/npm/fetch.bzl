"""Fetches a package of a registry by its hash.

npm alone knows where its registry is, and how one asks it. A machine without npm gets it from a locked wheel.
"""

# Codes with which npm says that a registry does not have a package, or not of this version.
_GONE = ["E404", "ETARGET"]

# Words that begin lines which only computers read.
_NOISE = ["syscall", "errno"]

def failure_message(package, version, said):
    """What to say when npm fetched nothing.

    Args:
        package: its name.
        version: its version.
        said: npm's standard error.

    Returns:
        The message, one line.
    """
    lines = []
    code = ""
    for line in said.split("\n"):
        _, mark, text = line.partition("npm error ")
        text = text.strip()
        words = text.split(" ")
        if words[0] == "code" and not code:
            code = words[-1]
        elif mark and text and words[0] not in _NOISE:
            lines.append(text)
    reason = ": ".join([text for text in [code, lines[0] if lines else said.strip().partition("\n")[0]] if text]) or "npm said nothing"
    hint = "npm must be able to; its registry, proxy and certificates come from its configuration and environment"
    if code in _GONE:
        hint = "if the registry dropped it, refresh the lock; if it never had it, point npm's configuration at one that has"
    return "{}@{}: not fetched: {} (hint: {})".format(package, version, reason, hint)

def mismatch_message(package, version, integrity):
    """What to say when a registry delivered something else.

    Args:
        package: its name.
        version: its version.
        integrity: what it should be.

    Returns:
        The message, one line.
    """
    return "{}@{}: what the registry delivers is not {} (hint: the registry is damaged, or the lock is; neither is to be believed before that is known)".format(
        package,
        version,
        integrity,
    )

def fetch_package(rctx, package, version, integrity, node, npm, output):
    """Puts the archive of a package into a repository.

    Args:
        rctx: of the repository.
        package: its name.
        version: its version.
        integrity: its hash, as npm writes it.
        node: a node to run npm with where the machine has none; a label.
        npm: npm's program for that node; a label.
        output: name of the file.
    """

    # Bazel's repository cache knows the package by its hash; ask npm only when it is not there yet.
    found = rctx.download(
        url = "file://" + str(rctx.path("not-here.tgz")),
        output = output,
        integrity = integrity,
        allow_fail = True,
    )
    if found.success:
        return

    # npm chooses the name of the file, which may be that of the output.
    folder = rctx.path("npm-cache")
    command = [rctx.which("npm")] if rctx.which("npm") else [rctx.path(node), rctx.path(npm)]
    result = rctx.execute(command + [
        "pack",
        "--json",
        "--loglevel=error",
        "--cache=" + str(folder),
        "--pack-destination=" + str(folder),
        "{}@{}".format(package, version),
    ], timeout = 600)
    packed = json.decode(result.stdout, default = None) if result.return_code == 0 else None
    if not packed or type(packed) != "list":
        fail(failure_message(package, version, result.stderr or result.stdout))

    # Older ones of npm name a scoped package's file by its scope too, and write it without.
    file = folder.get_child(packed[0]["filename"].replace("@", "").replace("/", "-"))
    delivered = rctx.download(url = "file://" + str(file), output = output, integrity = integrity, allow_fail = True)
    if not delivered.success:
        fail(mismatch_message(package, version, integrity))
    rctx.delete(folder)

# Attributes of every repository rule that fetches packages.
FETCH_ATTRS = {
    "integrity": attr.string(doc = "Hash of the package, as npm writes it.", mandatory = True),
    "node": attr.label(doc = "A node to run npm with where the machine has none.", mandatory = True),
    "npm": attr.label(doc = "npm's program, for that node.", mandatory = True),
    "version": attr.string(doc = "Version of the package.", mandatory = True),
}
