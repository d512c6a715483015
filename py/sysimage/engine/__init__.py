"""A real container engine as a judge of what we make of Dockerfiles.

disks     what the disks of the engine's machine hold
guest     the machine's first program: runs the engine (nothing here imports it)
machine   starts the machine, and hands out what it built
changes   what a build changed, laid over its base
"""
