#!/bin/sh
# The service where CUDA's libraries cannot be loaded: it must refuse to start, in words, and never answer from the CPU.
#
#     benchmarks/gpu_refusal.sh PYTHON WORK [DEVICE]
#
# PYTHON is that of an environment as gpu_site.py makes it, WORK holds `models` with a package. gpu.sh calls this.
set -u
if [ $# -lt 2 ]; then
    echo "usage: benchmarks/gpu_refusal.sh PYTHON WORK [DEVICE]" >&2
    exit 2
fi
PYTHON=$1 WORK=$2
mkdir -p "$WORK/garbage" "$WORK/nothing"
"$PYTHON" benchmarks/gpu_site.py "$WORK/nothing" "$WORK/broken" --without nvidia || exit 1
for library in cublasLt cublas cudart curand; do echo garbage > "$WORK/garbage/lib$library.so.13"; done
echo garbage > "$WORK/garbage/libcurand.so.10"
verdict=yes
for device in $([ "${3:-cuda}" = cpu ] || echo auto) cuda; do
    LD_LIBRARY_PATH=$WORK/garbage timeout 60 "$WORK/broken/bin/python" -m service --models "$WORK/models" \
        --device "$device" --grpc-port 0 --http-port 0 --metrics-port 0 > "$WORK/refusal.txt" 2>&1
    code=$?
    line=$(grep -o "the session was to run on[^\"]*\|CUDA was asked for[^\"]*" "$WORK/refusal.txt" | head -n 1)
    if [ "$code" = 0 ] || [ "$code" = 124 ] || [ -z "$line" ]; then
        tail -n 15 "$WORK/refusal.txt"
        verdict=no
    fi
    echo "--device $device without CUDA's libraries: exit code $code: $line"
done
echo "{\"network\": \"fashion_cnn fp32\", \"row\": \"no silent CPU fallback\", \"limit\": \"refused: $verdict\"}" >> "$WORK/rows.jsonl"
[ "$verdict" = yes ]
