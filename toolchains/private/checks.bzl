"""Checks of attributes, so that a bad value is refused before anything is built.

Every message has one form: `RULE: ATTRIBUTE must EXPECTED; got WHAT CAME (hint: WHAT TO DO)`.
"""

HEX = "0123456789abcdef"
OCTAL = "01234567"

# Lengths of the five groups of a UUID, RFC 9562, 4.
_UUID_GROUPS = [8, 4, 4, 4, 12]

# What may follow the digits of a size that somebody wrote for a human.
_UNITS = {
    "K": 1 << 10,
    "M": 1 << 20,
    "G": 1 << 30,
    "T": 1 << 40,
}

_MAX_MODE_DIGITS = 4

def quote(value):
    """A value as messages show it: text in quotes, everything else as it is.

    Args:
        value: what an attribute has.

    Returns:
        A string.
    """
    return "\"{}\"".format(value) if type(value) == "string" else str(value)

def refuse(rule, attribute, expected, got, hint = ""):
    """Stops the analysis.

    Args:
        rule: name of the rule.
        attribute: name of the attribute.
        expected: what the attribute must be, to be read after "must".
        got: what came, as text.
        hint: what to do about it.
    """
    fail("{}: {} must {}; got {}{}".format(rule, attribute, expected, got, " (hint: {})".format(hint) if hint else ""))

def only_has(text, allowed):
    """Whether every character of a text is among the allowed ones.

    Args:
        text: a string.
        allowed: a string of characters.

    Returns:
        True or False; True for the empty text.
    """
    return not text.strip(allowed)

def is_hex(text):
    """Whether a text has nothing but hexadecimal digits, of either case.

    Args:
        text: a string.

    Returns:
        True or False; True for the empty text.
    """
    return only_has(text.lower(), HEX)

def check_uuid(rule, attribute, value):
    """Refuses what is not a UUID in its usual form.

    Args:
        rule: name of the rule.
        attribute: name of the attribute.
        value: its value, a string.
    """
    groups = value.split("-")
    if [len(group) for group in groups] != _UUID_GROUPS or not is_hex("".join(groups)):
        refuse(
            rule,
            attribute,
            "be a UUID, 8-4-4-4-12 hexadecimal digits",
            quote(value),
            "uuidgen prints a new one",
        )

def _bytes_hint(value, multiple):
    """The number that somebody may have meant by `512M`, `512MiB`, `1000`."""
    if value.isdigit():
        return "use {}".format((int(value) + multiple - 1) // multiple * multiple)
    text = value.strip().upper().removesuffix("B").removesuffix("I")
    if text and text[-1] in _UNITS and text[:-1].isdigit():
        return "use {}".format(int(text[:-1]) * _UNITS[text[-1]])
    return "write the digits only, without unit or separator"

def check_size(rule, attribute, value, multiple):
    """Refuses what is not a number of bytes.

    Args:
        rule: name of the rule.
        attribute: name of the attribute.
        value: its value, a string: sizes go beyond what an attribute of type int can hold.
        multiple: what the number must be a multiple of.
    """
    if not value.isdigit() or int(value) == 0 or int(value) % multiple:
        expected = "be a number of bytes, a multiple of {}".format(multiple)
        if value.isdigit() and int(value) == 0:
            refuse(rule, attribute, expected + " above 0", quote(value))
        refuse(rule, attribute, expected, quote(value), _bytes_hint(value, multiple))

def check_not_negative(rule, attribute, value):
    """Refuses a number below 0.

    Args:
        rule: name of the rule.
        attribute: name of the attribute.
        value: its value, an int.
    """
    if value < 0:
        refuse(rule, attribute, "be 0 or more", value)

def check_mode(rule, attribute, value):
    """Refuses what is not an octal mode.

    Args:
        rule: name of the rule.
        attribute: name of the attribute, with the key where it is a dict.
        value: a string.
    """
    if not value or len(value) > _MAX_MODE_DIGITS or not only_has(value, OCTAL):
        refuse(rule, attribute, "be an octal mode, 0 to 7777", quote(value), "0644 for a file, 0755 for a program or a directory")

def check_path(rule, attribute, value):
    """Refuses what is not a plain path relative to the root of a tree.

    Args:
        rule: name of the rule.
        attribute: name of the attribute.
        value: a string.
    """
    parts = value.split("/")
    if value.startswith("/") and value.strip("/"):
        refuse(rule, attribute, "be a path relative to the root", quote(value), "write \"{}\"".format(value.strip("/")))
    if [part for part in parts if part in ["", ".", ".."]]:
        refuse(rule, attribute, "be a path relative to the root, without empty parts, \".\" and \"..\"", quote(value))

def check_name(rule, attribute, value, suffixes = []):
    """Refuses what is not the name of an output file of the target's own package.

    Args:
        rule: name of the rule.
        attribute: name of the attribute.
        value: a string.
        suffixes: how it may end, in lower case; none: however it likes.
    """
    check_path(rule, attribute, value)
    if suffixes and not [suffix for suffix in suffixes if value.lower().endswith(suffix)]:
        refuse(rule, attribute, "end in {}".format(" or ".join(suffixes)), quote(value), "use \"{}\"".format(value.partition(".")[0] + suffixes[0]))

def check_unique(rule, attribute, values):
    """Refuses a value that comes twice.

    Args:
        rule: name of the rule.
        attribute: name of the attribute.
        values: its values.
    """
    seen = {}
    for value in values:
        if value in seen:
            refuse(rule, attribute, "name each only once", quote(value) + " twice")
        seen[value] = True

def check_one_file(rule, attribute, target):
    """The file of a target that must have exactly one.

    Args:
        rule: name of the rule.
        attribute: name of the attribute, with the value where it is a dict.
        target: a target.

    Returns:
        The File.
    """
    files = target[DefaultInfo].files.to_list()
    if len(files) != 1:
        refuse(rule, attribute, "be one file", "{} files from {}".format(len(files), target.label), "name the file by its own label")
    return files[0]
