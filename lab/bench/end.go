package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"

	"pppoectl/dataplane"
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
	ifi, err := net.InterfaceByName(line)
	if err != nil {
		return err
	}
	s := dataplane.Session{Interface: *ifi, MAC: pppoe.MAC(ifi.HardwareAddr), AC: peer, ID: sessionID, MTU: mtu}
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
	}
	return nil, fmt.Errorf("there is no path %q", kind)
}
