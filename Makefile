# SPDX-License-Identifier: Apache-2.0
# One target for each thing a person does here. `make` alone builds; `make help` lists the targets.
# Steps run through .ci/step, which prints their times and notes their counts for .ci/run.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := build
MAKEFLAGS += --no-print-directory

JOBS    ?= $(shell nproc)
PRESET  ?= release
OUT     := build/$(PRESET)
SEEDS   ?= 1000
STEP    := .ci/step
CTEST   := ctest --no-tests=error --output-on-failure --test-output-size-passed 4096 --test-output-truncation head

# Debian 12 packages. Nothing else is downloaded.
PACKAGES := clang-19 clang-tidy-19 clang-format-19 libclang-rt-19-dev lld-19 llvm-19 cmake ninja-build ccache \
  pkg-config git make ca-certificates python3 procps util-linux libgrpc++-dev protobuf-compiler-grpc protobuf-compiler \
  libprotobuf-dev libfuse3-dev fuse3 libibverbs-dev librdmacm-dev ibverbs-providers libyaml-cpp-dev \
  prometheus-cpp-dev libgtest-dev libgmock-dev libasio-dev libtomlplusplus-dev libspdlog-dev libfmt-dev \
  libcli11-dev librocksdb-dev libzstd-dev libabsl-dev nlohmann-json3-dev libbenchmark-dev librapidcheck-dev \
  libisal-dev libcap-dev fio sqlite3 jq

.NOTPARALLEL:
.PHONY: help deps build configure test test-sim unit golden tidy sim mounted posix fsx asan tsan fuzz bench demo check \
  check-rest check-asan check-tsan check-fuzz check-sim check-posix check-fsx check-demo check-bench clean
help:
	@sed -n 's/^## //p' Makefile

## deps        install the Debian packages (root); quick when all are there
deps:
	@missing=$$(for p in $(PACKAGES); do \
	    dpkg-query -W -f='$${Status}' $$p 2>/dev/null | grep -q 'ok installed' || echo $$p; done); \
	if [ -z "$$missing" ]; then echo "deps: all packages are there"; exit 0; fi; \
	if [ "$$(id -u)" != 0 ]; then echo "deps: run 'sudo make deps'; missing:" $$missing >&2; exit 1; fi; \
	export DEBIAN_FRONTEND=noninteractive; \
	apt-get -q update && apt-get -q install -y --no-install-recommends $$missing </dev/null

configure:
	@cmake --preset $(PRESET) >build/.configure-$(PRESET).log 2>&1 || { cat build/.configure-$(PRESET).log; exit 1; }
build/.made:
	@mkdir -p build && touch $@
configure: build/.made

## build       every program and test (PRESET=release|debug|asan|tsan)
build: configure
	@$(STEP) build-$(PRESET) 1800 ninja -C $(OUT) -j $(JOBS)

## test        build, unit, golden, tidy, 50 simulation seeds, a short mounted run
test: build unit golden tidy test-sim mounted
test-sim: build
	@THREEFS_SIM_SEEDS=50 $(STEP) sim-50 300 $(CTEST) --test-dir $(OUT) -L sim

## unit        only the unit tests
unit: build
	@$(STEP) unit 300 $(CTEST) --test-dir $(OUT) -j $(JOBS) -L unit

## tidy        layer rules, budgets, format and clang-tidy (FULL=1: every file, also those known to be clean)
tidy: build
	@THREEFS_TIDY_FULL=$(FULL) $(STEP) tidy 1800 $(CTEST) --test-dir $(OUT) -L tidy

## golden      wire vectors, both ways (DIR=folder with *.jsonl)
golden: build
	@THREEFS_GOLDEN_DIR='$(abspath $(or $(DIR),tests/golden/data))' \
	  $(STEP) golden 120 $(CTEST) --test-dir $(OUT) -L golden

## sim         whole-client simulation on virtual time (SEEDS=1000)
sim: build
	@THREEFS_SIM_SEEDS=$(SEEDS) $(STEP) sim-$(SEEDS) 3600 $(CTEST) --timeout 3500 --test-dir $(OUT) -L sim

## mounted     the short mounted run alone (root)
mounted: build
	@$(STEP) mounted 300 $(CTEST) --test-dir $(OUT) -L mounted

## posix       POSIX checks on a mount (root); PJDFSTEST=checkout runs that suite as well
posix: build
	@$(STEP) posix 3000 tests/e2e/posix --build $(OUT) $(if $(PJDFSTEST),--pjdfstest '$(abspath $(PJDFSTEST))')

## fsx         random read/write/truncate/mmap against a model on a mount (root; SECONDS=600 SEED=n)
fsx: build
	@$(STEP) fsx $(shell echo $$(( $(or $(SECONDS),600) + 120 ))) \
	  tests/e2e/fsx --build $(OUT) --seconds $(or $(SECONDS),600) $(if $(SEED),--seed $(SEED))

## asan        unit tests and a mounted stress run under ASan + UBSan
asan:
	@$(MAKE) build PRESET=asan
	@$(STEP) asan-unit 900 $(CTEST) --test-dir build/asan -j $(JOBS) -L 'unit|golden'
	@THREEFS_SIM_SEEDS=10 $(STEP) asan-sim 600 $(CTEST) --test-dir build/asan -L sim
	@$(STEP) asan-stress 400 tests/e2e/stress --build build/asan --seconds $(or $(SECONDS),40)

## tsan        the same under ThreadSanitizer
tsan:
	@$(MAKE) build PRESET=tsan
	@$(STEP) tsan-unit 900 $(CTEST) --test-dir build/tsan -j $(JOBS) -L 'unit|golden'
	@$(STEP) tsan-stress 400 tests/e2e/stress --build build/tsan --seconds $(or $(SECONDS),40)

## fuzz        every fuzzer on its corpus (SECONDS=60 each)
fuzz:
	@$(MAKE) configure PRESET=asan
	@$(STEP) build-fuzzers 1800 ninja -C build/asan -j $(JOBS) fuzzers
	@$(STEP) fuzz 3000 tests/fuzz/run --build build/asan --seconds $(or $(SECONDS),60) --jobs $(JOBS)

## bench       null file system, mounter on a null backend, mounter on standalone: one table (root)
bench: build
	@$(STEP) bench 3000 tests/bench/run --build $(OUT) --rounds $(or $(ROUNDS),5) --seconds $(or $(SECONDS),5)

## demo        a volume through CSI on an embedded 3FS, with real files and fio (root)
demo: deps build
	@$(STEP) demo 1500 tests/e2e/demo --build $(OUT)

## check       test, then asan, tsan, fuzz and short forms of the rest: what CI runs
check: test check-rest
# Targets of their own, so that `make -k` goes on after one of them failed.
check-rest: check-asan check-tsan check-fuzz check-sim check-posix check-fsx check-demo check-bench
check-asan:  ; @$(MAKE) asan SECONDS=30
check-tsan:  ; @$(MAKE) tsan SECONDS=30
check-fuzz:  ; @$(MAKE) fuzz SECONDS=60
check-sim:   ; @$(MAKE) sim SEEDS=200
check-posix: ; @$(MAKE) posix
check-fsx:   ; @$(MAKE) fsx SECONDS=60
check-demo:  ; @$(MAKE) demo
check-bench: ; @$(MAKE) bench ROUNDS=1 SECONDS=2

## clean       remove the build folder
clean:
	rm -rf build
