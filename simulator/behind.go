package simulator

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"pppoectl/concentrator"
	"pppoectl/flets"
	"pppoectl/netspace"
	"pppoectl/pppoe"
)

// behind is the network behind the concentrators: a TUN device with addresses,
// and who answers there.
type behind struct {
	device    device
	namespace string // its path
	made      string // the name of the namespace, if we made it
	link      netlink.Link
	routed    map[netip.Prefix]bool
	servers   []*http.Server
	programs  []*exec.Cmd
	ended     sync.WaitGroup // the programs
	tell      func(concentrator.Event)
}

// newBehind makes the network behind, in the namespace at home unless cfg names
// another; all is gone with close, and the device with
// the process.
func newBehind(cfg flets.Config, home string, destinations []netip.Prefix, tell func(concentrator.Event)) (*behind, error) {
	c := cfg.Behind
	if c.Device == "" {
		c.Device = "internet"
	}
	b := &behind{namespace: home, routed: map[netip.Prefix]bool{}, tell: tell}
	if c.Namespace != "" {
		made, err := netspace.Make(c.Namespace)
		if err != nil {
			return nil, err
		}
		if b.namespace = netspace.Path(c.Namespace); made {
			b.made = c.Namespace
		}
	}
	mtu := pppoe.MaxMTU
	var own []netip.Prefix
	for _, a := range cfg.ACs {
		if a.Address.IsValid() {
			own = append(own, netip.PrefixFrom(a.Address, a.Address.BitLen()))
		}
		if a.MRU != 0 {
			mtu = min(mtu, a.MRU)
		}
	}
	err := b.do(func() (err error) {
		if b.device, err = open(c.Device); err != nil {
			return err
		}
		return b.configure(c, own, mtu)
	})
	if err == nil {
		err = b.route(destinations)
	}
	if err == nil {
		err = b.do(func() error { return b.populate(c) })
	}
	if err != nil {
		return nil, errors.Join(err, b.close())
	}
	return b, nil
}

// do calls f where the device is.
func (b *behind) do(f func() error) error { return netspace.Do(b.namespace, f) }

// configure sets the device up. own are the concentrators' addresses.
func (b *behind) configure(c flets.Behind, own []netip.Prefix, mtu int) error {
	link, err := netlink.LinkByName(c.Device)
	if err != nil {
		return err
	}
	b.link = link
	if err := netlink.LinkSetIP6AddrGenMode(link, nl.IN6_ADDR_GEN_MODE_NONE); err != nil && !errors.Is(err, unix.EAFNOSUPPORT) {
		return err
	}
	// Where IPv6 is switched off for new devices, ours needs it all the same.
	_ = os.WriteFile("/proc/sys/net/ipv6/conf/"+c.Device+"/disable_ipv6", []byte("0"), 0o644)
	if err := netlink.LinkSetMTU(link, mtu); err != nil {
		return err
	}
	if err := netlink.LinkSetUp(link); err != nil {
		return err
	}
	if b.made != "" {
		if lo, err := netlink.LinkByName("lo"); err == nil {
			if err := netlink.LinkSetUp(lo); err != nil {
				return err
			}
		}
		for _, name := range []string{"ipv4/ip_forward", "ipv6/conf/all/forwarding"} { // from host to host
			if err := os.WriteFile("/proc/sys/net/"+name, []byte("1"), 0o644); err != nil {
				return err
			}
		}
	}
	for _, a := range append(slices.Clone(c.Addresses), own...) {
		address := &netlink.Addr{IPNet: &net.IPNet{IP: a.Addr().AsSlice(), Mask: net.CIDRMask(a.Bits(), a.Addr().BitLen())}}
		if a.Addr().Is6() {
			address.Flags = unix.IFA_F_NODAD
		}
		if err := netlink.AddrReplace(link, address); err != nil {
			return fmt.Errorf("address %v of %s: %w", a, c.Device, err)
		}
	}
	return nil
}

// route sends what goes to the hosts into the device.
func (b *behind) route(destinations []netip.Prefix) error {
	return b.do(func() error {
		for _, p := range destinations {
			r := &netlink.Route{
				LinkIndex: b.link.Attrs().Index,
				Dst:       &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())},
			}
			err := netlink.RouteAdd(r)
			if errors.Is(err, unix.EEXIST) && b.routed[p] {
				continue
			}
			if errors.Is(err, unix.EEXIST) {
				return fmt.Errorf("there is a route to %v already, which is not ours to change; see behind: namespace", p)
			}
			if err != nil {
				return fmt.Errorf("route to %v: %w", p, err)
			}
			b.routed[p] = true
		}
		return nil
	})
}

// populate starts who answers.
func (b *behind) populate(c flets.Behind) error {
	for _, a := range c.Addresses {
		if !c.Web {
			break
		}
		l, err := net.Listen("tcp", netip.AddrPortFrom(a.Addr(), 80).String())
		if err != nil {
			return err
		}
		s := newWeb()
		b.servers = append(b.servers, s)
		go s.Serve(l)
	}
	for _, line := range c.Run {
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		cmd := exec.Command(words[0], words[1:]...)
		cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
		// Its children end with it, and it with us.
		cmd.SysProcAttr = &unix.SysProcAttr{Setpgid: true, Pdeathsig: unix.SIGKILL}
		if err := cmd.Start(); err != nil {
			return fmt.Errorf("behind: run: %w", err)
		}
		b.programs = append(b.programs, cmd)
		b.ended.Go(func() {
			err := cmd.Wait()
			b.tell(concentrator.Event{Kind: ProgramEnded, Text: fmt.Sprintf("%q: %v", line, err)})
		})
	}
	return nil
}

// ProgramEnded is the kind of event that tells of the end of a program.
const ProgramEnded concentrator.Kind = "program"

// close ends all that newBehind made.
func (b *behind) close() error {
	var errs []error
	for _, p := range b.programs {
		unix.Kill(-p.Process.Pid, unix.SIGKILL)
	}
	b.ended.Wait()
	for _, s := range b.servers {
		errs = append(errs, s.Close())
	}
	if b.device != nil {
		errs = append(errs, b.device.Close())
	}
	if b.made != "" {
		errs = append(errs, netspace.Remove(b.made))
	}
	return errors.Join(errs...)
}
