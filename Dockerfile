# Both stages have the same base, so that what is installed in one runs in the other.
# checkov:skip=CKV_DOCKER_7:the tag stands in the ARG
ARG BASE_IMAGE=python:3.13-slim-bookworm

FROM ${BASE_IMAGE} AS build
# The same input gives the same files: the dates in the wheel, the order in what is compiled.
ENV SOURCE_DATE_EPOCH=315532800 \
    PYTHONHASHSEED=0 \
    PYTHONDONTWRITEBYTECODE=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_NO_COMPILE=1 \
    PIP_ROOT_USER_ACTION=ignore
WORKDIR /src
COPY requirements/build.lock requirements/run.lock requirements/
# pip stays in the environment of the build.
RUN python3 -m venv /build \
    && python3 -m venv --without-pip /opt/vspark-exporter \
    && /build/bin/pip install --require-hashes --only-binary :all: -r requirements/build.lock \
    && /build/bin/pip --python /opt/vspark-exporter/bin/python3 install \
        --require-hashes --only-binary :all: -r requirements/run.lock
COPY pyproject.toml README.md LICENSE ./
COPY exporter exporter
# Nobody can write where the program runs: what is compiled here is valid whatever the date of its source.
RUN /build/bin/pip wheel --no-deps --no-build-isolation --wheel-dir dist . \
    && /build/bin/pip --python /opt/vspark-exporter/bin/python3 install \
        --no-deps --no-index --find-links dist vspark-exporter \
    && python3 -m compileall -q --invalidation-mode unchecked-hash /opt/vspark-exporter/lib

FROM ${BASE_IMAGE}
# The official base comes without its library compiled, and where nothing can be written each start compiles it anew.
RUN PYTHONHASHSEED=0 python3 -m compileall -q --invalidation-mode unchecked-hash \
    -x '/(site-packages|dist-packages|ensurepip|idlelib|lib2to3|tests?|tkinter|turtledemo)/' \
    "$(python3 -c 'import sysconfig; print(sysconfig.get_path("stdlib"))')"
COPY --from=build /opt/vspark-exporter /opt/vspark-exporter
ENV PATH=/opt/vspark-exporter/bin:${PATH} \
    PYTHONDONTWRITEBYTECODE=1
ARG BASE_IMAGE
ARG REVISION
LABEL org.opencontainers.image.title="vspark-exporter" \
      org.opencontainers.image.description="V-Spark call analytics as Prometheus metrics" \
      org.opencontainers.image.version="0.1.0" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.base.name="${BASE_IMAGE}"
USER 65532:65532
# The configuration is config.yaml in the working directory, with every command and flag.
WORKDIR /etc/vspark-exporter
EXPOSE 10219
HEALTHCHECK --interval=30s --timeout=5s --start-period=10s CMD ["vspark-exporter", "healthcheck"]
ENTRYPOINT ["vspark-exporter"]
