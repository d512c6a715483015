"""Rules around the programs of this folder.

    bootstrap_config_image            the medium that a GuestOS is configured by
    boundary_bootstrap_config_image   the medium that a Boundary-guestOS is configured by
"""

load(
    "//ic-os/scripts/private:bootstrap_config_image.bzl",
    _bootstrap_config_image = "bootstrap_config_image",
    _boundary_bootstrap_config_image = "boundary_bootstrap_config_image",
)

bootstrap_config_image = _bootstrap_config_image
boundary_bootstrap_config_image = _boundary_bootstrap_config_image
