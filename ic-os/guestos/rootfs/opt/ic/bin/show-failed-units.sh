#!/bin/sh
# Shows, for the console, which units failed and what they said last.
set -eu

echo "emergency: the system cannot start; failed units:"
systemctl list-units --failed --plain --no-legend | while read -r unit _; do
    echo "emergency: ${unit}"
    journalctl --boot --unit "${unit}" --output cat --lines 5 --no-pager | sed 's/^/emergency:     /'
done
echo "emergency: restarting in 30 seconds"
