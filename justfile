# The tasks of this project; `just` lists them. People, .ci/run and .github/workflows/ci.yaml run the same recipes.
# To install just: `cargo install --locked just`, or `pip install rust-just`.

set shell := ["bash", "-euo", "pipefail", "-c"]

musl := arch() + "-unknown-linux-musl"
version := `sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1`

# List the recipes
default:
    @just --list --unsorted

# The sandbox: a lab in one process
[group('try')]
sandbox *options:
    cargo run --locked -p sandbox -- {{ options }}

# What many nodes cost: the real process between a simulated cluster and cloud, measured; see docs/scale.md
[group('try')]
scale *options:
    cargo run --locked --release -p scale -- {{ options }}

# Check that the code is formatted
[group('every change')]
fmt:
    cargo fmt --all --check

# Clippy, with warnings as errors
[group('every change')]
lint:
    cargo clippy --workspace --all-targets --locked -- -D warnings

# Build the documentation of the code, with warnings as errors
[group('every change')]
doc:
    RUSTDOCFLAGS=-Dwarnings cargo doc --workspace --no-deps --document-private-items --locked

# Licenses, sources and doubled versions of the dependencies; needs cargo-deny
[group('every change')]
deny:
    cargo-deny --locked check bans licenses sources

# Unit tests, and the whole operator in virtual time
[group('every change')]
test *arguments:
    cargo test --workspace --locked {{ arguments }}

# The tests that take minutes: each guard and each rule left out, failed launches killed at every request
[group('every change')]
test-slow *arguments:
    cargo test --workspace --locked -- --ignored {{ arguments }}

# The stories of the chart's alerts, by Prometheus' own promtool, which is taken from Debian's package
[group('every change')]
alerts:
    PATH="$(tests/e2e/tools/build prometheus):$PATH" promtool test rules tests/alerts.yaml

# The operator on a real API server and a real OpenStack; see tests/e2e/README.md
[group('every change')]
e2e *suites:
    tests/e2e/run {{ suites }}

# Everything that a change must pass
[group('every change')]
ci:
    .ci/run

# Write what is generated anew: the CRDs and their reference
[group('develop')]
bless:
    BLESS=1 cargo test --locked --test generated

# Known vulnerabilities in the dependencies; needs cargo-deny and a network
[group('with a network')]
advisories:
    cargo-deny --locked check advisories

# Random lives of a node in the model of the decisions
[group('before a release')]
model lives='3000' seed=`date +%s`:
    PROPTEST_CASES={{ lives }} PROPTEST_RNG_SEED={{ seed }} cargo test --workspace --locked --lib reconcile::model

# Random lives of the whole operator while whatever can go wrong does
[group('before a release')]
storms lives='10000' seed=`date +%s`:
    cargo run --release --locked -p storm -- --lives {{ lives }} --seed {{ seed }}

# A day beside a cloud that answers anything; in `just test` it is some minutes
[group('before a release')]
hostile minutes='1440':
    HOSTILE_MINUTES={{ minutes }} cargo test --locked --test hostile -- --nocapture

# The programs as we ship them: static, with LTO. For another machine than this one it needs that one's C compiler
[group('before a release')]
dist target=musl:
    CC_{{ replace(target, '-', '_') }}={{ if target == musl { 'musl-gcc' } else { replace_regex(target, '-.*', '') + '-linux-gnu-gcc' } }} \
        {{ if target == musl { '' } else { 'CARGO_TARGET_' + uppercase(replace(target, '-', '_')) + '_LINKER=' + replace_regex(target, '-.*', '') + '-linux-gnu-gcc' } }} \
        cargo build --profile dist --target {{ target }} --locked -p testnode-operator

# The image as an OCI layout in target/image
[group('before a release')]
image target=musl: (dist target)
    rm -rf target/image
    image/build target/{{ target }}/dist/testnode-operator target/image

# Everything that a release publishes, in dist/; IMAGE, URL and SIGN_KEY are told in release/build
[group('before a release')]
release:
    release/build

# Install from dist/ alone on a real API server, and take a node through its life
[group('before a release')]
release-test *tests:
    tests/e2e/run release {{ tests }}
