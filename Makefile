# `make` alone says what there is to make. CMake and ninja do the work; this only knows the order.

JOBS ?= 2
PREFIX ?= /usr/local
CTEST = ctest --test-dir build/$(1) -j$(JOBS) --output-on-failure --no-tests=error

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

.PHONY: help
help: ## what there is to make
	@echo 'make TARGET [JOBS=$(JOBS)] [PREFIX=$(PREFIX)]'
	@sed -n 's/^\([a-z0-9-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 18 | sed 's/^/  /'

.PHONY: deps
deps: ## install the Debian packages that are missing
	@tools/deps.sh build

# What every other target starts with: 50 ms when nothing is missing.
.PHONY: have-deps have-check-deps
have-deps:
	@tools/deps.sh --quiet build
have-check-deps:
	@tools/deps.sh --quiet build checks

# Only the first time: ninja runs CMake again by itself when a CMakeLists.txt changes.
build/%/build.ninja: CMakePresets.json | have-deps
	@mkdir -p build
	@cmake --preset $* >build/$*.configure.log 2>&1 || { cat build/$*.configure.log; exit 1; }
	@touch $@

.PHONY: build
build: build/release/build.ninja | have-deps ## build the programs into build/release/bin
	@ninja -C build/release -n programs | grep -q 'no work to do' || \
	  echo 'building into build/release, which takes some minutes the first time'
	@ninja -C build/release -j$(JOBS) --quiet programs

.PHONY: dev
dev: build/dev/build.ninja | have-deps ## build everything with assertions, failpoints and -Werror into build/dev
	@ninja -C build/dev -j$(JOBS) --quiet

.PHONY: test
test: build/dev/build.ninja | have-deps ## build and run all tests: unit, sim, integration
	@ninja -C build/dev -j$(JOBS) --quiet tests
	@$(call CTEST,dev)

.PHONY: unit sim
unit: ## the unit tests alone
sim: ## the simulator's tests alone
unit sim: build/dev/build.ninja | have-deps
	@ninja -C build/dev -j$(JOBS) --quiet tests_$@
	@$(call CTEST,dev) -L '^$@$$'

.PHONY: asan tsan
asan: build/asan/build.ninja ## unit and sim tests under AddressSanitizer and UBSan
tsan: build/tsan/build.ninja ## unit and sim tests under ThreadSanitizer
asan tsan: | have-deps
	@ninja -C build/$@ -j$(JOBS) --quiet tests_unit tests_sim
	@$(call CTEST,$@) -L '^(unit|sim)$$'

.PHONY: demo
demo: build ## run both applications on real data, and Centralized beside
	@tools/demo.py build/release/bin

.PHONY: kill
kill: build/dev/build.ninja | have-deps ## kill -9 daemons and fractosctl under 369 runs; writes docs/results/
	@ninja -C build/dev -j$(JOBS) --quiet programs
	@python3 tests/kill/campaign.py --bin build/dev/bin --output docs/results

.PHONY: dashboards-test
dashboards-test: build ## ask a real Prometheus every query of dashboards and alerts, after real runs
	@tests/dashboards/run.py --bin build/release/bin
	@ninja -C build/release -j$(JOBS) --quiet fractos-operator
	@tests/dashboards/run.py --bin build/release/bin --operator

.PHONY: bench
bench: build ## measure; writes bench/results/latest.json
	@ninja -C build/release -j$(JOBS) --quiet fractos-bench
	@build/release/bin/fractos-bench --output bench/results/latest.json

.PHONY: format
format: | have-check-deps ## clang-format every C++ file
	@git ls-files -z '*.h' '*.cc' | xargs -0 clang-format -i

.PHONY: check
check: build/dev/build.ninja | have-check-deps ## format, layout, CRDs, headers, thread-safety, promises, documents
	@JOBS=$(JOBS) tools/check.sh build/dev

.PHONY: tidy
tidy: build/dev/build.ninja | have-check-deps ## clang-tidy on what changed since BASE; BASE=all: on everything
	@tools/check_compile.py tidy --build build/dev --jobs $(JOBS) $(if $(BASE),--base $(BASE))

# A real Kubernetes on this machine, or the one that KUBECONFIG leads to. See tests/cluster.
NODES ?= 3
IMAGES ?= $(wildcard build/images/*.tar)
CLUSTER = tests/cluster/cluster

.PHONY: have-cluster-deps
have-cluster-deps:
	@$(if $(KUBECONFIG),,tools/deps.sh --quiet cluster)

.PHONY: cluster-up cluster-down cluster-load cluster-binaries cluster-test
cluster-up: | have-cluster-deps ## bring up a Kubernetes of NODES=3 nodes here; with KUBECONFIG: look at that one
	@$(CLUSTER) up --nodes $(NODES)

cluster-down: ## take it down; nothing is left
	@$(CLUSTER) down

cluster-load: ## load build/images/*.tar, or IMAGES=, into its nodes
	@$(CLUSTER) load $(IMAGES)

cluster-binaries: ## build the programs that it is made of, once, into the cache
	@$(CLUSTER) binaries

cluster-test: | have-cluster-deps ## bring it up, try what it promises, take it down
	@tests/cluster/smoke.sh

.PHONY: e2e
TESTS ?=
e2e: images have-cluster-deps ## install everything on that Kubernetes and try it, or TESTS='some --keep'
	@$(CLUSTER) binaries kubectl helm
	@tests/e2e/run.py $(TESTS)

.PHONY: kube-test
kube-test: build/release/build.ninja | have-deps have-cluster-deps ## lib/kube through 410, restarts, rotation, outage: 10 min; writes docs/results/; QUICK=1: 2 min
	@ninja -C build/release -j$(JOBS) --quiet fractos-kube-probe
	@tests/kube/run.py --probe build/release/tests/fractos-kube-probe \
	  $(if $(QUICK),--quick,--output docs/results/kube.md)

.PHONY: cluster-bench
PARTS ?=
cluster-bench: images have-cluster-deps ## measure on that Kubernetes, or PARTS='some --quick'; writes docs/results/cluster.md
	@$(CLUSTER) binaries kubectl helm
	@bench/cluster/run.py $(PARTS)

.PHONY: kube-tools
kube-tools: ## build the tools that check charts and manifests, once, into the cache
	@$(CLUSTER) tools

.PHONY: chart-check
CHECKS ?=
chart-check: | have-cluster-deps ## chart, CRDs, alerts and dashboards, also on an API server without nodes; or CHECKS='some'
	@$(CLUSTER) binaries kubectl helm etcd kube-apiserver
	@$(CLUSTER) tools
	@tools/check_chart.sh $(CHECKS)

.PHONY: mutate
mutate: | have-deps ## 100 seeded mutations of the protocol and the plan; writes docs/results/mutations.md
	@tools/mutate.py --jobs $(JOBS)

.PHONY: krew
krew: build ## the kubectl plugin's archive and its Krew manifest, into build/krew
	@tools/krew.py --bin build/release/bin/kubectl-fractos --output build/krew \
	  --version $$(sed -n 's/^project(fractos VERSION \([0-9.]*\).*/\1/p' CMakeLists.txt)

.PHONY: install
install: build ## install the programs under PREFIX
	@cmake --install build/release --prefix $(PREFIX) >/dev/null
	@echo 'installed into $(DESTDIR)$(PREFIX)'

.PHONY: images
images: build ## build the container images, or ONLY=some, into build/images, with IMAGE_TOOL=buildah, podman or docker
	@tools/deps.sh --quiet images
	@images/build.sh $(ONLY)

.PHONY: push
push: ## push the chart and the images that are built to REGISTRY
	@REGISTRY="$(REGISTRY)" images/push.sh

.PHONY: clean
clean: ## remove everything that was built
	@rm -rf build
