"""What bootstrap_config_image and boundary_bootstrap_config_image refuse before anything is built."""

load("//toolchains/testing:refusals.bzl", "refusals")
load(":bootstrap_config_image.bzl", "bootstrap_config_image", "boundary_bootstrap_config_image")

def refusal_suite(name):
    """Declares a test for each bad attribute.

    Args:
        name: name of the suite.
    """
    native.filegroup(
        name = name + "_no_keys",
    )
    native.filegroup(
        name = name + "_two_files",
        srcs = [
            "testdata/keys.pub",
            "testdata/public.pem",
        ],
    )
    refusals(
        name = name,
        rule = bootstrap_config_image,
        out = None,
        cases = {
            "account": (
                {"accounts_ssh_authorized_keys": {"testdata/keys.pub": "ic-replica"}, "out": "refused_1.img"},
                "bootstrap_config_image: accounts_ssh_authorized_keys must be for one of admin, backup, readonly, root; got \"ic-replica\"",
            ),
            "account_twice": (
                {"accounts_ssh_authorized_keys": {name + "_no_keys": "admin", "testdata/keys.pub": "admin"}, "out": "refused_2.img"},
                "bootstrap_config_image: accounts_ssh_authorized_keys must have one file for each account; got \"admin\" twice",
            ),
            "keys_of_two_files": (
                {"accounts_ssh_authorized_keys": {name + "_two_files": "admin"}, "out": "refused_3.img"},
                "bootstrap_config_image: accounts_ssh_authorized_keys must be one file; got 2 files from @@//ic-os/scripts:{}_two_files (hint: name the file by its own label)".format(name),
            ),
            "list": (
                {"name_servers": ["::1", "::1"], "out": "refused_4.img"},
                "bootstrap_config_image: name_servers must name each only once; got \"::1\" twice",
            ),
            "no_address": (
                {"ipv4_gateway": "192.0.2.1", "out": "refused_5.img"},
                "bootstrap_config_image: ipv4_address must be given together with ipv4_gateway; got nothing (hint: give both, or neither)",
            ),
            "no_gateway": (
                {"ipv6_address": "2001:db8::2/64", "out": "refused_6.img"},
                "bootstrap_config_image: ipv6_gateway must be given together with ipv6_address; got nothing (hint: give both, or neither)",
            ),
            "out": (
                {"out": "medium.iso"},
                "bootstrap_config_image: out must end in .img; got \"medium.iso\" (hint: use \"medium.img\")",
            ),
            "seconds": (
                {"backup_retention_time_secs": -60, "out": "refused_7.img"},
                "bootstrap_config_image: backup_retention_time_secs must be a number of seconds, or -1; got -60",
            ),
        },
    )

def boundary_refusal_suite(name):
    """Declares a test for each attribute of boundary_bootstrap_config_image that is bad in a way of its own.

    Args:
        name: name of the suite.
    """
    rule = "boundary_bootstrap_config_image"
    refusals(
        name = name,
        rule = boundary_bootstrap_config_image,
        out = None,
        cases = {
            "account": (
                {"accounts_ssh_authorized_keys": {"testdata/keys.pub": "backup"}, "out": "boundary_refused_1.img"},
                rule + ": accounts_ssh_authorized_keys must be for one of admin, readonly, root; got \"backup\"",
            ),
            "list": (
                {"ipv6_replica_ips": ["::1", "::1"], "out": "boundary_refused_2.img"},
                rule + ": ipv6_replica_ips must name each only once; got \"::1\" twice",
            ),
            "no_certificate": (
                {"certificate_key": "testdata/boundary/certificate_key.pem", "out": "boundary_refused_3.img"},
                rule + ": certificate must be given together with certificate_key; got nothing (hint: give both, or neither)",
            ),
            "no_key": (
                {"certificate": "testdata/boundary/certificate.pem", "out": "boundary_refused_4.img"},
                rule + ": certificate_key must be given together with certificate; got nothing (hint: give both, or neither)",
            ),
            "out": (
                {"out": "boundary.iso"},
                rule + ": out must end in .img; got \"boundary.iso\" (hint: use \"boundary.img\")",
            ),
        },
    )
