# The one entry: each target installs what is missing first. EJABBERD_DIR picks another ejabberd.

.PHONY: all setup build test test-clients chaos lint check matrix dist demo run bench clean

all: build

setup:
	@tools/setup.sh

build: setup
	@tools/build.sh

test: build
	@tools/test.sh

test-clients: build
	@tools/clients.sh

chaos: build
	@MMX_CHAOS_SEED=$${MMX_CHAOS_SEED:-fresh} tools/test.sh --suite test/chaos_SUITE

lint: setup
	@tools/lint.sh

check: lint test

matrix: build
	@tools/matrix.sh

dist: build
	@tools/dist.sh

demo: build
	@tools/live.sh demo

run: build
	@tools/live.sh run

bench: build
	@tools/bench.sh

clean:
	rm -rf _build dist erlang/priv
	cargo clean
