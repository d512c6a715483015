"""DER (ITU-T X.690), as much as keys need: what is in a SEQUENCE, and object identifiers."""

from dataclasses import dataclass

INTEGER = 0x02
BIT_STRING = 0x03
OCTET_STRING = 0x04
OBJECT_IDENTIFIER = 0x06
SEQUENCE = 0x30
_LONG = 0x80


@dataclass(frozen=True, slots=True)
class Value:
    """A value: its tag, one byte, and its content."""

    tag: int
    content: bytes

    @property
    def identifier(self) -> str:
        """An object identifier in numbers with dots between them; of anything else nothing."""
        if self.tag != OBJECT_IDENTIFIER or not self.content:
            return ""
        numbers = []
        number = 0
        for byte in self.content:
            number = number << 7 | byte & 0x7F
            if not byte & _LONG:
                numbers.append(number)
                number = 0
        if not numbers:
            return ""
        first = min(numbers[0] // 40, 2)
        return ".".join(str(each) for each in (first, numbers[0] - 40 * first, *numbers[1:]))


def values(data: bytes) -> list[Value]:
    """The values that lie in some bytes one behind the other.

    Raises:
        ValueError: it is something else.
    """
    found = []
    position = 0
    while position < len(data):
        if position + 2 > len(data):
            raise ValueError("a value is cut off")
        tag, length = data[position], data[position + 1]
        position += 2
        if length & _LONG:
            count = length & ~_LONG
            length = int.from_bytes(data[position : position + count], "big")
            if not 1 <= count <= 3 or length < _LONG:
                raise ValueError("a length is not as DER has it")
            position += count
        if position + length > len(data):
            raise ValueError("a value is cut off")
        found.append(Value(tag, data[position : position + length]))
        position += length
    return found


def sequence(data: bytes) -> list[Value]:
    """What is in the one SEQUENCE that some bytes are. Errors: as `values`."""
    found = values(data)
    if len(found) != 1 or found[0].tag != SEQUENCE:
        raise ValueError("it is not one SEQUENCE")
    return values(found[0].content)
