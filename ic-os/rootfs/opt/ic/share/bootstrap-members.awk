# Which members of an ic-bootstrap.tar are taken. Reads `tar --list --verbose --block-number --quoting-style=escape`; -v files=,
# accounts= and stores= are those of bootstrap.conf. Prints a line each,
#
#   config NAME    for the config partition       STORE NAME     for that store
#   ignore NAME    not on the list
#
# or one line `refuse REASON` where the archive is no such one.

function refuse(why) {
    print "refuse " why
    refused = 1
    exit
}

BEGIN {
    count = split(files, words, " ")
    for (i = 1; i <= count; i++)
        wanted[words[i]] = 1
    count = split(accounts, words, " ")
    for (i = 1; i <= count; i++)
        wanted["accounts_ssh_authorized_keys/" words[i]] = 1
    # NAME STORE FOLDER MODE of each.
    count = split(stores, words, " ")
    for (i = 1; i < count; i += 4) {
        sub(/\/$/, "", words[i + 2])
        store[words[i + 2]] = words[i]
    }
    FILE_MAX = 65536        # bytes of one of these
    FOLDERS_MAX = 268435456 # bytes of all files in the folders
    MEMBERS_MAX = 100000
}

# `block 12: -rw-r--r-- 0/0    102 2025-08-09 00:00 network.conf`
{ sub(/^block [0-9]+: /, "") }

# The marker at the end. Without it, tar takes an archive that is cut off between two members for a whole one.
/^\*\* Block of NULs \*\*$/ {
    ended = 1
    next
}

/^\*\* End of File \*\*$/ { next }

NR > MEMBERS_MAX { refuse("it has more than " MEMBERS_MAX " members") }

{
    type = substr($1, 1, 1)
    size = $3 + 0
    name = $0
    sub(/^[^ ]+ +[^ ]+ +[^ ]+ +[^ ]+ +[^ ]+ /, "", name)
    path = name
    if (type != "-" && type != "d")
        refuse("'" name "' is neither a file nor a directory")
    if (path ~ /^\//)
        refuse("'" name "' is an absolute path")
    while (path ~ /^\.\//)
        path = substr(path, 3)
    sub(/\/$/, "", path)
    if (path == "" || path == ".")
        next
    if ("/" path "/" ~ /\/(\.\.?)?\//)
        refuse("'" name "' is not a plain path")
    if (path in seen)
        refuse("'" name "' comes twice")
    seen[path] = 1
}

{
    top = path
    sub(/\/.*/, "", top)
}

top in store {
    if (path !~ /^[A-Za-z0-9._@+=,\/-]+$/)
        refuse("'" name "' has other characters than letters, digits and ._@+=,-")
    if (path !~ /\// && type != "d")
        refuse("'" name "' is not a directory")
    folders += size
    if (folders > FOLDERS_MAX)
        refuse("its directories have more than " FOLDERS_MAX " bytes")
    print store[top] " " name
    next
}

path == "accounts_ssh_authorized_keys" {
    if (type != "d")
        refuse("'" name "' is not a directory")
    print "config " name
    next
}

path in wanted {
    if (type != "-")
        refuse("'" name "' is not a file")
    if (size > FILE_MAX)
        refuse("'" name "' has more than " FILE_MAX " bytes")
    print "config " name
    next
}

{ print "ignore " name }

END {
    if (!refused && !ended)
        print "refuse it is cut off"
}
