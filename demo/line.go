package demo

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/vishvananda/netlink"

	"pppoectl/concentrator"
	"pppoectl/flets"
	"pppoectl/simulator"
)

// told is an event of the line as the stage reads it.
type told struct {
	concentrator.Event
	Text string `json:"line"` // as fletsim prints it
}

// Line runs the line until stdin ends. It begins when stdin has a line, for by
// then the cable is there; stdout has an event a line, as JSON.
func Line(ctx context.Context, stdin io.Reader, stdout io.Writer) error {
	in := bufio.NewReader(stdin)
	if _, err := in.ReadString('\n'); err != nil {
		return fmt.Errorf("demo: the stage says nothing: %w", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		in.ReadString('\n') // never comes: the stage is gone
		cancel()
	}()
	cfg, err := flets.Parse([]byte(flets.Example))
	if err != nil {
		return err
	}
	for _, name := range []string{"lo", lineEnd} {
		if err := setUp(name); err != nil {
			return err
		}
	}
	ifi, err := net.InterfaceByName(lineEnd)
	if err != nil {
		return err
	}
	tell := func(e concentrator.Event) {
		json.NewEncoder(stdout).Encode(told{e, e.String()})
	}
	socket, err := simulator.Listen(faultSocket)
	if err != nil {
		return err
	}
	s, err := simulator.New(cfg, *ifi, tell)
	if err != nil {
		return err
	}
	defer s.Close()
	defer s.Serve(socket)()
	tell(concentrator.Event{Kind: ready})
	return s.Wait(ctx)
}

const ready concentrator.Kind = "ready"

// setUp sets an interface up.
func setUp(name string) error {
	link, err := netlink.LinkByName(name)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return netlink.LinkSetUp(link)
}

// patience bounds each wait of the demo.
const patience = 20 * time.Second
