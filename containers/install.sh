#!/bin/bash
# What both image definitions do inside the base: install.sh KIND, with the lock in /tmp/requirements
# and the two programs beside this file.
set -euo pipefail
# what build.sh may mount
if [[ -f /run/site-ca.crt ]]; then export SSL_CERT_FILE=/run/site-ca.crt PIP_CERT=/run/site-ca.crt; fi
if [[ -d /run/uv-cache ]]; then export UV_CACHE_DIR=/run/uv-cache; else export UV_NO_CACHE=1; fi
kind=$1
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

# procps: Nextflow measures tasks with ps. Some bases come without a Python or its venv.
need=()
command -v ps >/dev/null || need+=(procps)
command -v python3 >/dev/null || need+=(python3)
python3 -c 'import ensurepip' 2>/dev/null || need+=(python3-venv)
if [[ ${#need[@]} -gt 0 ]]; then
  apt-get -qq update
  DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends "${need[@]}"
  rm -rf /var/lib/apt/lists/* /var/cache/apt /var/log/apt /var/log/dpkg.log /var/cache/ldconfig
fi

mkdir -p /usr/share/lateralization
python3 "$here/part_of_lock.py" /tmp/requirements/run.txt "$kind" >/usr/share/lateralization/requirements.txt

# the installer in an environment of its own, which does not stay
python3 -m venv /tmp/installer
/tmp/installer/bin/pip install -q --no-cache-dir --require-hashes -r /tmp/requirements/setup.txt
python3 -m venv --without-pip /opt/venv
/tmp/installer/bin/uv pip install -q --python /opt/venv/bin/python3 --link-mode copy \
  --no-deps --require-hashes -r /usr/share/lateralization/requirements.txt
rm -rf /tmp/installer

# without dates, so that two builds are equal; a read-only root could not keep them later
PYTHONHASHSEED=0 /opt/venv/bin/python3 -m compileall -q -j 0 --invalidation-mode unchecked-hash /opt/venv/lib || true # some packages carry files of other Pythons
/opt/venv/bin/python3 "$here/sbom.py" "$kind" >/usr/share/lateralization/sbom.json

# Apptainer reads this also where the image was converted from a folder, without its settings.
mkdir -p /.singularity.d/env
echo 'export PATH=/opt/venv/bin:$PATH MPLCONFIGDIR=/tmp/matplotlib XDG_CACHE_HOME=/tmp/cache' >/.singularity.d/env/91-lateralization.sh
