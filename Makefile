# Thin targets; .ci/run is the truth.
.PHONY: all build generate generated demo lab-demo lab-systemd test unit bench bench-check bench-kernel bench-sessions bench-go sessions fuzz fuzz-long cover mutants conformance install clean

all: build

build:
	go build -trimpath -o bin/ ./cmd/pppoectl ./cmd/fletsim ./cmd/ppptest

# Nothing in these runs beside anything else (architecture_test.go), so that the race detector has nothing to find: it would make
# their walks take six times as long, and keep fuzz from counting what is allocated.
CORE = timer pppoe ppp lcp auth ipcp ipv6cp dhcpv6 session concentrator flets conformance fuzz
OTHERS = $(filter-out $(addprefix pppoectl/,$(CORE)),$(shell go list ./...))

# Everything: installs what it needs from Debian, then all tests, the lab's real peers included.
test:
	lab/install
	$(MAKE) generated
	go vet ./...
	go run honnef.co/go/tools/cmd/staticcheck@v0.8.2 ./...
	go test -count=1 $(addprefix ./,$(CORE))
	go test -race -count=1 -timeout 25m ./lab/e2e $(OTHERS) # the longest first; count: it and demo build programs that the cache knows nothing of
	FUZZTIME=300x FUZZDIR= fuzz/run # each target mutates a little; a minute

# The programs in the kernel, from C: Debian's clang-14 and libbpf-dev (lab/install). What comes out is committed.
generate:
	go generate ./fastpath

# What is committed is what comes out.
generated:
	@if command -v clang-14 >/dev/null && git rev-parse >/dev/null 2>&1; then $(MAKE) generate && git diff --exit-code --stat -- fastpath; \
	else echo "no clang-14, or no git: what is committed in fastpath is not checked"; fi

# Without the lab's real peers, which lab/e2e is; nothing needs to be installed. As root it makes namespaces, else it skips that.
unit:
	go test -count=1 $(addprefix ./,$(CORE))
	go test -race -count=1 $(filter-out %/lab/e2e,$(OTHERS))

# Both sessions on a simulated line, and a recovery, in ten seconds. Root.
demo:
	go run ./cmd/pppoectl demo

# The same on the lab's real access concentrator, in half a minute. Root.
lab-demo: build
	lab/install
	lab/demo

# As a unit, and beside systemd-networkd and systemd-resolved, in a guest that boots systemd: some minutes. Root.
lab-systemd:
	CGO_ENABLED=0 go build -trimpath -o bin/ ./cmd/pppoectl ./cmd/fletsim ./cmd/ppptest
	lab/systemd-guest lab/networkd.guest BIN=$(CURDIR)/bin UNIT=$(CURDIR)/configs/pppoectl.service
	lab/systemd-guest --seconds 590 lab/unit.guest BIN=$(CURDIR)/bin UNIT=$(CURDIR)/configs/pppoectl.service

# The data paths beside each other, and a line without PPPoE: some minutes. Root.
bench:
	lab/install
	go run ./lab/bench $(BENCH)

# Frames of mixed traffic, each looked at: lengths, checksums, MTU. Half a minute. Root.
bench-check:
	lab/install
	go run ./lab/bench -check 400000

# Beside the kernel's own PPPoE, in a guest with a Debian kernel: some minutes. Root.
bench-kernel:
	lab/bench-kernel

# What 1, 10, 100 and 1,000 sessions of one daemon cost: three minutes. Root. docs/sessions.svg is made by
# make bench-sessions BENCH="-plot docs/sessions.svg".
bench-sessions:
	lab/install
	go run ./lab/benchsessions $(BENCH)

# What codecs and machines cost: time and allocations.
bench-go:
	go test -run '^$$' -bench . -benchmem ./pppoe ./ppp ./lcp ./auth ./ipcp ./ipv6cp ./dhcpv6 ./session ./dataplane ./state

# A thousand sessions of one daemon to one fletsim, in a minute. Root.
sessions:
	lab/sessions 1000

# Each fuzz target for ten seconds, or FUZZTIME: some minutes. A table at the end tells what came of each.
fuzz:
	fuzz/run

# Each for two minutes: more than an hour.
fuzz-long:
	FUZZTIME=$${FUZZTIME:-2m} fuzz/run

# Which share of the protocol packages' statements the tests go through: half a minute.
cover:
	lab/cover

# What the tests do not notice when the protocol packages are changed in one place: an hour or two of both processors. The mistakes that
# somebody might make (lab/mutate/hand.txt) come first. Fewer with, say, MUTATE="-packages lcp,auth" or MUTATE="-sample 200 -seed 7".
mutants:
	nice -n 19 go run ./lab/mutate -hand
	nice -n 19 go run ./lab/mutate $(MUTATE)

# Our two ends and two others in the cases of ppptest, and docs/conformance.md from that: three quarters of an hour. Root.
PEERS = pppoectl fletsim pppd pppoe-server
RESULTS = conformance-results
conformance: build
	lab/install
	set -e; for peer in $(PEERS); do CAPTURES=docs/captures lab/conformance $$peer $(RESULTS); done
	set -e; args=; for peer in $(PEERS); do \
	  args="$$args --name $$peer $$(ls $(RESULTS)/$$peer-*.json | paste -sd, -)"; \
	done; bin/ppptest report -o docs/conformance.md $$args

install: build
	install -D -m 0755 bin/pppoectl $(DESTDIR)/usr/bin/pppoectl
	install -D -m 0755 bin/fletsim $(DESTDIR)/usr/bin/fletsim
	install -D -m 0755 bin/ppptest $(DESTDIR)/usr/bin/ppptest
	install -D -m 0644 configs/pppoectl.service $(DESTDIR)/usr/lib/systemd/system/pppoectl.service
	install -D -m 0644 docs/pppoectl.8 $(DESTDIR)/usr/share/man/man8/pppoectl.8
	install -D -m 0644 docs/fletsim.8 $(DESTDIR)/usr/share/man/man8/fletsim.8
	install -D -m 0644 docs/ppptest.8 $(DESTDIR)/usr/share/man/man8/ppptest.8
	install -D -m 0644 docs/pppoectl.yaml.5 $(DESTDIR)/usr/share/man/man5/pppoectl.yaml.5
	install -D -m 0644 configs/reference.yaml $(DESTDIR)/usr/share/doc/pppoectl/examples/pppoectl.yaml

clean:
	rm -rf bin
