package main

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"pppoectl/conformance"
	"pppoectl/labnet"
	"pppoectl/pppoe"
)

// line is a wire on a cable to nobody, in a namespace of its own.
func line(t *testing.T, n *labnet.Namespace) (w *wire) {
	t.Helper()
	n.Do(func() {
		ifi, err := net.InterfaceByName("e0")
		if err == nil {
			w, err = openWire(ifi)
		}
		if err != nil {
			t.Fatal(err)
		}
	})
	t.Cleanup(w.close)
	return w
}

func cable(t *testing.T) *labnet.Namespace {
	t.Helper()
	n, far := labnet.New(t), labnet.New(t)
	labnet.Veth(n, "e0", far, "e1")
	n.IP("link", "set", "e0", "up")
	far.IP("link", "set", "e1", "up")
	n.Ready("e0")
	return n
}

// waits is a case for which a session has to come up.
func waits(t *testing.T) []conformance.Case {
	t.Helper()
	c, err := conformance.Parse("own", "rfc 1661\ncase own 5\nsays It lives.\nat up\nalive\n")
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// waiting is a trial that waits for a client.
func waiting(t *testing.T, w *wire) *conformance.Trial {
	t.Helper()
	o := conformance.Options{Peer: conformance.Client, MAC: pppoe.MAC(w.ifi.HardwareAddr)}.Complete()
	return conformance.New(&waits(t)[0], o, rand.New(rand.NewPCG(1, 1)))
}

func silent(bool, pppoe.Frame) {}

// A frame that is too long for the interface is lost, and the next goes out.
func TestFrameThatIsTooLong(t *testing.T) {
	n := cable(t)
	w := line(t, n)
	var err error
	n.Do(func() {
		err = w.send([]pppoe.Frame{{Dst: pppoe.Broadcast, Src: pppoe.MAC(w.ifi.HardwareAddr), EtherType: pppoe.EtherTypeDiscovery, Payload: make([]byte, 1600)}})
	})
	if err != nil {
		t.Error(err)
	}
}

// An interface that goes away ends the trial at once, and the trial tells why.
func TestInterfaceGoesAway(t *testing.T) {
	for _, c := range []struct {
		do   []string
		want string
	}{
		{[]string{"link", "set", "e0", "down"}, "e0 was set down"},
		{[]string{"link", "delete", "e0"}, "e0 is gone"},
	} {
		n := cable(t)
		var w *wire
		var err error
		n.Do(func() {
			ifi, e := net.InterfaceByName("e0")
			if e != nil {
				t.Fatal(e)
			}
			w = &wire{ifi: ifi, lost: make(chan error, 1), began: time.Now()} // a reader would look for it in the tests' namespace
		})
		trial := waiting(t, w)
		n.IP(c.do...)
		n.Do(func() {
			w.lost <- w.broken()
			err = w.play(t.Context(), trial, silent)
		})
		if err == nil || err.Error() != c.want || trial.Result() == nil || trial.Result().Text != c.want {
			t.Errorf("%s: %v, %v", c.do, err, trial.Result())
		}
	}
}

// Whoever interrupts a case has its result.
func TestInterruptedTrialHasAResult(t *testing.T) {
	n := cable(t)
	w := line(t, n)
	trial := waiting(t, w)
	ctx, cancel := context.WithCancelCause(t.Context())
	time.AfterFunc(50*time.Millisecond, func() { cancel(errInterrupted) })
	if err := w.play(ctx, trial, silent); !errors.Is(err, errInterrupted) {
		t.Error(err)
	}
	if r := trial.Result(); r == nil || r.Kind != conformance.Unreached || r.Text != "interrupted" {
		t.Errorf("result: %v", r)
	}
}

// Whoever looks on sees what comes and what goes, in order.
func TestFramesAreTold(t *testing.T) {
	w := line(t, cable(t))
	trial := waiting(t, w)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	w.frames <- pppoe.Frame{Dst: pppoe.Broadcast, Src: pppoe.MAC{2, 0, 0, 0, 0, 2}, EtherType: pppoe.EtherTypeDiscovery,
		Payload: pppoe.Packet{Code: pppoe.PADI, Payload: []byte{1, 1, 0, 0}}.AppendTo(nil)}
	var told []string
	w.play(ctx, trial, func(sent bool, f pppoe.Frame) {
		word, _, _ := strings.Cut(conformance.Describe(f), " ")
		told = append(told, map[bool]string{true: "> ", false: "< "}[sent]+word)
		if sent {
			cancel()
		}
	})
	if want := []string{"< padi", "> pado"}; !slices.Equal(told, want) {
		t.Errorf("%q, want %q", told, want)
	}
}
