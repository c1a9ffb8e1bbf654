package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"pppoectl/capture"
	"pppoectl/cause"
	"pppoectl/control"
	"pppoectl/pppoe"
)

func newCapture(a *app) *cobra.Command {
	o := capture.Options{Version: version}
	var to string
	var last time.Duration
	cmd := &cobra.Command{
		Use: "capture NAME", Short: "write down what goes over the line for an uplink, as pcapng",
		Long: `Write down what goes over the line for an uplink, as pcapng: discovery, and the control packets of its
sessions; with --data its IP packets, too, both ways as PPPoE frames, whichever data path carries them.

Ctrl-C ends it. Passwords (PAP) are overwritten by x; CHAP's answers are hashes and stay as they are.`,
		Example: "  pppoectl capture bizf -w bizf.pcapng --for 10m\n  pppoectl capture bizf --data | tcpdump -nr -\n  pppoectl capture bizf --data | wireshark -k -i -",
		Args:    oneName, ValidArgsFunction: a.completeNames,
		RunE: func(cmd *cobra.Command, args []string) error {
			if last < 0 {
				return usageError{fmt.Errorf("--for: %v is no time to wait", last)}
			}
			o.Uplink = args[0]
			return a.capture(cmd, o, to, last)
		},
	}
	cmd.Flags().BoolVar(&o.Data, "data", false, "IP packets, too")
	cmd.Flags().BoolVar(&o.Secrets, "secrets", false, "passwords as they are")
	cmd.Flags().StringVarP(&to, "write", "w", "-", "write to `FILE`, which is overwritten; - is standard output")
	cmd.Flags().Uint64Var(&o.Frames, "count", 0, "end after so many frames")
	cmd.Flags().DurationVar(&last, "for", 0, "end after that time")
	return cmd
}

// capture captures until it is told to end.
func (a *app) capture(cmd *cobra.Command, o capture.Options, to string, last time.Duration) error {
	if err := capable(map[string]int{"CAP_NET_RAW": unix.CAP_NET_RAW}); err != nil {
		return err
	}
	if to == "-" && terminal(os.Stdout) {
		return usageError{errors.New("capture: standard output is a terminal; -w FILE, or `| tcpdump -nr -`")}
	}
	look := func(ctx context.Context) (capture.View, error) { return a.look(ctx, o.Uplink) }
	v, err := look(cmd.Context())
	if err != nil {
		return err
	}
	if _, err := net.InterfaceByName(v.Line); err != nil {
		return cause.Errorf(cause.NoInterface, "%s: there is no such interface", v.Line)
	}
	c, err := capture.Open(v, o)
	if err != nil {
		return err
	}
	defer c.Close()
	out, err := output(to)
	if err != nil {
		return err
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "capturing %s on %s; Ctrl-C ends it\n", o.Uplink, v.Line)
	ctx := cmd.Context()
	// Who reads our output may have stopped: a second Ctrl-C ends us at once.
	defer context.AfterFunc(ctx, func() { signal.Reset(os.Interrupt, unix.SIGTERM) })()
	if last > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, last)
		defer cancel()
	}
	r, err := c.Run(ctx, out, look)
	if err = errors.Join(err, out.Close()); err != nil && !errors.Is(err, unix.EPIPE) { // a reader that has gone has had enough
		return err
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "%d frames%s\n", r.Frames, lost(r.Lost))
	return nil
}

func lost(n uint64) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("; %d more were lost: this machine was too slow", n)
}

// output opens the file to write to.
func output(to string) (io.WriteCloser, error) {
	if to == "-" {
		return os.Stdout, nil
	}
	f, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, err
	}
	if terminal(f) {
		f.Close()
		return nil, usageError{fmt.Errorf("capture: %s is a terminal", to)}
	}
	return f, nil
}

func terminal(f *os.File) bool {
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}

// look asks the daemon how an uplink is.
func (a *app) look(ctx context.Context, name string) (capture.View, error) {
	status, err := a.client().Status(ctx)
	if err != nil {
		return capture.View{}, err
	}
	var v capture.View
	for _, u := range status.Uplinks {
		s := sessionOf(u)
		switch {
		case u.Name == name:
			v.Line, v.Device, v.Session = u.Interface, u.Device, s
			if u.DataPath != nil {
				v.Carried, v.Stripped = true, u.DataPath.Kind == "ebpf"
			}
		case s != (capture.Session{}):
			v.Others = append(v.Others, s)
		}
	}
	if v.Line == "" { // the daemon's own words
		_, err := a.client().Uplink(ctx, name)
		return v, err
	}
	return v, nil
}

// sessionOf is an uplink's session, if it has one.
func sessionOf(u control.Uplink) capture.Session {
	if u.AC == nil || u.SessionID == 0 {
		return capture.Session{}
	}
	mac, err := pppoe.ParseMAC(u.AC.MAC)
	if err != nil {
		return capture.Session{}
	}
	return capture.Session{AC: mac, ID: u.SessionID}
}
