# Puts values in the place of @NAMES@ of a template; the environment's VALUES has them, in lines NAME=VALUE. No value is
# looked through again, whatever is in it. Lines between <!-- with NAME --> and <!-- end --> are there where it has a value that
# is not empty; those between <!-- without NAME --> and <!-- end -->, where it has none.

BEGIN {
    count = split(ENVIRON["VALUES"], lines, "\n")
    for (i = 1; i <= count; i++) {
        equals = index(lines[i], "=")
        values[substr(lines[i], 1, equals - 1)] = substr(lines[i], equals + 1)
    }
}

/^ *<!-- (with|without) [A-Z_]+ -->$/ {
    left_out = (values[$3] != "") != ($2 == "with")
    next
}

/^ *<!-- end -->$/ {
    left_out = 0
    next
}

left_out { next }

# A comment is for the reader of the template.
/^ *<!--.*-->$/ { next }

{
    rest = $0
    line = ""
    while (match(rest, /@[A-Z_]+@/)) {
        name = substr(rest, RSTART + 1, RLENGTH - 2)
        line = line substr(rest, 1, RSTART - 1) values[name]
        rest = substr(rest, RSTART + RLENGTH)
    }
    print line rest
}
