# Whether a file of a bootstrap medium is what its name (-v file=NAME) promises. Prints the reason where it is not, and
# ends with exit status 1. What is printed has no character that a console would act on: the caller makes sure of that. Loaded
# behind settings.awk.

function refuse(why) {
    printf "%s, line %d: %s\n", file, FNR, why
    refused = 1
    exit 1
}

BEGIN {
    # KEY KIND of each file of lines key=value.
    keys["network.conf"] = "ipv6_address interface6 ipv6_gateway address6 name_servers addresses hostname host " \
        "ipv4_address interface4 ipv4_gateway address4 domain domain"
    keys["boundary.conf"] = "ipv6_replica_ips addresses6 ipv4_http_ips networks4 ipv6_http_ips networks6 " \
        "ipv6_debug_ips networks6 ipv6_monitoring_ips networks6"
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
    reason = take_setting($0)
    if (reason)
        refuse(reason)
    next
}

file ~ /\.pem$/ {
    wanted = "PUBLIC KEY"
    if (file ~ /private/)
        wanted = "(EC )?PRIVATE KEY|EC PARAMETERS"
    if (file == "certificate_key.pem")
        wanted = "((EC|RSA) )?PRIVATE KEY|EC PARAMETERS"
    if (file == "certificate.pem")
        wanted = "CERTIFICATE"
    if (!label) {
        if ($0 !~ "^-----BEGIN (" wanted ")-----$")
            refuse("is not the beginning of such a " (file == "certificate.pem" ? "certificate" : "key") " in PEM")
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

!is_ssh_key($0) { refuse("is not a public ssh key") }

END {
    if (refused)
        exit 1
    # Of certificates, a chain.
    if (file == "certificate.pem" && (label || !blocks))
        refuse("ends without a whole certificate")
    if (file ~ /key\.pem$/ && (label || blocks != 1))
        refuse("ends without one whole key")
    for (version = 4; version <= 6; version += 2)
        if ((("ipv" version "_gateway") in value) && !(("ipv" version "_address") in value))
            refuse("ipv" version "_gateway is there without ipv" version "_address")
}
