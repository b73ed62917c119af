# What a Django project has in its own image.
ARG BASE_IMAGE=debian:trixie-slim
FROM ${BASE_IMAGE} AS full
RUN apt-get update \
 && apt-get install -y --no-install-recommends python3-venv make \
 && apt-get clean && rm -rf /var/lib/apt/lists/*
ENV PATH=/opt/python/bin:$PATH PYTHONDONTWRITEBYTECODE=1
COPY wheels /wheels
# Without compiled files every start of every process would compile Django again.
RUN python3 -m venv /opt/python && pip install --no-index --compile /wheels/*.whl && rm -rf /wheels
WORKDIR /code
CMD ["pytest"]

# The same interpreter and pytest and what they load, no shell: as distroless images are.
FROM full AS collected
RUN mkdir -p /bare/tmp /bare/code /bare/etc && chmod 1777 /bare/tmp \
 && cp -r --parents /usr/lib/python3.13 /opt/python/lib /opt/python/pyvenv.cfg /bare \
 && mkdir -p /bare/usr/bin /bare/opt/python/bin \
 && cp /usr/bin/python3.13 /bare/usr/bin/ && ln -s /usr/bin/python3.13 /bare/opt/python/bin/python3 \
 && ldd /usr/bin/python3.13 /usr/lib/python3.13/lib-dynload/*.so | grep -o '/[^ ]*\.so[^ ]*' | grep -v dynload | sort -u \
  | xargs cp -L --parents -t /bare \
 && rm -rf /bare/usr/lib/python3.13/test

FROM scratch AS bare
COPY --from=collected /bare /
ENV PATH=/opt/python/bin PYTHONDONTWRITEBYTECODE=1
WORKDIR /code
ENTRYPOINT ["python3", "-m"]
CMD ["pytest"]
