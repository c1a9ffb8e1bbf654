package main

import (
	"context"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/sirupsen/logrus"

	"pppoectl/supervisor"
)

// watchdog tells systemd that all uplinks are looked after, as often as it wants to
// hear that, until ctx is done. A daemon that does not say so is started anew, and its
// sessions go on.
func watchdog(ctx context.Context, sup *supervisor.Supervisor, log *logrus.Logger) {
	within, err := daemon.SdWatchdogEnabled(false)
	if err != nil || within == 0 {
		return
	}
	for {
		asked, cancel := context.WithTimeout(ctx, within/3)
		if err := sup.Healthy(asked); err != nil {
			log.Errorf("watchdog: %v", err)
		} else {
			notify(log, daemon.SdNotifyWatchdog)
		}
		cancel()
		select {
		case <-ctx.Done():
			return
		case <-time.After(within / 3):
		}
	}
}
