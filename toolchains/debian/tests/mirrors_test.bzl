"""Tests of //toolchains/debian/private:mirrors.bzl; the same cases as py/sysimage/debian/mirrors_test.py."""

load("@bazel_skylib//lib:unittest.bzl", "asserts", "unittest")
load(
    "//toolchains/debian/private:mirrors.bzl",
    "archive_of",
    "bad_mirror_message",
    "gone_message",
    "no_mirror_message",
    "parse_deb822",
    "parse_one_line",
    "select_mirrors",
    "url_of",
    "variable_of",
)

_ONE_LINE = """\
# deb http://comment.example/debian trixie main
deb http://mirror.example/debian trixie main # why
deb [arch=amd64 signed-by=/x.gpg] http://options.example/debian-security trixie-security main contrib
deb-src http://source.example/debian trixie main
deb\thttp://tab.example/debian\ttrixie\tmain
deb http://flat.example/debian ./
"""

_DEB822 = """\
# comment
Types: deb deb-src
URIs: http://mirror.example/debian http://second.example/debian/
Suites: trixie trixie-updates
Components: main contrib

Enabled: no
Types: deb
URIs: http://disabled.example/debian
Components: main

Types: deb-src
URIs: http://source.example/debian
Components: main

Types: deb
URIs:
 https://other.example/linux/debian
Suites: trixie
Components: stable
"""

def _archive_test_impl(ctx):
    env = unittest.begin(ctx)
    for uri, archive in {
        "file:///srv/mirror/debian": "debian",
        "file:/srv/mirror/debian": "debian",
        "http://mirror.example": "",
        "http://mirror.example/": "",
        "http://mirror.example/debian": "debian",
        "http://mirror.example/pub/debian/": "debian",
        "http://mirror.example:3142/mirror.example/debian-security": "debian-security",
        "https://snapshot.example/archive/debian/20250820T143000Z/": "debian",
    }.items():
        asserts.equals(env, archive, archive_of(uri), uri)
    asserts.equals(env, "DEBIAN_MIRROR", variable_of("debian"))
    asserts.equals(env, "DEBIAN_SECURITY_MIRROR", variable_of("debian-security"))
    return unittest.end(env)

_archive_test = unittest.make(_archive_test_impl)

def _sources_test_impl(ctx):
    env = unittest.begin(ctx)
    asserts.equals(env, [
        ("http://mirror.example/debian", ["main"]),
        ("http://options.example/debian-security", ["main", "contrib"]),
        ("http://tab.example/debian", ["main"]),
    ], parse_one_line(_ONE_LINE))
    asserts.equals(env, [
        ("http://mirror.example/debian", ["main", "contrib"]),
        ("http://second.example/debian/", ["main", "contrib"]),
        ("https://other.example/linux/debian", ["stable"]),
    ], parse_deb822(_DEB822))
    asserts.equals(env, [], parse_deb822(""))
    return unittest.end(env)

_sources_test = unittest.make(_sources_test_impl)

def _select_test_impl(ctx):
    env = unittest.begin(ctx)
    sources = parse_one_line(_ONE_LINE) + parse_deb822(_DEB822)
    asserts.equals(
        env,
        ["http://mirror.example/debian", "http://tab.example/debian", "http://second.example/debian"],
        select_mirrors("debian", "", sources, "20260802T100000Z"),
    )
    asserts.equals(
        env,
        ["http://options.example/debian-security"],
        select_mirrors("debian-security", "", sources, "20260802T100000Z"),
    )
    asserts.equals(
        env,
        ["http://a.example/x", "http://b.example/20260802T100000Z"],
        select_mirrors("debian", " http://a.example/x/  http://b.example/{snapshot} ", sources, "20260802T100000Z"),
    )
    asserts.equals(env, [], select_mirrors("other", "", sources, "20260802T100000Z"))
    asserts.equals(env, "http://a.example/pool/a%25b+c_1~2.deb", url_of("http://a.example", "pool/a%b+c_1~2.deb"))
    return unittest.end(env)

_select_test = unittest.make(_select_test_impl)

def _messages_test_impl(ctx):
    env = unittest.begin(ctx)
    asserts.equals(
        env,
        "no mirror of the archive \"debian-security\" is known: DEBIAN_SECURITY_MIRROR is not set and /etc/apt has no " +
        "source of it (hint: set DEBIAN_SECURITY_MIRROR to the address of a mirror)",
        no_mirror_message("debian-security"),
    )
    asserts.equals(env, "", bad_mirror_message("debian", ["http://a.example/debian", "https://a.example", "file:/srv/debian"]))
    asserts.equals(
        env,
        "DEBIAN_MIRROR names the mirror \"mirror.example/debian\", which begins with none of http:, https:, file: " +
        "(hint: give the base address of a mirror, http://HOST/debian)",
        bad_mirror_message("debian", ["http://a.example/debian", "mirror.example/debian"]),
    )
    asserts.equals(
        env,
        "hello 1.0-1 (amd64): not delivered with sha256 0123 by http://a.example/hello.deb or file:/srv/hello.deb; the " +
        "warnings above say what each answered (hint: if the version is gone, set DEBIAN_MIRROR to an archive snapshot of " +
        "20260802T100000Z, with {snapshot} in the address where the date goes; or refresh the lock. If a checksum differs, " +
        "that mirror is damaged: use another. If no space is left, make room. Without warnings, " +
        "content_addressable/sha256/0123 in `bazel info repository_cache` cannot be read or written: mend its mode or remove it)",
        gone_message(
            "hello",
            "1.0-1",
            "amd64",
            "debian",
            ["http://a.example/hello.deb", "file:/srv/hello.deb"],
            "0123",
            "20260802T100000Z",
        ),
    )
    return unittest.end(env)

_messages_test = unittest.make(_messages_test_impl)

def mirrors_test_suite(name):
    """All tests of this file.

    Args:
        name: name of the suite.
    """
    unittest.suite(name, _archive_test, _sources_test, _select_test, _messages_test)
