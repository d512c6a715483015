"""PAM: the common-* files out of profiles."""

import pytest

from sysimage.debian.pam import parse_profile, update
from sysimage.debian.testing import root_of
from sysimage.errors import UserError

TEMPLATE = "# head\n${}_primary\n# middle\n${}_additional\n# end\n"
UNIX = """\
Name: Unix authentication
Default: yes
Priority: 256
Auth-Type: Primary
Auth:
	[success=end default=ignore]	pam_unix.so nullok try_first_pass
Auth-Initial:
	[success=end default=ignore]	pam_unix.so nullok
Session-Type: Additional
Session:
	required	pam_unix.so
"""
KEY = """\
Name: Keys
Default: yes
Priority: 500
Conflicts: other
Auth-Type: Primary
Auth:
	[success=end default=ignore]	pam_key.so
	[success=end default=ignore]	pam_key2.so   a   b
Session-Interactive-Only: yes
Session-Type: Additional
Session-Final:
	optional	pam_key.so
"""


def root(**profiles: str):  # type: ignore[no-untyped-def]
    files = {f"usr/share/pam-configs/{name}": text for name, text in profiles.items()}
    for stack in ("auth", "account", "password", "session", "session-noninteractive"):
        word = stack.partition("-")[0]
        files[f"usr/share/pam/common-{stack}"] = TEMPLATE.format(word, word)
    return root_of(files)


def test_jumps_count_the_lines_that_are_left() -> None:
    tree = root(unix=UNIX, key=KEY, off=KEY.replace("Default: yes", "Default: no"))
    update(tree)
    assert tree.text("etc/pam.d/common-auth") == (
        "# head\n"
        "auth\t[success=3 default=ignore]\tpam_key.so \n"
        "auth\t[success=2 default=ignore]\tpam_key2.so a b\n"
        "auth\t[success=1 default=ignore]\tpam_unix.so nullok try_first_pass\n"
        "# middle\n# end\n"
    )
    assert tree.text("etc/pam.d/common-account") == "# head\naccount\t[default=1]\t\t\tpam_permit.so\n# middle\n# end\n"
    session = "# head\nsession\t[default=1]\t\t\tpam_permit.so\n# middle\n"
    assert tree.text("etc/pam.d/common-session") == (
        session + "session\toptional\tpam_key.so \nsession\trequired\tpam_unix.so \n# end\n"
    )
    assert tree.text("etc/pam.d/common-session-noninteractive") == session + "session\trequired\tpam_unix.so \n# end\n"


def test_the_first_of_a_block_may_have_its_own_lines_and_the_choice_is_kept() -> None:
    tree = root(unix=UNIX)
    update(tree)
    assert "auth\t[success=1 default=ignore]\tpam_unix.so nullok\n" in tree.text("etc/pam.d/common-auth")
    assert tree.text("var/lib/pam/auth") == "Module: unix\n[success=end default=ignore]\tpam_unix.so nullok\n"
    assert tree.text("var/lib/pam/session") == (
        "Module: null\n[default=1]\t\t\tpam_permit.so\nModule: unix\nrequired\tpam_unix.so\n"
    )
    assert tree.text("var/lib/pam/seen") == "unix\n"


def test_errors() -> None:
    with pytest.raises(UserError, match="PAM profiles 'key' and 'other' exclude each other, and both are on"):
        update(root(key=KEY, other=UNIX))
    with pytest.raises(UserError, match="PAM profile 'x' has no Priority that is a number"):
        parse_profile("x", "Name: x\n")
    with pytest.raises(UserError, match=r"PAM profile 'x' begins with '..lost', which belongs to no field"):
        parse_profile("x", "\tlost\n")
    with pytest.raises(UserError, match="a PAM profile has a line that is not understood: 'nonsense'"):
        update(root(x="Priority: 1\nDefault: yes\nAuth-Type: Primary\nAuth:\n\tnonsense\n"))
    tree = root(unix=UNIX)
    tree.write("usr/share/pam/common-password", "nothing\n")
    with pytest.raises(UserError, match="/usr/share/pam/common-password has 0 places for profiles, expected 2"):
        update(tree)
