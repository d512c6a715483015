# Settings, lines key=value: what a value may be, and that each key comes once. For programs of awk that are loaded behind this file.

function is_ipv4(text,    parts, i) {
    if (split(text, parts, ".") != 4)
        return 0
    for (i = 1; i <= 4; i++)
        if (parts[i] !~ /^(0|[1-9][0-9]?[0-9]?)$/ || parts[i] > 255)
            return 0
    return 1
}

# Whether it is this many groups of an IPv6 address; "::" stands for those that are zero.
function are_groups(text, wanted,    parts, count, i, groups, gaps) {
    if (text !~ /^[0-9A-Fa-f:]+$/ || text ~ /:::/ || text ~ /^:[^:]/ || text ~ /[^:]:$/)
        return 0
    gaps = gsub(/::/, "::", text)
    count = split(text, parts, ":")
    for (i = 1; i <= count; i++) {
        if (length(parts[i]) > 4)
            return 0
        groups += parts[i] != ""
    }
    return gaps == 1 ? groups < wanted : gaps == 0 && groups == wanted
}

function is_ipv6(text) {
    return are_groups(text, 8)
}

function is_interface(text, version,    parts) {
    if (split(text, parts, "/") != 2 || parts[2] !~ /^[0-9][0-9]?[0-9]?$/)
        return 0
    return version == 4 ? is_ipv4(parts[1]) && parts[2] <= 32 : is_ipv6(parts[1]) && parts[2] <= 128
}

# One address or, with the length of a prefix behind it, a network.
function is_network(text, version) {
    if (text ~ /\//)
        return is_interface(text, version)
    return version == 4 ? is_ipv4(text) : is_ipv6(text)
}

# RFC 1123, 2.1.
function is_name(text, longest,    labels, count, i) {
    count = split(text, labels, ".")
    for (i = 1; i <= count; i++)
        if (labels[i] !~ /^[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?$/ || length(labels[i]) > 63)
            return 0
    return count > 0 && length(text) <= longest
}

# With blanks between them, each of them once.
function are_networks(text, version,    parts, count, i, seen) {
    count = split(text, parts, " ")
    for (i = 1; i <= count; i++)
        if (!is_network(parts[i], version) || seen[parts[i]]++)
            return 0
    return count > 0
}

function are_addresses6(text) {
    return text !~ /\// && are_networks(text, 6)
}

function are_addresses(text,    parts, count, i) {
    count = split(text, parts, " ")
    for (i = 1; i <= count; i++)
        if (!is_ipv4(parts[i]) && !is_ipv6(parts[i]))
            return 0
    return count > 0
}

function is_host_and_port(text,    host, port) {
    port = text
    sub(/^.*:/, "", port)
    host = substr(text, 1, length(text) - length(port) - 1)
    if (port !~ /^[1-9][0-9]*$/ || length(port) > 5 || port + 0 > 65535)
        return 0
    if (host ~ /^\[.*\]$/)
        return is_ipv6(substr(host, 2, length(host) - 2))
    return host ~ /^[0-9.]+$/ ? is_ipv4(host) : is_name(host, 253)
}

function are_hosts_and_ports(text,    parts, count, i) {
    count = split(text, parts, " ")
    for (i = 1; i <= count; i++)
        if (!is_host_and_port(parts[i]))
            return 0
    return count > 0
}

# The first four groups of an address, or these and "::", which then stands for the other four.
function is_prefix6(text) {
    return are_groups(text, 4) || (is_ipv6(text) && text ~ /::$/ && are_groups(substr(text, 1, length(text) - 2), 4))
}

# Of one network card: not that of a group of them.
function is_mac(text) {
    return text ~ /^[0-9A-Fa-f][02468ACEace](:[0-9A-Fa-f][0-9A-Fa-f])+$/ && length(text) == 17 && text ~ /[^0:]/
}

function is_value(kind, text) {
    if (kind == "interface4") return is_interface(text, 4)
    if (kind == "interface6") return is_interface(text, 6)
    if (kind == "address4") return is_ipv4(text)
    if (kind == "address6") return is_ipv6(text)
    if (kind == "addresses") return are_addresses(text)
    if (kind == "addresses6") return are_addresses6(text)
    if (kind == "networks4") return are_networks(text, 4)
    if (kind == "networks6") return are_networks(text, 6)
    if (kind == "host") return is_name(text, 64)
    if (kind == "domain") return is_name(text, 253)
    if (kind == "hosts+ports") return are_hosts_and_ports(text)
    if (kind ~ /\|/) return text ~ "^(" kind ")$"
    if (kind == "prefix6") return is_prefix6(text)
    if (kind == "mac") return is_mac(text)
    if (kind == "count") return text ~ /^[1-9][0-9]*$/ && length(text) <= 6
    if (kind == "length4") return text ~ /^[0-9][0-9]?$/ && text + 0 <= 32
    if (kind == "word") return text ~ /^[A-Za-z0-9._-]+$/
    if (kind == "number") return text ~ /^[0-9]+$/ && length(text) <= 19
    if (kind == "urls") return text ~ /^https?:\/\/[A-Za-z0-9._~:\/?%=[\],+-]+$/
    if (kind == "proxy") return text ~ /^socks5h?:\/\/[A-Za-z0-9._~:\/[\]-]+$/
    if (kind == "words") return text ~ /^[A-Za-z0-9._:[\], -]+$/
    return kind == "json" && text ~ /^{.*}$/
}

# Takes a line into value[KEY]; returns the reason where it cannot be taken, otherwise nothing. kinds[KEY] says which keys there are,
# and that the value is of a kind above, or one of those that stand there with | between them. hints[KIND], where there is one, says
# how such a value is written.
function take_setting(line,    equals, key, text, kind) {
    equals = index(line, "=")
    key = substr(line, 1, equals - 1)
    text = substr(line, equals + 1)
    if (!equals)
        return "is not of the form key=value"
    if (!(key in kinds))
        return "there is no key '" key "'"
    if (key in value)
        return key " comes twice"
    kind = kinds[key]
    if (!is_value(kind, text))
        return key " cannot be '" substr(text, 1, 100) "'" (kind in hints ? "; " hints[kind] : "")
    value[key] = text
    return ""
}

# A line of authorized_keys, without options.
function is_ssh_key(text) {
    return text ~ /^(ssh-(ed25519|rsa)|ecdsa-sha2-nistp(256|384|521)|sk-(ssh-ed25519|ecdsa-sha2-nistp256)@openssh\.com) +[A-Za-z0-9+\/]+=*( .*)?$/
}
