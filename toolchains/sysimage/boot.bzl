"""Rules for what boots an image: boot loader, initrd, kernel command lines.

    locked_tool    a native program unpacked from locked packages, to be run by an action or a test
    grub_image     GRUB as an EFI program
    module_index   the index of a kernel's modules (depmod)
    initrd_image   an initrd from locked packages and a kernel's modules
    boot_args      the kernel command line of each slot
    boot_files     kernel, initrd and command line out of a disk, for a machine that loads them itself

Nothing of it is installed anywhere: programs run straight out of locked packages.
"""

load("//toolchains/sysimage/private:boot_args.bzl", _boot_args = "boot_args")
load("//toolchains/sysimage/private:boot_files.bzl", _boot_files = "boot_files")
load("//toolchains/sysimage/private:grub_image.bzl", _grub_image = "grub_image")
load("//toolchains/sysimage/private:initrd_image.bzl", _initrd_image = "initrd_image")
load("//toolchains/sysimage/private:locked_tool.bzl", _locked_tool = "locked_tool")
load("//toolchains/sysimage/private:module_index.bzl", _module_index = "module_index")
load("//toolchains/sysimage/providers:locked_tool_info.bzl", _LockedToolInfo = "LockedToolInfo")

boot_args = _boot_args
boot_files = _boot_files
grub_image = _grub_image
initrd_image = _initrd_image
locked_tool = _locked_tool
module_index = _module_index

LockedToolInfo = _LockedToolInfo
