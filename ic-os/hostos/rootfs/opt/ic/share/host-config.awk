# Reads config.ini, or deployment.json as lines SECTION.KEY=value (-v file=NAME says which). Prints its settings, KEY=value in the
# names of host-config.sh; or the reason why it is malformed, with exit status 1. Loaded behind settings.awk.

function refuse(why) {
    printf "%s%s: %s\n", file, line ? ", line " line : "", why
    refused = 1
    exit 1
}

# Groups of hexadecimal digits in lower case, without leading zeros, as many as wanted, where "::" stands for zeros.
function expand(text, wanted, groups,    halves, parts, count, missing, i, n) {
    count = split(tolower(text), halves, "::")
    n = split(halves[1], parts, ":")
    for (i = 1; i <= n; i++)
        groups[i] = parts[i]
    missing = count == 2 ? split(halves[2], parts, ":") : 0
    for (i = n + 1; i <= wanted - missing; i++)
        groups[i] = "0"
    for (i = 1; i <= missing; i++)
        groups[wanted - missing + i] = parts[i]
    for (i = 1; i <= wanted; i++)
        if (sub(/^0+/, "", groups[i]) && groups[i] == "")
            groups[i] = "0"
}

function check_prefix(    text, groups) {
    text = value["ipv6_prefix"]
    expand(are_groups(text, 4) ? text : substr(text, 1, length(text) - 2), 4, groups)
    if (groups[1] == "0" || groups[1] ~ /^ff..$/ || groups[1] ~ /^fe[89ab].$/)
        refuse_value("ipv6_prefix", "it is that of a network in which machines have addresses")
    value["ipv6_prefix"] = groups[1] ":" groups[2] ":" groups[3] ":" groups[4]
}

function check_gateway6(    groups) {
    expand(value["ipv6_gateway"], 8, groups)
    if (groups[1] ~ /^fe[89ab].$/)
        return
    if (groups[1] ":" groups[2] ":" groups[3] ":" groups[4] != value["ipv6_prefix"])
        refuse_value("ipv6_gateway", "it lies in the network of ipv6_prefix, or is link-local")
}

function number4(text,    parts) {
    split(text, parts, ".")
    return ((parts[1] * 256 + parts[2]) * 256 + parts[3]) * 256 + parts[4]
}

function check_ipv4(    count, size) {
    count = ("ipv4_address" in value) + ("ipv4_gateway" in value) + ("ipv4_prefix_length" in value)
    if (count == 0)
        return
    if (count != 3)
        refuse("ipv4_address, ipv4_gateway and ipv4_prefix_length go together; give all three, or none")
    size = 2 ^ (32 - value["ipv4_prefix_length"])
    if (int(number4(value["ipv4_address"]) / size) != int(number4(value["ipv4_gateway"]) / size))
        refuse_value("ipv4_gateway", "it lies in the network of ipv4_address")
    if (value["ipv4_address"] == value["ipv4_gateway"])
        refuse_value("ipv4_gateway", "it is the router's address, not the machine's own")
}

function refuse_value(key, hint) {
    line = lines[key]
    refuse(key " cannot be '" substr(value[key], 1, 100) "'; " hint)
}

function want(key) {
    if (!(key in value))
        refuse("there is no " key "; it must be there")
}

BEGIN {
    # KEY KIND NAME of each file. A key that another key of its file needs is looked at behind all lines.
    keys["config.ini"] = "ipv6_prefix prefix6 ipv6_prefix, ipv6_gateway address6 ipv6_gateway, ipv4_address address4 ipv4_address, " \
        "ipv4_gateway address4 ipv4_gateway, ipv4_prefix_length length4 ipv4_prefix_length, domain domain domain, " \
        "verbose true|false verbose"
    keys["deployment.json"] = "deployment.name word deployment_name, deployment.mgmt_mac mac mgmt_mac, " \
        "logging.hosts hosts+ports logging_hosts, nns.url urls nns_url, dns.name_servers addresses name_servers, " \
        "resources.memory count memory, resources.cpu kvm|qemu cpu, resources.nr_of_vcpus count nr_of_vcpus"
    count = split(keys[file], entries, ", ")
    for (i = 1; i <= count; i++) {
        split(entries[i], words, " ")
        kinds[words[1]] = words[2]
        names[words[1]] = words[3]
    }
    hints["address4"] = "write it as 192.0.2.2"
    hints["address6"] = "write it as 2001:db8::1"
    hints["addresses"] = "write IP addresses with blanks between them"
    hints["count"] = "it is a number from 1 to 999999, without a unit"
    hints["domain"] = "it is a name by RFC 1123, such as example.org"
    hints["kvm|qemu"] = "it is kvm or qemu"
    hints["prefix6"] = "it is four groups, such as 2a00:fb01:400:200"
    hints["hosts+ports"] = "write them as HOST:PORT with blanks between them, an IPv6 address in brackets"
    hints["length4"] = "it is a number from 0 to 32"
    hints["mac"] = "it is that of a network card, such as 3c:ec:ef:6b:37:99"
    hints["true|false"] = "it is true or false"
    hints["urls"] = "write http or https URLs with commas between them"
    hints["word"] = "it is a word of letters, digits and ._-"
}

# Only a file that a person writes has lines to point at.
file ~ /\.ini$/ { line = FNR }

/[^ -~]/ { refuse("has another character than printable ASCII; write it without, and without carriage returns") }

/^ *(#.*)?$/ { next }

{
    reason = take_setting($0)
    if (reason)
        refuse(reason)
    lines[substr($0, 1, index($0, "=") - 1)] = line
}

END {
    if (refused)
        exit 1
    line = 0
    if (file == "config.ini") {
        want("ipv6_prefix")
        want("ipv6_gateway")
        check_prefix()
        line = 0
        check_gateway6()
        check_ipv4()
    } else {
        want("deployment.name")
        if ("deployment.mgmt_mac" in value)
            value["deployment.mgmt_mac"] = tolower(value["deployment.mgmt_mac"])
    }
    for (key in value)
        print names[key] "=" value[key]
}
