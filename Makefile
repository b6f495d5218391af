# Sotto: everything a person types. `make` alone lists it.

# swift-crypto's C and C++ are eight times slower without optimisation, debug build or not: the only place that says so.
SWIFT_C_FLAGS := -Xcc -O2 -Xcxx -O2
export SWIFT_C_FLAGS

.DEFAULT_GOAL := help
.PHONY: help run test check mutate bench fuzz vectors release format clean

help: ## list these commands
	@scripts/help $(MAKEFILE_LIST)

run: ## build, start a server, let Alice and Bob talk, show what the server holds (FRESH=1 forgets the last run)
	@FRESH="$(FRESH)" scripts/run

test: ## every test: unit tests side by side, then real processes one at a time (FILTER=regex for some)
	@FILTER="$(FILTER)" scripts/test

check: ## formatting, layers, forbidden marks, undeclared imports, the scripts themselves
	@scripts/check

mutate: ## take each check of MLS away, one at a time: a test must fail (ROW=id for one)
	@ROW="$(ROW)" JOBS="$(JOBS)" scripts/mutate

bench: ## measure, in release (ARGS=... for the benchmark program)
	@scripts/bench $(ARGS)

fuzz: ## fuzz every decoder for SECONDS each, default 60 (TARGET=name for one)
	@SECONDS_EACH="$(SECONDS)" TARGET="$(TARGET)" scripts/fuzz

vectors: ## fetch the public MLS test vectors into .vectors
	@scripts/vectors

release: ## build sotto and sotto-server for use, in release, with Swift's libraries inside
	@scripts/release

format: ## format all Swift sources in place
	@scripts/format

clean: ## remove all builds and the run folder (with the demo's keys)
	@rm -rf .build Benchmarks/.build Fuzzing/.build .sotto-run
