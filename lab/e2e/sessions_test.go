package lab_test

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"

	"pppoectl/control"
	"pppoectl/labnet"
)

// The AC dials into the LAN, and takes a full Ethernet for granted there.
const intoLAN = `cat > /etc/ppp/ip-up <<'X'
#!/bin/bash
ip route replace 192.168.77.0/24 dev $1 advmss 1460
while [[ -d /sys/class/net/$1 ]]; do (exec 3<>/dev/tcp/192.168.77.2/9) 2>/dev/null; sleep 0.5; done &
X
chmod +x /etc/ppp/ip-up`

func TestBothSessionsOnOnePort(t *testing.T) {
	for _, auth := range []string{"pap", "chap"} {
		t.Run(auth, func(t *testing.T) {
			s := newSite(t)
			s.boot(s.script(intoLAN, "", ""), "AUTH=require-"+auth)
			s.ownDaemon()
			for _, name := range both {
				r := s.must(0, "up", name)
				t.Logf("up %s: %v", name, r.took.Round(10*time.Millisecond))
			}
			checkStatus(t, s, auth)
			checkDevices(t, s)
			checkPing(t, s)
			checkMSS(t, s)
			checkState(t, s)
			if r := s.must(0, "up", "bizf"); r.took > 10*time.Second {
				t.Errorf("up of what is up took %v", r.took)
			}
			s.must(0, "stop")
		})
	}
}

// checkStatus lays `status --json` beside the contract.
func checkStatus(t *testing.T, s *site, auth string) {
	text := s.must(0, "status", "--json").stdout
	var raw struct {
		Version string
		Uplinks []map[string]any
	}
	var status control.Status
	for _, v := range []any{&raw, &status} {
		if err := json.Unmarshal([]byte(text), v); err != nil {
			t.Fatal(err)
		}
	}
	if raw.Version == "" || len(raw.Uplinks) != 2 {
		t.Fatalf("status: %s", text)
	}
	for i, u := range raw.Uplinks {
		for _, key := range []string{
			"name", "state", "since", "interface", "device", "families", "ac", "session_id", "resumed",
			"mtu", "auth", "rx", "tx", "data_path", "attempts", "next_try", []string{"ipv4", "ipv6"}[i],
		} {
			if _, ok := u[key]; !ok {
				t.Errorf("uplink %v has no %q", u["name"], key)
			}
		}
		for _, key := range []string{"last_error", "last_drop", []string{"ipv6", "ipv4"}[i]} {
			if v, ok := u[key]; ok {
				t.Errorf("uplink %v has %q: %v", u["name"], key, v)
			}
		}
		if u["next_try"] != nil {
			t.Errorf("next_try: %v", u["next_try"])
		}
	}
	for i, u := range status.Uplinks {
		name := []string{"bizf", "bizf6"}[i]
		if u.Name != name || u.State != control.Up || u.Interface != "eth1" || u.Device != name || u.MTU != 1454 || u.Auth != auth {
			t.Errorf("%+v", u)
		}
		if u.AC == nil || u.AC.Name != "BAS-TOKYO" || len(u.AC.MAC) != 17 || u.SessionID == 0 || u.DataPath.Kind == "" {
			t.Errorf("%+v", u)
		}
	}
	v4, v6 := *status.Uplinks[0].IPv4, *status.Uplinks[1].IPv6
	if got := fmt.Sprint(v4); got != "{203.0.113.7 203.0.113.1 [198.51.100.53 198.51.100.54]}" {
		t.Errorf("IPv4: %s", got)
	}
	local, peer := netip.MustParseAddr(v6.Local), netip.MustParseAddr(v6.Peer)
	if !local.IsLinkLocalUnicast() || !peer.IsLinkLocalUnicast() || local == peer {
		t.Errorf("IPv6: %+v", v6)
	}
}

func checkDevices(t *testing.T, s *site) {
	for _, want := range []struct{ args, text string }{
		{"-o -4 address show dev bizf", "inet 203.0.113.7 peer 203.0.113.1/32"},
		{"-o -6 address show dev bizf6", "inet6 " + s.uplink("bizf6").IPv6.Local + "/64 scope link"},
		{"link show bizf", "mtu 1454"},
		{"link show bizf6", "mtu 1454"},
		{"route show default", "default dev bizf proto 112 scope link src 203.0.113.7 metric 100"},
		{"-6 route show default", "default dev bizf6 proto 112 metric 100"},
	} {
		if got := s.host.IP(strings.Fields(want.args)...); !strings.Contains(got, want.text) {
			t.Errorf("ip %s: %q, want %q in it", want.args, got, want.text)
		}
	}
	if got := s.host.IP("-o", "-6", "address", "show", "dev", "bizf"); got != "" {
		t.Errorf("bizf has IPv6: %s", got)
	}
}

func checkPing(t *testing.T, s *site) {
	s.ping(behindAC)
	s.ping(s.uplink("bizf6").IPv6.Peer + "%bizf6")
	s.ping("-M", "do", "-s", "1426", behindAC)
	r := s.exec("ping", "-n", "-c1", "-W1", "-M", "do", "-s", "1427", behindAC)
	if said := r.stdout + r.stderr; r.code == 0 || !strings.Contains(strings.ToLower(said), "message too long") {
		t.Errorf("ping -s 1427: %d, %q, want it refused here as too long", r.code, said)
	}
	u := s.uplink("bizf")
	if u.Rx.Packets < 2 || u.Tx.Packets < 2 || u.Tx.Bytes < 1454 {
		t.Errorf("rx %+v, tx %+v after two pings", u.Rx, u.Tx)
	}
}

// checkMSS puts a LAN behind the host and looks at the SYNs of both directions.
func checkMSS(t *testing.T, s *site) {
	lan := s.lanThatDials()
	line, inside := newCapture(t, s.line, "ac0"), newCapture(t, lan, "eth0")
	checkSYNs(t, s, line, inside)
}

// lanThatDials makes a LAN behind the host, from which somebody dials the AC time and again
// until the test ends.
func (s *site) lanThatDials() *labnet.Namespace {
	s.t.Helper()
	lan := labnet.New(s.t)
	labnet.Veth(s.host, "eth0", lan, "eth0")
	s.host.IP("address", "add", "192.168.77.1/24", "dev", "eth0")
	s.host.IP("link", "set", "eth0", "up")
	s.host.Run("sysctl", "-qw", "net.ipv4.ip_forward=1")
	lan.IP("address", "add", "192.168.77.2/24", "dev", "eth0")
	lan.IP("link", "set", "eth0", "up")
	lan.IP("route", "add", "default", "via", "192.168.77.1")
	dial := lan.Command("bash", "-c", "while :; do (exec 3<>/dev/tcp/198.51.100.1/9) 2>/dev/null; sleep 0.2; done")
	if err := dial.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() {
		dial.Process.Kill()
		dial.Wait()
	})
	return lan
}

// checkSYNs looks at the SYNs of both directions on the line and inside.
func checkSYNs(t *testing.T, s *site, line, inside *capture) {
	t.Helper()
	out := synMSS(t, s, "a SYN from the LAN on the line", line, "192.168.77.2")
	in := synMSS(t, s, "a SYN from the AC in the LAN", inside, "203.0.113.1")
	sent := synMSS(t, s, "a SYN from the LAN in the LAN", inside, "192.168.77.2")
	came := synMSS(t, s, "a SYN from the AC on the line", line, "203.0.113.1")
	if out != 1414 || in != 1414 || sent != 1460 || came != 1460 {
		t.Errorf("MSS %d became %d to the AC, %d became %d from the AC; want 1460 to become 1414", sent, out, came, in)
	}
}

// synMSS returns the MSS of the first SYN whose source begins with source.
func synMSS(t *testing.T, s *site, what string, c *capture, source string) int {
	t.Helper()
	mss := 0
	s.eventually(what, func() error {
		for _, f := range c.find(time.Time{}, frame.ip) {
			first := layers.LayerTypeIPv4
			if f.payload[0]>>4 == 6 {
				first = layers.LayerTypeIPv6
			}
			p := gopacket.NewPacket(f.payload, first, gopacket.Default)
			tcp, ok := p.Layer(layers.LayerTypeTCP).(*layers.TCP)
			if !ok || !tcp.SYN || tcp.ACK || !strings.HasPrefix(p.NetworkLayer().NetworkFlow().Src().String(), source) {
				continue
			}
			for _, o := range tcp.Options {
				if o.OptionType == layers.TCPOptionKindMSS {
					mss = int(o.OptionData[0])<<8 | int(o.OptionData[1])
					return nil
				}
			}
			return fmt.Errorf("a SYN without MSS: %v", tcp)
		}
		return fmt.Errorf("none seen")
	})
	return mss
}

func checkState(t *testing.T, s *site) {
	for _, name := range []string{"bizf", "bizf6"} {
		path := s.path("state/sessions/" + name + ".json")
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s: mode %v, want 0600", path, info.Mode())
		}
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var v struct {
			Version        int
			Boot, Checksum string
		}
		if err := json.Unmarshal(b, &v); err != nil || v.Version != 1 || v.Boot == "" || len(v.Checksum) != 64 {
			t.Errorf("%s: %+v, %v", path, v, err)
		}
		if strings.Contains(string(b), "secret") {
			t.Errorf("%s holds the password", path)
		}
	}
}
