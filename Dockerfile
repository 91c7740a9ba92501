# syntax=docker/dockerfile:1
# Runs a project's pipeline (the target `run`), or serves its champion (`serve`):
# pipeline/orchestrate/README.md says how.

FROM python:3.13-slim-bookworm AS build
WORKDIR /build
COPY requirements-tools.lock requirements.lock ./
RUN python3 -m venv tools \
    && tools/bin/pip install --no-cache-dir --require-hashes --only-binary :all: \
        --requirement requirements-tools.lock \
    && tools/bin/uv venv --no-cache --python python3 /opt/pipeline \
    && tools/bin/uv pip sync --no-cache --python /opt/pipeline --require-hashes \
        --no-build --compile-bytecode requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY pipeline pipeline
RUN tools/bin/uv build --no-cache --offline --wheel --out-dir dist \
    && tools/bin/uv pip install --no-cache --offline --python /opt/pipeline --no-deps \
        --compile-bytecode dist/*.whl
# What the project is made of; a folder that it lacks would stop a COPY of that folder.
COPY . context
RUN mkdir project \
    && for name in configs queries sources transforms; do \
        if [ -e "context/$name" ]; then mv "context/$name" project/ || exit 1; fi; \
    done

FROM python:3.13-slim-bookworm AS run
# LightGBM needs OpenMP, which neither its wheel nor the image has. Debian keeps only the
# newest version of a package, so to name one would break the build.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libgomp1 \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 10001 --create-home pipeline \
    && install --directory --owner=pipeline --group=pipeline /project /project/.pipeline
COPY --from=build /opt/pipeline /opt/pipeline
ENV PATH="/opt/pipeline/bin:$PATH" \
    PYTHONUNBUFFERED=1
WORKDIR /project
COPY --from=build /build/project ./
USER 10001:10001
VOLUME ["/project/.pipeline"]
HEALTHCHECK --interval=60s --timeout=30s CMD ["pipeline", "--help"]
ENTRYPOINT ["pipeline"]
CMD ["run"]

FROM run AS serve
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s CMD ["python", "-c", "import http.client as h; c = h.HTTPConnection('127.0.0.1', 8000, timeout=4); c.request('GET', '/health'); raise SystemExit(c.getresponse().status != 200)"]
CMD ["serve", "--host", "0.0.0.0", "--port", "8000"]
