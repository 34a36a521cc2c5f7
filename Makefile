# Targets and what they do: `make help`. Everything that tells right from wrong runs in `make check`.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

GO       ?= go
# The product is built without C, and so is all that tests it: one compilation serves both.
export CGO_ENABLED ?= 0
PACKAGES ?= ./...
# BENCH and FUZZ select benchmarks and fuzz targets by a regular expression.
BENCH    ?= .
FUZZ     ?= .
# RACE lists the rooms where goroutines meet. `make race RACE=./stream/engine` takes minutes, and Go 1.26 itself crashes
# in one of a few runs of it (a timer in a bubble of testing/synctest, in racecall), so that it is no part of the check.
RACE     ?= ./accel ./backpressure ./cdc/cdctest ./operators ./sinks/jsonl ./sinks/vector ./stream/api
# FRESHET_REQUIRE_SERVERS=1 makes a test fail whose server is not installed, 0 skips it.
export FRESHET_REQUIRE_SERVERS ?= 1
# DIST are arguments of internal/dist, such as -targets=linux/amd64; -help lists them.
DIST     ?=
# PARALLEL is how many packages are tested at once: those with servers of their own wait more than they compute.
PARALLEL ?= 3
# FUZZTIME is the time that each fuzz target gets.
FUZZTIME ?= 60s

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "%-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: build
build: ## build the static binary bin/freshet
	CGO_ENABLED=0 $(GO) build -o bin/freshet ./cmd/freshet
	@$(GO) version -m bin/freshet | grep -q 'CGO_ENABLED=0'
	bin/freshet version

.PHONY: dist
dist: ## make archives, Debian packages, bills of materials and sums of the commit in bin/dist (DIST=arguments)
	$(GO) run ./internal/dist $(DIST)

.PHONY: demo
demo: ## run the whole product on a sample corpus, with nothing installed
	$(GO) run ./cmd/freshet demo

.PHONY: servers
servers: ## install the servers that tests run against (FRESHET_REQUIRE_SERVERS=0 leaves them out)
	@if [ "$$FRESHET_REQUIRE_SERVERS" != 0 ]; then .ci/servers; fi

.PHONY: test
test: servers ## download the modules, install what is missing and run every test
	$(GO) mod download
	$(GO) test -p $(PARALLEL) -timeout 10m $(PACKAGES)

.PHONY: check
check: ## run exactly what continuous integration runs (.ci/run)
	@.ci/run

.PHONY: race
race: ## test the rooms where goroutines meet, in random order, under the race detector (needs a C compiler)
	@if command -v "$$($(GO) env CC)" >/dev/null; then \
		CGO_ENABLED=1 $(GO) test -race -short -shuffle=on -timeout 15m $(RACE); \
	else \
		echo "race: no C compiler found, so the race detector is left out"; \
		$(GO) test -short -shuffle=on -count=1 -timeout 15m $(RACE); \
	fi

.PHONY: mutants
mutants: ## break each promise in a copy of its line, and see that the test which proves it goes red
	FRESHET_MUTANTS=1 $(GO) test -count=1 -timeout 30m -run 'TestMutantsAreNoticed' -v ./cmd/internal/policy

.PHONY: fmt
fmt: ## format every Go file
	gofmt -w $$(git ls-files '*.go')

.PHONY: format
format: ## fail where gofmt would change something
	@wrong="$$(gofmt -l $$(git ls-files '*.go'))"; \
	if [ -n "$$wrong" ]; then echo "$$wrong"; echo "format: run \`make fmt\`"; exit 1; fi

.PHONY: vet
vet: ## run go vet
	$(GO) vet $(PACKAGES)

.PHONY: cross
cross: ## build for two other systems
	CGO_ENABLED=0 GOOS=darwin GOARCH=arm64 $(GO) build $(PACKAGES)
	CGO_ENABLED=0 GOOS=linux GOARCH=arm64 $(GO) build $(PACKAGES)

.PHONY: modules
modules: ## check what was downloaded, and that go.mod says what is imported
	$(GO) mod verify
	@.ci/tidy

.PHONY: lint
lint: ## run golangci-lint and govulncheck where they are installed
	@for tool in "golangci-lint run" "govulncheck ./..."; do \
		if command -v "$${tool%% *}" >/dev/null; then echo "$$tool"; $$tool; \
		else echo "lint: $${tool%% *} is not installed, left out"; fi; \
	done

.PHONY: fuzz
fuzz: ## fuzz every target for FUZZTIME (FUZZ=regexp selects)
	@GO="$(GO)" .ci/fuzz "$(FUZZ)" "$(FUZZTIME)"

.PHONY: bench
bench: ## run the benchmarks (BENCH=regexp, PACKAGES=./room select)
	$(GO) test -run '^$$' -bench '$(BENCH)' -benchmem $(PACKAGES)

.PHONY: soak
soak: ## run the tests that take long: kills, churn and leaks over hours, and every version of the servers
	@if [ "$$FRESHET_REQUIRE_SERVERS" != 0 ]; then .ci/servers all; fi
	FRESHET_SOAK=1 $(GO) test -count=1 -timeout 4h $(PACKAGES)

.PHONY: clean
clean: ## remove what was built
	rm -rf bin
