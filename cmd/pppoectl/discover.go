package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"pppoectl/cause"
	"pppoectl/line"
	"pppoectl/pppoe"
)

func newDiscover() *cobra.Command {
	var name, service string
	wait := 3 * time.Second
	cmd := &cobra.Command{
		Use: "discover -i IFACE", Short: "list the access concentrators of a line without dialling",
		Args: nothing,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if name == "" {
				return usageError{errors.New("discover: -i IFACE is missing, such as -i eth1")}
			}
			return discover(cmd.Context(), cmd.OutOrStdout(), name, service, wait)
		},
	}
	cmd.Flags().StringVarP(&name, "interface", "i", "", "the line's interface")
	cmd.Flags().StringVar(&service, "service", "", "ask for this service only")
	cmd.Flags().DurationVar(&wait, "wait", wait, "how long to wait for answers")
	return cmd
}

// discover sends a PADI each second and prints whoever answers.
func discover(ctx context.Context, w io.Writer, name, service string, wait time.Duration) error {
	port, err := openLine(name)
	if err != nil {
		return err
	}
	defer port.Close()
	uniq := make([]byte, 12)
	rand.Read(uniq)
	port.SetAddress(line.Address{HostUniq: string(uniq)})
	padi := pppoe.NewPADI(port.Port().MAC, pppoe.Want{ServiceName: service}, uniq)
	end := time.After(wait)
	again := time.NewTicker(time.Second)
	defer again.Stop()
	seen := map[offer]bool{}
	sent := time.Now()
	if err := port.Send(padi); err != nil {
		return err
	}
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-end:
			if len(seen) == 0 {
				return cause.Errorf(cause.NoOffer, "no access concentrator answers on %s", name)
			}
			return nil
		case <-again.C:
			sent = time.Now()
			if err := port.Send(padi); err != nil {
				return err
			}
		case f := <-port.Frames():
			report(w, f, uniq, time.Since(sent), seen)
		}
	}
}

// offer is what tells one answer from another: an AC may have several names.
type offer struct {
	ac   pppoe.MAC
	name string
}

// report prints a line for the PADO in f, unless it has been seen.
func report(w io.Writer, f pppoe.Frame, uniq []byte, after time.Duration, seen map[offer]bool) {
	o, err := pppoe.ParseOffer(f, uniq)
	var refused *pppoe.RefusedError
	switch {
	case errors.As(err, &refused):
		o = pppoe.Offer{AC: f.Src, Services: []string{refused.Error()}}
	case err != nil:
		return
	}
	if seen[offer{o.AC, o.Name}] || len(seen) >= maxOffers {
		return
	}
	if len(seen) == 0 {
		fmt.Fprintf(w, "%-20s %-17s %8s  %s\n", "AC", "MAC", "ANSWER", "SERVICES")
	}
	var services []string
	for _, s := range o.Services {
		if s == "" {
			services = append(services, "any")
			continue
		}
		services = append(services, fmt.Sprintf("%q", s))
	}
	fmt.Fprintf(w, "%-20s %-17s %8s  %s\n", fmt.Sprintf("%q", o.Name), o.AC, after.Round(10*time.Microsecond), strings.Join(services, " "))
	seen[offer{o.AC, o.Name}] = true
}

// maxOffers bounds what a hostile line can make us print.
const maxOffers = 64

// openLine opens the interface called name, if frames can go out there.
func openLine(name string) (*line.Handle, error) {
	ifi, err := net.InterfaceByName(name)
	switch {
	case err != nil:
		return nil, cause.Errorf(cause.NoInterface, "%s: there is no such interface", name)
	case ifi.Flags&net.FlagUp == 0:
		return nil, cause.Errorf(cause.NoCarrier, "%s is down; `ip link set %s up`", name, name)
	case ifi.Flags&net.FlagRunning == 0:
		return nil, cause.Errorf(cause.NoCarrier, "%s has no carrier; plug the cable in", name)
	}
	var ports line.Ports
	port, err := ports.Open(*ifi)
	if errors.Is(err, os.ErrPermission) {
		return nil, &privilegeError{"CAP_NET_RAW is missing; run it as root"}
	}
	return port, err
}
