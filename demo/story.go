package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"golang.org/x/net/icmp"

	"pppoectl/control"
	"pppoectl/state"
)

const (
	behindLine  = "198.51.100.1"
	behindLine6 = "2001:db8:ffff::1"
	login4      = "user@bizf.example.jp"
	login6      = "user@bizf6.example.jp"
)

// play is the story.
func (s *stage) play(ctx context.Context) error {
	s.step("A router (eth1), a Flets line and a host on the router's LAN, joined by cables, in namespaces of their own: nothing of this reaches your network.")
	select {
	case <-s.ready:
	case err := <-s.failed:
		return err
	case <-time.After(patience):
		return fmt.Errorf("the line is not ready within %v", patience)
	}
	if err := s.startDaemon(ctx); err != nil {
		return err
	}
	go s.daemon.Events(ctx, "", time.Time{}, true, func(e state.Event) error {
		s.say("    pppoectl: %-13s %s: %s", e.Kind, e.Uplink, strings.TrimPrefix(strings.TrimPrefix(e.Message, e.Uplink+": "), e.Uplink+" "))
		return nil
	})
	for _, act := range []func(context.Context) error{s.dial, s.traffic, s.lan, s.padt, s.forgotten, s.look, s.stop} {
		if err := act(ctx); err != nil {
			return err
		}
	}
	s.step("Done; nothing is left behind.")
	return nil
}

func (s *stage) dial(context.Context) error {
	s.step("Who is there? Asking does not dial.")
	if err := s.pppoectl("discover", "-i", hostEnd, "--wait", "300ms"); err != nil {
		return err
	}
	s.step("Two logins over one port, IPv4 on bizf and IPv6 on bizf6. `up` returns when the uplink is usable.")
	for _, name := range []string{"bizf", "bizf6"} {
		begin := time.Now()
		if err := s.pppoectl("up", name); err != nil {
			return err
		}
		s.say("    %s is usable after %v", name, time.Since(begin).Round(time.Millisecond))
	}
	return nil
}

func (s *stage) traffic(ctx context.Context) error {
	s.step("Packets flow through both.")
	if err := s.ping4(ctx); err != nil {
		return err
	}
	u, err := s.daemon.Uplink(ctx, "bizf6")
	if err != nil {
		return err
	}
	if u.IPv6 == nil {
		return fmt.Errorf("bizf6 has no address")
	}
	if err := s.ping(&net.IPAddr{IP: net.ParseIP(u.IPv6.Peer), Zone: u.Device}); err != nil {
		return err
	}
	return s.web(ctx)
}

func (s *stage) ping4(context.Context) error {
	return s.ping(&net.IPAddr{IP: net.ParseIP(behindLine)})
}

func (s *stage) ping(to *net.IPAddr) error { return s.pingFrom(icmp.ListenPacket, to) }

func (s *stage) pingFrom(from listener, to *net.IPAddr) error {
	rtt, lost, err := ping(from, to, patience)
	if err != nil {
		return errors.Join(err, s.pppoectl("status"))
	}
	what := ""
	if lost > 0 {
		what = fmt.Sprintf(", %d lost before", lost)
	}
	s.say("    ping %v: %v%s", to, rtt.Round(time.Microsecond), what)
	return nil
}

// lan shows what the session is for: IPv6 of a host behind the router.
func (s *stage) lan(ctx context.Context) error {
	s.step("The prefix is delegated by DHCPv6, and a host on the LAN has an address of it by router advertisement.")
	var address netip.Addr
	err := s.until(ctx, "the host has an address", func() (err error) {
		address, err = hostAddress()
		return err
	})
	if err != nil {
		return errors.Join(err, s.pppoectl("status"))
	}
	s.say("    the host: %v", address)
	if err := s.pingFrom(listenOnHost, &net.IPAddr{IP: net.ParseIP(behindLine6)}); err != nil {
		return err
	}
	return s.fetch(ctx, hostWeb, "["+behindLine6+"]")
}

// web fetches a page from behind the line.
func (s *stage) web(ctx context.Context) error { return s.fetch(ctx, http.DefaultClient, behindLine) }

func (s *stage) fetch(ctx context.Context, client *http.Client, host string) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+host+"/", nil)
	if err != nil {
		return err
	}
	answer, err := client.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	b, err := io.ReadAll(io.LimitReader(answer.Body, 1<<10))
	if err == nil {
		s.say("    http://%s/ says: %s", host, strings.TrimSpace(string(b)))
	}
	return err
}

func (s *stage) padt(ctx context.Context) error {
	s.step("The concentrator ends bizf6's session with a PADT: it is dialled anew.")
	return s.breakAndMend(ctx, "bizf6", "padt "+login6)
}

func (s *stage) forgotten(ctx context.Context) error {
	s.step("The worse case: it forgets bizf's session without a word. Lost echoes tell, and a PADO says that it takes new ones.")
	return s.breakAndMend(ctx, "bizf", "drop "+login4)
}

// breakAndMend carries out a fault and waits until the uplink is up again with
// another session.
func (s *stage) breakAndMend(ctx context.Context, name, fault string) error {
	before, err := s.daemon.Uplink(ctx, name)
	if err != nil {
		return err
	}
	s.say("  $ fletsim do %s", fault)
	if err := s.faults.Do(ctx, fault); err != nil {
		return err
	}
	begin := time.Now()
	err = s.until(ctx, name+" is up again", func() error {
		u, err := s.daemon.Uplink(ctx, name)
		if err == nil && (u.State != control.Up || u.SessionID == before.SessionID) {
			return errAway
		}
		return err
	})
	if err != nil {
		return err
	}
	s.say("    %s is up again %v after the fault, by itself", name, time.Since(begin).Round(10*time.Millisecond))
	return nil
}

func (s *stage) look(ctx context.Context) error {
	s.step("What the status screen says.")
	if err := s.ping4(ctx); err != nil {
		return err
	}
	return s.pppoectl("status")
}

func (s *stage) stop(context.Context) error {
	s.step("Stop: the sessions are released, and the system is as it was.")
	if err := s.pppoectl("stop"); err != nil {
		return err
	}
	all, err := net.Interfaces()
	if err != nil {
		return err
	}
	var names []string
	for _, i := range all {
		names = append(names, i.Name)
	}
	s.say("    the router's interfaces: %s", strings.Join(names, " "))
	return nil
}
