# The image behind action.yml: the static binary and the few programs that a runner or a fleet needs beside it.
#
#   docker build .                                            compiles from source
#   docker build --build-arg BINARY=prebuilt .                takes dist/<architecture>/parallel-pytest instead
#   docker build --target binary --output dist/amd64 .        the static binary alone, as a release has it

ARG RUST_IMAGE=rust:1.95-alpine
ARG BASE_IMAGE=debian:trixie-slim
ARG BINARY=compiled

FROM ${RUST_IMAGE} AS build
WORKDIR /source
COPY . .
# Alpine's own target is musl; the flag makes the binary static on a glibc image too, and only with --target are
# build scripts and procedural macros left alone.
ARG RUSTFLAGS="-C target-feature=+crt-static"
RUN target=$(rustc -vV | sed -n 's/^host: //p') \
 && cargo build --release --locked --target "$target" \
 && mv "target/$target/release/parallel-pytest" /parallel-pytest

FROM scratch AS compiled
COPY --from=build /parallel-pytest /parallel-pytest

FROM scratch AS prebuilt
ARG TARGETARCH
COPY dist/${TARGETARCH}/parallel-pytest /parallel-pytest

FROM ${BINARY} AS binary

FROM ${BASE_IMAGE}
# Runners on Kubernetes start an action's container with sh, env and tail, which the base has.
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates docker-cli docker-compose git \
 && rm -rf /var/lib/apt/lists/* /var/cache/* /var/log/* /usr/share/doc/* /usr/share/man/*
COPY --from=binary /parallel-pytest /usr/local/bin/parallel-pytest
# action.yml has room for a path but for no argument, so the file name says which step of the action it is.
RUN ln -s parallel-pytest /usr/local/bin/parallel-pytest-action \
 && ln -s parallel-pytest /usr/local/bin/parallel-pytest-post
# No USER: the runner's file commands belong to another user and only root may write them.
# No shell in front: one would drop the inputs whose names have a hyphen.
ENTRYPOINT ["/usr/local/bin/parallel-pytest"]
