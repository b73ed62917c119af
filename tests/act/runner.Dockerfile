# What act runs a job in: as much of a hosted runner as our workflows use.
ARG BASE_IMAGE=debian:trixie-slim
FROM ${BASE_IMAGE}
RUN apt-get update \
 && apt-get install -y --no-install-recommends bash git python3-venv \
 && rm -rf /var/lib/apt/lists/*
ENV PATH=/opt/python/bin:$PATH
COPY wheels /wheels
RUN python3 -m venv /opt/python && pip install --no-index /wheels/*.whl && rm -rf /wheels
