# Both stages use the same base image, so the environment built in the first one runs in the second.
# checkov:skip=CKV_DOCKER_7:the ARG sets the tag
ARG BASE_IMAGE=python:3.13.15-slim-trixie@sha256:9d2e5553305c7c7b0097999bb17187c69b921ccd6bc9d40e4bb5ebe652c00285

FROM ${BASE_IMAGE} AS build
# Reproducible builds: SOURCE_DATE_EPOCH fixes the dates in the wheel, PYTHONHASHSEED the order of constants in .pyc files.
ENV SOURCE_DATE_EPOCH=315532800 \
    PYTHONHASHSEED=0 \
    PYTHONDONTWRITEBYTECODE=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_NO_COMPILE=1 \
    PIP_ROOT_USER_ACTION=ignore
WORKDIR /src
COPY requirements/build.lock requirements/run.lock requirements/
# pip is installed only in the build environment; the final image does not contain it.
RUN python3 -m venv /build \
    && python3 -m venv --without-pip /opt/vspark-exporter \
    && /build/bin/pip install --require-hashes --only-binary :all: -r requirements/build.lock \
    && /build/bin/pip --python /opt/vspark-exporter/bin/python3 install \
        --require-hashes --only-binary :all: -r requirements/run.lock
COPY pyproject.toml README.md LICENSE ./
COPY exporter exporter
# The .pyc files are compiled here because the container cannot write them later. With unchecked-hash they stay valid
# whatever the date of their source.
RUN /build/bin/pip wheel --no-deps --no-build-isolation --wheel-dir dist . \
    && /build/bin/pip --python /opt/vspark-exporter/bin/python3 install \
        --no-deps --no-index --find-links dist vspark-exporter \
    && python3 -m compileall -q --invalidation-mode unchecked-hash /opt/vspark-exporter/lib

FROM ${BASE_IMAGE}
# The official Python image ships its standard library without .pyc files. In a read-only container every start would
# compile it again.
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
# Every command reads config.yaml from the working directory unless --config.file names another file.
WORKDIR /etc/vspark-exporter
EXPOSE 10219
HEALTHCHECK --interval=30s --timeout=5s --start-period=10s CMD ["vspark-exporter", "healthcheck"]
ENTRYPOINT ["vspark-exporter"]
