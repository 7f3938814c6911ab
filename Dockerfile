# moored in a container: no shell, no root, one binary.
#
#   docker build -t moored .
#   docker run --rm moored --version
#   docker run --rm -v "$PWD/desired-state:/etc/moored/desired-state:ro" moored validate
#
# Both bases can be replaced by imported ones (an offline build, a pinned digest). The runtime base
# needs glibc, libgcc and the CA certificates, and nothing else.
ARG BUILD_IMAGE=rust:1.95-bookworm
ARG RUNTIME_IMAGE=gcr.io/distroless/cc-debian12:nonroot

FROM ${BUILD_IMAGE} AS build
WORKDIR /build

# The dependencies, in a layer of their own that only Cargo.toml and Cargo.lock can throw away. Cargo
# wants every target of the manifest to be there, so the benches come along and the rest is empty.
COPY Cargo.toml Cargo.lock ./
COPY benches benches
RUN mkdir src \
    && echo 'fn main() {}' > src/main.rs \
    && touch src/lib.rs \
    && cargo build --release --locked \
    && rm -r src

# Copied files may be older than what was just built from empty ones: the roots must look new.
COPY desired-state desired-state
COPY src src
RUN touch src/main.rs src/lib.rs \
    && cargo build --release --locked --bin moored

FROM ${RUNTIME_IMAGE}
ARG VERSION=dev
ARG REVISION=unknown
LABEL org.opencontainers.image.title="moored" \
      org.opencontainers.image.description="A reconciling drift detector for Cloud Foundry and AWS: says what drifted, where and since when" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"

COPY LICENSE /LICENSE
COPY --from=build /build/target/release/moored /moored

# Inside a container loopback is nobody's; who may reach the port is for the network to decide.
ENV MOORED_METRICS_LISTEN=0.0.0.0:9469 \
    MOORED_DESIRED_STATE=/etc/moored/desired-state

USER 65532:65532
EXPOSE 9469
# Liveness only. An outage of a cloud is no reason to restart moored.
HEALTHCHECK --interval=30s --timeout=5s --start-period=10s CMD ["/moored", "health"]
ENTRYPOINT ["/moored"]
CMD ["run"]
