from sysimage.unit_file import Setting, settings

TEXT = """\
stray=before any section
[Unit]
# Description=a comment
Description = two words
After=a.service \\
; a comment does not end what is continued
  b.service

[Install]
WantedBy=
no setting
"""


def test_settings_of_a_file() -> None:
    assert list(settings(TEXT)) == [
        Setting(1, "", "stray", "before any section", "stray=before any section"),
        Setting(4, "Unit", "Description", "two words", "Description = two words"),
        Setting(5, "Unit", "After", "a.service    b.service", "After=a.service    b.service"),
        Setting(10, "Install", "WantedBy", "", "WantedBy="),
    ]


def test_a_last_line_that_is_continued_is_none() -> None:
    assert list(settings("[Unit]\nAfter=a \\")) == []
