#!/usr/bin/env bash
# Find a Python that is new enough and let it make the environment; arguments go to environment.py.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

new_enough() {
  "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
}

if [[ -n ${PYTHON:-} ]]; then
  candidates=("$PYTHON")
else
  candidates=(python3 python3.13 python3.12 python3.11 python)
fi
for python in "${candidates[@]}"; do
  if new_enough "$python"; then
    exec "$python" -s "$here/environment.py" "$@"
  fi
done
echo "setup: Python 3.11 or later is needed and ${candidates[*]} is not: install one, or name it: make setup PYTHON=/path/to/python3.11" >&2
exit 1
