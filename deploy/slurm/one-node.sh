#!/usr/bin/env bash
# A real SLURM on this machine, for trying things out: no root, no systemd, no cgroups.
#
#     one-node.sh start DIR            start what is not running; export what `env` prints, then use sbatch as ever
#     one-node.sh env DIR              print the line that makes sbatch, squeue and the others find it
#     one-node.sh status DIR           print the partitions; fails when a daemon is missing
#     one-node.sh stop DIR             cancel all jobs and stop the daemons
#
# On Debian: apt-get install --no-install-recommends slurmctld slurmd slurm-client munge
# DIR keeps configuration, logs and the state of jobs. Its path must be short (sockets) and open to others (munge).
# A daemon that was killed is started again by `start`, as a service manager would, and its jobs go on. SLURM saves its
# jobs within some 5 s: when the controller is killed sooner after a submission, the job is lost, and its number is given
# away again.
#
# Partitions: main; gpu, with one GPU that exists by name only (--gres=gpu:1); urgent, whose jobs preempt the others'.
#
# The first start in DIR decides; remove DIR/slurm.conf to decide anew:
#     ONE_NODE_CPUS, ONE_NODE_MEMORY   what the node offers, the latter in MB
#     ONE_NODE_PORT                    this port and the three after it are used
#     ONE_NODE_ACCOUNTING=1            accounts as clusters keep them: only `research` may submit, and sacct answers.
#         On Debian: apt-get install --no-install-recommends slurmdbd mariadb-server-core mariadb-client-core
set -euo pipefail

usage() { sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "$0"; }
action=${1:-}
if [[ ! $action =~ ^(start|stop|status|env)$ || $# -ne 2 ]]; then
    usage >&2
    exit 2
fi
mkdir -p "$2"
folder=$(cd "$2" && pwd)
export PATH=$PATH:/usr/sbin:/sbin SLURM_CONF=$folder/slurm.conf
node=localhost # of node and controller: nothing looks the real host name up
cpus=${ONE_NODE_CPUS:-$(nproc)}
memory=${ONE_NODE_MEMORY:-$(awk '/MemTotal/ {print int($2 / 1024 * 0.9)}' /proc/meminfo)}
port=${ONE_NODE_PORT:-16817}
user=$(id -un)

is_alive() { # a zombie is dead: where nothing reaps it, kill -0 would call it alive
    local state
    [[ -s $folder/$1.pid ]] || return 1
    state=$(awk '{print $3}' "/proc/$(tr -dc 0-9 <"$folder/$1.pid")/stat" 2>/dev/null) && [[ $state != Z ]]
}
is_dead() { ! is_alive "$1"; }
wait_for() { # wait_for TENTHS COMMAND…
    local tenths=$1 i
    shift
    for ((i = 0; i < tenths; i++)); do
        "$@" >/dev/null 2>&1 && return 0
        sleep 0.1
    done
    return 1
}
is_ready() {
    local state
    state=$(timeout 5 sinfo -h -o %T)
    # So the controller leaves the node after the daemons were killed while a job started.
    [[ $state != *drain* ]] || timeout 5 scontrol update NodeName="$node" State=RESUME
    grep -qE '^(idle|mixed|allocated|completing)$' <<<"$state"
}
has_no_jobs() { [[ -z $(timeout 5 squeue -h) ]]; }
daemons() {
    echo slurmd slurmctld
    [[ ! -s $folder/slurmdbd.pid ]] || echo slurmdbd mariadbd
    echo munged
}

write_configuration() {
    local accounting
    if [[ -n ${ONE_NODE_ACCOUNTING:-} ]]; then
        accounting="AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=127.0.0.1
AccountingStoragePort=$((port + 2))
AccountingStoragePass=$folder/run/munge.sock
AccountingStorageEnforce=associations
JobCompType=jobcomp/none"
    else # without it `sacct -c` still lists the jobs that ended
        accounting="AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/filetxt
JobCompLoc=$folder/log/jobs.log"
    fi
    cat >"$folder/slurm.conf" <<CONF
ClusterName=one-node
SlurmctldHost=$node(127.0.0.1)
SlurmctldPort=$port
SlurmdPort=$((port + 1))
SlurmUser=$user
SlurmdUser=$user
AuthType=auth/munge
AuthInfo=socket=$folder/run/munge.sock
CredType=cred/munge
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.pid
SlurmctldLogFile=$folder/log/slurmctld.log
SlurmdLogFile=$folder/log/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SwitchType=switch/none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
DefMemPerCPU=500
SchedulerType=sched/backfill
SchedulerParameters=batch_sched_delay=0,sched_interval=1,bf_interval=1,sched_min_interval=0
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
EnforcePartLimits=ALL
ReturnToService=2
SlurmdTimeout=30
KillWait=2
CompleteWait=0
MinJobAge=300
SlurmdParameters=config_overrides
$accounting
GresTypes=gpu
NodeName=$node NodeAddr=127.0.0.1 CPUs=$cpus RealMemory=$memory Gres=gpu:1 State=UNKNOWN
PartitionName=main Nodes=$node Default=YES DefaultTime=60 MaxTime=1-00:00:00 PriorityTier=1 State=UP
PartitionName=gpu Nodes=$node DefaultTime=60 MaxTime=1-00:00:00 PriorityTier=1 State=UP
PartitionName=urgent Nodes=$node DefaultTime=60 MaxTime=60 PriorityTier=2 State=UP
CONF
    echo "NodeName=$node Name=gpu File=/dev/null" >"$folder/gres.conf" # a GPU must be a file; its content is never read
}

start_munge() {
    [[ -s $folder/munge/munge.key ]] || {
        head -c 128 /dev/urandom >"$folder/munge/munge.key"
        chmod 400 "$folder/munge/munge.key"
    }
    munged --force --key-file="$folder/munge/munge.key" --socket="$folder/run/munge.sock" \
        --pid-file="$folder/munged.pid" --log-file="$folder/log/munged.log" --seed-file="$folder/munge/munge.seed" \
        --num-threads=2 --origin=127.0.0.1
}

start_accounting() {
    port=$(awk -F= '$1 == "SlurmctldPort" {print $2}' "$folder/slurm.conf")
    [[ -d $folder/mysql/mysql ]] || mariadb-install-db --no-defaults --datadir="$folder/mysql" --user="$user" \
        --auth-root-authentication-method=normal --skip-test-db >"$folder/log/mariadb.log" 2>&1
    setsid mariadbd --no-defaults --datadir="$folder/mysql" --socket="$folder/run/mysql.sock" --user="$user" \
        --pid-file="$folder/mariadbd.pid" --bind-address=127.0.0.1 --port=$((port + 3)) --skip-grant-tables \
        --skip-networking=0 --skip-name-resolve --innodb-buffer-pool-size=64M >>"$folder/log/mariadb.log" 2>&1 </dev/null &
    wait_for 200 test -S "$folder/run/mysql.sock"
    (
        umask 077
        cat >"$folder/slurmdbd.conf" <<CONF
AuthType=auth/munge
AuthInfo=socket=$folder/run/munge.sock
DbdHost=localhost
DbdAddr=127.0.0.1
DbdPort=$((port + 2))
SlurmUser=$user
PidFile=$folder/slurmdbd.pid
LogFile=$folder/log/slurmdbd.log
StorageType=accounting_storage/mysql
StorageHost=127.0.0.1
StoragePort=$((port + 3))
StorageUser=$user
StorageLoc=slurm_accounting
CONF
    )
    slurmdbd
    wait_for 300 sacctmgr -n show cluster
    # These fail where they were added before.
    sacctmgr -iQ add cluster one-node >/dev/null 2>&1 || true
    sacctmgr -iQ add account research cluster=one-node >/dev/null 2>&1 || true
    sacctmgr -iQ add user "$user" account=research >/dev/null 2>&1 || true
}

start() {
    local log
    umask 022
    mkdir -p "$folder"/{munge,run,state,spool,log}
    chmod 755 "$folder"
    chmod 700 "$folder/munge"
    [[ -s $folder/slurm.conf ]] || write_configuration
    is_alive munged || start_munge
    ! grep -q slurmdbd "$folder/slurm.conf" || is_alive slurmdbd || start_accounting
    is_alive slurmctld || slurmctld -f "$folder/slurm.conf"
    is_alive slurmd || slurmd -N "$node" -f "$folder/slurm.conf"
    wait_for 300 is_ready && return
    echo "SLURM did not come up in $folder" >&2
    for log in "$folder"/log/*.log; do
        printf '== %s\n' "$log"
        tail -n 15 "$log"
    done >&2
    exit 1
}

stop() {
    local daemon pid
    if is_alive slurmctld && is_alive munged; then
        timeout 5 scancel --quiet --user="$user" || true
        wait_for 100 has_no_jobs || true
    fi
    for daemon in $(daemons); do
        if is_alive "$daemon"; then
            pid=$(cat "$folder/$daemon.pid")
            kill "$pid"
            wait_for 100 is_dead "$daemon" || kill -9 "$pid" || true
        fi
        rm -f "$folder/$daemon.pid"
    done
}

case $action in
env) echo "export SLURM_CONF=$SLURM_CONF" ;;
status)
    for daemon in $(daemons); do
        is_alive "$daemon" || { echo "$daemon does not run in $folder" >&2; exit 1; }
    done
    timeout 5 sinfo
    ;;
stop) stop ;;
start)
    start
    echo "export SLURM_CONF=$SLURM_CONF"
    ;;
esac
