package supervisor

import (
	"context"
	"time"

	"pppoectl/cause"
	"pppoectl/control"
)

// settled waits until u is disabled.
func settled(ctx context.Context, u Uplink) error {
	for {
		status, changed := u.Status()
		switch status.State {
		case control.Disabled:
			return nil
		case control.Terminating:
		default:
			return cause.Errorf(cause.Internal, "%s: was put up again meanwhile", status.Name)
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return cause.Errorf(cause.WaitTimeout, "%s: still %s", status.Name, status.State)
		}
	}
}

// await waits until u is usable.
func await(ctx context.Context, u Uplink, patience time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		status, changed := u.Status()
		switch status.State {
		case control.Up:
			return nil
		case control.Disabled:
			return cause.Errorf(cause.Disabled, "%s: was put down meanwhile", status.Name)
		case control.Holdoff, control.Failed:
			if e := status.LastError; e != nil && definitive(e.Code) {
				return cause.Errorf(e.Code, "%s", e.Message)
			}
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return unfinished(status, patience)
		}
	}
}

// definitive reports whether waiting is of no use to who asked for the uplink.
func definitive(c cause.Code) bool {
	switch c {
	case cause.EchoLost, cause.PADT, cause.Terminated:
		return false
	}
	return true
}

// unfinished says what was waited for in vain.
func unfinished(status control.Uplink, patience time.Duration) error {
	if e := status.LastError; e != nil && status.State == control.Discovery {
		return cause.Errorf(e.Code, "%s", e.Message)
	}
	if e := status.LastError; e != nil && e.Code == cause.NoPrefix {
		return cause.Errorf(e.Code, "%s", e.Message)
	}
	if v := status.IPv6; v != nil && v.Delegation != "" && len(v.Prefixes) == 0 {
		return cause.Errorf(cause.NoPrefix, "%s: the session is up, but no prefix was delegated within %v (DHCPv6 is %s); it is asked on", status.Name, patience, v.Delegation)
	}
	if e := status.LastError; e != nil && (e.Code == cause.NoInterface || e.Code == cause.DeviceFailed) {
		return cause.Errorf(e.Code, "%s", e.Message)
	}
	switch status.State {
	case control.Discovery:
		return cause.Errorf(cause.NoOffer, "%s: no access concentrator on %s has answered within %v; it is still asked", status.Name, status.Interface, patience)
	case control.WaitingCarrier:
		return cause.Errorf(cause.NoCarrier, "%s: %s has no carrier; plug the cable in, or see `ip link show %s`; it is dialled as soon as there is one", status.Name, status.Interface, status.Interface)
	}
	return cause.Errorf(cause.WaitTimeout, "%s: still %s after %v; it is tried on", status.Name, status.State, patience)
}
