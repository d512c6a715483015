"""The scripts table: nothing that a package would run goes unnoticed."""

import hashlib
import os
from pathlib import Path

import pytest

from sysimage.deb import Deb
from sysimage.debian import blocks
from sysimage.debian.actions import VOCABULARY, here_document
from sysimage.debian.blocks import Action
from sysimage.debian.scripts import parse_scripts, plan, remainder, require, review
from sysimage.errors import UserError

ENABLE = """\
# Automatically added by dh_installsystemd/13.24.2
if [ "$1" = "configure" ] || [ "$1" = "abort-upgrade" ] || [ "$1" = "abort-deconfigure" ] || [ "$1" = "abort-remove" ] ; then
	deb-systemd-helper unmask 'x.service' >/dev/null || true

	# was-enabled defaults to true
	if deb-systemd-helper --quiet was-enabled 'x.service'; then
		deb-systemd-helper enable 'x.service' >/dev/null || true
	else
		deb-systemd-helper update-state 'x.service' >/dev/null || true
	fi
fi
# End automatically added section
"""  # noqa: E501
NO_ENABLE = """\
if [ "$1" = "configure" ] || [ "$1" = "abort-upgrade" ] || [ "$1" = "abort-deconfigure" ] || [ "$1" = "abort-remove" ] ; then
	if deb-systemd-helper debian-installed 'x.service'; then
		deb-systemd-helper unmask 'x.service' >/dev/null || true
		if deb-systemd-helper --quiet was-enabled 'x.service'; then
			deb-systemd-helper enable 'x.service' >/dev/null || true
		fi
	fi
	deb-systemd-helper update-state 'x.service' >/dev/null || true
fi
"""  # noqa: E501
START = """\
if [ "$1" = "configure" ] || [ "$1" = "abort-upgrade" ] || [ "$1" = "abort-deconfigure" ] || [ "$1" = "abort-remove" ] ; then
	if [ -d /run/systemd/system ]; then
		systemctl --system daemon-reload >/dev/null || true
		if [ -n "$2" ]; then
			_dh_action=restart
		else
			_dh_action=start
		fi
		deb-systemd-invoke $_dh_action 'x.service' >/dev/null || true
	fi
fi
"""  # noqa: E501
CONFIGURE = 'if [ "$1" = "configure" ] || [ "$1" = "abort-upgrade" ]; then\n'
BLOCKS = {
    "enabled": (ENABLE, ["enable x.service"]),
    "not enabled": (NO_ENABLE, ["update-state x.service"]),
    "started": (START, []),
    "sysusers": (
        CONFIGURE + '   systemd-sysusers ${DPKG_ROOT:+--root="$DPKG_ROOT"} a.conf b.conf\nfi\n',
        ["sysusers a.conf b.conf"],
    ),
    "tmpfiles": (
        CONFIGURE
        + '\tif [ -x "$(command -v systemd-tmpfiles)" ]; then\n'
        + '\t\tsystemd-tmpfiles ${DPKG_ROOT:+--root="$DPKG_ROOT"} --create a.conf || true\n\tfi\nfi\n',
        ["tmpfiles a.conf"],
    ),
    "alternative": (
        CONFIGURE
        + "        update-alternatives --install /usr/bin/a a /usr/bin/b 5 \\\n"
        + "            --slave /m/a a.1 /m/b\nfi\n",
        ["alternative /usr/bin/a a /usr/bin/b 5 /m/a a.1 /m/b"],
    ),
    "init script": (
        CONFIGURE
        + '\tif [ -z "$DPKG_ROOT" ] && [ -x "/etc/init.d/x" ]; then\n\t\tupdate-rc.d x defaults >/dev/null\n'
        + "\t\tinvoke-rc.d --skip-systemd-native x start || exit 1\n\tfi\nfi\n",
        ["init-script x"],
    ),
    "conffile": ('dpkg-maintscript-helper rm_conffile /etc/x 1.0\\~ -- "$@"\n', []),
    "user unit": (
        CONFIGURE + '\tif [ -z "$DPKG_ROOT" ] ; then\n'
        "\t\tif deb-systemd-helper --quiet --user was-enabled 'x.socket' ; then\n"
        "\t\t\tdeb-systemd-helper --user enable 'x.socket' >/dev/null || true\n\t\tfi\n\tfi\nfi\n",
        ["enable-user x.socket"],
    ),
}


@pytest.mark.parametrize("name", BLOCKS)
def test_generated_blocks_are_understood(name: str) -> None:
    body, expected = BLOCKS[name]
    assert [str(action) for action in blocks.read("dh_x", body)] == expected


@pytest.mark.parametrize(
    ("body", "line"),
    [
        ("rm -rf /\n", "rm -rf /"),
        ("if [ -e /etc/x ]; then\n:\nfi\n", "if [ -e /etc/x ]; then"),
        (CONFIGURE + "deb-systemd-helper reenable 'x.service'\nfi\n", "deb-systemd-helper reenable 'x.service'"),
    ],
)
def test_a_line_that_is_not_known_makes_a_block_unknown(body: str, line: str) -> None:
    with pytest.raises(blocks.UnknownBlockError) as error:
        blocks.read("dh_x", body)
    assert (error.value.tool, error.value.line) == ("dh_x", line)


def test_a_command_in_a_branch_that_is_not_taken_need_not_be_known() -> None:
    assert blocks.read("dh_x", 'if [ -n "$2" ]; then\n  whatever\nelse\n  systemd-sysusers a.conf\nfi\n') == [
        Action("sysusers", ("a.conf",))
    ]


def deb(name: str, **scripts: str) -> Deb:
    fields = {"Package": name, "Version": "1", "Architecture": "all"}
    return Deb(fields, {key: value.encode() for key, value in scripts.items()}, ())


EMPTY = parse_scripts("", "table.toml")
PLAIN = "#!/bin/sh\n# a comment\nset -e\n\n" + ENABLE + "\nexit 0\n"


def test_what_only_debhelper_wrote_needs_no_entry() -> None:
    assert remainder(PLAIN) == ""
    assert [str(step.action) for step in require([deb("x", postinst=PLAIN)], EMPTY)] == ["enable x.service"]


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def test_an_unknown_script_says_which_and_where_to_add_it() -> None:
    script = "#!/bin/sh\nset -e\ntouch /etc/x\n"
    with pytest.raises(UserError) as error:
        require([deb("x", postinst=script)], EMPTY)
    assert error.value.message == f"the postinst of package x is not in the scripts table (sha256 {sha256(script)})"
    assert error.value.hint == "read it, and add an entry that says what stands for it to table.toml"
    (finding,) = review([deb("x", postinst=script)], EMPTY)
    assert (finding.package, finding.script, finding.text) == ("x", "postinst", "touch /etc/x")


def test_a_changed_script_says_so_and_every_finding_counts() -> None:
    table = parse_scripts(
        f'[[script]]\npackage="x"\nscript="postinst"\nsha256="{sha256("old")}"\nwhy="nothing to do"\n', "table.toml"
    )
    assert require([deb("x", postinst="old")], table) == []
    with pytest.raises(UserError) as error:
        require([deb("x", postinst="new"), deb("y", preinst="other", config="more")], table)
    assert error.value.message == (
        f"the postinst of package x has changed since it was reviewed (sha256 {sha256('new')}); and 2 more"
    )
    assert review([deb("x", postinst="new")], table)[0].known == (sha256("old"),)


def test_an_unknown_block_is_a_finding_unless_the_script_is_in_the_table() -> None:
    script = "#!/bin/sh\n# Automatically added by dh_new/1\nnew-tool x\n# End automatically added section\n"
    (finding,) = review([deb("x", postinst=script)], EMPTY)
    assert finding.text == "block of dh_new: new-tool x"
    table = parse_scripts(
        f'[[script]]\npackage="x*"\nscript="postinst"\nsha256=["{sha256(script)}"]\nwhy="w"\n'
        'do=["directory /x 0755"]\n',
        "t",
    )
    assert [str(step.action) for step in require([deb("xy", postinst=script)], table)] == ["directory /x 0755"]


def test_an_entry_may_skip_the_blocks() -> None:
    entry = f'[[script]]\npackage="x"\nscript="postinst"\nsha256="{sha256(PLAIN)}"\nwhy="w"\ndo=["directory /x 0755"]\n'
    for more, actions in (
        ("", ["enable x.service", "directory /x 0755"]),
        ('blocks="skipped"\n', ["directory /x 0755"]),
    ):
        table = parse_scripts(entry + more, "t")
        assert [str(step.action) for step in require([deb("x", postinst=PLAIN)], table)] == actions


def test_scripts_of_removal_need_no_entry() -> None:
    assert review([deb("x", prerm="rm -rf /x", postrm="rm -rf /y")], EMPTY) == []


def test_triggers_that_packages_wait_for_must_be_known() -> None:
    package = deb("x", triggers="# c\ninterest-noawait /usr/share/x\nactivate-noawait ldconfig\ninterest known\n")
    table = parse_scripts('[[trigger]]\nname="known"\nwhy="w"\ndo=["ldconfig"]\n', "t")
    steps, findings = plan([package], table)
    assert [str(step.action) for step in steps] == ["ldconfig"]
    assert [each.message() for each in findings] == [
        "package x waits for the trigger '/usr/share/x', which is not in the scripts table"
    ]


HASH = "0" * 64
ROW = f'[[script]]\npackage="p"\nscript="postinst"\nsha256="{HASH}"\nwhy="w"\n'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nonsense", "t: Expected '=' after a key in a key/value pair (at end of document)"),
        ("[[scripts]]\n", "t: unknown key 'scripts' (known: script, trigger)"),
        ('[[script]]\npackage="p"\nscript="postinst"\nsha256="x"\n', "t: p postinst: 'why' is missing"),
        (ROW.replace(HASH, "12"), "t: p postinst: '12' is not a SHA-256 in hexadecimal"),
        (ROW.replace("postinst", "postrm"), "t: p postrm: script must be one of config, preinst, postinst"),
        (ROW + 'extra="x"\n', "t: p postinst: unknown key 'extra'"),
        (ROW + 'blocks="kept"\n', "t: p postinst: blocks can only be 'skipped'; found 'kept'"),
        (ROW + 'do=["make-coffee now"]\n', "t: p postinst: 'make-coffee' is no action"),
        (ROW + 'do=["directory /x"]\n', "t: p postinst: 'directory /x' has the wrong number of arguments"),
        (ROW + 'do=["copy \'x"]\n', 't: p postinst: "copy \'x": No closing quotation'),
        ('[[trigger]]\nname="x"\n', "t: trigger x: 'why' is missing"),
    ],
)
def test_a_bad_table_is_refused(text: str, message: str) -> None:
    with pytest.raises(UserError) as error:
        parse_scripts(text, "t")
    assert error.value.message == message


def test_every_word_explains_its_use() -> None:
    guide = Path(os.environ["SCRIPTS_README"]).read_text()
    for name, word in VOCABULARY.items():
        assert word.usage.split()[0] == name
        assert f"`{word.usage}`" in guide


def test_here_documents_are_taken_out_of_the_script() -> None:
    script = (
        "x\n  cat > /etc/a <<EOF\n# one\ntwo\nEOF\n"
        "cat <<-'END' > \"$DPKG_ROOT/etc/b\"\n\t$three\n\tEND\n"
        "cat > /etc/c <<E\n$d\nE\n"
    )
    assert here_document(script, "/etc/a", "p") == "# one\ntwo\n"
    assert here_document(script, "/etc/b", "p") == "$three\n"
    with pytest.raises(UserError, match="package p: what its script writes to /etc/c depends on the shell"):
        here_document(script, "/etc/c", "p")
    with pytest.raises(UserError, match="package p: its script does not write /etc/d with a here-document"):
        here_document(script, "/etc/d", "p")
    with pytest.raises(UserError, match="package p: the text that its script writes to /e does not end"):
        here_document("cat > /e <<EOF\nx\n", "/e", "p")


def test_the_file_named_must_be_readable(tmp_path: Path) -> None:
    from sysimage.debian.scripts import load_scripts

    with pytest.raises(UserError, match=r"cannot read .*none\.toml: No such file or directory"):
        load_scripts(tmp_path / "none.toml")
