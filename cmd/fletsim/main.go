// Command fletsim is a Flets line in a box: access concentrators on an interface,
// with logins, prefix delegation, a network behind, and faults on demand.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/signal"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"pppoectl/concentrator"
	"pppoectl/flets"
	"pppoectl/simulator"
)

// Exit statuses, as pppoectl's.
const (
	exitFailed     = 1
	exitUsage      = 2
	exitPrivilege  = 3
	exitNotRunning = 23
)

type usageError struct{ error }

type privilegeError struct{ error }

// version is set by the linker for releases.
var version = "0.1.0-dev"

const defaultControl = "/run/fletsim.sock"

func main() {
	unix.Umask(0o077)
	err := newRoot().Execute()
	if err == nil {
		return
	}
	fmt.Fprintf(os.Stderr, "fletsim: %v\n", err)
	var usage usageError
	var privilege privilegeError
	switch {
	case errors.As(err, &usage):
		os.Exit(exitUsage)
	case errors.As(err, &privilege):
		os.Exit(exitPrivilege)
	case errors.Is(err, simulator.ErrNotRunning):
		os.Exit(exitNotRunning)
	}
	os.Exit(exitFailed)
}

type app struct {
	control string
	json    bool
}

func newRoot() *cobra.Command {
	a := &app{}
	var file, iface string
	root := &cobra.Command{
		Use:   "fletsim -i IFACE [-c FILE]",
		Short: "a Flets line in a box: access concentrators on an interface",
		Long: `A Flets line in a box: access concentrators on an interface, with logins, prefix delegation, a
network behind them, and faults on demand.

Without -c it is the line of ` + "`fletsim example`" + `. It prints what happens until SIGINT or SIGTERM. It
answers whoever dials on that interface: never run it on a network that is not yours.`,
		Args: noMore, SilenceErrors: true, SilenceUsage: true,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.run(cmd.Context(), file, iface) },
	}
	root.CompletionOptions.DisableDefaultCmd = true
	root.Version = version
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	root.Flags().StringVarP(&file, "config", "c", "", "YAML `FILE` of the line")
	root.Flags().StringVarP(&iface, "interface", "i", "", "the interface to serve")
	root.PersistentFlags().StringVar(&a.control, "control", defaultControl, "control socket")
	root.PersistentFlags().BoolVar(&a.json, "json", false, "print JSON")
	do := &cobra.Command{
		Use: "do COMMAND", Short: "have the running fletsim do something to its line; see `commands`",
		Example: "  fletsim do drop user@bizf.example.jp\n  fletsim do lose 20% 30s",
		Args: func(_ *cobra.Command, args []string) error {
			_, err := flets.ParseCommand(strings.Join(args, " "))
			return usage(err)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			return simulator.Dial(a.control).Do(cmd.Context(), strings.Join(args, " "))
		},
	}
	do.Flags().SetInterspersed(false) // `do silence -1s` is a command with a mistake
	root.AddCommand(
		do,
		&cobra.Command{
			Use: "commands", Short: "list what can be done to a line", Args: noMore,
			Run: func(*cobra.Command, []string) { fmt.Print(flets.Usage()) },
		},
		&cobra.Command{
			Use: "status", Short: "show the running line and its sessions", Args: noMore,
			RunE: func(cmd *cobra.Command, _ []string) error { return a.status(cmd.Context()) },
		},
		&cobra.Command{
			Use: "check FILE", Short: "check a YAML file", Args: oneFile,
			RunE: func(_ *cobra.Command, args []string) error { _, err := load(args[0]); return err },
		},
		&cobra.Command{
			Use: "example", Short: "print a YAML file that explains itself", Args: noMore,
			Run: func(*cobra.Command, []string) { fmt.Print(flets.Example) },
		},
	)
	return root
}

func usage(err error) error {
	if err == nil {
		return nil
	}
	return usageError{err}
}

func noMore(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	if cmd.HasParent() {
		return usageError{fmt.Errorf("%s: takes no arguments; %q is one too many", cmd.Name(), args[0])}
	}
	return usageError{fmt.Errorf("%q is no command; see `fletsim --help`", args[0])}
}

func oneFile(_ *cobra.Command, args []string) error {
	if len(args) != 1 {
		return usageError{errors.New("check: name one YAML file")}
	}
	return nil
}

// load reads a line's YAML; without a file it is the example.
func load(file string) (flets.Config, error) {
	text := []byte(flets.Example)
	if file != "" {
		var err error
		if text, err = os.ReadFile(file); err != nil {
			return flets.Config{}, usageError{err}
		}
	}
	cfg, err := flets.Parse(text)
	if err != nil {
		return flets.Config{}, usageError{fmt.Errorf("%s: %w", file, err)}
	}
	return cfg, nil
}

func (a *app) run(ctx context.Context, file, iface string) error {
	if iface == "" {
		return usageError{errors.New("which interface? -i IFACE; see `fletsim --help`")}
	}
	cfg, err := load(file)
	if err != nil {
		return err
	}
	ifi, err := net.InterfaceByName(iface)
	if err != nil {
		return fmt.Errorf("there is no interface %s", iface)
	}
	if a.control == "" {
		return usageError{errors.New("--control: the path of a socket is missing")}
	}
	socket, err := simulator.Listen(a.control)
	if err != nil {
		return fmt.Errorf("control socket: %w", err)
	}
	defer socket.Close()
	// Whoever reads our output may go away: that is an end like others.
	ctx, stop := signal.NotifyContext(ctx, unix.SIGINT, unix.SIGTERM, unix.SIGPIPE)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends it at once
	s, err := simulator.New(cfg, *ifi, a.print)
	if errors.Is(err, os.ErrPermission) && os.Geteuid() != 0 {
		return privilegeError{fmt.Errorf("%w; run it as root", err)}
	}
	if err != nil {
		return err
	}
	end := s.Serve(socket)
	text := fmt.Sprintf("on %s; `fletsim do COMMAND` makes it fail", iface)
	switch {
	case ifi.Flags&net.FlagUp == 0:
		text += fmt.Sprintf("; %s is down: `ip link set %s up`", iface, iface)
	case ifi.MTU < 1500:
		text += fmt.Sprintf("; %s has an MTU of %d only", iface, ifi.MTU)
	}
	a.print(concentrator.Event{Kind: "ready", Text: text})
	return errors.Join(s.Wait(ctx), end(), s.Close())
}

// print prints an event as it happens.
func (a *app) print(e concentrator.Event) {
	now := time.Now()
	if !a.json {
		fmt.Printf("%s %v\n", now.Format("15:04:05.000"), e)
		return
	}
	json.NewEncoder(os.Stdout).Encode(struct {
		Time time.Time `json:"time"`
		concentrator.Event
	}{now, e})
}

func (a *app) status(ctx context.Context) error {
	s, err := simulator.Dial(a.control).Status(ctx)
	if err != nil {
		return err
	}
	if a.json {
		e := json.NewEncoder(os.Stdout)
		e.SetIndent("", "  ")
		return e.Encode(s)
	}
	for _, c := range s.ACs {
		state := fmt.Sprintf("%d sessions", c.Sessions)
		if c.Off {
			state = "off"
		}
		fmt.Printf("%s %v: %s\n", c.Name, c.MAC, state)
	}
	for _, f := range s.Faults {
		fmt.Printf("on the wire: %s\n", f)
	}
	for _, o := range s.Sessions {
		user := fmt.Sprintf("%q", o.User)
		if o.User == "" {
			user = "(nobody yet)"
		}
		fmt.Printf("%s session %d of %v: %s for %v; %v; rx %d packets %d octets, tx %d packets %d octets, dropped %d\n", o.AC, o.ID, o.Host, user,
			time.Duration(o.Seconds*float64(time.Second)).Round(time.Second), o.Routes, o.Traffic.RxPackets, o.Traffic.RxBytes,
			o.Traffic.TxPackets, o.Traffic.TxBytes, o.Traffic.Dropped)
	}
	return nil
}
