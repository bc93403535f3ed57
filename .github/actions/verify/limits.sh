# shellcheck shell=bash
# Read by the steps that run hosts: moves their shell into the group that the step before has made, if it made one.
group="/sys/fs/cgroup/seatrial-$(id -u)"
if [ -w "$group/cgroup.procs" ] && mkdir --parents "$group/step"; then
  echo $$ | sudo --non-interactive tee "$group/step/cgroup.procs" > /dev/null || true
fi
