"""ext4: plan, read, inspect, verify.

`plan` turns a tree into an extent map: metadata as literals, file contents as
slices of their sources. `read`, `inspect` and `verify` work on any image.
"""
