# The keys of an authorized_keys file (-v file=NAME); what else is in it is named. Loaded behind settings.awk.

/^ *(#.*)?$/ { next }

is_ssh_key($0) {
    print
    next
}

{ printf "setup-ssh-keys: %s, line %d: left out, for it is not a public ssh key\n", file, FNR > "/dev/stderr" }
