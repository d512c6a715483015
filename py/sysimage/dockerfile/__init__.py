"""A Dockerfile as a function on a file tree: nothing is executed.

`parser` splits the file into instructions, `shell` a RUN line into commands,
`vocabulary` knows each command as a function on the tree, `build` goes through the
instructions. The files stay ordinary Dockerfiles, which container engines build
too; what is outside the vocabulary is an error, never skipped.
"""
