"""Configures finished images of SetupOS: ic-os/setupos/docs/configure.md."""
