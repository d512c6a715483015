"""What the image rules refuse: a table for each rule of bad attributes and what is said of them."""

load("//ic-os/setupos/configure:defs.bzl", "configured_image")
load("//toolchains/sysimage:boot.bzl", "boot_args", "boot_files", "grub_image", "initrd_image", "locked_tool", "module_index")
load(
    "//toolchains/sysimage:defs.bzl",
    "disk_image",
    "ext4_image",
    "fat_image",
    "file_tree",
    "image_archive",
    "image_edit",
    "lvm_image",
    "oci_image",
    "rootfs_layer",
    "verity_image",
    "version_file",
)
load("//toolchains/sysimage/private:container_test.bzl", "container_subject")  # buildifier: disable=bzl-visibility
load("//toolchains/sysimage/private:dockerfile_test.bzl", "dockerfile_subject")  # buildifier: disable=bzl-visibility
load("//toolchains/sysimage/private:image_test.bzl", "image_subject")  # buildifier: disable=bzl-visibility
load("//toolchains/testing:refusals.bzl", "refusals")

_UUID = "1736291d-aceb-42d7-b044-43ee31d86cd4"

def _filesystems():
    refusals(
        name = "ext4_image",
        rule = ext4_image,
        src = ":tree",
        uuid = _UUID,
        cases = {
            "epoch": (
                {"epoch": -1},
                "ext4_image: epoch must be 0 or more; got -1",
            ),
            "hash_seed": (
                {"hash_seed": "seed"},
                "ext4_image: hash_seed must be a UUID, 8-4-4-4-12 hexadecimal digits; got \"seed\" (hint: uuidgen prints a new one)",
            ),
            "label": (
                {"fs_label": "seventeen-letters"},
                "ext4_image: fs_label must have at most 16 bytes; got \"seventeen-letters\", which has 17 (hint: use \"seventeen-letter\")",
            ),
            "no_size": (
                {"src": None},
                "ext4_image: fs_size must be given for a filesystem without src; got neither",
            ),
            "reserve": (
                {"reserve": -4096},
                "ext4_image: reserve must be 0 or more; got -4096",
            ),
            "reserve_and_size": (
                {"fs_size": "8192", "reserve": 4096},
                "ext4_image: reserve must be left out when fs_size is given; got 4096 (hint: the size says how much stays free)",
            ),
            "size_in_words": (
                {"fs_size": "one GiB"},
                "ext4_image: fs_size must be a number of bytes, a multiple of 4096; got \"one GiB\" (hint: write the digits only, without unit or separator)",
            ),
            "size_negative": (
                {"fs_size": "-4096"},
                "ext4_image: fs_size must be a number of bytes, a multiple of 4096; got \"-4096\" (hint: write the digits only, without unit or separator)",
            ),
            "size_odd": (
                {"fs_size": "1000000"},
                "ext4_image: fs_size must be a number of bytes, a multiple of 4096; got \"1000000\" (hint: use 1003520)",
            ),
            "size_with_unit": (
                {"fs_size": "512M"},
                "ext4_image: fs_size must be a number of bytes, a multiple of 4096; got \"512M\" (hint: use 536870912)",
            ),
            "size_zero": (
                {"fs_size": "0"},
                "ext4_image: fs_size must be a number of bytes, a multiple of 4096 above 0; got \"0\"",
            ),
            "uuid": (
                {"uuid": "1736291dceb-42d7-b044-43ee31d86cd4"},
                "ext4_image: uuid must be a UUID, 8-4-4-4-12 hexadecimal digits; got \"1736291dceb-42d7-b044-43ee31d86cd4\" (hint: uuidgen prints a new one)",
            ),
            "uuid_letters": (
                {"uuid": "1736291d-aceb-42d7-b044-43ee31d86cdx"},
                "ext4_image: uuid must be a UUID, 8-4-4-4-12 hexadecimal digits; got \"1736291d-aceb-42d7-b044-43ee31d86cdx\" (hint: uuidgen prints a new one)",
            ),
        },
    )
    refusals(
        name = "fat_image",
        rule = fat_image,
        fs_size = "104857600",
        src = ":tree",
        volume_id = "1c0ffee1",
        cases = {
            "label_blank": (
                {"fs_label": " ESP"},
                "fat_image: fs_label must have capital letters, digits, $%'-_@~`!(){}^#& and inner blanks only; got \" ESP\" (hint: use \"ESP\")",
            ),
            "label_characters": (
                {"fs_label": "A.B"},
                "fat_image: fs_label must have capital letters, digits, $%'-_@~`!(){}^#& and inner blanks only; got \"A.B\"",
            ),
            "label_long": (
                {"fs_label": "boot loaders"},
                "fat_image: fs_label must have at most 11 characters; got \"boot loaders\", which has 12 (hint: use \"BOOT LOADER\")",
            ),
            "label_small": (
                {"fs_label": "esp"},
                "fat_image: fs_label must have capital letters, digits, $%'-_@~`!(){}^#& and inner blanks only; got \"esp\" (hint: use \"ESP\")",
            ),
            "size": (
                {"fs_size": "100MiB"},
                "fat_image: fs_size must be a number of bytes, a multiple of 512; got \"100MiB\" (hint: use 104857600)",
            ),
            "volume_id": (
                {"volume_id": "1C0F-FEE1"},
                "fat_image: volume_id must be 8 hexadecimal digits; got \"1C0F-FEE1\" (hint: without \"0x\" and \"-\")",
            ),
        },
    )
    refusals(
        name = "verity_image",
        rule = verity_image,
        src = ":root",
        salt = "00ff",
        uuid = _UUID,
        cases = {
            "of_verity": (
                {"src": ":root_verity"},
                "verity_image: src must be an image without a hash tree; got @@//tests/rules:root_verity " +
                "(hint: give the filesystem that the other verity_image has as src)",
            ),
            "salt_capitals": (
                {"salt": "00FF"},
                "verity_image: salt must be 0 to 256 bytes of lower-case hex; got \"00FF\" (hint: use \"00ff\")",
            ),
            "salt_letters": (
                {"salt": "xyz"},
                "verity_image: salt must be 0 to 256 bytes of lower-case hex; got \"xyz\" (hint: two digits a byte)",
            ),
            "salt_long": (
                {"salt": "0" * 514},
                "verity_image: salt must be 0 to 256 bytes of lower-case hex; got \"{}\" (hint: two digits a byte)".format("0" * 514),
            ),
            "salt_odd": (
                {"salt": "00f"},
                "verity_image: salt must be 0 to 256 bytes of lower-case hex; got \"00f\" (hint: two digits a byte)",
            ),
            "uuid": (
                {"uuid": "none"},
                "verity_image: uuid must be a UUID, 8-4-4-4-12 hexadecimal digits; got \"none\" (hint: uuidgen prints a new one)",
            ),
        },
    )
    return ["ext4_image", "fat_image", "verity_image"]

def _disks():
    refusals(
        name = "disk_image",
        rule = disk_image,
        layout = "partitions.json",
        partitions = {":root": "root"},
        cases = {
            "disk_in_partition": (
                {"partitions": {":disk": "root"}},
                "disk_image: partitions must not put a whole disk into a partition; got @@//tests/rules:disk for \"root\" " +
                "(hint: give the filesystem that the partition is to hold)",
            ),
            "empty_and_filled": (
                {"empty": ["root"]},
                "disk_image: empty must not name a partition that `partitions` fills; got \"root\" (hint: take it out of one of both)",
            ),
            "empty_twice": (
                {"empty": ["var", "var"]},
                "disk_image: empty must name each only once; got \"var\" twice",
            ),
            "filled_twice": (
                {"partitions": {":root": "root", ":root_verity": "root"}},
                "disk_image: partitions must name each only once; got \"root\" twice",
            ),
            "long_name": (
                {"empty": ["a-partition-with-a-name-of-more-than-36"]},
                "disk_image: empty must have names of 1 to 36 characters, none of them \"=\"; got \"a-partition-with-a-name-of-more-than-36\"",
            ),
            "none": (
                {"partitions": {}},
                "disk_image: partitions must fill at least one partition; got none",
            ),
        },
    )
    refusals(
        name = "lvm_image",
        rule = lvm_image,
        layout = "volumes.json",
        volumes = {":root": "root"},
        cases = {
            "disk_in_volume": (
                {"volumes": {":disk": "root"}},
                "lvm_image: volumes must not put a whole disk into a volume; got @@//tests/rules:disk for \"root\" " +
                "(hint: give the filesystem that the volume is to hold)",
            ),
            "empty_and_filled": (
                {"empty": ["root"]},
                "lvm_image: empty must not name a volume that `volumes` fills; got \"root\" (hint: take it out of one of both)",
            ),
            "empty_twice": (
                {"empty": ["var", "var"]},
                "lvm_image: empty must name each only once; got \"var\" twice",
            ),
            "equals": (
                {"volumes": {":root": "root=1"}},
                "lvm_image: volumes must have names of 1 to 127 characters, none of them \"=\"; got \"root=1\"",
            ),
            "filled_twice": (
                {"volumes": {":root": "root", ":root_verity": "root"}},
                "lvm_image: volumes must name each only once; got \"root\" twice",
            ),
            "group_in_volume": (
                {"volumes": {":volumes": "root"}},
                "lvm_image: volumes must not put a physical volume into a volume; got @@//tests/rules:volumes for \"root\" " +
                "(hint: give the filesystem that the volume is to hold)",
            ),
            "none": (
                {"volumes": {}},
                "lvm_image: volumes must fill at least one volume; got none",
            ),
        },
    )
    refusals(
        name = "image_archive",
        rule = image_archive,
        checksum = None,
        members = {":disk": "disk.img"},
        out = None,
        cases = {
            "absolute": (
                {"out": "absolute.tar.zst", "checksum": "absolute.sha256", "members": {":disk": "/disk.img"}},
                "image_archive: members must be a path relative to the root; got \"/disk.img\" (hint: write \"disk.img\")",
            ),
            "checksum": (
                {"out": "checksum.tar.zst", "checksum": "checksum.md5"},
                "image_archive: checksum must end in .sha256; got \"checksum.md5\" (hint: use \"checksum.sha256\")",
            ),
            "dense_file": (
                {"out": "dense_file.tar.zst", "checksum": "dense_file.sha256", "dense": ["notes"], "members": {":one.txt": "notes"}},
                "image_archive: dense must name members that are images; got \"notes\" (hint: there are none)",
            ),
            "dense_twice": (
                {"out": "dense_twice.tar.zst", "checksum": "dense_twice.sha256", "dense": ["disk.img", "disk.img"]},
                "image_archive: dense must name each only once; got \"disk.img\" twice",
            ),
            "dense_unknown": (
                {"out": "dense_unknown.tar.zst", "checksum": "dense_unknown.sha256", "dense": ["root.img"]},
                "image_archive: dense must name members that are images; got \"root.img\" (hint: there are \"disk.img\")",
            ),
            "equals": (
                {"out": "equals.tar.zst", "checksum": "equals.sha256", "members": {":disk": "disk=1.img"}},
                "image_archive: members must have names of at most 100 bytes, without \"=\"; got \"disk=1.img\"",
            ),
            "no_members": (
                {"out": "no_members.tar.zst", "checksum": "no_members.sha256", "members": {}},
                "image_archive: members must name at least one image or file; got none",
            ),
            "out": (
                {"out": "disk.tar.gz", "checksum": "out.sha256"},
                "image_archive: out must end in .tar.zst; got \"disk.tar.gz\" (hint: use \"disk.tar.zst\")",
            ),
            "same_member": (
                {"out": "same.tar.zst", "checksum": "same.sha256", "members": {":disk": "disk.img", ":root": "disk.img"}},
                "image_archive: members must name each only once; got \"disk.img\" twice",
            ),
            "several_files": (
                {"out": "several.tar.zst", "checksum": "several.sha256", "members": {":two_files": "notes"}},
                "image_archive: members[\"notes\"] must be one file; got 2 files from @@//tests/rules:two_files " +
                "(hint: name the file by its own label)",
            ),
        },
    )
    refusals(
        name = "image_edit",
        rule = image_edit,
        files = {":one.txt": "config:one.txt"},
        image = "disk.tar.zst",
        out = None,
        cases = {
            "absolute": (
                {"files": {":one.txt": "config:/one.txt"}, "out": "edit_absolute.tar.zst"},
                "image_edit: files must be a path relative to the root; got \"/one.txt\" (hint: write \"one.txt\")",
            ),
            "epoch": (
                {"epoch": -1, "out": "edit_epoch.tar.zst"},
                "image_edit: epoch must be 0 or more; got -1",
            ),
            "mode": (
                {"modes": {"config:one.txt": "rw"}, "out": "edit_mode.tar.zst"},
                "image_edit: modes[\"config:one.txt\"] must be an octal mode, 0 to 7777; got \"rw\" (hint: 0644 for a file, 0755 for a program or a directory)",
            ),
            "mode_of_none": (
                {"modes": {"config:two.txt": "0600"}, "out": "edit_mode_of_none.tar.zst"},
                "image_edit: modes must name places of `files`; got \"config:two.txt\"",
            ),
            "no_partition": (
                {"files": {":one.txt": "one.txt"}, "out": "edit_no_partition.tar.zst"},
                "image_edit: files must be of the form PARTITION:PATH, without \"=\"; got \"one.txt\"",
            ),
            "nothing": (
                {"files": {}, "out": "edit_nothing.tar.zst"},
                "image_edit: files must name at least one file, or `remove` one; got none",
            ),
            "out": (
                {"out": "edit.img"},
                "image_edit: out must end in .tar.zst; got \"edit.img\" (hint: use \"edit.tar.zst\")",
            ),
            "removed_and_there": (
                {"out": "edit_removed.tar.zst", "remove": ["config:one.txt"]},
                "image_edit: remove must name no file of `files`; got \"config:one.txt\"",
            ),
            "several_files": (
                {"files": {":two_files": "config:notes"}, "out": "edit_several.tar.zst"},
                "image_edit: files[\"config:notes\"] must be one file; got 2 files from @@//tests/rules:two_files " +
                "(hint: name the file by its own label)",
            ),
            "removed_absolute": (
                {"out": "edit_removed_absolute.tar.zst", "remove": ["config:/a"]},
                "image_edit: remove must be a path relative to the root; got \"/a\" (hint: write \"a\")",
            ),
            "removed_elsewhere": (
                {"out": "edit_removed_elsewhere.tar.zst", "remove": ["two.txt"]},
                "image_edit: remove must be of the form PARTITION:PATH, without \"=\"; got \"two.txt\"",
            ),
            "removed_twice": (
                {"out": "edit_removed_twice.tar.zst", "remove": ["config:b", "config:b"]},
                "image_edit: remove must name each only once; got \"config:b\" twice",
            ),
            "twice": (
                {"files": {":one.txt": "config:a", ":two.txt": "config:a"}, "out": "edit_twice.tar.zst"},
                "image_edit: files must name each only once; got \"config:a\" twice",
            ),
            "with_equals": (
                {"files": {":one.txt": "config:a=b"}, "out": "edit_equals.tar.zst"},
                "image_edit: files must be of the form PARTITION:PATH, without \"=\"; got \"config:a=b\"",
            ),
        },
    )
    refusals(
        name = "configured_image",
        rule = configured_image,
        image = "disk.tar.zst",
        out = None,
        cases = {
            "account": (
                {"out": "configured_account.tar.zst", "ssh_authorized_keys": {":one.txt": "root"}},
                "configured_image: ssh_authorized_keys must be for one of admin, backup, readonly; got \"root\"",
            ),
            "account_twice": (
                {"out": "configured_twice.tar.zst", "ssh_authorized_keys": {":one.txt": "admin", ":two.txt": "admin"}},
                "configured_image: ssh_authorized_keys must name each only once; got \"admin\" twice",
            ),
            "check": (
                {"out": "configured_check.tar.zst", "skip_checks": ["config"]},
                "configured_image: skip_checks must be of cpu, memory, disks, network; got \"config\"",
            ),
            "check_twice": (
                {"out": "configured_check_twice.tar.zst", "skip_checks": ["cpu", "cpu"]},
                "configured_image: skip_checks must name each only once; got \"cpu\" twice",
            ),
            "out": (
                {"out": "configured.img"},
                "configured_image: out must end in .tar.zst; got \"configured.img\" (hint: use \"configured.tar.zst\")",
            ),
            "removed": (
                {"out": "configured_removed.tar.zst", "remove": ["config.ini"]},
                "configured_image: remove must be of node_operator_private_key.pem, ssh_authorized_keys/admin, " +
                "ssh_authorized_keys/backup, ssh_authorized_keys/readonly; got \"config.ini\"",
            ),
            "removed_twice": (
                {"out": "configured_removed_twice.tar.zst", "remove": ["ssh_authorized_keys/admin", "ssh_authorized_keys/admin"]},
                "configured_image: remove must name each only once; got \"ssh_authorized_keys/admin\" twice",
            ),
            "several_files": (
                {"out": "configured_several.tar.zst", "ssh_authorized_keys": {":two_files": "admin"}},
                "configured_image: ssh_authorized_keys must be one file; got 2 files from @@//tests/rules:two_files " +
                "(hint: name the file by its own label)",
            ),
        },
    )
    refusals(
        name = "boot_files",
        rule = boot_files,
        image = ":disk",
        partition = "boot",
        slot = "A",
        cases = {
            "image": (
                {"image": ":root"},
                "boot_files: image must be a disk; got the format \"ext4\" (hint: name a disk_image)",
            ),
            "slot": (
                {"slot": "a"},
                "boot_files: slot must be one capital letter; got \"a\" (hint: A or B)",
            ),
            "variables": (
                {"variables": {"boot_state": ""}},
                "boot_files: variables must have a name and a value each; got {\"boot_state\": \"\"}",
            ),
        },
    )
    refusals(
        name = "container_test",
        rule = container_subject,
        image = "image.tar",
        src = ":tree",
        cases = {
            "no_commands": (
                {"commands": {}},
                "container_test: commands must have at least one command to run in the container; got none",
            ),
            "no_pattern": (
                {"commands": {"true": ""}},
                "container_test: commands must have a command and a pattern of what it prints each; got {\"true\": \"\"}",
            ),
        },
    )
    refusals(
        name = "oci_image",
        rule = oci_image,
        image_name = "example:dev",
        out = None,
        src = ":layer_good",
        cases = {
            "epoch": (
                {"out": "epoch.tar", "epoch": -1},
                "oci_image: epoch must be 0 or more; got -1",
            ),
            "name_of_a_registry": (
                {"out": "name.tar", "image_name": "example.org/example:dev"},
                "oci_image: image_name must be of the form NAME:TAG, the name in lower case; got \"example.org/example:dev\"",
            ),
            "name_without_tag": (
                {"out": "tag.tar", "image_name": "example"},
                "oci_image: image_name must be of the form NAME:TAG, the name in lower case; got \"example\"",
            ),
            "no_layers": (
                {"out": "layers.tar", "src": ":tree"},
                "oci_image: src must be made of layers; got none in \"tree\" (hint: name a rootfs_layer, or a file_tree whose base is one)",
            ),
            "out": (
                {"out": "image.tar.gz"},
                "oci_image: out must end in .tar; got \"image.tar.gz\" (hint: use \"image.tar\")",
            ),
        },
    )
    return ["boot_files", "configured_image", "container_test", "disk_image", "image_archive", "image_edit", "lvm_image", "oci_image"]

def _trees():
    refusals(
        name = "file_tree",
        rule = file_tree,
        files = {"one.txt": "etc/one"},
        cases = {
            "absolute": (
                {"files": {"one.txt": "/etc/one/"}},
                "file_tree: files must be a path relative to the root; got \"/etc/one/\" (hint: write \"etc/one\")",
            ),
            "directory_mode": (
                {"directories": ["etc:rwx"]},
                "file_tree: directories[\"etc\"] must be an octal mode, 0 to 7777; got \"rwx\" (hint: 0644 for a file, 0755 for a program or a directory)",
            ),
            "equals": (
                {"files": {"one.txt": "a=b"}},
                "file_tree: files must have paths without \"=\"; got \"a=b\"",
            ),
            "mode": (
                {"modes": {"etc/one": "0888"}},
                "file_tree: modes[\"etc/one\"] must be an octal mode, 0 to 7777; got \"0888\" (hint: 0644 for a file, 0755 for a program or a directory)",
            ),
            "mode_of_nothing": (
                {"modes": {"etc/two": "0600"}},
                "file_tree: modes must name paths of `files`; got \"etc/two\" (hint: there are \"etc/one\")",
            ),
            "mode_without_files": (
                {"files": {}, "modes": {"etc/two": "0600"}},
                "file_tree: modes must name paths of `files`; got \"etc/two\" (hint: `files` is empty)",
            ),
            "parent": (
                {"files": {"one.txt": "etc/../one"}},
                "file_tree: files must be a path relative to the root, without empty parts, \".\" and \"..\"; got \"etc/../one\"",
            ),
            "pick": (
                {"picks": {":tree": "vmlinuz"}},
                "file_tree: picks must be words of the form DEST:PATTERN, without \"=\"; got \"vmlinuz\" (hint: DEST may be empty for the root of the tree)",
            ),
            "remove": (
                {"remove": ["boot/*"]},
                "file_tree: remove must be left out when there is no base to take from; got [\"boot/*\"]",
            ),
            "same_path": (
                {"files": {"one.txt": "etc/one", "two.txt": "etc/one"}},
                "file_tree: files must name each only once; got \"etc/one\" twice",
            ),
            "several_files": (
                {"files": {":two_files": "etc/one"}},
                "file_tree: files[\"etc/one\"] must be one file; got 2 files from @@//tests/rules:two_files (hint: name the file by its own label)",
            ),
        },
    )
    refusals(
        name = "rootfs_layer",
        rule = rootfs_layer,
        context = ["one.txt"],
        dockerfile = "Dockerfile",
        cases = {
            "build_arg": (
                {"build_args": {"BUILD-TYPE": "dev"}},
                "rootfs_layer: build_args must have names of letters, digits and \"_\" as ARG has them; got \"BUILD-TYPE\"",
            ),
            "context": (
                {"context_roots": ["tests/other", "tests/third"]},
                "rootfs_layer: context must have files under \"tests/other\" or \"tests/third\" only; got tests/rules/one.txt",
            ),
            "context_roots": (
                {"context_roots": ["/tests/rules/"]},
                "rootfs_layer: context_roots must be a path relative to the root; got \"/tests/rules/\" (hint: write \"tests/rules\")",
            ),
            "context_roots_twice": (
                {"context_roots": ["tests/rules", "tests/rules"]},
                "rootfs_layer: context_roots must name each only once; got \"tests/rules\" twice",
            ),
            "context_roots_within": (
                {"context_roots": ["tests", "tests/rules"]},
                "rootfs_layer: context_roots must lie beside each other; got \"tests/rules\" within \"tests\"",
            ),
            "context_twice": (
                {
                    "context": ["left/one.txt", "right/one.txt"],
                    "context_roots": ["tests/rules/left", "tests/rules/right"],
                },
                "rootfs_layer: context must have each path once; got \"one.txt\" from tests/rules/left/one.txt and tests/rules/right/one.txt",
            ),
            "mode": (
                {"modes": {"one.txt": "u+x"}},
                "rootfs_layer: modes[\"one.txt\"] must be an octal mode, 0 to 7777; got \"u+x\" (hint: 0644 for a file, 0755 for a program or a directory)",
            ),
            "mode_path": (
                {"modes": {"/one.txt": "0755"}},
                "rootfs_layer: modes must be a path relative to the root; got \"/one.txt\" (hint: write \"one.txt\")",
            ),
        },
    )
    refusals(
        name = "dockerfile_test",
        rule = dockerfile_subject,
        layers = [":layer_good"],
        cases = {
            "bases": (
                {"layers": [":layer_good", ":layer_elsewhere"]},
                "dockerfile_test: layers must be on one base; got another one for \"layer_elsewhere\" (hint: write a test for each base)",
            ),
            "epochs": (
                {"layers": [":layer_good", ":layer_later"]},
                "dockerfile_test: layers must be of one epoch; got 1754697600 and 1754697601",
            ),
            "no_base": (
                {"layers": [":layer_without_base"]},
                "dockerfile_test: layers must have a base, which FROM stands for; got none for \"layer_without_base\"",
            ),
        },
    )
    refusals(
        name = "version_file",
        rule = version_file,
        out = None,
        cases = {
            "status_key": (
                {"out": "status_key.txt", "status_key": "VERSION"},
                "version_file: status_key must begin with STABLE_, or a new version would build nothing anew; got \"VERSION\" (hint: use \"STABLE_VERSION\")",
            ),
            "suffix": (
                {"out": "suffix.txt", "suffix": " next"},
                "version_file: suffix must have letters, digits and ._+~- only; got \" next\"",
            ),
            "unstamped": (
                {"out": "unstamped.txt", "unstamped": "-1"},
                "version_file: unstamped must be a word of letters, digits and ._+~-, at most 128 with the suffix; got \"-1\"",
            ),
        },
    )
    return ["dockerfile_test", "file_tree", "rootfs_layer", "version_file"]

def _boot():
    refusals(
        name = "boot_args",
        rule = boot_args,
        slots = {"A": "quiet"},
        cases = {
            "lines": (
                {"slots": {"A": "quiet\nsplash"}},
                "boot_args: slots[\"A\"] must be one line without quotes, backslashes and tabs; got \"quiet\\nsplash\"",
            ),
            "no_slots": (
                {"slots": {}},
                "boot_args: slots must name at least one slot; got none",
            ),
            "out": (
                {"out": "/boot_args"},
                "boot_args: out must be a path relative to the root; got \"/boot_args\" (hint: write \"boot_args\")",
            ),
            "slot": (
                {"slots": {"a": "quiet"}},
                "boot_args: slots must have slots of one capital letter; got \"a\" (hint: A and B)",
            ),
        },
    )
    refusals(
        name = "grub_image",
        rule = grub_image,
        grub = ":tool",
        partition = 2,
        cases = {
            "module": (
                {"modules": ["x86_64-efi/ext2.mod"]},
                "grub_image: modules must be names of GRUB's modules; got \"x86_64-efi/ext2.mod\" (hint: without folder and \".mod\")",
            ),
            "out": (
                {"out": "grub.bin"},
                "grub_image: out must end in .efi; got \"grub.bin\" (hint: use \"grub.efi\")",
            ),
            "partition": (
                {"partition": 0},
                "grub_image: partition must be a partition's number, 1 to 128; got 0",
            ),
            "partition_high": (
                {"partition": 129},
                "grub_image: partition must be a partition's number, 1 to 128; got 129",
            ),
            "same_module": (
                {"modules": ["ext2", "ext2"]},
                "grub_image: modules must name each only once; got \"ext2\" twice",
            ),
        },
    )
    refusals(
        name = "initrd_image",
        rule = initrd_image,
        kernel = [":tree"],
        programs = ":packages",
        cases = {
            "applet": (
                {"applets": ["bin/sh"]},
                "initrd_image: applets must be names of busybox's commands; got \"bin/sh\"",
            ),
            "module_file": (
                {"modules": ["drivers/block/virtio_blk.ko.xz"]},
                "initrd_image: modules must be names of kernel modules; got \"drivers/block/virtio_blk.ko.xz\" (hint: use \"virtio_blk\")",
            ),
            "no_kernel": (
                {"kernel": [], "modules": ["virtio_blk"]},
                "initrd_image: modules must be left out when neither kernel nor kernel_packages says where they are; got [\"virtio_blk\"]",
            ),
            "program": (
                {"paths": ["/usr/sbin/dmsetup"]},
                "initrd_image: paths must be a path relative to the root; got \"/usr/sbin/dmsetup\" (hint: write \"usr/sbin/dmsetup\")",
            ),
        },
    )
    refusals(
        name = "locked_tool",
        rule = locked_tool,
        packages = ":packages",
        programs = ["usr/bin/one"],
        cases = {
            "absolute": (
                {"programs": ["/usr/bin/one"]},
                "locked_tool: programs must be a path relative to the root; got \"/usr/bin/one\" (hint: write \"usr/bin/one\")",
            ),
            "library": (
                {"libraries": ["usr/lib/libone.so.1"]},
                "locked_tool: libraries must be sonames; got \"usr/lib/libone.so.1\" (hint: like \"libzstd.so.1\", without a folder)",
            ),
            "nothing": (
                {"programs": []},
                "locked_tool: programs must name at least one program when there are no files; got neither",
            ),
        },
    )
    refusals(
        name = "module_index",
        rule = module_index,
        kmod = ":tool",
        cases = {
            "both": (
                {"packages": ":packages", "src": ":tree"},
                "module_index: src must be given, or packages, to say where the modules are; got both",
            ),
            "neither": (
                {},
                "module_index: src must be given, or packages, to say where the modules are; got neither",
            ),
        },
    )
    return ["boot_args", "grub_image", "initrd_image", "locked_tool", "module_index"]

def _promises():
    refusals(
        name = "image_test",
        rule = image_subject,
        budget = "one.txt",
        checksum = "one.txt",
        dpkg_verify = "one.txt",
        golden = "BUILD.bazel",
        image = "one.txt",
        layout = "one.txt",
        login = "none",
        manifest = "BUILD.bazel",
        sizes = "BUILD.bazel",
        update = "bazel run",
        cases = {
            "artifacts": (
                {"artifacts": ["one.txt"]},
                "image_test: artifacts must have names that differ; got \"one.txt\" twice",
            ),
            "golden": (
                {"golden": "one.txt"},
                "image_test: golden must be a file of the source tree, which the update command can write; got @@//tests/rules:one.txt",
            ),
            "login": (
                {"login": "root"},
                "image_test: login must be \"none\" or \"console\"; got \"root\"",
            ),
            "no_password": (
                {"login": "console"},
                "image_test: password must be the one of root where login is \"console\"; got none",
            ),
            "password": (
                {"password": "root"},
                "image_test: password must be left out where login is \"none\"; got \"root\"",
            ),
            "volatile": (
                {"volatile": ["etc/fstab"]},
                "image_test: volatile must be of the form VOLUME:PATH; got \"etc/fstab\"",
            ),
        },
    )
    return ["image_test"]

def refusal_suite(name):
    """All of them.

    Args:
        name: name of the suite.
    """
    native.test_suite(
        name = name,
        tests = _filesystems() + _disks() + _trees() + _boot() + _promises(),
    )
