package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"pppoectl/control"
)

func newStatus(a *app) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "status [NAME]", Short: "print the state of all uplinks, or of one",
		Args: atMostOneName, ValidArgsFunction: a.completeNames,
		RunE: func(cmd *cobra.Command, args []string) error {
			var status control.Status
			var err error
			if len(args) == 1 {
				var u control.Uplink
				u, err = a.client().Uplink(cmd.Context(), args[0])
				status.Uplinks = []control.Uplink{u}
			} else {
				status, err = a.client().Status(cmd.Context())
			}
			if err != nil {
				return err
			}
			out := cmd.OutOrStdout()
			if !asJSON {
				if t := status.Trial; t != nil {
					fmt.Fprintf(out, "a configuration is on trial: the old one returns at %s unless `pppoectl confirm` is said\n\n", t.Until.Local().Format(time.TimeOnly))
				}
				for i, u := range status.Uplinks {
					if i > 0 {
						fmt.Fprintln(out)
					}
					printUplink(out, u, time.Now())
				}
				return nil
			}
			e := json.NewEncoder(out)
			e.SetIndent("", "  ")
			if len(args) == 1 {
				return e.Encode(status.Uplinks[0])
			}
			return e.Encode(status)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// printUplink prints one uplink for people. What the AC says of itself is
// quoted where it is not plain.
func printUplink(w io.Writer, u control.Uplink, now time.Time) {
	row := func(label, format string, args ...any) {
		fmt.Fprintf(w, "  %-10s %s\n", label, fmt.Sprintf(format, args...))
	}
	fmt.Fprintf(w, "%s: %s since %s (%s)\n", u.Name, u.State, u.Since.Local().Format(time.DateTime), ago(now.Sub(u.Since)))
	row("line", "%s, device %s, %s", u.Interface, u.Device, strings.Join(u.Families, " "))
	if u.AC != nil {
		row("AC", "%q %s", u.AC.Name, u.AC.MAC)
	}
	if u.SessionID != 0 {
		text := fmt.Sprintf("0x%04x (%d)", u.SessionID, u.SessionID)
		if u.MTU != 0 {
			text += fmt.Sprintf(", MTU %d, authentication %s", u.MTU, u.Auth)
		}
		if u.UpSince != nil {
			text += fmt.Sprintf(", up for %s", ago(now.Sub(*u.UpSince)))
		}
		row("session", "%s", text)
	}
	if a := u.IPv4; a != nil {
		row("IPv4", "%s%s%s", or(a.Local, "unnumbered"), prefixed(" peer ", a.Peer), prefixed(", DNS ", strings.Join(a.DNS, " ")))
	}
	if a := u.IPv6; a != nil {
		row("IPv6", "%s%s%s", or(a.Local, "no link"), prefixed(" peer ", a.Peer), prefixed(", DNS ", strings.Join(a.DNS, " ")))
		for _, p := range a.Prefixes {
			row("prefix", "%s", prefix(p, now))
		}
		if a.Delegation != "" && a.Delegation != "bound" {
			row("DHCPv6", "%s", a.Delegation)
		}
		for _, l := range a.LAN {
			row("LAN", "%s %s", l.Interface, lanText(l))
		}
	}
	for _, s := range u.System {
		if beyond(s) {
			row("system", "%s", s)
		}
	}
	if e := u.Echo; e != nil {
		row("echo", "%s", echo(e))
	}
	if u.Rx.Packets+u.Tx.Packets+u.Rx.Dropped+u.Tx.Dropped > 0 {
		row("received", "%s", traffic(u.Rx))
		row("sent", "%s", traffic(u.Tx))
	}
	if u.DataPath != nil {
		row("data path", "%s", dataPath(u.DataPath))
	}
	if d := u.LastDrop; d != nil {
		row("last drop", "%s, %s (%q) after %s", d.At.Local().Format(time.DateTime), d.Cause, d.Text, ago(time.Duration(d.AfterSeconds)*time.Second))
	}
	if e := u.LastError; e != nil && u.State != control.Up {
		row("error", "%s", e.Message)
	}
	if u.NextTry != nil {
		row("next try", "%s (in %s)", u.NextTry.Local().Format(time.DateTime), ago(u.NextTry.Sub(now)))
	}
	if u.Attempts > 1 {
		row("attempts", "%d", u.Attempts)
	}
}

// beyond reports whether a change to the system goes beyond what every session
// needs: devices, addresses, routes and rules are in the JSON.
func beyond(change string) bool {
	for _, begin := range []string{"sysctl", "nft", "write", "resolvectl", "features"} {
		if strings.HasPrefix(change, begin) {
			return true
		}
	}
	return false
}

// prefix tells of a delegated prefix.
func prefix(p control.Prefix, now time.Time) string {
	left := func(t *time.Time) string {
		if t == nil {
			return "for ever"
		}
		return "for " + ago(t.Sub(now))
	}
	text := p.Prefix + ", valid " + left(p.ValidUntil)
	if p.Deprecated {
		return text + ", deprecated: no new connections"
	}
	text += ", preferred " + left(p.PreferredUntil)
	if p.T1 != nil {
		text += ", renewed in " + ago(p.T1.Sub(now))
	}
	return text
}

func lanText(l control.LAN) string {
	switch {
	case l.Error != "":
		return "is not served: " + l.Error
	case l.Address == "":
		return "waits for a prefix"
	case l.Deprecated:
		return l.Address + ", deprecated"
	}
	return l.Address
}

func echo(e *control.Echo) string {
	if e.Off != "" {
		return "off: " + e.Off
	}
	return fmt.Sprintf("RTT %.2f ms, %d of %d lost (%.1f %%)", e.RTTms, e.Lost, e.Sent, 100*float64(e.Lost)/float64(max(e.Sent, 1)))
}

func traffic(t control.Traffic) string {
	text := fmt.Sprintf("%d packets, %s", t.Packets, octets(t.Bytes))
	if t.Dropped > 0 {
		text += fmt.Sprintf(", %d dropped", t.Dropped)
	}
	return text
}

func octets(n uint64) string {
	units := []string{"octets", "KiB", "MiB", "GiB", "TiB", "PiB"}
	v, i := float64(n), 0
	for ; v >= 1024 && i+1 < len(units); i++ {
		v /= 1024
	}
	if i == 0 {
		return fmt.Sprintf("%d octets", n)
	}
	return fmt.Sprintf("%.1f %s", v, units[i])
}

// ago prints a duration as people say it: two units at most.
func ago(d time.Duration) string {
	d = max(d, 0)
	switch {
	case d >= 48*time.Hour:
		return fmt.Sprintf("%dd%dh", int(d.Hours())/24, int(d.Hours())%24)
	case d >= time.Hour:
		return fmt.Sprintf("%dh%dm", int(d.Hours()), int(d.Minutes())%60)
	}
	return d.Round(time.Second).String()
}

func or(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

func prefixed(prefix, s string) string {
	if s == "" {
		return ""
	}
	return prefix + s
}

// dataPath is how packets are carried, and what is to be known of that.
func dataPath(p *control.DataPath) string {
	text := p.Kind
	if p.Note != "" {
		text += " (" + p.Note + ")"
	}
	return text
}
