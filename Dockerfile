# syntax=docker/dockerfile:1

FROM rust:1.95-slim-bookworm AS build
WORKDIR /src
COPY . .
# The caches keep crates and objects between builds; the binary is copied out of them.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --release --locked --bin simpul && cp target/release/simpul /usr/local/bin/simpul

FROM debian:bookworm-slim
# Authorities of the web, for a database or a bucket whose certificate one of them signed; and the directories on which volumes
# are laid, which take over whom they belong to.
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin simpul \
    && install --directory --owner=10001 --group=10001 --mode=0700 /var/lib/simpul/documents /var/tmp/simpul
COPY --from=build /usr/local/bin/simpul /usr/local/bin/simpul
COPY deploy/healthy /usr/local/bin/healthy
USER 10001:10001
WORKDIR /
ENV LISTEN=0.0.0.0:8080 LOG_FORMAT=json
EXPOSE 8080 9090
STOPSIGNAL SIGTERM
# Writes nothing to its own file system but to DOCUMENTS_DIR and TEMP_DIR: run it with --read-only and volumes for these.
ENTRYPOINT ["simpul"]
CMD ["serve"]
