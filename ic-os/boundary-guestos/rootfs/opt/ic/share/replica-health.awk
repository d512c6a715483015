# What the answer of a replica's /api/v2/status says of its health. Reads its bytes as decimal numbers (od -t u1), which are a map in CBOR
# (RFC 8949); prints the text behind replica_health_status. Ends with exit status 1, and nothing printed, where it is no such map.

function fail() {
    exit 1
}

function byte() {
    if (at >= size)
        fail()
    return bytes[at++]
}

# Takes the head of an item: its major type, and in "argument" its length, count or value. Items of indefinite length are none that
# a replica makes.
function head(    first, info, more) {
    first = byte()
    info = first % 32
    argument = info
    if (info > 27)
        fail()
    if (info >= 24) {
        argument = 0
        for (more = 2 ^ (info - 24); more > 0; more--)
            argument = argument * 256 + byte()
    }
    return int(first / 32)
}

function skip(depth,    major, items) {
    major = head()
    if (depth > 16)
        fail()
    if (major == 2 || major == 3) {
        at += argument
        if (at > size)
            fail()
    } else if (major >= 4 && major <= 6) {
        items = major == 4 ? argument : major == 5 ? 2 * argument : 1
        # Each has a byte at least.
        if (items > size - at)
            fail()
        for (; items > 0; items--)
            skip(depth + 1)
    }
}

function text(    i, taken) {
    if (head() != 3 || argument > size - at)
        fail()
    for (i = argument; i > 0; i--)
        taken = taken sprintf("%c", bytes[at++])
    return taken
}

{
    for (i = 1; i <= NF; i++)
        bytes[size++] = $i + 0
}

END {
    at = 0
    major = head()
    if (major == 6)
        major = head()
    if (major != 5 || argument > size)
        fail()
    for (entries = argument; entries > 0; entries--)
        if (text() == "replica_health_status")
            health = text()
        else
            skip(1)
    if (at != size || health !~ /^[a-z_]+$/)
        fail()
    print health
}
