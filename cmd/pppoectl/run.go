package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"runtime/debug"
	"slices"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/sirupsen/logrus"
	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"pppoectl/cause"
	"pppoectl/configs"
	"pppoectl/control"
	"pppoectl/line"
	"pppoectl/state"
	"pppoectl/supervisor"
	"pppoectl/tun"
)

func newRun(a *app) *cobra.Command {
	var logFile string
	cmd := &cobra.Command{
		Use:   "run [NAME...]",
		Short: "run the daemon in the foreground, for all enabled uplinks or those named",
		Long: `Run the daemon in the foreground, for all enabled uplinks or those named.

SIGTERM detaches: the sessions stay up at the access concentrator for the next start.
SIGINT releases: the sessions are ended and all changes to the system undone.
SIGHUP reads the configuration again.`,
		RunE: func(_ *cobra.Command, names []string) error { return run(a, names, logFile) },
	}
	cmd.Flags().StringVar(&logFile, "log-file", "", "write the log to this file instead of stderr; it is kept under 2 MiB")
	return cmd
}

func run(a *app, names []string, logFile string) error {
	// The passwords in our memory are for nobody's debugger and no core file.
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return err
	}
	// A panic, and the watchdog's SIGABRT, are to end us by a signal: Go's exit status for them
	// is that of a mistake in the configuration, after which nobody would start us again.
	debug.SetTraceback("crash")
	// First of all, for a signal may come at any time.
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, unix.SIGTERM, unix.SIGINT, unix.SIGHUP)
	defer signal.Stop(signals)
	unix.Umask(0o022)
	cfg, err := a.config()
	if err != nil {
		return err
	}
	for _, n := range names {
		if _, ok := cfg.Uplink(n); !ok {
			return cause.Errorf(cause.Unknown, "%s: no uplink is called %q", cfg.File, n)
		}
	}
	if err := privileged(); err != nil {
		return err
	}
	if len(cfg.Unchecked) > 0 {
		return configs.Errors(cfg.Unchecked)
	}
	out := io.Writer(os.Stderr)
	if logFile != "" {
		if out, err = openLog(logFile); err != nil {
			return err
		}
	}
	log := newLog(cfg.Log, out)
	warn(log, cfg)
	return serve(cfg, names, log, signals)
}

func serve(cfg *configs.Config, names []string, log *logrus.Logger, signals <-chan os.Signal) error {
	boot, err := state.BootID()
	if err != nil {
		return err
	}
	store, err := state.Open(cfg.StateDir, boot)
	if err != nil {
		return err
	}
	defer store.Close()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	watcher, err := line.Watch(ctx)
	if err != nil {
		return err
	}
	sup, err := supervisor.New(version, cfg, supervisor.Real(watcher), store, logrus.NewEntry(log), boot)
	if err != nil {
		return err
	}
	text, err := os.ReadFile(cfg.File)
	if err != nil {
		return err
	}
	d := &service{
		Supervisor: sup, file: cfg.File, dir: cfg.StateDir, log: log, present: cfg, text: text,
		started: time.Now(), upgrade: make(chan string, 1),
	}
	metrics := control.Metrics(d.Status)
	server, err := control.Listen(cfg.RunDir, cfg.ControlGroup, d, metrics, logrus.NewEntry(log))
	if err != nil {
		return err
	}
	defer scrape(cfg.Metrics, metrics, log)()
	serving := make(chan error, 1)
	go func() { serving <- server.Serve() }()
	sup.Start(names)
	log.WithField("version", version).Infof("started with %s", cfg.File)
	notify(log, daemon.SdNotifyReady)
	go watchdog(ctx, sup, log)
	how, binary := wait(d, signals, serving)
	if how == upgrade {
		end(sup, detach, log, signals)
		if err := errors.Join(server.Close(), store.Close()); err != nil {
			log.Warn(err)
		}
		log.Infof("goes on as %s", binary)
		return become(binary)
	}
	notify(log, daemon.SdNotifyStopping)
	end(sup, how, log, signals)
	return server.Close()
}

// scrape serves metrics at the configured address, and returns what ends that. Sessions do
// not depend on it.
func scrape(cfg configs.Metrics, metrics http.Handler, log *logrus.Logger) (end func() error) {
	nothing := func() error { return nil }
	if !cfg.Listen.IsValid() {
		return nothing
	}
	s, err := control.ListenScrape(cfg.Listen, metrics, func(err error) { log.Errorf("metrics.listen: %v", err) })
	if err != nil {
		log.Errorf("metrics.listen: %v; metrics are on the control socket only", err)
		return nothing
	}
	return s.Close
}

// ending is what becomes of the sessions at the daemon's end.
type ending int

const (
	detach  ending = iota // they stay at the AC, for the next start
	release               // they are ended
	upgrade               // detach, and go on as another program
)

// end ends the supervisor. A second signal ends it as it is: what is left over,
// the next start or `clean` takes away.
func end(sup *supervisor.Supervisor, how ending, log *logrus.Logger, signals <-chan os.Signal) {
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if how == release {
			sup.Release(cause.Released)
			log.Info("released all sessions; ended")
			return
		}
		sup.Detach()
		log.Info("detached from all sessions; ended")
	}()
	for {
		select {
		case <-ended:
			return
		case s := <-signals:
			if s != unix.SIGHUP {
				log.Warnf("%v again: ended at once; `pppoectl clean` takes away what is left", s)
				return
			}
		}
	}
}

// wait serves until the daemon is to end, and returns how; with upgrade, as which
// program it goes on.
func wait(d *service, signals <-chan os.Signal, serving <-chan error) (ending, string) {
	for {
		select {
		case s := <-signals:
			switch s {
			case unix.SIGHUP:
				d.Reload()
			case unix.SIGINT:
				return release, ""
			default:
				return detach, ""
			}
		case <-d.Stopped():
			return release, ""
		case binary := <-d.upgrade:
			return upgrade, binary
		case err := <-serving:
			d.log.Errorf("control socket: %v", err)
			serving = nil
		}
	}
}

func notify(log *logrus.Logger, what string) {
	if _, err := daemon.SdNotify(false, what); err != nil {
		log.Debugf("systemd: %v", err)
	}
}

func warn(log *logrus.Logger, cfg *configs.Config) {
	for _, w := range cfg.Warnings {
		log.Warn(w)
	}
}

func newLog(cfg configs.Log, out io.Writer) *logrus.Logger {
	log := logrus.New()
	log.SetOutput(out)
	if level, err := logrus.ParseLevel(cfg.Level); err == nil {
		log.SetLevel(level)
	}
	log.SetFormatter(&logrus.TextFormatter{DisableColors: true, FullTimestamp: true})
	if cfg.Format == "json" {
		log.SetFormatter(&logrus.JSONFormatter{})
	}
	return log
}

// privileged says what is missing to run: capabilities, or the TUN device.
func privileged() error {
	if err := capable(map[string]int{"CAP_NET_ADMIN": unix.CAP_NET_ADMIN, "CAP_NET_RAW": unix.CAP_NET_RAW}); err != nil {
		return err
	}
	if err := tun.Available(); err != nil {
		return &privilegeError{err.Error()}
	}
	return nil
}

// capable says which of the capabilities is missing.
func capable(wanted map[string]int) error {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		return err
	}
	for name, bit := range wanted {
		if data[0].Effective&(1<<bit) == 0 {
			return &privilegeError{fmt.Sprintf("%s is missing; run it as root", name)}
		}
	}
	return nil
}

// rotating is a log file that is kept small: when full it becomes FILE.1.
type rotating struct {
	path string
	file *os.File
	size int64
}

// maxLog is how large a log file grows, in octets.
const maxLog = 1 << 20

func openLog(path string) (*rotating, error) {
	r := &rotating{path: path}
	return r, r.open()
}

func (r *rotating) open() error {
	f, err := os.OpenFile(r.path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o640)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err != nil {
		return errors.Join(err, f.Close())
	}
	r.file, r.size = f, info.Size()
	return nil
}

// Write implements io.Writer; logrus calls it one at a time.
func (r *rotating) Write(b []byte) (int, error) {
	if r.size+int64(len(b)) > maxLog {
		if err := errors.Join(r.file.Close(), os.Rename(r.path, r.path+".1"), r.open()); err != nil {
			return 0, err
		}
	}
	n, err := r.file.Write(b)
	r.size += int64(n)
	return n, err
}

// completeNames completes the names of uplinks.
func (a *app) completeNames(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	var names []string
	if cfg, err := a.config(); err == nil {
		for _, u := range cfg.Uplinks {
			if !slices.Contains(args, u.Name) {
				names = append(names, u.Name)
			}
		}
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}
