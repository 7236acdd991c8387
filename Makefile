# One name for each task; CMake and its presets do the work. `make help` lists them.
PRESET ?= dev
BUILD := build/$(PRESET)
PREFIX ?= /usr/local
SOAK_MINUTES ?= 30
FUZZ_SECONDS ?= 60
CHAOS_ROUNDS ?= 3000

MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help
.PHONY: help deps build run test check-fast coverage asan tsan tidy format format-check soak fuzz \
        chaos bench instructions oracle conformance install clean

help: ## list the targets
	@sed -n 's/^\([a-z][a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 14

deps: ## install what is missing from Debian's packages
	@scripts/install-deps

build: deps ## configure and build (PRESET=dev)
	@scripts/build $(PRESET)

# These two build the same and need no more packages than it takes.
run: ## send a real file through a slow reader and compare both ends
	@scripts/install-deps build
	@scripts/build product
	@scripts/run-demo build/product/bin/sluice

install: ## install the library and the program (PREFIX=/usr/local, DESTDIR)
	@scripts/install-deps build
	@scripts/build product
	@cmake --install build/product --prefix "$(PREFIX)"

test: build ## build, then run every test
	@scripts/run-tests $(PRESET)

check-fast: build ## the tests that take no time: the layers, the house rules, the layout
	@scripts/run-tests $(PRESET) -L '^(core|sys|loop|house)$$'
	@scripts/format --check

coverage: deps ## line coverage of src/core, at least 95 %
	@scripts/coverage

asan: deps ## the tests under the address and undefined behaviour sanitizers
	@scripts/build asan
	@scripts/run-tests asan

tsan: deps ## the tests under the thread sanitizer
	@scripts/build tsan
	@scripts/run-tests tsan

tidy: deps ## clang-tidy over all our sources
	@scripts/tidy

format: deps ## lay out the code with clang-format
	@scripts/format

format-check: deps ## say which files clang-format would change
	@scripts/format --check

soak: build ## a copy of 1 GiB, then the contract tests and the oracle again and again (SOAK_MINUTES=30)
	@scripts/soak $(PRESET) $(SOAK_MINUTES)

fuzz: deps ## run each fuzz target (FUZZ_SECONDS=60)
	@scripts/fuzz $(FUZZ_SECONDS)

chaos: build ## many connections with faults, fresh seed (CHAOS_ROUNDS=3000)
	@$(BUILD)/bin/chaos --seed fresh --rounds $(CHAOS_ROUNDS)

bench: deps ## build for speed and run the benchmarks
	@scripts/install-deps bench-run || echo "bench: goes on without what could not be installed"
	@scripts/build bench
	@scripts/bench

instructions: deps ## count the instructions of a message (COUNT="--functions 20")
	@scripts/build bench bench_instructions
	@bench/instructions/count.py build/bench/bench/instructions/bench_instructions $(COUNT)

oracle: build ## compare with CPython's asyncio, fresh seed
	@$(BUILD)/bin/oracle --seed fresh --scenarios 10000

conformance: build ## write docs/conformance.md from a run of the tests
	@cmake --build $(BUILD) --target conformance

clean: ## remove every build
	rm -rf build
