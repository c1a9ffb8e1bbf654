package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"pppoectl/pppoe"
)

func newRelease(a *app) *cobra.Command {
	var name string
	cmd := &cobra.Command{
		Use: "release -i IFACE SESSION-ID AC-MAC", Short: "end a session that an access concentrator still believes in, by a PADT",
		Long: `End a session that an access concentrator still believes in, by a PADT.

For a session of this station that no program looks after any more, such as one of a machine that
had this Ethernet address before. SESSION-ID is decimal or, as in 0x18fa, hexadecimal.`,
		Example: "  pppoectl release -i eth1 0x18fa 00:1e:13:c2:69:c2",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 2 {
				return errors.New("release: it takes a SESSION-ID and an AC-MAC, such as 0x18fa 00:1e:13:c2:69:c2")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if name == "" {
				return usageError{errors.New("release: -i IFACE is missing, such as -i eth1")}
			}
			id, err := strconv.ParseUint(args[0], 0, 16)
			if err != nil || id == 0 {
				return usageError{fmt.Errorf("release: %q is no session id from 1 to 0xffff", args[0])}
			}
			mac, err := pppoe.ParseMAC(args[1])
			if err != nil || !mac.Unicast() {
				return usageError{fmt.Errorf("release: %q is no Ethernet address of a station, such as 00:1e:13:c2:69:c2", args[1])}
			}
			return a.release(cmd, name, uint16(id), mac)
		},
	}
	cmd.Flags().StringVarP(&name, "interface", "i", "", "the line's interface")
	return cmd
}

// release sends the PADT, unless the session is one that the daemon looks after.
func (a *app) release(cmd *cobra.Command, name string, id uint16, mac pppoe.MAC) error {
	ctx, cancel := context.WithTimeout(cmd.Context(), 5*time.Second)
	defer cancel()
	if status, err := a.client().Status(ctx); err == nil {
		for _, u := range status.Uplinks {
			if u.Interface == name && u.SessionID == id && u.AC != nil && strings.EqualFold(u.AC.MAC, mac.String()) {
				return usageError{fmt.Errorf("that is the session of %s, which is %s; `pppoectl down %s` or `pppoectl restart %s` ends it", u.Name, u.State, u.Name, u.Name)}
			}
		}
	}
	port, err := openLine(name)
	if err != nil {
		return err
	}
	defer port.Close()
	if err := port.Send(pppoe.NewPADT(port.Port().MAC, mac, id, "")); err != nil {
		return err
	}
	fmt.Fprintf(cmd.OutOrStdout(), "a PADT for session 0x%04x has gone to %v; it is not answered\n", id, mac)
	return nil
}
