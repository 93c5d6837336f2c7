#!/usr/bin/env bash
# Build and tag the images: build.sh [KIND…], of light, cpu and gpu; all without an argument.
# By environment: BUILDER (podman or docker), BASE, TAG (instead of the version), OPTIONS (more words for
# the engine's build) and CACHE (a folder of downloads that podman mounts).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
engine=${BUILDER:-}
if [[ -z $engine ]]; then
  engine=$(command -v podman || command -v docker) || {
    echo "images: neither podman nor docker is installed" >&2
    exit 1
  }
fi
version=$(sed -n "s/^ *version = '\(.*\)'/\1/p" nextflow.config)
options=(--network=host --build-arg "VERSION=$version")
[[ -z ${BASE:-} ]] || options+=(--build-arg "BASE=$BASE")
# A site's own certificates, and downloads kept from earlier, are seen while building and do not stay.
if [[ $engine == *podman* ]]; then
  [[ -z ${SSL_CERT_FILE:-} ]] || options+=(-v "$SSL_CERT_FILE:/run/site-ca.crt:ro")
  [[ -z ${CACHE:-} ]] || options+=(-v "$CACHE:/run/uv-cache")
fi
# shellcheck disable=SC2206 # words are meant to be split
options+=(${OPTIONS:-})
[[ $# -gt 0 ]] || set -- light cpu gpu
for kind in "$@"; do
  "$engine" build "${options[@]}" --build-arg "KIND=$kind" -f containers/Containerfile \
    -t "localhost/lateralization:${TAG:-$version}-$kind" .
done
