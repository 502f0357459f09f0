# What a contributor types. `make help` lists it.
#
# Needs Go, make and git. Everything else is fetched or built through the Go module
# proxy, once, and database servers come from Debian's packages.

.SHELLFLAGS   := -euc
.DEFAULT_GOAL := help

# The race detector needs cgo, which Go switches on where there is a C compiler.
RACE := $(if $(filter 1,$(shell go env CGO_ENABLED)),-race)

# Packages to work on, for example: make test PKGS=./pipeline/...
PKGS ?= ./...
# Set if those are all.
ALL = $(filter ./...,$(PKGS))
# More flags for `go test`, for example: make test TESTFLAGS='-run Queue -v'
TESTFLAGS ?=
# How many packages are tested at a time. Some start four control planes, of 0.3 GB each.
TESTP ?= 2
# How long each fuzz target runs, and how often `make race` repeats a test.
FUZZTIME ?= 30s
COUNT    ?= 3
# Which benchmarks `make bench` runs, how often, and for how long each (as -benchtime).
# A quick look: make bench BENCH=Queue BENCHCOUNT=1 BENCHTIME=100ms BENCHDIR=bin/bench
BENCH      ?= .
BENCHCOUNT ?= 6
BENCHTIME  ?= 1s
BENCHPKGS  ?= ./pipeline/... ./ratelimit ./sources/... ./sinks/... ./internal/... ./bench ./cmd/internal/app
# Where raw output, tables and plots go; the report goes beside it, as BENCHDIR.md.
BENCHDIR   ?= docs/benchmarks
# They are made here, so that a run that fails or is interrupted leaves the last report as it is.
BENCHNEW   := bin/bench.new/$(notdir $(BENCHDIR))
# Flags for demo and chaos, for example: make chaos ARGS="--seed 7 --changes 20000"
ARGS ?=

# Packages whose tests need servers that take minutes to build.
SINKPKGS := ./sinks/s3/... ./sinks/otlp/... ./cmd/fairlead-chaos
# Those of which only these tests do.
SINKTESTS    := ^(TestSegments|TestSinksOnFullDisks|TestTracing|TestTracedBatches|TestCollector)$$
SINKTESTPKGS := ./cmd/internal/app ./cmd/internal/trace

# What `make build` and `make image` make, of which version. An image's tag knows no plus.
IMAGE     ?= fairlead
VERSION   ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
REVISION  ?= $(shell git rev-parse HEAD 2>/dev/null)
CREATED   ?= $(shell TZ=UTC git log -1 --date=format-local:%Y-%m-%dT%H:%M:%SZ --format=%cd 2>/dev/null)
# What builds it.
BUILDER   ?= $(firstword $(foreach tool,docker podman buildah,$(if $(shell command -v $(tool) 2>/dev/null),$(tool))))
# More for the builder, for example: make image IMAGEFLAGS='--build-arg GO_IMAGE=mirror.example/golang:1.26'
IMAGEFLAGS ?=

GO_TOOL := go tool -modfile=tools/go.mod
# Folders with a Go module. That of the test control plane is embedded under other names.
MODULES := . tools bin/servers

.PHONY: help
help: ## List the targets
	@awk 'BEGIN { FS = ":.*## " } /^[a-z-]+:.*## / { printf "  %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: build
build: ## Build all programs into bin/
	@mkdir -p bin
	go build -ldflags "-X main.version=$(VERSION) -X main.commit=$(REVISION)" -o bin/ ./cmd/...

.PHONY: test
test: control-plane consul helm kubectl victorialogs promtool databases browser race-note ## Run all tests, on real API servers, databases and a browser, with the race detector where there is a C compiler
	FAIRLEAD_REQUIRE_CONTROL_PLANE=1 go test $(RACE) -p $(TESTP) -timeout 30m $(TESTFLAGS) $(PKGS)
	# Allocations and memory, which the race detector falsifies, so that these are left out above.
	$(if $(RACE),$(if $(ALL),go test -p $(TESTP) -timeout 30m -run '^Test(NoAlloc|HostileMember)' ./cmd/internal/app ./pipeline/queue ./pipeline/selection ./pipeline/stage ./sources ./sources/stream))
	# The pages as a site. They are outside of that module, so that its results are not to be cached.
	$(if $(ALL),cd tools && go test -count 1 ./...)
	$(if $(ALL),@go run ./internal/testsinks/cmd -missing)

.PHONY: memory
memory: ## Fill the memory of the built program, with 1,000 members and with large objects: all that is resident has a bound
	FAIRLEAD_TEST_RESIDENT=1 go test -count 1 -v -run '^TestNoAllocBeyondBudgetOfAProcess$$' ./bench

.PHONY: race
race: ## Run the tests that need no API server COUNT times, shuffled, with the race detector
	@test -n "$(RACE)" || { echo "make race needs cgo and a C compiler, for example gcc" >&2; exit 1; }
	go test -race -short -shuffle=on -count=$(COUNT) -timeout 30m $(TESTFLAGS) $(PKGS)

.PHONY: race-note
race-note:
	@test -n "$(RACE)" || echo "no C compiler (go env CGO_ENABLED is 0): testing without the race detector" >&2

.PHONY: lint
lint: ## Check formatting, go.mod files and the linters of .golangci.yml
	@unformatted=$$(gofmt -l .); test -z "$$unformatted" || \
		{ echo "not formatted, run gofmt -w on:" >&2; echo "$$unformatted" >&2; exit 1; }
	@mkdir -p bin/servers
	@for file in mod sum; do cp internal/controlplane/servers/servers.$$file bin/servers/go.$$file; done
	@for module in $(MODULES); do echo "go mod tidy -diff in $$module"; (cd $$module && go mod tidy -diff); done
	$(GO_TOOL) golangci-lint run

.PHONY: mutants
mutants: ## Take each rule of the design out of the product, and see that a test fails, which takes minutes; flags go into ARGS
	go run ./internal/mutants $(ARGS)

.PHONY: fuzz
fuzz: ## Run each fuzz target for FUZZTIME (30s)
	@git grep -lE --untracked '^func Fuzz[A-Z]' -- '*_test.go' | while read -r file; do \
		for target in $$(sed -nE 's/^func (Fuzz[A-Za-z0-9_]+)\(.*/\1/p' $$file); do \
			echo "$$target in $$(dirname $$file)"; \
			go test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) ./$$(dirname $$file) </dev/null; \
		done; \
	done

.PHONY: docs
docs: ## Write the generated parts of docs/, and all pages as a site into bin/site
	go test ./cmd/internal/app -count 1 -run '^(TestPagesAreGenerated|TestConfigurationPage)$$' -write-docs
	go test ./deploy -count 1 -run '^TestCharts?(PagesAreGenerated|KnowTheConfigurationFile|HoldCopies)$$' -write-docs
	@mkdir -p bin
	go run ./internal/mutants -page >bin/mutants.md
	mv bin/mutants.md internal/mutants/README.md
	cd tools && go run ./record $(PICTURES)
	cd tools && go run ./site -out ../bin/site

# The recording of the demo, and the pictures that are made of it.
PICTURES := -cast ../docs/img/demo.cast -light ../docs/img/demo-light.svg -dark ../docs/img/demo-dark.svg

.PHONY: demo-picture
demo-picture: control-plane build ## Record make demo anew, for the pictures in docs/img
	cd tools && go run ./record -prompt 'make demo' $(PICTURES) ../bin/fairlead-demo $(ARGS)

.PHONY: bench
bench: control-plane databases sink-servers ## Run all benchmarks BENCHCOUNT times and write docs/benchmarks.md
	@rm -rf bin/bench.new && mkdir -p $(BENCHNEW) $(dir $(BENCHDIR))
	# A pipe would hide a failure; the report refuses output that tells of one.
	go test -run '^$$' -bench '$(BENCH)' -benchmem -count $(BENCHCOUNT) -benchtime $(BENCHTIME) -timeout 0 $(TESTFLAGS) $(BENCHPKGS) \
		| tee $(BENCHNEW)/raw.txt
	$(GO_TOOL) benchstat -col /impl -ignore pkg $(BENCHNEW)/raw.txt >$(BENCHNEW)/benchstat.txt
	go run ./bench/report --raw $(BENCHNEW)/raw.txt --tables $(BENCHNEW)/benchstat.txt --out $(BENCHNEW).md \
		--reasons docs/benchmarks/reasons.txt \
		--command "$(strip make bench BENCH='$(BENCH)' BENCHCOUNT=$(BENCHCOUNT) BENCHTIME=$(BENCHTIME) \
			$(foreach v,BENCHPKGS TESTFLAGS,$(if $(filter-out file,$(origin $v)),$v='$($v)')))"
	@cat $(BENCHNEW)/benchstat.txt
	cp -R bin/bench.new/. $(dir $(BENCHDIR))

.PHONY: api
api: ## Record the exported API of the public packages, after a change that is meant
	go test ./internal/archtest -count 1 -run '^TestAPIIsAsRecorded$$' -write-api

.PHONY: demo
demo: control-plane build $(if $(findstring postgres,$(ARGS)),databases) ## Show three real clusters streaming through Fairlead; flags go into ARGS
	bin/fairlead-demo $(ARGS)

.PHONY: test-demo
test-demo: control-plane build databases ## Run make demo with PostgreSQL as a test, in half a minute
	FAIRLEAD_TEST_DEMO=$(CURDIR)/bin/fairlead go test ./cmd/fairlead-demo -count 1 -timeout 10m $(TESTFLAGS) -run '^TestDemoWithATable$$'

.PHONY: chaos
chaos: control-plane build $(if $(findstring postgres,$(ARGS)),databases) $(if $(findstring s3,$(ARGS))$(findstring otlp,$(ARGS)),sink-servers) ## Break everything around Fairlead, and check that nothing is lost; flags go into ARGS
	bin/fairlead-chaos $(ARGS)

.PHONY: image
image: ## Build the image IMAGE:VERSION with docker, podman or buildah
	@test -n "$(BUILDER)" || { echo "make image: nothing here builds images; install one of docker, podman and buildah" >&2; exit 1; }
	$(BUILDER) build --file deploy/Dockerfile --build-arg VERSION=$(VERSION) --build-arg REVISION=$(REVISION) --build-arg CREATED=$(CREATED) $(strip $(IMAGEFLAGS) --tag $(IMAGE):$(VERSION) .)

.PHONY: image-archive
image-archive: ## Write the image for amd64 and arm64 to bin/, as an OCI archive, without a builder of images
	@mkdir -p bin
	cd tools && go run ./image -name $(IMAGE) -version $(VERSION) -revision $(REVISION) -out ../bin/fairlead-$(VERSION).oci.tar

.PHONY: sbom
sbom: build ## Write what bin/fairlead is made of to bin/fairlead.spdx.json
	go run ./internal/sbom/cmd -program bin/fairlead -version $(VERSION) >bin/fairlead.spdx.json.new
	mv bin/fairlead.spdx.json.new bin/fairlead.spdx.json

.PHONY: image-test
image-test: ## Build the image for amd64 and arm64 twice, and fail if they differ or are too large, which takes minutes
	cd tools && go test ./image -count 1 -v -timeout 30m -run '^TestRealImage$$' -all-platforms

.PHONY: charts
charts: ## Pack the charts into bin/, of the image's version, for a registry of charts
	@mkdir -p bin
	$$(go run ./internal/testhelm/cmd | sed -n 1p) package deploy/charts/fairlead deploy/charts/fairlead-member --app-version $(VERSION) --destination bin

.PHONY: notices
notices: ## Write the licences of all that fairlead is made of to bin/THIRD-PARTY-NOTICES
	@mkdir -p bin
	go run ./internal/notices/cmd >bin/THIRD-PARTY-NOTICES.new
	mv bin/THIRD-PARTY-NOTICES.new bin/THIRD-PARTY-NOTICES

.PHONY: control-plane
control-plane: ## Find, download or build the kube-apiserver and etcd that tests run against
	@go run ./fairleadtest/control-plane

.PHONY: consul
consul: ## Find or build the Consul that tests run against
	@go run ./internal/testkv/cmd

.PHONY: helm
helm: ## Find or build the Helms that tests of the charts run
	@go run ./internal/testhelm/cmd

.PHONY: kubectl
kubectl: ## Find or build the kubectl that tests run
	@go run ./internal/testkubectl/cmd

.PHONY: sink-servers
sink-servers: ## Find or build the servers that tests of sinks run against, which takes minutes
	@go run ./internal/testsinks/cmd

.PHONY: test-sinks
test-sinks: sink-servers control-plane databases victorialogs race-note ## Run the tests of sinks that need these servers
	FAIRLEAD_REQUIRE_SINK_SERVERS=1 go test $(RACE) -p $(TESTP) -timeout 30m $(TESTFLAGS) $(SINKPKGS)
	FAIRLEAD_REQUIRE_SINK_SERVERS=1 FAIRLEAD_REQUIRE_CONTROL_PLANE=1 go test $(RACE) -p $(TESTP) -timeout 30m $(TESTFLAGS) -run '$(SINKTESTS)' $(SINKTESTPKGS)

.PHONY: victorialogs
victorialogs: ## Find or build the VictoriaLogs that tests run against
	@go run ./internal/testlogs/cmd

.PHONY: browser
browser: ## Find or fetch the Chromium that tests of the status page use; installs nothing
	@go run ./internal/testbrowser/cmd

.PHONY: status-pictures
status-pictures: browser ## Take the pictures of the status page in docs/img anew
	go test ./cmd/internal/page -count 1 -run '^TestInBrowser$$/^pictures$$' -write-pictures

.PHONY: status-times
status-times: browser ## Measure how fast the status page is in a browser, and fail if it is too slow: on a machine that does nothing else
	go test ./cmd/internal/page -count 1 -v -run '^TestInBrowser$$/^times$$' -strict-times

.PHONY: promtool
promtool: ## Find or build the promtool that tests of the mixin run
	@go run ./internal/testprom/cmd

.PHONY: mixin
mixin: ## Write the alerts and dashboards in deploy/mixin anew
	go test ./deploy/mixin -count 1 -run '^TestMixinIsGenerated$$' -write-mixin

.PHONY: databases
databases: ## Find or fetch the database servers that tests run against; installs nothing
	@go run ./internal/testdb/cmd

.PHONY: clean
clean: ## Remove what was built here; the test control plane and databases stay in the user's cache
	rm -rf bin
