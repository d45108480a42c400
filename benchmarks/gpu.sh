#!/bin/sh
# Every GPU row of the benchmarks in one command of at most eight minutes, on a bare CUDA machine: Python 3.12 with torch
# 2.11 and its CUDA libraries, and no package index.
#
#     benchmarks/gpu.sh WHEELS [OUTPUT]
#
# WHEELS is a folder with the wheels of the extra `service` and of `onnx`, `onnxscript`, `safetensors`, `psutil` for that
# machine's Python, filled beforehand where there is an index:
#     pip download --dest WHEELS --python-version 3.12 --only-binary=:all: '.[service]' onnx onnxscript safetensors \
#         torchmetrics psutil hatchling editables
# torch and torchvision are those of the machine. OUTPUT (default: gpu-results) gets the tables and their JSON.
set -eu

[ $# -ge 1 ] && [ -d "$1" ] || { echo "usage: benchmarks/gpu.sh WHEELS [OUTPUT]: a folder with wheels" >&2; exit 2; }
WHEELS=$(cd "$1" && pwd)
OUTPUT=${2:-gpu-results}
cd "$(dirname "$0")/.."
mkdir -p "$OUTPUT"
PYTHON=${PYTHON:-python3}

"$PYTHON" -c 'import torch; assert torch.cuda.is_available(), "torch sees no GPU"'
"$PYTHON" -m venv --system-site-packages "$OUTPUT/venv"
BIN=$OUTPUT/venv/bin
"$BIN/python" -m pip install --quiet --no-index --find-links "$WHEELS" \
    'onnxruntime-gpu>=1.30' simplejpeg pydantic-settings prometheus-client grpcio-reflection grpcio-health-checking \
    grpcio-status structlog uvloop fastapi uvicorn python-multipart typer rich cryptography pillow \
    onnx onnxscript safetensors torchmetrics psutil hatchling editables
"$BIN/python" -m pip install --quiet --no-index --find-links "$WHEELS" --no-deps --no-build-isolation --editable .

# Each step has its own limit; one that fails is reported and the others run all the same.
failed=0
step() {
    name=$1
    limit=$2
    shift 2
    echo "== $name"
    timeout "$limit" "$@" 2>&1 | tee "$OUTPUT/$name.txt"
    [ -s "$OUTPUT/$name.json" ] || { echo "== $name gave no result" >&2; failed=1; }
}
# shellcheck disable=SC2016 # the program is Python's
step silent-fallback 60 "$BIN/python" -c '
import json, sys
from service.engine.providers import CUDA_PROVIDER, Device, choose_provider
provider = choose_provider(Device.CUDA)
assert provider.name == CUDA_PROVIDER, provider
json.dump({"provider": provider.name, "reason": provider.reason}, open(sys.argv[1], "w"))
print(provider)' "$OUTPUT/silent-fallback.json"
step gpu 300 "$BIN/python" benchmarks/gpu.py --seconds 180 --root "$OUTPUT" --json "$OUTPUT/gpu.json"
nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv > "$OUTPUT/card.csv"
exit "$failed"
