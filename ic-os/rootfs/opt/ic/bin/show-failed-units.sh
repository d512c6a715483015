#!/bin/sh
# Shows, for the console, why the boot ended here: what systemd itself warned of (units that failed, devices that did not
# come, and what depended on them), and what the failed units said last.
set -eu

echo "emergency: the system cannot start"
journalctl --boot --priority warning --output cat --lines +40 --no-pager _PID=1 | sed 's/^/emergency: /'
systemctl list-units --failed --plain --no-legend | while read -r unit _; do
    echo "emergency: ${unit} said:"
    journalctl --boot --unit "${unit}" --output cat --lines 10 --no-pager | sed 's/^/emergency:     /'
done
echo "emergency: restarting in 30 seconds"
