set -e
test -d /srv/suite
printf 'afloat\n' > /tmp/log
sleep 0.5
grep -q afloat /tmp/log
