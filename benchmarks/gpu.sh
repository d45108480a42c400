#!/bin/sh
# Every GPU row of the benchmarks and the tests that need a GPU, in one command of at most eight minutes, on a bare CUDA
# machine: Python 3.12 with torch 2.11 and its CUDA libraries, and no package index.
#
#     benchmarks/gpu.sh WHEELS [OUTPUT] [SECONDS]
#
# WHEELS is a folder with the wheels of the extra `service` for that machine's Python and of this project, filled where
# there is an index (docs/gpu.md has the commands). What the machine has of other packages is used. OUTPUT (default:
# gpu-results) gets every figure as JSON and the logs. SECONDS (default: 60) are measured, beside installing, exporting
# and loading, which take about two minutes.
set -u

if [ $# -lt 1 ] || [ ! -d "$1" ]; then
    echo "usage: benchmarks/gpu.sh WHEELS [OUTPUT] [SECONDS]: a folder with wheels" >&2
    exit 2
fi
WHEELS=$(cd "$1" && pwd)
mkdir -p "${2:-gpu-results}" || exit 2
OUTPUT=$(cd "${2:-gpu-results}" && pwd)
MEASURED=${3:-60}
cd "$(dirname "$0")/.." || exit 2
WORK=${WORK:-/tmp/recognition-gpu}
DEVICE=${DEVICE:-cuda}
PYTHON=${PYTHON:-python3}
OPTIONS=${OPTIONS:-}
NETWORK=${NETWORK:-resnet50}
rm -rf "$WORK" && mkdir -p "$WORK"
export PYTHONUNBUFFERED=1 PYTHONPATH=".:proto:client" OMP_WAIT_POLICY=PASSIVE
BIN=$WORK/venv/bin/python
BEGAN=$(date +%s)
failed=0
: > "$OUTPUT/log.txt"

# Each step has its own limit; of one that fails the end is shown, and the others run all the same.
begin() {
    name=$1 limit=$2
    shift 2
    ( timeout "$limit" "$@" > "$WORK/$name.txt" 2>&1; echo $? > "$WORK/$name.code" ) &
}
finish() {
    name=$1 lines=$2
    while [ ! -s "$WORK/$name.code" ]; do sleep 0.2; done
    code=$(cat "$WORK/$name.code")
    echo "== $name: $([ "$code" = 0 ] && echo done || echo "FAILED with $code"), at $(($(date +%s) - BEGAN)) s"
    [ "$code" = 0 ] || { lines=30; failed=1; }
    grep -v '^ *$' "$WORK/$name.txt" | tail -n "$lines" | cut -c "1-${WIDTH:-250}"
    { echo "== $name: $code"; cat "$WORK/$name.txt"; } >> "$OUTPUT/log.txt"
    cp "$WORK/rows.jsonl" "$OUTPUT/rows.jsonl" 2> /dev/null
}
step() {
    lines=$1
    shift
    begin "$@"
    finish "$1" "$lines"
}
bench() { echo "$BIN benchmarks/gpu.py $1 --device $DEVICE --work $WORK --network $2 --precision $3"; }
share() { awk "BEGIN { print $MEASURED * $1 }"; }

nvidia-smi --query-gpu=name,driver_version,memory.total,clocks.max.sm --format=csv,noheader 2>&1 | tee "$OUTPUT/card.csv"
step 3 install 120 "$PYTHON" benchmarks/gpu_site.py "$WHEELS" "$WORK/venv"
step 4 versions 60 "$BIN" -c '
import importlib.metadata as m, sys
names = "onnxruntime-gpu torch onnx onnxscript grpcio protobuf numpy pillow simplejpeg uvloop pydantic pytest".split()
print(sys.version.split()[0], " ".join(f"{n} {m.version(n)}" for n in names))
from service.engine.providers import Device, choose_provider
print(choose_provider(Device(sys.argv[1])))' "$DEVICE"

# What is not timed goes side by side: the export of the large network, the tests, and the service with CUDA's libraries
# out of reach, which must end with an error that says so.
# shellcheck disable=SC2046 # several words
begin export 200 $(bench package "$NETWORK" fp16)
[ "$DEVICE" = cpu ] || begin tests 150 "$BIN" -m pytest -m gpu tests/gpu tests/training/test_step_graph.py -q \
    -p no:cacheprovider -W default --timeout 100
step 4 small 150 $(bench package fashion_cnn fp32)
begin no-fallback 150 sh benchmarks/gpu_refusal.sh "$BIN" "$WORK" "$DEVICE"
finish no-fallback 8
[ "$DEVICE" = cpu ] || finish tests 25
finish export 4

# shellcheck disable=SC2046,SC2086
step 26 raw 100 $(bench raw "$NETWORK" fp16) --seconds "$(share 0.3)" --options "$OPTIONS"
# shellcheck disable=SC2046
step 14 serve 200 $(bench serve "$NETWORK" fp16) --seconds "$(share 0.6)" --options "$OPTIONS"
# shellcheck disable=SC2046
step 12 steady 90 $(bench steady "$NETWORK" fp16) --seconds "$(share 0.1)" --options "$OPTIONS"
cp "$WORK/service.log" "$OUTPUT/service.log" 2> /dev/null
# shellcheck disable=SC2046
WIDTH=900 step 60 report 60 $(bench report "$NETWORK" fp16) --json "$OUTPUT/results.json"
echo "$(($(date +%s) - BEGAN)) s in all; every figure is in $OUTPUT/results.json"
exit "$failed"
