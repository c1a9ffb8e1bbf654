package fuzz_test

import (
	"encoding/binary"
	"encoding/json"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"pppoectl/auth"
	"pppoectl/ipcp"
	"pppoectl/ipv6cp"
	"pppoectl/lcp"
	"pppoectl/ppp"
)

// packets cuts b into control packets, each behind an octet that counts its
// length and one that says how much time passes before it.
func packets(b []byte, each func(wait time.Duration, packet []byte)) {
	for len(b) >= 2 {
		n := min(int(b[0]), len(b)-2)
		each(time.Duration(b[1])*100*time.Millisecond, b[2:2+n])
		b = b[2+n:]
	}
}

// sequence is packets reversed.
func sequence(packets ...[]byte) []byte {
	var b []byte
	for i, p := range packets {
		p = p[:min(len(p), 255)]
		b = append(b, byte(len(p)), byte(i))
		b = append(b, p...)
	}
	return b
}

// conversations seeds with what the AC of each capture says in one protocol.
func conversations(f *testing.F, protocol ppp.Protocol) {
	f.Helper()
	ac := string([]byte{2, 0, 0x5e, 0x10, 0, 0x0a})
	for _, name := range recordings {
		var said [][]byte
		perFrame(f, name, func(frame []byte) {
			if len(frame) > 26 && string(frame[6:12]) == ac && frame[12] == 0x88 && frame[13] == 0x64 &&
				ppp.Protocol(binary.BigEndian.Uint16(frame[20:])) == protocol {
				said = append(said, frame[22:])
			}
		})
		if len(said) > 0 {
			f.Add(sequence(said...))
		}
	}
	f.Add(sequence([]byte{1, 1, 0, 8, 1, 0xff, 5, 0xae}, []byte{5, 1, 0, 4}, []byte{7, 1, 0, 8, 1, 1, 0, 4}))
	f.Add(sequence([]byte{3, 1, 0, 10, 3, 6, 203, 0, 113, 7}, []byte{2, 2, 0, 10, 3, 6, 203, 0, 113, 7}, []byte{4, 3, 0, 4}))
}

// automaton feeds packets to an automaton and checks what must always hold.
func automaton(t *testing.T, policy ppp.Policy, b []byte, snapshot func() any) {
	const mru = 200
	a := ppp.NewAutomaton(policy)
	a.SetMRU(mru)
	now, up := time.Hour, false
	follow := func(out ppp.Output) {
		for _, p := range out.Packets {
			if p.Code == ppp.CodeReject && len(p.Data)+ppp.HeaderLen > mru {
				t.Fatalf("Code-Reject of %d octets", len(p.Data)+ppp.HeaderLen)
			}
			if p.Code >= ppp.ConfigureRequest && p.Code <= ppp.ConfigureReject {
				if _, err := ppp.ParseOptions(p.Data); err != nil {
					t.Fatalf("%v of ours: %v", p.Code, err)
				}
			}
		}
		for _, c := range out.Changes {
			switch {
			case c == ppp.LayerUp && !up, c == ppp.LayerDown && up:
				up = !up
			case c == ppp.LayerUp, c == ppp.LayerDown:
				t.Fatalf("layer change %v, up is %v", c, up)
			}
		}
		if up != (a.State() == ppp.Opened) {
			t.Fatalf("state %v, told up %v", a.State(), up)
		}
		if d := a.Deadline(); d != 0 && d <= now {
			t.Fatalf("deadline %v at %v", d, now)
		}
		if _, err := json.Marshal(snapshot()); err != nil {
			t.Fatal(err)
		}
	}
	a.Open(now)
	follow(a.Up(now))
	packets(b, func(wait time.Duration, b []byte) {
		end := now + wait
		for a.Deadline() != 0 && a.Deadline() <= end {
			now = a.Deadline()
			follow(a.Tick(now))
		}
		now = end
		if p, err := ppp.ParsePacket(b); err == nil {
			follow(a.Receive(now, p))
		}
	})
	follow(a.Close(now, "end"))
	for range 5 {
		if a.Deadline() == 0 {
			break
		}
		now = a.Deadline()
		follow(a.Tick(now))
	}
	if a.Deadline() != 0 || up {
		t.Fatalf("not closed: state %v", a.State())
	}
}

func FuzzIPCP(f *testing.F) {
	conversations(f, ppp.IPCP)
	f.Fuzz(func(t *testing.T, b []byte) {
		p := ipcp.NewPolicy(ipcp.Config{DNS: true})
		automaton(t, p, b, func() any { return p.Snapshot() })
		for _, s := range p.Servers() {
			if !s.Is4() || s.IsUnspecified() || s.IsMulticast() {
				t.Fatalf("name server %v", s)
			}
		}
		if v := p.Snapshot(); p.Usable() == nil && (!v.Local.Is4() || v.Local.IsLoopback() || v.Local == v.Peer && v.Peer.IsValid()) {
			t.Fatalf("%+v is called usable", v)
		}
		ac := ipcp.NewPolicy(ipcp.Config{
			Address: netip.MustParseAddr("203.0.113.1"), Assign: netip.MustParseAddr("203.0.113.7"),
			Offer: [2]netip.Addr{netip.MustParseAddr("198.51.100.53")},
		})
		automaton(t, ac, b, func() any { return ac.Snapshot() })
	})
}

func FuzzIPv6CP(f *testing.F) {
	conversations(f, ppp.IPv6CP)
	f.Fuzz(func(t *testing.T, b []byte) {
		p := ipv6cp.NewPolicy(ipv6cp.Identifier{1, 2, 3, 4, 5, 6, 7, 8}, rand.New(rand.NewPCG(1, 2)))
		automaton(t, p, b, func() any {
			v := p.Snapshot()
			if v.Local == (ipv6cp.Identifier{}) {
				t.Fatal("our identifier is zero")
			}
			return v
		})
	})
}

func FuzzLCP(f *testing.F) {
	conversations(f, ppp.LCP)
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, cfg := range []lcp.Config{
			{MRU: 1454, Allowed: []lcp.Auth{lcp.AuthCHAPMD5, lcp.AuthPAP}},
			{MRU: 1492, Demand: []lcp.Auth{lcp.AuthPAP}},
		} {
			l := lcp.New(cfg, lcp.EchoConfig{Interval: 10 * time.Second}, rand.New(rand.NewPCG(1, 2)))
			now := time.Hour
			follow := func(out lcp.Output) {
				for _, p := range out.Packets {
					if limit := max(l.Vars().PeerMRU, ppp.MRUDefault); len(p.Data)+ppp.HeaderLen > limit {
						t.Fatalf("%v of %d octets to a peer with MRU %d", p.Code, len(p.Data)+ppp.HeaderLen, limit)
					}
				}
				if l.Opened() && (l.MTU() < 128 || l.Vars().PeerAuth.Protocol != 0 && len(cfg.Demand) > 0) {
					t.Fatalf("opened with %+v", l.Vars())
				}
				if d := l.Deadline(); d != 0 && d <= now {
					t.Fatalf("deadline %v at %v", d, now)
				}
				s := l.Snapshot()
				j, err := json.Marshal(s)
				if err != nil {
					t.Fatal(err)
				}
				var again lcp.Snapshot
				if err := json.Unmarshal(j, &again); err != nil {
					t.Fatal(err)
				}
				l.Restore(again)
			}
			follow(l.Up(now))
			packets(b, func(wait time.Duration, b []byte) {
				end := now + wait
				for l.Deadline() != 0 && l.Deadline() <= end {
					now = l.Deadline()
					follow(l.Tick(now, 0))
				}
				now = end
				if p, err := ppp.ParsePacket(b); err == nil {
					follow(l.Receive(now, p))
				}
				if l.Opened() {
					p := l.Reject(0x4001, b)
					if len(p.Data)+ppp.HeaderLen > l.Vars().PeerMRU {
						t.Fatalf("Protocol-Reject of %d octets", len(p.Data)+ppp.HeaderLen)
					}
				}
			})
		}
	})
}

func FuzzPAP(f *testing.F) {
	conversations(f, ppp.PAP)
	f.Add(sequence([]byte{2, 1, 0, 6, 0xff, 0x41}, []byte{3, 2, 0, 4}))
	f.Fuzz(func(t *testing.T, b []byte) { client(t, auth.NewPAPClient("user", "hunter22"), b) })
}

func FuzzCHAP(f *testing.F) {
	conversations(f, ppp.CHAP)
	f.Add(sequence([]byte{1, 1, 0, 6, 0xff, 0}, []byte{3, 2, 0, 4}))
	f.Fuzz(func(t *testing.T, b []byte) { client(t, auth.NewCHAPClient("user", "hunter22"), b) })
}

// client feeds packets to one that authenticates. It says that it is done only
// when the peer has said so of its last request.
func client(t *testing.T, c auth.Client, b []byte) {
	now := time.Hour
	var last ppp.Packet // of ours
	sent := 0
	follow := func(out auth.Output, p *ppp.Packet) {
		verdict := map[ppp.Protocol]ppp.Code{ppp.PAP: 2, ppp.CHAP: 3}[c.Protocol()]
		if out.Done && (p == nil || p.Code != verdict || p.ID != last.ID || sent == 0) {
			t.Fatalf("done by %v; our last was %v", p, last)
		}
		if out.Done && out.Err != nil {
			t.Fatalf("done, and %v", out.Err)
		}
		for _, q := range out.Packets {
			last = q
			sent++
		}
		if d := c.Deadline(); d != 0 && d <= now {
			t.Fatalf("deadline %v at %v", d, now)
		}
		c.Restore(c.Snapshot())
	}
	follow(c.Start(now), nil)
	packets(b, func(wait time.Duration, b []byte) {
		end := now + wait
		for c.Deadline() != 0 && c.Deadline() <= end {
			now = c.Deadline()
			follow(c.Tick(now), nil)
		}
		now = end
		if p, err := ppp.ParsePacket(b); err == nil {
			follow(c.Receive(now, p), &p)
		}
	})
}

// FuzzServers feeds the concentrator's ends, which strangers talk to.
func FuzzServers(f *testing.F) {
	conversations(f, ppp.PAP)
	conversations(f, ppp.CHAP)
	f.Add(sequence([]byte{1, 1, 0, 8, 0xff, 0x41, 0x41, 0x41})) // CVE-2014-6382
	f.Fuzz(func(t *testing.T, b []byte) {
		right := 0
		pap := auth.NewPAPServer(func(name, password string) auth.Verdict {
			ok := name == "user" && password == "hunter22"
			if ok {
				right++
			}
			return auth.Verdict{OK: ok}
		})
		chap := auth.NewCHAPServer("AC", func(name string, valid func(string) bool) auth.Verdict {
			ok := name == "user" && valid("hunter22")
			if ok {
				right++
			}
			return auth.Verdict{OK: ok}
		}, rand.New(rand.NewPCG(1, 2)))
		pap.Start(0)
		chap.Start(0)
		packets(b, func(wait time.Duration, b []byte) {
			p, err := ppp.ParsePacket(b)
			if err != nil {
				return
			}
			one, _ := pap.Receive(wait, p)
			two, _ := chap.Receive(wait, p)
			if (one.Done || two.Done) && right == 0 {
				t.Fatalf("let in by %x", b)
			}
		})
	})
}
