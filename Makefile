# `make demo` and `make test` need nothing but Rust: what else is missing they install (Debian and Ubuntu) or name.

PREFIX ?= /usr/local
MUSL = $(shell uname -m)-unknown-linux-musl
DESTDIR ?=
# The version of PostgreSQL to test against; empty: the machine's own.
PG ?=

.PHONY: build demo demo-nats test test-all chaos fuzz bench lint man picture install uninstall static deb packages

build:
	cargo build --release

# Changes of a throwaway server, first as text, then as JSON. DEMO_KEEP=1 leaves the server up to play with.
demo:
	scripts/demo

# The same into NATS JetStream.
demo-nats:
	scripts/demo-nats

test:
	scripts/test $(PG)

# Every supported version: servers that the machine does not have come from Debian or npm into a cache folder.
test-all:
	scripts/test all

# Kills and cuts at random moments for as long as you like: ROUNDS=200, SEED=1
chaos:
	WALCAT_CHAOS_ROUNDS=$(or $(ROUNDS),200) WALCAT_CHAOS_SEED=$(or $(SEED),1) WALCAT_TEST_PG=$$(scripts/server $(PG)) \
		WALCAT_TEST_NATS=$$(scripts/nats-server) \
		cargo test --test integration chaos:: -- --nocapture

# Inputs that nobody thought of, for each of the targets in fuzz/ so many seconds: SECONDS=600, TARGETS="resume text"
fuzz: SECONDS = 10
fuzz:
	scripts/fuzz $(SECONDS) $(TARGETS)

# Side by side with pg_recvlogical and pg_walstream, with psql where rows are there already, and into NATS. WORKLOADS="inserts updates deletes wide large tiny huge", ROUNDS=5, ROWS=1000000
bench:
	scripts/bench $(WORKLOADS)
	scripts/bench-snapshot
	scripts/bench-nats

lint:
	cargo fmt --check
	cargo fmt --check --manifest-path fuzz/Cargo.toml
	cargo clippy --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --no-deps --document-private-items

# Man pages and completions, from the definition of the command line in src/cli.rs; those of section 7 from man/*.md.
man:
	WALCAT_REGENERATE=1 cargo test --test integration generated

# The picture of the text format in README.md, as a terminal shows it.
picture:
	WALCAT_REGENERATE=1 WALCAT_TEST_PG=$$(scripts/server $(PG)) cargo test --test integration picture

# Installs what `make build` made, and needs no Rust for it.
install:
	@test -x target/release/walcat || { echo "make install: there is no target/release/walcat yet: run make first" >&2; exit 1; }
	install -D target/release/walcat $(DESTDIR)$(PREFIX)/bin/walcat
	install -d $(DESTDIR)$(PREFIX)/share/man/man1 $(DESTDIR)$(PREFIX)/share/man/man7
	install -m 644 man/*.1 $(DESTDIR)$(PREFIX)/share/man/man1/
	install -m 644 man/*.7 $(DESTDIR)$(PREFIX)/share/man/man7/
	install -D -m 644 completions/walcat.bash $(DESTDIR)$(PREFIX)/share/bash-completion/completions/walcat
	install -D -m 644 completions/_walcat $(DESTDIR)$(PREFIX)/share/zsh/site-functions/_walcat
	install -D -m 644 completions/walcat.fish $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/walcat.fish

uninstall:
	rm -f $(DESTDIR)$(PREFIX)/bin/walcat
	rm -f $(patsubst man/%,$(DESTDIR)$(PREFIX)/share/man/man1/%,$(wildcard man/*.1))
	rm -f $(patsubst man/%,$(DESTDIR)$(PREFIX)/share/man/man7/%,$(wildcard man/*.7))
	rm -f $(DESTDIR)$(PREFIX)/share/bash-completion/completions/walcat
	rm -f $(DESTDIR)$(PREFIX)/share/zsh/site-functions/_walcat
	rm -f $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/walcat.fish

# A binary without shared libraries, for any Linux.
static:
	command -v musl-gcc >/dev/null || scripts/install musl-tools
	rustup target add $(MUSL)
	cargo build --release --locked --target $(MUSL)

# target/debian/walcat_*.deb
deb:
	command -v cargo-deb >/dev/null || test -x target/tools/bin/cargo-deb || cargo install --quiet --locked --root target/tools cargo-deb
	PATH="$$PWD/target/tools/bin:$$PATH" cargo deb --locked

packages:
	scripts/packages
