"""What prepare.py reads beside its users' files."""

LAYOUT = "//ic-os/boundary-guestos:partitions.json"

# Its flags, and the targets that they name.
INPUTS = {
    "filler": "//ic-os/hostos:rootfs/opt/ic/share/fill-template.awk",
    "layout": LAYOUT,
    "medium_tool": "//ic-os/scripts:build-boundary-bootstrap-config-image",
    "template": "//ic-os/hostos:rootfs/opt/ic/share/machine.xml.template",
}
