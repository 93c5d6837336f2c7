# Sourced by a task before it starts: `source lease.sh N` waits until N GPUs of this machine are free,
# takes them for as long as the task's processes live, and names them in CUDA_VISIBLE_DEVICES.
#
# A lease is a lock on an open file: the kernel ends it with the last process of the task, however
# the task ends, so a killed task leaves nothing to clean up. The file is the device itself
# (/dev/nvidia0; of a MIG slice /dev/nvidia-caps/nvidia-cap12). Where that cannot be opened, it is a
# file in the folder that LATERALIZATION_LEASES names. There is no folder by default: one that
# anybody can make or fill would let one user of a machine choose what another user opens.
#
# The devices are those of CUDA_VISIBLE_DEVICES, its indices being those of nvidia-smi; when that is
# unset, all that the driver lists, and where nvidia-smi lists none those that have a node in /dev. A
# machine without either is left as it is: the task's own command reports why.
#
# Only bash, coreutils, flock and nvidia-smi are used: a host that runs containers may lack Python.
# LATERALIZATION_LEASE_ROOT is put before /dev and /proc by tests; below it the same checks apply.

lease_fail() {
  echo "lease: $*" >&2
  exit 65
}

# Whether this shell is in a user namespace that hides the owner of a file: the one whose number is given.
lease_is_hidden() {
  local inside outside count overflow=65534
  read -r inside outside count 2>/dev/null </proc/self/uid_map || return 1
  read -r overflow 2>/dev/null </proc/sys/kernel/overflowuid || true
  [[ "$inside $outside $count" != '0 0 4294967295' && $1 == "$overflow" ]]
}

# What can be done about a `reason`: where owners are hidden, no folder helps.
lease_advise() {
  if [[ -n $hidden ]]; then
    lease_fail "$1$reason, which may be root: a user namespace (a container that was not started by root)" \
      'hides it; start Nextflow outside the container, or give --gpus 0'
  fi
  lease_fail "$1$reason$2"
}

# Whether nobody but root and this user can replace a folder or what it holds; else `reason` says why.
lease_is_guarded() {
  local place=$1 owner mode
  reason="$place does not exist, or has a symbolic link in its path"
  [[ $(realpath -e -- "$place" 2>/dev/null) == "$place" && -d $place ]] || return 1
  while true; do
    read -r owner mode < <(stat -c '%u %a' -- "$place") || return 1
    reason="$place belongs to another user (uid $owner)"
    if [[ $owner != 0 && $owner != "$EUID" ]]; then
      ! lease_is_hidden "$owner" || hidden=1
      return 1
    fi
    # in a sticky folder above (/tmp) nobody can replace what belongs to somebody else
    reason="other users can write to $place (mode $mode)"
    ((!(8#$mode & 8#022) || 8#$mode & 8#1000 && ${#place} < ${#1})) || return 1
    [[ $place != / ]] || return 0
    place=$(dirname -- "$place")
  done
}

# Open a file for locking, in `handle`; else `reason` says why not. What is open must be what has that
# name, with no other name, and belong to root or to this user.
lease_open() {
  local file=$1 opened named owner links kind
  lease_is_guarded "$(dirname -- "$file")" || return 1
  reason="$file is not there"
  named=$(stat -c '%d:%i %u %h %F' -- "$file" 2>/dev/null) || return 1
  read -r _ owner links kind <<<"$named"
  reason="$file is a ${kind:-file}, has $links names, or belongs to uid $owner"
  [[ $kind == 'character special file' || $kind == 'regular'* ]] || return 1
  if [[ $links != 1 || ($owner != 0 && $owner != "$EUID") ]]; then
    ! lease_is_hidden "$owner" || hidden=1
    return 1
  fi
  reason="$file cannot be opened"
  { exec {handle}<"$file"; } 2>/dev/null || return 1
  opened=$(stat -L -c '%d:%i %u %h %F' "/proc/self/fd/$handle")
  [[ $opened != "$named" ]] || return 0
  reason="$file was replaced while it was opened"
  exec {handle}<&-
  return 1
}

# Open what stands for a device, in `handle`: its node, else a file in the folder for leases.
lease_open_device() {
  local node=$1 file=${2//\//_} hidden='' folder=${LATERALIZATION_LEASES:-}
  reason='its device node is not known'
  if [[ -n $node ]] && lease_open "$node"; then
    return 0
  fi
  [[ -n $folder ]] || lease_advise "the device $2 cannot be locked: " "; set LATERALIZATION_LEASES to a folder that\
 only you or an administrator can write to (mkdir -m 755), or give --gpus 0"
  hidden=''
  folder=$(realpath -sm -- "$folder")
  [[ -e $folder ]] || mkdir -m 755 -- "$folder" 2>/dev/null || true
  lease_is_guarded "$folder" || lease_advise 'LATERALIZATION_LEASES: ' "; name a folder, without links in its path,\
 that only you or an administrator can write to"
  if [[ ! -e $folder/$file && ! -L $folder/$file ]]; then
    (umask 0222 && set -o noclobber && : >"$folder/$file") 2>/dev/null || true # another task may be first
  fi
  lease_open "$folder/$file" || lease_advise 'LATERALIZATION_LEASES: ' "; let the owner of $folder make it:\
 rm -f '$folder/$file' && install -m 444 /dev/null '$folder/$file'"
}

# Lock an open file; 1 while somebody else holds it.
lease_lock() {
  local status=0
  flock -E 9 "${@:2}" "$1" || status=$?
  ((status == 0 || status == 9)) || lease_fail "this file system has no locks (flock: status $status);" \
    'set LATERALIZATION_LEASES to a folder on a local disk'
  return "$((status == 9))"
}

# The minor number of a GPU, by which its node is called: that of its index is another where a GPU is hidden.
lease_minor() {
  local uuid=$1 index=$2 file label value found minor
  [[ -d $root/proc/driver/nvidia/gpus ]] || echo "$index"
  for file in "$root"/proc/driver/nvidia/gpus/*/information; do
    found='' minor=''
    while IFS=: read -r label value; do
      case $label in
        'GPU UUID') found=${value//[[:space:]]/} ;;
        'Device Minor') minor=${value//[[:space:]]/} ;;
      esac
    done < <(cat "$file" 2>/dev/null)
    [[ $found != "$uuid" ]] || echo "$minor"
  done
}

# The UUID of the GPU that a node belongs to, by the node's minor number; nothing where the driver does not say.
lease_uuid() {
  local minor=$1 file label value uuid found
  for file in "$root"/proc/driver/nvidia/gpus/*/information; do
    uuid='' found=''
    while IFS=: read -r label value; do
      case $label in
        'GPU UUID') uuid=${value//[[:space:]]/} ;;
        'Device Minor') found=${value//[[:space:]]/} ;;
      esac
    done < <(cat "$file" 2>/dev/null)
    [[ $found != "$minor" || $uuid != GPU-* ]] || echo "$uuid"
  done
}

# Without nvidia-smi (not in PATH, hanging, failing): the GPUs that have a node, by UUID or else by number.
lease_list_nodes() {
  local node minor uuid
  for node in "$root"/dev/nvidia[0-9]*; do
    minor=${node##*/nvidia}
    [[ -e $node && $minor =~ ^[0-9]+$ ]] || continue
    uuid=$(lease_uuid "$minor")
    lease_add "${uuid:-$minor}" "${uuid:-$minor}" "$node" "$minor"
    from=', of the nodes in /dev: nvidia-smi lists none'
  done
  # in the Windows Subsystem for Linux GPUs have no nodes of their own
  if [[ ${#keys[@]} -eq 0 && -e $root/dev/dxg ]]; then
    lease_fail 'a GPU may be there (/dev/dxg) and nvidia-smi lists none: put it in PATH (/usr/lib/wsl/lib), set' \
      'CUDA_VISIBLE_DEVICES and LATERALIZATION_LEASES, or give --gpus 0'
  fi
}

# The node of a MIG slice: what the driver calls gpu0/gi1/ci0 has a number of its own.
lease_slice_node() {
  local path=gpu$1/gi$2/ci$3/access name number
  while read -r name number; do
    [[ $name != "$path" ]] || echo "$root/dev/nvidia-caps/nvidia-cap$number"
  done < <(cat "$root/proc/driver/nvidia-caps/mig-minors" 2>/dev/null)
}

# GPU and compute instance of the slices of a GPU: lines of `0 1 0` (index, GPU instance, compute instance).
lease_instances() {
  local label value index='' gpu_instance=''
  while IFS=: read -r label value; do
    label=${label//[[:space:]]/} value=${value//[[:space:]]/}
    case $label in
      Index) index=$value ;;
      GPUInstanceID) gpu_instance=$value ;;
      ComputeInstanceID) echo "$index $gpu_instance $value" ;;
    esac
  done < <(timeout 60 nvidia-smi -q -i "$1" 2>/dev/null)
}

# Fill what the caller has of the machine's devices: `keys` in order, and by key `nodes` and `names`
# (which CUDA understands); by every spelling (index, UUID) its key in `spelled`.
lease_list_devices() {
  local line uuid='' minor='' index slice name instances gi ci
  while IFS= read -r line; do
    if [[ $line =~ ^GPU\ ([0-9]+):.*UUID:\ *(GPU-[^\)]+) || $line =~ ^([0-9]+),\ *(GPU-[^ ,]+) ]]; then
      index=${BASH_REMATCH[1]} uuid=${BASH_REMATCH[2]}
      minor=$(lease_minor "$uuid" "$index")
      lease_add "$uuid" "$uuid" "${minor:+$root/dev/nvidia$minor}" "$index"
      instances=''
    elif [[ $line =~ ^\ +MIG.*Device\ +([0-9]+):.*UUID:\ *(MIG-[^\)]+) ]]; then
      slice=${BASH_REMATCH[1]} name=${BASH_REMATCH[2]} gi='' ci=''
      if [[ $name =~ ^MIG-GPU-.*/([0-9]+)/([0-9]+)$ ]]; then
        gi=${BASH_REMATCH[1]} ci=${BASH_REMATCH[2]}
      else
        instances=${instances:-$(lease_instances "$index")}
        [[ ! $'\n'$instances$'\n' =~ $'\n'$slice\ ([0-9]+)\ ([0-9]+)$'\n' ]] || gi=${BASH_REMATCH[1]} ci=${BASH_REMATCH[2]}
      fi
      if [[ -n $gi ]]; then
        lease_add "MIG-$uuid/$gi/$ci" "$name" "$(lease_slice_node "$minor" "$gi" "$ci")" "$name"
      else
        lease_add "$name" "$name" '' "$name"
      fi
      # a GPU that is cut into slices is used through them; by its own name CUDA takes the first
      slices[$uuid]=${slices[$uuid]:-${keys[-1]}}
    fi
  done < <(timeout 60 nvidia-smi -L 2>/dev/null || true)
}

lease_add() {
  keys+=("$1")
  names[$1]=$2 nodes[$1]=$3 spelled[$1]=$1 spelled[$4]=$1
}

# The key of a device as somebody spells it: index, UUID, or a beginning of a UUID that no other has.
lease_find() {
  local asked=$1 spelling found
  [[ $asked =~ ^[A-Za-z0-9/-]+$ ]] || return 1
  found=${spelled[$asked]:-}
  if [[ -z $found && $asked == *-* ]]; then
    for spelling in "${!spelled[@]}"; do
      if [[ $spelling == "$asked"* && ${spelled[$spelling]} != "$found" ]]; then
        [[ -z $found ]] || return 1
        found=${spelled[$spelling]}
      fi
    done
  fi
  if [[ ${#keys[@]} -eq 0 && $asked =~ ^([0-9]+$|GPU-|MIG-) ]]; then # nobody here knows better
    found=$asked names[$asked]=$asked nodes[$asked]=''
    [[ $asked == *-* ]] || nodes[$asked]=$root/dev/nvidia$asked
  fi
  [[ -n $found ]] || return 1
  key=${slices[$found]:-$found}
}

lease_gpus() {
  local wanted=$1 root=${LATERALIZATION_LEASE_ROOT:-} reason handle key asked from='' turn='' waiting=''
  local keys=() devices=() taken=() given=()
  local -A nodes=() names=() spelled=() slices=() handles=() chosen=()
  [[ $wanted -gt 0 ]] || return 0
  lease_list_devices
  if [[ -n ${CUDA_VISIBLE_DEVICES+set} ]]; then
    IFS=, read -ra given <<<"$CUDA_VISIBLE_DEVICES"
    for asked in "${given[@]}"; do
      lease_find "${asked//[[:space:]]/}" || break # CUDA sees nothing from there on
      [[ -n ${chosen[$key]:-} ]] || devices+=("$key")
      chosen[$key]=1
    done
  else
    [[ ${#keys[@]} -gt 0 ]] || lease_list_nodes
    [[ ${#keys[@]} -gt 0 ]] || return 0
    for key in "${keys[@]}"; do
      [[ -n ${slices[$key]:-} ]] || devices+=("$key")
    done
  fi
  if [[ ${#devices[@]} -lt $wanted ]]; then
    asked=${CUDA_VISIBLE_DEVICES+"'$CUDA_VISIBLE_DEVICES'"}
    lease_fail "the task wants $wanted GPUs and this machine shows ${#devices[@]} (CUDA_VISIBLE_DEVICES is" \
      "${asked:-not set}, the driver lists ${#keys[@]}$from): give a smaller --gpus, or show more"
  fi
  for key in "${devices[@]}"; do
    lease_open_device "${nodes[$key]}" "$key"
    handles[$key]=$handle
  done
  # A task that collects several devices keeps what it has. Two of them could wait for each other,
  # so only one at a time collects; a task of one device waits for the device's holder alone.
  if [[ $wanted -gt 1 ]]; then
    lease_open_device "$root/dev/nvidiactl" turn
    turn=$handle
    lease_lock "$turn"
  fi
  while true; do
    for key in "${devices[@]}"; do
      if [[ ${#taken[@]} -lt $wanted && -n ${handles[$key]:-} ]] && lease_lock "${handles[$key]}" -n; then
        taken+=("${names[$key]}")
        unset "handles[$key]" # and so it stays open
      fi
    done
    [[ ${#taken[@]} -lt $wanted ]] || break
    [[ -n $waiting ]] || echo "lease: waiting for $wanted of the GPUs ${devices[*]}" >&2
    waiting=1
    sleep 0.5
  done
  for handle in ${turn:+"$turn"} "${handles[@]}"; do
    exec {handle}<&- # and so its lock is given back
  done
  CUDA_VISIBLE_DEVICES=$(IFS=, && echo "${taken[*]}")
  # what is named by a number must be what nvidia-smi calls so; CUDA's own order is another
  export CUDA_VISIBLE_DEVICES CUDA_DEVICE_ORDER=PCI_BUS_ID
  echo "lease: GPU $CUDA_VISIBLE_DEVICES$from" >&2
}
lease_gpus "$1"
