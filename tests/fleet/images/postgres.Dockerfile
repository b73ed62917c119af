# Debian's PostgreSQL in the manner of the official image: the same variables, the same volume, the same user, one port.
ARG BASE_IMAGE=debian:trixie-slim
FROM ${BASE_IMAGE}
# The just-in-time compiler is most of the size, and no test here runs long enough for it.
RUN apt-get update \
 && apt-get install -y --no-install-recommends postgresql-17 \
 && dpkg --purge --force-depends libllvm19 libz3-4 \
 && apt-get clean && rm -rf /var/lib/apt/lists/* /var/lib/postgresql/17 /usr/lib/postgresql/17/lib/bitcode
ENV PATH=/usr/lib/postgresql/17/bin:$PATH PGDATA=/var/lib/postgresql/data
# What initdb makes takes seconds to make and is always the same.
RUN mkdir -p $PGDATA /usr/share/postgresql/cluster && chown postgres $PGDATA /usr/share/postgresql/cluster
USER postgres
RUN initdb --pgdata /usr/share/postgresql/cluster --auth trust --encoding UTF8 --locale C.UTF-8 --no-sync --wal-segsize 1
COPY --chmod=755 postgres-entrypoint /usr/local/bin/
VOLUME /var/lib/postgresql/data
EXPOSE 5432
STOPSIGNAL SIGINT
ENTRYPOINT ["postgres-entrypoint"]
