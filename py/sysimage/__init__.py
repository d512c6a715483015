"""Operating system images as pure functions of declared files.

One small library a format. Nothing here reads the clock, the environment,
the user or the order of a directory.
"""
