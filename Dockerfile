# One image per service:  docker build --build-arg SERVICE=worker --tag baton/worker .
# SERVICE is splitter, worker, merger, notifier, failover-controller, or local: the stand-ins of the composed world.
ARG PYTHON_IMAGE=python:3.13-slim

FROM ${PYTHON_IMAGE} AS build
ARG UV_VERSION=0.13.9
ENV UV_LINK_MODE=copy UV_PYTHON_DOWNLOADS=never
RUN pip install --no-cache-dir --disable-pip-version-check --root-user-action=ignore "uv==${UV_VERSION}"
WORKDIR /app
ARG SERVICE
COPY requirements/${SERVICE}.txt requirements.txt
# What no service reads goes: uv's lock, which everybody may write, tests of libraries, and the SDK's descriptions of
# services that nothing here calls (nine tenths of it).
RUN --mount=type=cache,target=/root/.cache/uv \
    uv venv --quiet .venv && \
    uv pip sync --quiet --require-hashes requirements.txt && \
    rm -f .venv/.lock && \
    find .venv -type d -name tests -prune -exec rm -r {} + && \
    find .venv/lib -path '*/botocore/data/*' -mindepth 1 -type d -regextype posix-extended \
      ! -regex '.*/data/(arc-region-switch|cloudwatch|dynamodb|ecs|events|iam|route53-recovery-cluster|s3|s3control|service-quotas|ses|sesv2|sqs|sts)(/.*)?' \
      -prune -exec rm -r {} + && \
    .venv/bin/python -m compileall -q -j 0 .venv/lib
COPY . /context
RUN if [ "$SERVICE" = local ]; then home=/context/local; main=baton_local.in_containers.outside; \
    else home=/context/services/$SERVICE; main=$(echo "$SERVICE" | tr - _).main; fi && \
    mkdir src && cp -r /context/libs/baton/src/. "$home/src/." src/ && \
    if grep -q baton-handover "$home/pyproject.toml"; then cp -r /context/libs/handover/src/. src/; fi && \
    if [ "$SERVICE" = splitter ]; then cp -r /context/services/trigger/src/. src/; fi && \
    if grep -q baton-jobs "$home/pyproject.toml"; then \
      cp -r /context/jobs/src/. /context/services/worker/src/. /context/services/merger/src/. src/; fi && \
    # Guarded: a process that the service starts for a computation imports this page anew.
    printf 'import runpy\n\nif __name__ == "__main__":\n    runpy.run_module("%s", run_name="__main__")\n' "$main" > src/service.py && \
    .venv/bin/python -m compileall -q src

FROM ${PYTHON_IMAGE}
ARG SERVICE
ARG VERSION=dev
ARG REVISION=unknown
LABEL org.opencontainers.image.title="baton-${SERVICE}" \
      org.opencontainers.image.description="Baton: two-Region batch processing on AWS with automatic failover" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=build /app/.venv /app/.venv
COPY --from=build /app/src /app/src
ENV PATH=/app/.venv/bin:$PATH PYTHONPATH=/app/src PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
WORKDIR /app
# Nobody in particular, and no entry in the image's list of users: nothing to become.
USER 10001:10001
STOPSIGNAL SIGTERM
# Asked each second until it is well, and seldom afterwards: a check costs more than what it looks at.
HEALTHCHECK --interval=30s --timeout=3s --start-period=60s --start-interval=1s --retries=3 \
  CMD ["python", "-I", "-S", "/app/src/baton/probe.py"]
CMD ["python", "-m", "service"]
