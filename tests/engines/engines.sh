#!/usr/bin/env bash
# Container engines and a throw-away Slurm for the tests, from Debian packages, on one machine, as root:
#   engines.sh install NAME…   podman, base (image localhost/base:1), docker, apptainer, slurm
#   engines.sh start NAME…     the daemons of docker and slurm (podman and apptainer have none)
#   engines.sh stop NAME…      ends only what `start` began
#   engines.sh environment     the variables that clients need, as NAME=value lines
# Everything but the packages lies below $ENGINES. A second call takes no time.
set -euo pipefail
ENGINES=${ENGINES:-/var/tmp/lateralization-engines}
S=$ENGINES/slurm D=$ENGINES/docker
export DEBIAN_FRONTEND=noninteractive
export CONTAINERS_CONF=$ENGINES/containers.conf DOCKER_HOST=unix://$D/docker.sock SLURM_CONF=$S/slurm.conf
mkdir -p "$ENGINES"

packages_of() {
  case $1 in
    podman) echo podman runc netavark aardvark-dns conmon iptables ;;
    base) echo mmdebstrap ;;
    docker) echo docker.io iptables ;;
    apptainer) echo squashfs-tools squashfuse uidmap libseccomp2 libsqlite3-0 patchelf ca-certificates ;;
    slurm) echo slurmctld slurmd slurm-client munge ;;
    *) echo "engines.sh: no engine is called $1" >&2; exit 2 ;;
  esac
}

# All packages of several engines in one call: apt's own start is half of the time.
need() {
  local missing=() package
  for package in "$@"; do
    dpkg-query -W -f='${db:Status-Status}\n' "$package" 2>/dev/null | grep -qx installed || missing+=("$package")
  done
  [[ ${#missing[@]} -gt 0 ]] || return 0
  if [[ ! -e /usr/sbin/policy-rc.d ]]; then # no package starts a service by itself
    printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
    chmod +x /usr/sbin/policy-rc.d
  fi
  find /var/lib/apt/lists -maxdepth 1 -name '*InRelease' -mmin -60 2>/dev/null | grep -q . || apt-get -qq -o Acquire::Retries=3 update
  apt-get -qq -o Acquire::Retries=3 -o DPkg::Lock::Timeout=600 install -y --no-install-recommends "${missing[@]}" >/dev/null
}

# the mirror that this machine's apt is set up with
mirror() {
  apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Codename: bookworm' | head -n1
}

alive() { [[ -s $1 ]] && kill -0 "$(cat "$1" 2>/dev/null)" 2>/dev/null; }

wait_for() { # wait_for SECONDS COMMAND…
  local end=$((SECONDS + $1))
  shift
  until "$@" >/dev/null 2>&1; do
    ((SECONDS < end)) || return 1
    sleep 0.3
  done
}

install_podman() {
  # Podman asks for more open files than a machine without CAP_SYS_RESOURCE may have; crun knows no
  # machine with both versions of cgroups.
  cat >"$CONTAINERS_CONF" <<'C'
[containers]
default_ulimits = ["nofile=8192:8192", "nproc=32768:32768"]
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
[network]
network_backend = "netavark"
C
}

# What a user takes from an official slim Python image, made of Debian's packages.
install_base() {
  podman image exists localhost/base:1 && return
  mmdebstrap -q --variant=minbase --aptopt='Acquire::Check-Valid-Until "false"' \
    --include=ca-certificates,procps,python3,python3-venv bookworm "$ENGINES/base.part.tar" "$(mirror)"
  podman import -q "$ENGINES/base.part.tar" localhost/base:1 >/dev/null
  rm "$ENGINES/base.part.tar"
}

install_docker() { mkdir -p "$D"; }

# Debian has it in sid only: unpacked, with the C library that it was built for beside it.
install_apptainer() {
  local private=/opt/apptainer/glibc root=$ENGINES/sid file
  if ! apptainer --version >/dev/null 2>&1; then
    mkdir -p "$root"/etc/apt/{apt.conf.d,preferences.d,sources.list.d} "$root"/var/lib/apt/lists/partial \
      "$root"/var/cache/apt/archives/partial "$root"/var/lib/dpkg "$root"/deb "$private"
    : >"$root/var/lib/dpkg/status"
    echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $(mirror) sid main" >"$root/etc/apt/sources.list"
    local options=(-qq -o "Dir=$root" -o "Dir::State::status=$root/var/lib/dpkg/status" -o Acquire::Retries=3
      -o Acquire::Check-Valid-Until=false -o Acquire::Check-Date=false -o APT::Sandbox::User=root)
    apt-get "${options[@]}" update
    (cd "$root/deb" && rm -rf ./* && apt-get "${options[@]}" download apptainer libc6)
    dpkg-deb -x "$root"/deb/libc6_*.deb "$root/deb/libc"
    cp -a "$(dirname "$(find "$root/deb/libc" -name libc.so.6)")"/*.so* "$private/"
    dpkg-deb -x "$root"/deb/apptainer_*.deb /
    for file in /usr/bin/apptainer /usr/lib/x86_64-linux-gnu/apptainer/bin/starter; do
      patchelf --set-interpreter "$private/ld-linux-x86-64.so.2" \
        --set-rpath "$private:/lib/x86_64-linux-gnu:/usr/lib/x86_64-linux-gnu" "$file"
    done
    rm -rf "$root"
  fi
  mkdir -p /var/lib/apptainer/mnt/session
  # "full" capabilities cannot be granted without CAP_SYS_RESOURCE, and there is no systemd
  sed -i -e 's/^root default capabilities.*/root default capabilities = no/' \
    -e 's/^systemd cgroups.*/systemd cgroups = no/' /etc/apptainer/apptainer.conf
  ln -sfn /usr/bin/apptainer /usr/bin/singularity
  apptainer --version >/dev/null
}

# Two nodes on this host, eight declared CPUs and 16 GB each, four false GPUs on one. Memory and devices
# are enforced by control groups of version 1; without them (Debian's Slurm has no other kind that works
# without systemd) Slurm itself measures memory and kills a job above its limit.
install_slurm() {
  local host i track=proctrack/linuxproc tasks=task/none measure=JobAcctGatherParams=OverMemoryKill
  host=$(hostname -s)
  if [[ ${SLURM_CGROUPS:-} != no && -w /sys/fs/cgroup/memory && -w /sys/fs/cgroup/freezer && -w /sys/fs/cgroup/devices ]]; then
    track=proctrack/cgroup tasks=task/cgroup measure=
  fi
  mkdir -p "$S"/{state,log,gpus}
  # real character devices, for slurmd refuses plain files; without a driver nothing opens them
  for i in 0 1 2 3; do [[ -e $S/gpus/nvidia$i ]] || mknod -m 666 "$S/gpus/nvidia$i" c 195 "$i"; done
  cat >"$S/slurm.conf" <<C
ClusterName=tests
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=16817
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
CredType=cred/munge
MpiDefault=none
ProctrackType=$track
TaskPlugin=$tasks
$measure
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=2
SwitchType=switch/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=5,bf_interval=5,sched_min_interval=100000
ReturnToService=2
SlurmdParameters=config_overrides
StateSaveLocation=$S/state
SlurmdSpoolDir=$S/spool-%n
SlurmctldPidFile=$S/slurmctld.pid
SlurmdPidFile=$S/slurmd-%n.pid
SlurmctldLogFile=$S/log/slurmctld.log
SlurmdLogFile=$S/log/slurmd-%n.log
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/filetxt
JobCompLoc=$S/log/jobs.txt
EnforcePartLimits=ALL
KillWait=3
MinJobAge=120
SlurmctldTimeout=30
SlurmdTimeout=60
GresTypes=gpu
PropagateResourceLimits=NONE
NodeName=cpu1 NodeHostname=$host NodeAddr=127.0.0.1 Port=16821 CPUs=8 RealMemory=16000 State=UNKNOWN
NodeName=gpu1 NodeHostname=$host NodeAddr=127.0.0.1 Port=16822 CPUs=8 RealMemory=16000 Gres=gpu:h200:4 State=UNKNOWN
PartitionName=cpu Nodes=cpu1 Default=YES MaxTime=04:00:00 DefaultTime=00:10:00 DefMemPerCPU=500 State=UP
PartitionName=gpu Nodes=gpu1 MaxTime=04:00:00 DefaultTime=00:10:00 DefMemPerCPU=500 State=UP
C
  printf 'AutoDetect=off\nNodeName=gpu1 Name=gpu Type=h200 File=%s/gpus/nvidia[0-3]\n' "$S" >"$S/gres.conf"
  printf '%s\n' CgroupPlugin=cgroup/v1 CgroupMountpoint=/sys/fs/cgroup ConstrainRAMSpace=yes \
    ConstrainSwapSpace=no ConstrainCores=no ConstrainDevices=yes >"$S/cgroup.conf"
}

start_podman() { :; }
start_base() { :; }
start_apptainer() { :; }

start_docker() {
  alive "$D/dockerd.pid" || {
    rm -f "$D/dockerd.pid"
    setsid dockerd --data-root "$D/data" --exec-root "$D/exec" --pidfile "$D/dockerd.pid" -H "$DOCKER_HOST" \
      >"$D/dockerd.log" 2>&1 </dev/null &
  }
  wait_for 60 docker info || { tail -n 5 "$D/dockerd.log" >&2; return 1; }
}

nodes_ready() { [[ $(sinfo -h -N -o %T | grep -cxE 'idle|mixed|allocated') = 2 ]]; }

start_slurm() {
  local node
  if ! munge -n </dev/null >/dev/null 2>&1; then
    install -d -o munge -g munge -m 755 /run/munge
    runuser -u munge -- /usr/sbin/munged
    touch "$S/started-munged"
    wait_for 20 munge -n </dev/null
  fi
  alive "$S/slurmctld.pid" || slurmctld -i
  for node in cpu1 gpu1; do
    alive "$S/slurmd-$node.pid" || { mkdir -p "$S/spool-$node"; slurmd -N "$node"; }
  done
  # what an earlier, interrupted test drained is still drained: the state outlives the daemons
  wait_for 60 sinfo
  for node in cpu1 gpu1; do
    if sinfo -h -n "$node" -o %T | grep -qE 'drain|down|fail'; then scontrol update "NodeName=$node" State=RESUME || true; fi
  done
  wait_for 60 nodes_ready || { sinfo -N -o '%N %T %E' >&2; return 1; }
}

end() { # end PIDFILE: end the process that it names and wait for it
  if alive "$1"; then
    kill "$(cat "$1")"
    for _ in $(seq 60); do alive "$1" || return 0; sleep 0.25; done
  fi
}

stop_docker() { end "$D/dockerd.pid"; }

stop_slurm() {
  end "$S/slurmd-cpu1.pid"
  end "$S/slurmd-gpu1.pid"
  end "$S/slurmctld.pid"
  if [[ -e $S/started-munged ]]; then end /run/munge/munged.pid; rm -f "$S/started-munged"; fi
}

task=$1
shift
case $task in
  environment) printf '%s\n' "CONTAINERS_CONF=$CONTAINERS_CONF" "DOCKER_HOST=$DOCKER_HOST" "SLURM_CONF=$SLURM_CONF" ;;
  install)
    # shellcheck disable=SC2046 # names of packages are meant to be split
    need $(for name in "$@"; do packages_of "$name"; done)
    for name in "$@"; do "install_$name"; done
    ;;
  start | stop) for name in "$@"; do "${task}_$name"; done ;;
  *) sed -n '2,7p' "${BASH_SOURCE[0]}" >&2; exit 2 ;;
esac
