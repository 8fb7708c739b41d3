# The operator, statically linked, the public CAs' certificates and a user without rights; nothing else.
#
#   docker build --tag testnode-operator:0.1.0 .
FROM rust:1.95-alpine AS build
RUN apk add --no-cache ca-certificates musl-dev
WORKDIR /src
COPY . .
# Alpine's own target is musl, and static. Fails where it is not: there would be nothing to link with at run time.
RUN cargo build --profile dist --locked --package testnode-operator \
    && ! ldd target/dist/testnode-operator 2>/dev/null | grep -q '=>' \
    && echo 'testnode:x:65532:65532::/:' >target/passwd

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /src/target/passwd /etc/passwd
COPY --from=build /src/target/dist/testnode-operator /
USER 65532:65532
EXPOSE 8080
ENTRYPOINT ["/testnode-operator"]
CMD ["run"]
