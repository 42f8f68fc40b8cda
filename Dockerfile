# The program alone, as nobody: docker build -t walcat . && docker run --rm walcat --help
FROM rust:1-bookworm AS build
WORKDIR /walcat
RUN apt-get update && apt-get install -y --no-install-recommends musl-tools ca-certificates
RUN rustup target add "$(uname -m)-unknown-linux-musl"
COPY . .
RUN cargo build --release --locked --target "$(uname -m)-unknown-linux-musl"
RUN install -D "target/$(uname -m)-unknown-linux-musl/release/walcat" /out/walcat

FROM scratch
COPY --from=build /out/walcat /walcat
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
USER 65534:65534
ENTRYPOINT ["/walcat"]
