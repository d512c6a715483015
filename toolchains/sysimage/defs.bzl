"""Rules that build operating system images out of locked inputs.

    rootfs_layer     a layer of a root filesystem, from a Dockerfile
    file_tree        a tree of single files and parts of other trees
    ext4_image       a filesystem, planned as a map
    fat_image        likewise
    verity_image     an image with its hash tree
    lvm_image        volumes of a volume group, on one physical volume
    disk_image       partitions on a disk
    image_archive    the bytes: a compressed sparse tar, with its checksum
    image_edit       a finished image with other files in its partitions
    oci_image        a container image of a root filesystem
    image_inspect    a look at a finished image, by `bazel run`
    image_test       properties of an image against reviewed ones, and foreign judges
    install_test     a base layer against a real install of its packages
    container_test   a container image, loaded and run by a container engine
    dockerfile_test  layers against what a container engine builds of their Dockerfiles
    version_file     the version, stamped or constant

An image stays an extent map until `image_archive` writes it: no rule before that makes the bytes of a partition.
"""

load("//toolchains/sysimage/private:container_test.bzl", _container_test = "container_test")
load("//toolchains/sysimage/private:disk_image.bzl", _disk_image = "disk_image")
load("//toolchains/sysimage/private:dockerfile_test.bzl", _dockerfile_test = "dockerfile_test")
load("//toolchains/sysimage/private:ext4_image.bzl", _ext4_image = "ext4_image")
load("//toolchains/sysimage/private:fat_image.bzl", _fat_image = "fat_image")
load("//toolchains/sysimage/private:file_tree.bzl", _file_tree = "file_tree")
load("//toolchains/sysimage/private:image_archive.bzl", _image_archive = "image_archive")
load("//toolchains/sysimage/private:image_edit.bzl", _image_edit = "image_edit")
load("//toolchains/sysimage/private:image_inspect.bzl", _image_inspect = "image_inspect")
load("//toolchains/sysimage/private:image_test.bzl", _image_test = "image_test")
load("//toolchains/sysimage/private:install_test.bzl", _install_test = "install_test")
load("//toolchains/sysimage/private:lvm_image.bzl", _lvm_image = "lvm_image")
load("//toolchains/sysimage/private:oci_image.bzl", _oci_image = "oci_image")
load("//toolchains/sysimage/private:rootfs_layer.bzl", _rootfs_layer = "rootfs_layer")
load("//toolchains/sysimage/private:verity_image.bzl", _verity_image = "verity_image")
load("//toolchains/sysimage/private:version_file.bzl", _version_file = "version_file")
load("//toolchains/sysimage/providers:dockerfile_info.bzl", _DockerfileInfo = "DockerfileInfo")
load("//toolchains/sysimage/providers:image_info.bzl", _ImageInfo = "ImageInfo")
load("//toolchains/sysimage/providers:rootfs_info.bzl", _RootfsInfo = "RootfsInfo")
load("//toolchains/sysimage/providers:verity_info.bzl", _VerityInfo = "VerityInfo")
load("//toolchains/sysimage/providers:version_info.bzl", _VersionInfo = "VersionInfo")

container_test = _container_test
disk_image = _disk_image
dockerfile_test = _dockerfile_test
ext4_image = _ext4_image
fat_image = _fat_image
file_tree = _file_tree
image_archive = _image_archive
image_edit = _image_edit
image_inspect = _image_inspect
image_test = _image_test
install_test = _install_test
lvm_image = _lvm_image
oci_image = _oci_image
rootfs_layer = _rootfs_layer
verity_image = _verity_image
version_file = _version_file

DockerfileInfo = _DockerfileInfo
ImageInfo = _ImageInfo
RootfsInfo = _RootfsInfo
VerityInfo = _VerityInfo
VersionInfo = _VersionInfo
