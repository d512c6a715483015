"""The words that a RUN line may use, and what of each is supported."""

from sysimage.dockerfile import accounts, copying, paths, sed, system, text
from sysimage.dockerfile.machine import Commands

COMMANDS: Commands = {
    **accounts.COMMANDS,
    **copying.COMMANDS,
    **paths.COMMANDS,
    **sed.COMMANDS,
    **system.COMMANDS,
    **text.COMMANDS,
}
