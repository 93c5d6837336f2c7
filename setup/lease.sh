# Sourced by a task before it starts: `source lease.sh N` waits until N GPUs of this machine are free,
# takes them for as long as the task's processes live, and names them in CUDA_VISIBLE_DEVICES.
#
# A lease is a lock on an open file: the kernel ends it with the last process of the task, however that
# ends, so a killed task leaves nothing to clean up. The devices are those of CUDA_VISIBLE_DEVICES
# where it is set, else all that the driver lists; on a machine without any, nothing is done.
lease_gpus() {
  local wanted=$1 folder=${LATERALIZATION_LEASES:-/tmp/lateralization-gpus} name
  local devices=() taken=() turn file lock
  if [[ -n ${CUDA_VISIBLE_DEVICES:-} ]]; then
    IFS=, read -ra devices <<<"$CUDA_VISIBLE_DEVICES"
  elif command -v nvidia-smi >/dev/null; then
    mapfile -t devices < <(nvidia-smi --query-gpu=index --format=csv,noheader 2>/dev/null || true)
  fi
  if [[ ${#devices[@]} -eq 0 ]]; then
    return 0
  fi
  if [[ ${#devices[@]} -lt $wanted ]]; then
    echo "lease: the task wants $wanted GPUs and this machine shows ${#devices[@]} (${devices[*]}): give a smaller --gpus" >&2
    exit 65
  fi
  # every user of the machine takes part
  mkdir -p "$folder"
  chmod 1777 "$folder" 2>/dev/null || true
  for name in turn "${devices[@]}"; do
    [[ -e $folder/$name ]] || (umask 0111 && : >>"$folder/$name")
  done
  # One task at a time chooses: two that each hold what the other waits for cannot come about.
  exec {turn}<"$folder/turn"
  flock "$turn"
  while [[ ${#taken[@]} -lt $wanted ]]; do
    for name in "${devices[@]}"; do
      [[ ${#taken[@]} -lt $wanted && " ${taken[*]} " != *" $name "* ]] || continue
      exec {lock}<"$folder/$name"
      if flock -n "$lock"; then
        taken+=("$name")
      else
        exec {lock}<&-
      fi
    done
    [[ ${#taken[@]} -eq $wanted ]] || sleep 0.5
  done
  exec {turn}<&- # and so its lock is given back
  CUDA_VISIBLE_DEVICES=$(IFS=, && echo "${taken[*]}")
  export CUDA_VISIBLE_DEVICES
  echo "lease: GPU $CUDA_VISIBLE_DEVICES" >&2
}
lease_gpus "$1"
