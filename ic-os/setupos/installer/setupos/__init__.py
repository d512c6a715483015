"""The installer of SetupOS: makes an empty server a node's machine, or says in one sentence why not.

Standard library alone: it runs with what the image has. Whatever it knows of the machine, and does to it, goes through
`machine.Machine`.
"""
