# Thin targets; .ci/run is the truth.
.PHONY: all build demo test unit lab lint fuzz install clean

all: build

build:
	go build -trimpath -o bin/pppoectl ./cmd/pppoectl

# Everything: installs what it needs from Debian, then all tests, the lab's real peers included.
test:
	lab/install
	go vet ./...
	go run honnef.co/go/tools/cmd/staticcheck@v0.8.2 ./...
	go test -race -count=1 ./... # count: lab/e2e and demo build programs that the cache knows nothing of

# Without root and without the lab.
unit:
	go test -short ./...

# Both sessions on the lab's real access concentrator, and a recovery, in half a minute.
demo: build
	lab/install
	lab/demo

fuzz:
	go test ./fuzz -run '^$$' -list 'Fuzz.*' | grep ^Fuzz | while read f; do \
	  go test ./fuzz -run '^$$' -fuzz "^$$f$$" -fuzztime $${FUZZTIME:-10s} || exit 1; done

install: build
	install -D -m 0755 bin/pppoectl $(DESTDIR)/usr/bin/pppoectl
	install -D -m 0644 configs/pppoectl.service $(DESTDIR)/usr/lib/systemd/system/pppoectl.service
	install -D -m 0644 docs/pppoectl.8 $(DESTDIR)/usr/share/man/man8/pppoectl.8
	install -D -m 0644 docs/pppoectl.yaml.5 $(DESTDIR)/usr/share/man/man5/pppoectl.yaml.5
	install -D -m 0644 configs/reference.yaml $(DESTDIR)/usr/share/doc/pppoectl/examples/pppoectl.yaml

clean:
	rm -rf bin
