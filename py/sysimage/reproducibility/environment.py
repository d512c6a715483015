"""Environments that a build is executed in, and what tells them apart.

PLAIN is what a build usually sees. HOSTILE differs from it in everything that has made builds differ before.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

YEAR = 31_557_600  # seconds, of 365.25 days


@dataclass(frozen=True, slots=True)
class Environment:
    """What an action can see besides its inputs.

    name: one letter, for messages.
    folder: the execution root, below the scratch directory.
    uid, gid: as programs see them (in a user namespace; outside they are those of the caller).
    umask: of every program.
    inherited: whether scratch directories have the setgid bit and a default ACL, which what is made in them inherits.
    locale: value of LC_ALL, LANG and LANGUAGE; None: what the action itself sets.
    timezone: value of TZ, in POSIX form; None: what the action itself sets.
    clock: what the clock shows: None: the time; an int: so many seconds more; a date and time: this, always.
    host_name: name of the machine.
    cpus: number of processors, as the C library and Python count them; if it is 1, programs get just one.
    jobs: number of actions at a time.
    newest_first: whether directories are read in reverse order of their names, else in their order.
    memory: whether the scratch directory is in memory with blocks of 2 MiB, else on the machine's disk.
    hash_seed: value of PYTHONHASHSEED; None: what the action itself sets.
    input_time: time of inputs, seconds since 1970.
    input_mode: permissions that inputs have besides the owner's.
    variables: environment variables that no action asked for.
    """

    name: str
    folder: str
    uid: int
    gid: int
    umask: int
    inherited: bool
    locale: str | None
    timezone: str | None
    clock: int | str | None
    host_name: str
    cpus: int
    jobs: int
    newest_first: bool
    memory: bool
    hash_seed: str | None
    input_time: int
    input_mode: int
    variables: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


PLAIN = Environment(
    name="A",
    folder="a",
    uid=1000,
    gid=1000,
    umask=0o022,
    inherited=False,
    locale=None,
    timezone=None,
    clock=None,
    host_name="builder",
    cpus=1,
    jobs=1,
    newest_first=False,
    memory=False,
    hash_seed=None,
    input_time=1_000_000_000,  # 2001-09-09
    input_mode=0o055,
)

HOSTILE = Environment(
    name="B",
    folder="b/änderswo/" + "/".join(["a-rather-long-name-of-a-folder"] * 4),
    uid=0,
    gid=0,
    umask=0o077,
    inherited=True,
    locale="tr_TR.ISO-8859-9",
    timezone="<+1245>-12:45",
    clock=16 * YEAR,
    host_name="hostile.example",
    cpus=7,
    jobs=4,
    newest_first=True,
    memory=True,
    hash_seed="4711",
    input_time=1_700_000_000,  # 2023-11-14
    input_mode=0,
    variables=MappingProxyType(
        {
            "COLUMNS": "43",
            "EDITOR": "ed",
            "HOME": "/nonexistent/home",
            "LOGNAME": "mallory",
            "MAKEFLAGS": "--jobs=7",
            "PAGER": "cat",
            "SHELL": "/bin/false",
            "SOURCE_DATE_EPOCH": "981173106",
            "TAR_OPTIONS": "--numeric-owner",
            "TERM": "vt52",
            "USER": "mallory",
            "XDG_CONFIG_HOME": "/nonexistent/config",
            "ZSTD_CLEVEL": "7",
            "ZSTD_NBTHREADS": "3",
        }
    ),
)

# What is varied: name in messages, to the fields that make it. Each can be put in force alone (see `cause`).
VARIATIONS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "output path and its length": ("folder",),
        "user": ("uid", "gid"),
        "umask": ("umask",),
        "setgid and ACL on scratch directories": ("inherited",),
        "locale": ("locale",),
        "time zone": ("timezone",),
        "clock": ("clock",),
        "host name": ("host_name",),
        "CPU count": ("cpus",),
        "jobs": ("jobs",),
        "directory read order": ("newest_first",),
        "file system of the scratch directory": ("memory",),
        "Python hash seed": ("hash_seed",),
        "times of inputs": ("input_time",),
        "modes of inputs": ("input_mode",),
        "environment variables": ("variables",),
    }
)
