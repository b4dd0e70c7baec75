# The gateway in a small image without a shell, as a user without rights.
#
#   docker build -t cloakroom .
#   docker run -p 8443:8443 -v ./etc:/etc/cloakroom:ro -v cloakroom-data:/var/lib/cloakroom cloakroom
#
# In the configuration, listen on 0.0.0.0:8443 and keep what must last (session.keys.file, session.store.path) under
# /var/lib/cloakroom.

FROM rust:1.95-slim-bookworm AS build
# aws-lc and SQLite are built from their C sources.
RUN apt-get update \
    && apt-get install -y --no-install-recommends gcc libc6-dev make \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /build
COPY Cargo.toml Cargo.lock ./
COPY .cargo ./.cargo
COPY src ./src
RUN cargo build --release --locked --bin cloakroom && mkdir /data

FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /build/target/release/cloakroom /usr/local/bin/cloakroom
COPY --from=build --chown=nonroot:nonroot /data /var/lib/cloakroom
VOLUME /var/lib/cloakroom
EXPOSE 8443
# SIGTERM, which is what docker stop sends, drains connections.
STOPSIGNAL SIGTERM
# Asks server.admin, or https where there is none.
HEALTHCHECK --interval=10s --timeout=10s --start-period=10s --retries=3 \
    CMD ["/usr/local/bin/cloakroom", "healthcheck", "--config", "/etc/cloakroom/config.toml"]
ENTRYPOINT ["/usr/local/bin/cloakroom"]
CMD ["run", "--config", "/etc/cloakroom/config.toml"]
