package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sirupsen/logrus"

	"pppoectl/cause"
	"pppoectl/configs"
	"pppoectl/control"
	"pppoectl/state"
	"pppoectl/supervisor"
)

// service is the daemon: a supervisor, and the configuration that it has.
//
// A configuration that is to be confirmed is never in the configuration file: there
// stands the old one until then, so that a crash or a reboot brings that back.
type service struct {
	*supervisor.Supervisor
	file string
	dir  string // state directory
	log  *logrus.Logger

	mu      sync.Mutex
	text    []byte          // of the file when it was read last
	present *configs.Config // what the supervisor has
	trial   *trial          // nil: the file's is in force

	started time.Time
	upgrade chan string // to which program

	until atomic.Pointer[time.Time] // when the trial ends; nil: there is none
}

// Status implements control.Daemon.
func (d *service) Status() control.Status {
	s := d.Supervisor.Status()
	s.Started = d.started
	if until := d.until.Load(); until != nil {
		s.Trial = &control.Trial{Until: until}
	}
	return s
}

// trial is a configuration that waits to be confirmed.
type trial struct {
	text  []byte
	timer *time.Timer
}

// Reload implements control.Daemon. A configuration with a mistake changes
// nothing.
func (d *service) Reload() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.reload(); err != nil {
		d.log.Error(err)
		return err
	}
	return nil
}

func (d *service) reload() error {
	text, _ := os.ReadFile(d.file) // if it cannot be read, the next line says why
	cfg, err := configs.LoadToRun(d.file)
	if err != nil {
		return cause.Errorf(cause.Usage, "%v", err)
	}
	d.text = text
	d.endTrial()
	d.take(cfg)
	return nil
}

func (d *service) take(cfg *configs.Config) {
	warn(d.log, cfg)
	d.Supervisor.Reload(cfg)
	d.present = cfg
}

func (d *service) endTrial() {
	if d.trial != nil {
		d.trial.timer.Stop()
		d.trial = nil
	}
	d.until.Store(nil)
}

// Plan implements control.Daemon.
func (d *service) Plan(text []byte, name string) ([]string, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	cfg, err := d.read(text, name)
	if err != nil {
		return nil, err
	}
	return lines(configs.Plan(d.present, cfg)), nil
}

func lines(steps []configs.Step) []string {
	list := []string{}
	for _, s := range steps {
		list = append(list, s.String())
	}
	return list
}

// read reads a configuration that stands in no file of ours; mistakes are told
// with the name of its own.
func (d *service) read(text []byte, name string) (*configs.Config, error) {
	file := filepath.Join(d.dir, "candidate.yaml")
	if err := state.Replace(file, text, 0o600); err != nil {
		return nil, err
	}
	defer os.Remove(file)
	cfg, err := configs.LoadToRun(file)
	if err != nil {
		return nil, cause.Errorf(cause.Usage, "%s", strings.ReplaceAll(err.Error(), file, name))
	}
	cfg.File = d.file
	for i := range cfg.Warnings {
		cfg.Warnings[i] = strings.ReplaceAll(cfg.Warnings[i], file, name)
	}
	return cfg, nil
}

// Apply implements control.Daemon.
func (d *service) Apply(text []byte, name string, within time.Duration) (control.Trial, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	cfg, err := d.read(text, name)
	if err != nil {
		return control.Trial{}, err
	}
	t := control.Trial{Steps: lines(configs.Plan(d.present, cfg))}
	d.endTrial()
	if within == 0 {
		if err := d.write(text); err != nil {
			return control.Trial{}, err
		}
		d.Tell("applied", fmt.Sprintf("the configuration of %s is applied, and is now %s", name, d.file))
		d.take(cfg)
		return t, nil
	}
	until := time.Now().Add(within)
	t.Until = &until
	next := &trial{text: text}
	next.timer = time.AfterFunc(within, func() { d.expire(next) })
	d.trial = next
	d.until.Store(&until)
	d.Tell("applied", fmt.Sprintf("the configuration of %s is applied until %s; unless it is confirmed by then, that of %s returns",
		name, until.Format(time.TimeOnly), d.file))
	d.take(cfg)
	return t, nil
}

// Confirm implements control.Daemon.
func (d *service) Confirm() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.trial == nil {
		return cause.Errorf(cause.Usage, "there is nothing to confirm: the configuration of %s is in force", d.file)
	}
	if err := d.write(d.trial.text); err != nil {
		return err
	}
	d.endTrial()
	d.Tell("confirmed", "the configuration that was applied is confirmed, and is now "+d.file)
	return nil
}

// expire brings the old configuration back.
func (d *service) expire(t *trial) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.trial != t {
		return
	}
	d.Tell("reverted", "the configuration that was applied was not confirmed in time: that of "+d.file+" returns")
	if err := d.reload(); err != nil {
		d.log.Errorf("the old configuration cannot be read any more, the new one stays until it can: %v", err)
		d.trial.timer = time.AfterFunc(time.Minute, func() { d.expire(t) })
	}
}

// write makes text the configuration file, with the owner and mode that it has;
// only root may read it if it holds a password.
func (d *service) write(text []byte) error {
	file, err := filepath.EvalSymlinks(d.file)
	if err != nil {
		return err
	}
	info, err := os.Stat(file)
	if err != nil {
		return err
	}
	if now, err := os.ReadFile(file); err != nil || !bytes.Equal(now, d.text) {
		return errors.Join(cause.Errorf(cause.Usage, "%s was changed since it was read, and is not overwritten; `pppoectl reload` takes it as it is", d.file), err)
	}
	if err := state.Replace(file, text, info.Mode().Perm()); err != nil {
		return err
	}
	d.text = text
	if _, err := configs.LoadToRun(file); err != nil && info.Mode().Perm() != 0o600 {
		if err := os.Chmod(file, 0o600); err != nil {
			return err
		}
	}
	if _, err := configs.LoadToRun(file); err != nil {
		return errors.Join(errors.New("it was written all the same"), err)
	}
	return nil
}
