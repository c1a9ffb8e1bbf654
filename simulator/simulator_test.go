package simulator_test

import (
	"context"
	"net"
	"strings"
	"testing"
	"time"

	"pppoectl/concentrator"
	"pppoectl/flets"
	"pppoectl/labnet"
	"pppoectl/simulator"
)

// begin runs a line on l1 of a namespace.
func begin(t *testing.T, n *labnet.Namespace, text string) (*simulator.Simulator, error) {
	t.Helper()
	cfg, err := flets.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	var s *simulator.Simulator
	n.Do(func() {
		var ifi *net.Interface
		if ifi, err = net.InterfaceByName("l1"); err == nil {
			s, err = simulator.New(cfg, *ifi, func(concentrator.Event) {})
		}
	})
	return s, err
}

func cable(t *testing.T) *labnet.Namespace {
	t.Helper()
	line, host := labnet.New(t), labnet.New(t)
	labnet.Veth(host, "eth1", line, "l1")
	line.IP("link", "set", "l1", "up")
	return line
}

const two = `
logins: {u: {password: p, ipv4: 203.0.113.7}, v: {password: p, ipv4: 203.0.113.8}}
behind: {addresses: [198.51.100.1/32]}
`

// Where the host has a route of its own to what the line wants, that stays, and
// nothing of the line's does.
func TestRoutesOfOthersStay(t *testing.T) {
	n := cable(t)
	n.IP("address", "add", "192.0.2.1/24", "dev", "l1")
	n.IP("route", "add", "203.0.113.8/32", "via", "192.0.2.254")
	before := n.IP("route") + n.IP("-br", "link")
	s, err := begin(t, n, two)
	if err == nil {
		s.Close()
	}
	if err == nil || !strings.Contains(err.Error(), "route to 203.0.113.8/32 already") {
		t.Errorf("%v", err)
	}
	if after := n.IP("route") + n.IP("-br", "link"); after != before {
		t.Errorf("%s\nwas\n%s", after, before)
	}
}

func TestCloseTakesAwayWhatItMade(t *testing.T) {
	n := cable(t)
	before := n.IP("route") + n.IP("-br", "link")
	s, err := begin(t, n, two)
	if err != nil {
		t.Fatal(err)
	}
	if got := n.IP("route"); !strings.Contains(got, "203.0.113.7 dev internet") {
		t.Errorf("no route to the host: %s", got)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if after := n.IP("route") + n.IP("-br", "link"); after != before {
		t.Errorf("%s\nwas\n%s", after, before)
	}
}

func TestLineThatIsDeletedEndsIt(t *testing.T) {
	n := cable(t)
	s, err := begin(t, n, two)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	n.IP("link", "delete", "l1")
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := s.Wait(ctx); err == nil || !strings.Contains(err.Error(), "no interface l1 any more") {
		t.Errorf("%v", err)
	}
}
