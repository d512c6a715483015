# Whether a file of a bootstrap medium is what its name (-v file=NAME) promises. Prints the reason where it is not, and
# ends with exit status 1. What is printed has no character that a console would act on: the caller makes sure of that.

function refuse(why) {
    printf "%s, line %d: %s\n", file, FNR, why
    refused = 1
    exit 1
}

function is_ipv4(text,    parts, i) {
    if (split(text, parts, ".") != 4)
        return 0
    for (i = 1; i <= 4; i++)
        if (parts[i] !~ /^(0|[1-9][0-9]?[0-9]?)$/ || parts[i] > 255)
            return 0
    return 1
}

function is_ipv6(text,    parts, count, i, groups, gaps) {
    if (text !~ /^[0-9A-Fa-f:]+$/ || text ~ /:::/ || text ~ /^:[^:]/ || text ~ /[^:]:$/)
        return 0
    gaps = gsub(/::/, "::", text)
    count = split(text, parts, ":")
    for (i = 1; i <= count; i++) {
        if (length(parts[i]) > 4)
            return 0
        groups += parts[i] != ""
    }
    return gaps == 1 ? groups < 8 : gaps == 0 && groups == 8
}

function is_interface(text, version,    parts) {
    if (split(text, parts, "/") != 2 || parts[2] !~ /^[0-9][0-9]?[0-9]?$/)
        return 0
    return version == 4 ? is_ipv4(parts[1]) && parts[2] <= 32 : is_ipv6(parts[1]) && parts[2] <= 128
}

# RFC 1123, 2.1.
function is_name(text, longest,    labels, count, i) {
    count = split(text, labels, ".")
    for (i = 1; i <= count; i++)
        if (labels[i] !~ /^[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?$/ || length(labels[i]) > 63)
            return 0
    return count > 0 && length(text) <= longest
}

function are_addresses(text,    parts, count, i) {
    count = split(text, parts, " ")
    for (i = 1; i <= count; i++)
        if (!is_ipv4(parts[i]) && !is_ipv6(parts[i]))
            return 0
    return count > 0
}

function is_good(kind, text) {
    if (kind == "interface4") return is_interface(text, 4)
    if (kind == "interface6") return is_interface(text, 6)
    if (kind == "address4") return is_ipv4(text)
    if (kind == "address6") return is_ipv6(text)
    if (kind == "addresses") return are_addresses(text)
    if (kind == "host") return is_name(text, 64)
    if (kind == "domain") return is_name(text, 253)
    if (kind == "number") return text ~ /^[0-9]+$/ && length(text) <= 19
    if (kind == "urls") return text ~ /^https?:\/\/[A-Za-z0-9._~:\/?%=[\],+-]+$/
    if (kind == "proxy") return text ~ /^socks5h?:\/\/[A-Za-z0-9._~:\/[\]-]+$/
    if (kind == "words") return text ~ /^[A-Za-z0-9._:[\], -]+$/
    return kind == "json" && text ~ /^{.*}$/
}

BEGIN {
    # KEY KIND of each file of lines key=value.
    keys["network.conf"] = "ipv6_address interface6 ipv6_gateway address6 name_servers addresses hostname host " \
        "ipv4_address interface4 ipv4_gateway address4 domain domain"
    keys["nns.conf"] = "nns_url urls"
    keys["backup.conf"] = "backup_retention_time_secs number backup_purging_interval_secs number"
    keys["log.conf"] = "elasticsearch_hosts words elasticsearch_tags words"
    keys["malicious_behavior.conf"] = "malicious_behavior json"
    keys["bitcoind_addr.conf"] = "bitcoind_addr words"
    keys["socks_proxy.conf"] = "socks_proxy proxy"
    count = split(keys[file], words, " ")
    for (i = 1; i < count; i += 2)
        kinds[words[i]] = words[i + 1]
}

/^ *(#.*)?$/ { next }

file ~ /\.conf$/ {
    equals = index($0, "=")
    key = substr($0, 1, equals - 1)
    text = substr($0, equals + 1)
    if (!equals)
        refuse("is not of the form key=value")
    if (!(key in kinds))
        refuse("there is no key '" key "'")
    if (key in value)
        refuse(key " comes twice")
    if (!is_good(kinds[key], text))
        refuse(key " cannot be '" substr(text, 1, 100) "'")
    value[key] = text
    next
}

file ~ /\.pem$/ {
    wanted = file ~ /private/ ? "(EC )?PRIVATE KEY|EC PARAMETERS" : "PUBLIC KEY"
    if (!label) {
        if ($0 !~ "^-----BEGIN (" wanted ")-----$")
            refuse("is not the beginning of such a key in PEM")
        label = substr($0, 12, length($0) - 16)
        blocks += label != "EC PARAMETERS"
        lines = 0
    } else if ($0 == "-----END " label "-----" && lines) {
        label = ""
    } else if ($0 ~ /^[A-Za-z0-9+\/]+=*$/) {
        lines++
    } else
        refuse("is not a line of base64")
    next
}

# authorized_keys, without options.
!/^(ssh-(ed25519|rsa)|ecdsa-sha2-nistp(256|384|521)|sk-(ssh-ed25519|ecdsa-sha2-nistp256)@openssh\.com) +[A-Za-z0-9+\/]+=*( .*)?$/ {
    refuse("is not a public ssh key")
}

END {
    if (refused)
        exit 1
    if (file ~ /\.pem$/ && (label || blocks != 1))
        refuse("ends without one whole key")
    for (version = 4; version <= 6; version += 2)
        if ((("ipv" version "_gateway") in value) && !(("ipv" version "_address") in value))
            refuse("ipv" version "_gateway is there without ipv" version "_address")
}
