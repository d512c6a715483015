"""Checks of what goes into a provider, for their `init` functions.

A wrong field is a defect of a rule, and not of a build file. It is found where the provider is made, and not three
rules later where something reads it.
"""

def check_file(provider, field, value, extension = ""):
    """Refuses what is not a File.

    Args:
        provider: name of the provider.
        field: name of the field.
        value: what it is to be.
        extension: how its name must end, without the dot; "": however it likes.
    """
    if type(value) != "File":
        fail("{}: {} must be a File; got a {}".format(provider, field, type(value)))
    if extension and value.extension != extension:
        fail("{}: {} must be a .{} file; got {}".format(provider, field, extension, value.short_path))

def check_depset(provider, field, value):
    """Refuses what is not a depset.

    Args:
        provider: name of the provider.
        field: name of the field.
        value: what it is to be.
    """
    if type(value) != "depset":
        fail("{}: {} must be a depset of Files; got a {}".format(provider, field, type(value)))
