package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"pppoectl/dataplane"
	"pppoectl/fastpath"
	"pppoectl/pppoe"
	"pppoectl/tun"
)

// sessionID is that of all sessions here.
const sessionID = 0x18fa

// runEnd has one end of a path in this namespace until standard input ends.
func runEnd(args []string) error {
	if len(args) != 4 {
		return errors.New("it is started by bench itself")
	}
	kind, line, device := args[0], args[1], args[2]
	peer, err := pppoe.ParseMAC(args[3])
	if err != nil {
		return err
	}
	ifi, err := interfaceCalled(line)
	if err != nil {
		return err
	}
	s := dataplane.Session{Interface: ifi, MAC: pppoe.MAC(ifi.HardwareAddr), AC: peer, ID: sessionID, MTU: mtu}
	if kind == "naive" {
		if err := startNaive(s, device); err != nil {
			return err
		}
	} else {
		d, err := tun.Make(device)
		if err != nil {
			return err
		}
		defer d.Close()
		s.Device = device
		path, err := open(kind, s, d)
		if err != nil {
			return err
		}
		defer path.Close()
		path.Pass(true, true)
	}
	fmt.Println("ready")
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

func open(kind string, s dataplane.Session, d *tun.Device) (dataplane.Path, error) {
	switch dataplane.Kind(kind) {
	case dataplane.Portable:
		return dataplane.NewPortable(s, d)
	case dataplane.Offload:
		return dataplane.NewOffloaded(s, d)
	case dataplane.EBPF:
		// This process has a mount namespace of its own, by `ip netns exec`; the interface is gone with its network namespace.
		dir := os.TempDir()
		if err := unix.Mount("bpf", dir, "bpf", 0, ""); err != nil {
			return nil, fmt.Errorf("a BPF file system: %w", err)
		}
		s.Programs = filepath.Join(dir, "line")
		if err := fastpath.Attach(s.Programs, s.Interface.Name, s.Interface.Index); err != nil {
			return nil, err
		}
		return dataplane.NewEBPF(s, d)
	}
	return nil, fmt.Errorf("there is no path %q", kind)
}

// interfaceCalled returns the interface of this namespace with a name.
func interfaceCalled(name string) (net.Interface, error) {
	ifi, err := net.InterfaceByName(name)
	if err != nil {
		return net.Interface{}, err
	}
	return *ifi, nil
}
