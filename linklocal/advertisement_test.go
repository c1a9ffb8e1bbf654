package linklocal

import (
	"net/netip"
	"testing"
	"time"
)

// RFC 4861 section 6.1.2: what an advertisement must have to count.
func TestOnlyValidAdvertisementsCount(t *testing.T) {
	router, stranger := netip.MustParseAddr("fe80::1"), netip.MustParseAddr("2001:db8::1")
	valid := []byte{134, 0, 0, 0, 64, 0, 7, 8, 0, 0, 0, 0, 0, 0, 0, 0}
	if r, ok := advertisement(valid, router, 255); !ok || r != (Router{router, 30 * time.Minute}) {
		t.Fatalf("%+v, %v", r, ok)
	}
	code := append([]byte{134, 1}, valid[2:]...)
	for name, c := range map[string]struct {
		b    []byte
		from netip.Addr
		hops int
	}{
		"hop limit": {valid, router, 64}, "source": {valid, stranger, 255}, "code": {code, router, 255}, "length": {valid[:12], router, 255},
		"option without length": {append(valid[:16:16], 1, 0, 0, 0, 0, 0, 0, 0), router, 255}, "solicitation": {[]byte{133, 0, 0, 0, 0, 0, 0, 0}, router, 255},
	} {
		if r, ok := advertisement(c.b, c.from, c.hops); ok {
			t.Errorf("%s: %x is taken for %+v", name, c.b, r)
		}
	}
}
