# The images of the project. The last target is what a plain build gives: the service.
#
#   docker build -t recognition:cpu .                                 the service on the CPU
#   docker build -t recognition:gpu --build-arg DEVICE=gpu .          the same with CUDA and cuDNN; the host brings the driver
#   docker build -t recognition-training --target training .          recognition-train and recognition-export
#   docker build -t recognition-batch --target batch .                recognition-batch with all of its engines; DEVICE too
#
# CUDA comes as Python packages, so that one small base carries both. Packages are installed by hash from locks/.

ARG PYTHON=python:3.11-slim-bookworm

# --- what every image starts from: Python, a user without rights, a place for models --------------------------------
FROM ${PYTHON} AS runtime
RUN groupadd --gid 10001 recognition \
    && useradd --uid 10001 --gid recognition --no-create-home --home-dir /tmp --shell /usr/sbin/nologin recognition \
    && install --directory --owner 10001 --group 10001 /models /var/lib/recognition
ENV PATH=/opt/recognition/bin:${PATH} \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1
USER 10001:10001
STOPSIGNAL SIGTERM
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="recognition" \
      org.opencontainers.image.description="Trains CNN classifiers, and serves over gRPC what was trained" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"

# --- the project as a wheel, built by the locked build backend ------------------------------------------------------
FROM ${PYTHON} AS wheel
WORKDIR /src
COPY locks/build.lock locks/
RUN --mount=type=cache,target=/root/.cache/pip \
    python -m venv /opt/build \
    && /opt/build/bin/pip install --disable-pip-version-check --no-deps --require-hashes --requirement locks/build.lock
COPY pyproject.toml README.md LICENSE ./
COPY proto proto
COPY client client
COPY service service
COPY training training
COPY export export
COPY batch batch
RUN /opt/build/bin/pip wheel --no-deps --no-build-isolation --no-index --wheel-dir /wheels .

# --- the environments: a venv without pip, filled from outside ------------------------------------------------------
# Without tests, and without ONNX Runtime's library for programs in C: Python's module has all of it inside.
FROM ${PYTHON} AS service-packages
WORKDIR /build
ARG DEVICE=cpu
COPY locks/service-${DEVICE}.lock packages.lock
RUN --mount=type=cache,target=/root/.cache/pip \
    python -m venv --without-pip /opt/recognition \
    && python -m pip --python /opt/recognition/bin/python install --disable-pip-version-check --no-deps \
        --only-binary :all: --require-hashes --requirement packages.lock \
    && find /opt/recognition \( -type d -name tests -o -name 'libonnxruntime.so*' \) -prune -exec rm -r {} +
COPY --from=wheel /wheels /wheels
RUN python -m pip --python /opt/recognition/bin/python install --disable-pip-version-check --no-deps --no-index \
        --no-cache-dir /wheels/*.whl

FROM ${PYTHON} AS training-packages
WORKDIR /build
COPY locks/training.lock packages.lock
RUN --mount=type=cache,target=/root/.cache/pip \
    python -m venv --without-pip /opt/recognition \
    && python -m pip --python /opt/recognition/bin/python install --disable-pip-version-check --no-deps \
        --only-binary :all: --require-hashes --requirement packages.lock \
    && find /opt/recognition \( -type d -name tests -o -name 'libonnxruntime.so*' \) -prune -exec rm -r {} +
COPY --from=wheel /wheels /wheels
RUN python -m pip --python /opt/recognition/bin/python install --disable-pip-version-check --no-deps --no-index \
        --no-cache-dir /wheels/*.whl

FROM ${PYTHON} AS batch-packages
WORKDIR /build
ARG DEVICE=cpu
COPY locks/batch-${DEVICE}.lock packages.lock
RUN --mount=type=cache,target=/root/.cache/pip \
    python -m venv --without-pip /opt/recognition \
    && python -m pip --python /opt/recognition/bin/python install --disable-pip-version-check --no-deps \
        --only-binary :all: --require-hashes --requirement packages.lock \
    && find /opt/recognition \( -type d -name tests -o -name 'libonnxruntime.so*' \) -prune -exec rm -r {} +
COPY --from=wheel /wheels /wheels
RUN python -m pip --python /opt/recognition/bin/python install --disable-pip-version-check --no-deps --no-index \
        --no-cache-dir /wheels/*.whl

# --- training and export: runs, models and the data set lie below /var/lib/recognition ------------------------------
FROM runtime AS training
COPY --from=training-packages /opt/recognition /opt/recognition
ENV XDG_CACHE_HOME=/var/lib/recognition/cache
WORKDIR /var/lib/recognition
HEALTHCHECK NONE
ENTRYPOINT ["recognition-train"]
CMD ["--help"]

# --- batch jobs: on Kubernetes by an Indexed Job or on Ray, see k8s/batch --------------------------------------------
FROM runtime AS batch
COPY --from=batch-packages /opt/recognition /opt/recognition
ENV HOME=/tmp \
    RAY_USAGE_STATS_ENABLED=0
WORKDIR /tmp
HEALTHCHECK NONE
ENTRYPOINT ["recognition-batch"]
CMD ["--help"]

# --- the service ----------------------------------------------------------------------------------------------------
FROM runtime AS service
COPY --from=service-packages /opt/recognition /opt/recognition
ENV RECOGNITION_MODELS=/models \
    RECOGNITION_HOST=0.0.0.0
WORKDIR /tmp
EXPOSE 8000 8001 8002
HEALTHCHECK --interval=10s --timeout=5s --start-period=120s --retries=3 CMD ["recognition", "health", "--timeout", "4"]
ENTRYPOINT ["recognition-serve"]
