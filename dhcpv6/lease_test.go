package dhcpv6_test

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net"
	"reflect"
	"strings"
	"testing"
	"time"

	"pppoectl/dhcpv6"
)

// RFC 8415 sections 14.2 and 21.21: the server's T1 and T2 count; what it leaves
// to us, or what comes after the lifetimes, is half and four fifths of the
// shortest preferred lifetime.
func TestT1AndT2(t *testing.T) {
	const s = time.Second
	day := prefix(given, 43200, 86400)
	for _, c := range []struct {
		name     string
		t1, t2   uint32
		prefixes []byte
		want     [2]time.Duration
	}{
		{"the server's", 1000, 2000, day, [2]time.Duration{1000 * s, 2000 * s}},
		{"beyond the preferred lifetime", 50000, 60000, day, [2]time.Duration{50000 * s, 60000 * s}},
		{"equal", 1000, 1000, day, [2]time.Duration{1000 * s, 1000 * s}},
		{"both 0", 0, 0, day, [2]time.Duration{21600 * s, 34560 * s}},
		{"T2 0", 1000, 0, day, [2]time.Duration{1000 * s, 34560 * s}},
		{"T1 0", 0, 30000, day, [2]time.Duration{21600 * s, 30000 * s}},
		{"T1 0, T2 early", 0, 1000, day, [2]time.Duration{1000 * s, 1000 * s}},
		{"the valid lifetime", 86400, 86400, day, [2]time.Duration{21600 * s, 34560 * s}},
		{"infinite", infinity, infinity, day, [2]time.Duration{21600 * s, 34560 * s}},
		{"T2 beyond the valid lifetime", 1000, 90000, day, [2]time.Duration{1000 * s, 34560 * s}},
		{"the shortest of two", 0, 0, append(prefix(other, 1000, 90000), day...), [2]time.Duration{500 * s, 800 * s}},
		{"a deprecated prefix does not hurry us", 0, 0, append(prefix(other, 0, 90000), day...), [2]time.Duration{21600 * s, 34560 * s}},
		{"a withdrawn prefix does not either", 0, 0, append(prefix(other, 0, 0), day...), [2]time.Duration{21600 * s, 34560 * s}},
		{"only deprecated", 0, 0, prefix(given, 0, 1000), [2]time.Duration{500 * s, 800 * s}},
		{"infinite lifetimes", 0, 0, prefix(given, infinity, infinity), [2]time.Duration{forever, forever}},
		{"infinite lifetimes, T1 and T2 given", 1000, 2000, prefix(given, infinity, infinity), [2]time.Duration{1000 * s, 2000 * s}},
		{"all infinite", infinity, infinity, prefix(given, infinity, infinity), [2]time.Duration{forever, forever}},
		{"preferred for a day, valid for ever", 0, 0, prefix(given, 86400, infinity), [2]time.Duration{43200 * s, 69120 * s}},
		{"the longest finite", 0, 0, prefix(given, infinity-1, infinity-1), [2]time.Duration{(infinity - 1) * s / 2, (infinity - 1) * s / 5 * 4}},
		{"valid for a second", 0, 0, prefix(given, 1, 1), [2]time.Duration{2 * s, 2 * s}},
		{"a second: not all the time", 1, 1, day, [2]time.Duration{2 * s, 2 * s}},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := oneAnswer(t, ia(iaid, c.t1, c.t2, c.prefixes))
			l.phase(dhcpv6.Bound)
			got, at := l.c.Lease(), c.want
			for i := range at {
				if at[i] != forever {
					at[i] += l.now
				}
			}
			if got.T1 != at[0] || (got.T2-at[1]).Abs() > time.Microsecond {
				t.Errorf("T1 %v, T2 %v; want %v", got.T1-l.now, got.T2-l.now, c.want)
			}
			if c.want[0] == forever && l.next != 0 {
				t.Errorf("deadline %v, want none", l.next)
			}
			first := got.T1
			for _, p := range got.Prefixes {
				if p.Preferred(l.now) {
					first = min(first, p.PreferredUntil)
				}
			}
			if l.next != 0 && l.next != first {
				t.Errorf("deadline %v, want T1, %v", l.next, got.T1)
			}
		})
	}
}

// A T1 after what four fifths of the preferred lifetime would be leaves no room
// for Renew, if that is what T2 becomes.
func TestServersT1IsFollowedByARenew(t *testing.T) {
	for _, c := range []struct {
		name   string
		t1, t2 uint32
	}{{"T2 0", 3000, 0}, {"T2 beyond the valid lifetime", 3000, 7200}} {
		t.Run(c.name, func(t *testing.T) {
			l := oneAnswer(t, ia(iaid, c.t1, c.t2, prefix(given, preferred, valid)))
			l.run(3000 * time.Second)
			l.last(renew)
		})
	}
}

// odhcp6c issue 15: no timer, no overflow.
func TestInfiniteLifetimesNeverEnd(t *testing.T) {
	l := oneAnswer(t, ia(iaid, infinity, infinity, prefix(given, infinity, infinity)))
	l.now += 100 * 365 * 24 * time.Hour
	l.step(dhcpv6.Input{})
	l.phase(dhcpv6.Bound)
	l.has(given)
	if p := l.c.Lease().Prefixes[0]; p.ValidUntil != forever || p.PreferredUntil != forever || l.next != 0 {
		t.Errorf("%v, deadline %v", p, l.next)
	}
}

// 136 years, and a time since boot of 68: no overflow.
func TestLongestFiniteLifetimes(t *testing.T) {
	l := newLink(t)
	l.now = 1 << 31 * time.Second
	soliciting(l)
	l.say(reply, rapidCommit(), pd(prefix(given, infinity-1, infinity-1)))
	l.has(given)
	if p := l.c.Lease().Prefixes[0]; p.ValidUntil != l.now+(infinity-1)*time.Second {
		t.Errorf("%v at %v", p, l.now)
	}
}

func aLease(t *testing.T) dhcpv6.Lease {
	return oneAnswer(t, pd(prefix(given, preferred, valid), prefix(other, infinity, infinity)), told()).c.Lease()
}

func TestLeaseRoundTripInJSON(t *testing.T) {
	for _, want := range []dhcpv6.Lease{aLease(t), {}} {
		b, err := json.Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		var got dhcpv6.Lease
		if err := json.Unmarshal(b, &got); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%+v, want %+v", got, want)
		}
	}
}

func TestLeaseShift(t *testing.T) {
	was := aLease(t)
	again := aLease(t)
	for _, d := range []time.Duration{-2000 * time.Second, 0, time.Hour} {
		got := was.Shift(d)
		if got.T1 != was.T1+d || got.T2 != was.T2+d {
			t.Errorf("T1 %v, T2 %v; were %v, %v", got.T1, got.T2, was.T1, was.T2)
		}
		if p, q := got.Prefixes[0], was.Prefixes[0]; p.PreferredUntil != q.PreferredUntil+d || p.ValidUntil != q.ValidUntil+d {
			t.Errorf("%v, was %v", p, q)
		}
		if p := got.Prefixes[1]; p.PreferredUntil != forever || p.ValidUntil != forever {
			t.Errorf("%v, want infinite lifetimes to stay", p)
		}
		if back := got.Shift(-d); !reflect.DeepEqual(back, was) || !reflect.DeepEqual(was, again) {
			t.Errorf("there and back: %+v, was %+v, then %+v", back, again, was)
		}
	}
}

// What Lease returns is the caller's.
func TestLeaseIsACopy(t *testing.T) {
	l := oneAnswer(t, usual(), told())
	before := l.state()
	x := l.c.Lease()
	x.Prefixes[0].ValidUntil, x.Server[3], x.Client[3], x.Told.DNS[0], x.Told.NTP[0], x.Told.Domains[0] = 0, 9, 9, x.Told.DNS[1], "", ""
	x.Prefixes[0].Server[3] = 9
	l.c.Restore(l.c.Lease())
	if after := l.state(); after != before {
		t.Errorf("now\n%s\nwas\n%s", after, before)
	}
}

// Sections 11.2 and 11.4.
func TestDUIDs(t *testing.T) {
	mac := net.HardwareAddr{2, 0, 0x5e, 0x10, 0, 1}
	at := func(s int64) time.Time { return time.Unix(946684800+s, 0) } // since 2000-01-01 00:00 UTC
	for _, c := range []struct {
		name string
		got  []byte
		want string
	}{
		{"DUID-LL", dhcpv6.LinkLayerDUID(mac), "00030001" + "02005e100001"},
		{"DUID-LLT", dhcpv6.LinkLayerTimeDUID(mac, at(0x01020304)), "00010001" + "01020304" + "02005e100001"},
		{"DUID-LLT of another zone", dhcpv6.LinkLayerTimeDUID(mac, at(5).In(time.FixedZone("JST", 9*3600))), "00010001" + "00000005" + "02005e100001"},
		{"DUID-LLT modulo 2^32", dhcpv6.LinkLayerTimeDUID(mac, at(1<<32+7)), "00010001" + "00000007" + "02005e100001"},
		{"DUID-LLT of a clock that is not set", dhcpv6.LinkLayerTimeDUID(mac, time.Unix(0, 0)), "00010001" + "00000000" + "02005e100001"},
	} {
		if got := hex.EncodeToString(c.got); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

// A prefix that is valid for ever leaves the server free to have us renew never, though its preferred lifetime
// ends, or so late that our own share of that for T2 has passed: then any server is asked at once.
func TestT1AndT2OfAPrefixThatIsValidForEver(t *testing.T) {
	for name, c := range map[string]struct {
		t1     uint32
		t2     uint32
		wanted [2]time.Duration
	}{
		"never":                   {infinity, infinity, [2]time.Duration{forever, forever}},
		"renew, but rebind never": {1000, infinity, [2]time.Duration{1000 * time.Second, forever}},
		"later than our share":    {3000, 0, [2]time.Duration{3000 * time.Second, 3000 * time.Second}},
	} {
		l := newLink(t)
		requesting(l)
		l.now = 0
		l.say(reply, ia(iaid, c.t1, c.t2, prefix(given, 3600, infinity)))
		if got := l.c.Lease(); got.T1 != c.wanted[0] || got.T2 != c.wanted[1] {
			t.Errorf("%s: T1 in %v, T2 in %v; want %v", name, got.T1, got.T2, c.wanted)
		}
	}
}

func TestPreferred(t *testing.T) {
	p := dhcpv6.Prefix{PreferredUntil: time.Minute}
	if got := fmt.Sprint(p.Preferred(time.Minute-1), p.Preferred(time.Minute)); got != "true false" {
		t.Error(got)
	}
}

// What is told of a lease is its prefixes, and which of them no new connection is to use.
func TestEventsNameThePrefixes(t *testing.T) {
	l := oneAnswer(t, usual())
	l.run(preferred * time.Second)
	var told []string
	for _, e := range l.events {
		if e.Kind == dhcpv6.Delegated || e.Kind == dhcpv6.Deprecated {
			told = append(told, e.Text)
		}
	}
	if got := strings.Join(told, ", "); got != given+", "+given+" (deprecated)" {
		t.Errorf("told %q", got)
	}
}

// A server that leaves T2 to us leaves us time to renew before it.
func TestT2LeavesTimeAfterT1(t *testing.T) {
	l := newLink(t)
	requesting(l)
	l.say(reply, ia(iaid, 80, 0, prefix(given, 100, 200))) // 80 s is our share of 100
	if got := l.c.Lease(); got.T1 != l.now+80*time.Second || got.T2 != l.now+140*time.Second {
		t.Errorf("T1 in %v, T2 in %v; want 80 and 140 s", got.T1-l.now, got.T2-l.now)
	}
}
