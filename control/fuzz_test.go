package control

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/sirupsen/logrus"

	"pppoectl/cause"
	"pppoectl/history"
	"pppoectl/state"
)

// obedient does all that it is told, and fails the test if the API lets through what
// it must not.
type obedient struct {
	t     *testing.T
	owner bool // who asks may change the configuration
	calls int
}

func (d *obedient) named(name string) error {
	d.calls++
	if name == "bizf" {
		return nil
	}
	return cause.Errorf(cause.Unknown, "no uplink %q", name)
}

func (d *obedient) wait(name string, patience time.Duration) error {
	if patience < 0 || patience > time.Hour {
		d.t.Errorf("a request waits for %v", patience)
	}
	return d.named(name)
}

func (d *obedient) change(text []byte, within time.Duration) {
	d.calls++
	if !d.owner || len(text) > maxConfig || within < 0 || within > maxTrial {
		d.t.Errorf("owner %v, %d octets, within %v", d.owner, len(text), within)
	}
}

func (d *obedient) Status() Status {
	d.calls++
	return Status{Version: "1", Uplinks: []Uplink{{Name: "bizf", AC: &AC{Name: "\xff\x00<"}}}}
}

func (d *obedient) Uplink(name string) (Uplink, error) { return Uplink{Name: name}, d.named(name) }

func (d *obedient) Up(_ context.Context, name string, patience time.Duration) error {
	return d.wait(name, patience)
}

func (d *obedient) Restart(_ context.Context, name string, patience time.Duration) error {
	return d.wait(name, patience)
}

func (d *obedient) Down(_ context.Context, name string) error { return d.named(name) }

func (d *obedient) History(name string, since time.Time) (history.Summary, error) {
	return history.Summarize(name, []history.Record{{At: since}}, time.UTC), d.named(name)
}

func (d *obedient) Events(string) ([]state.Event, <-chan state.Event, func(), error) {
	d.calls++
	return []state.Event{{Time: time.Unix(1800000000, 0), Uplink: "bizf", Peer: "\xff"}}, nil, func() { d.calls-- }, nil
}

func (d *obedient) Reload() error { d.calls++; return nil }

func (d *obedient) Plan(text []byte, _ string) ([]string, error) {
	d.change(text, 0)
	return []string{"a"}, nil
}

func (d *obedient) Apply(text []byte, _ string, within time.Duration) (Trial, error) {
	d.change(text, within)
	return Trial{}, nil
}

func (d *obedient) Confirm() error { d.change(nil, 0); return nil }

func (d *obedient) Upgrade(context.Context, string) error { d.change(nil, 0); return nil }

func (d *obedient) Stop() { d.calls++ }

// FuzzServer sends any request to the API, as root, as a member of the control-group
// and as somebody else, who gets nowhere. What is not refused by HTTP itself is
// answered in JSON, with a known code if it is a problem.
func FuzzServer(f *testing.F) {
	for _, s := range []string{
		"GET /v1/status", "GET /v1/uplinks/bizf", "GET /v1/uplinks/bizf/history?since=2026-11-23T04:05:06+09:00", "POST /v1/uplinks/bizf/up?wait=30s",
		"POST /v1/uplinks/bizf/restart?wait=-1s", "POST /v1/uplinks/%2e%2e/down", "POST /v1/uplinks/bizf/delete", "GET /v1/events?since=x&uplink=bizf",
		"GET /v1/events?follow=1", "POST /v1/reload", "POST /v1/plan?name=a", "POST /v1/apply?within=60s", "POST /v1/apply?within=25h", "POST /v1/apply?within=-1s", "POST /v1/uplinks/bizf/up?wait=2h", "POST /v1/confirm",
		"POST /v1/upgrade?binary=/bin/sh", "POST /v1/stop", "GET /metrics", "DELETE /v1/status", "GET //v1/status", "GET /v1/uplinks/", "POST /v1/uplinks/a%2fb/up", "GET /v1/../v1/status",
	} {
		method, target, _ := strings.Cut(s, " ")
		path, query, _ := strings.Cut(target, "?")
		f.Add(method, path, query, []byte("uplinks: {}\n"))
	}
	log := logrus.NewEntry(&logrus.Logger{Out: io.Discard, Formatter: &logrus.TextFormatter{}, Level: logrus.PanicLevel})
	f.Fuzz(func(t *testing.T, method, path, query string, body []byte) {
		u, err := url.ParseRequestURI("/" + strings.TrimPrefix(path, "/"))
		if err != nil || !token(method) {
			return // net/http answers by itself
		}
		u.RawQuery = query
		for _, p := range []peer{{}, {allowed: true}, {true, true}} {
			d := &obedient{t: t, owner: p.owner}
			s := &Server{daemon: d, log: log, metrics: http.NotFoundHandler()}
			ctx, cancel := context.WithCancel(context.WithValue(t.Context(), peerKey{}, p))
			cancel() // who follows events has gone
			r := (&http.Request{Method: method, URL: u, Header: http.Header{}, Host: "pppoectl", Body: io.NopCloser(bytes.NewReader(body))}).WithContext(ctx)
			w := httptest.NewRecorder()
			s.routes().ServeHTTP(w, r)
			if !p.allowed && (w.Code != http.StatusForbidden || d.calls > 0) {
				t.Fatalf("a stranger's %s %s: status %d, %d calls", method, u, w.Code, d.calls)
			}
			answered(t, w)
		}
	})
}

// token reports whether a method is one for HTTP.
func token(method string) bool {
	return method != "" && strings.Trim(method, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-") == ""
}

// answered checks an answer of the API.
func answered(t *testing.T, w *httptest.ResponseRecorder) {
	t.Helper()
	kind := w.Header().Get("Content-Type")
	switch {
	case w.Code/100 == 3, w.Code == http.StatusNotFound && kind != "application/json", w.Code == http.StatusMethodNotAllowed:
		return // of the paths that there are not
	case w.Code == http.StatusOK && kind == "application/x-ndjson":
		for line := range bytes.Lines(w.Body.Bytes()) {
			if !json.Valid(line) {
				t.Fatalf("%q", line)
			}
		}
		return
	}
	var p Problem
	if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil || kind != "application/json" {
		t.Fatalf("status %d, %s: %q, %v", w.Code, kind, w.Body, err)
	}
	if problem := w.Code != http.StatusOK; problem != (p.Error.Message != "") || problem && p.Error.Code == "" {
		t.Fatalf("status %d: %q", w.Code, w.Body)
	}
}

// replies answers every request with the same octets.
type replies []byte

// RoundTrip implements http.RoundTripper.
func (b replies) RoundTrip(r *http.Request) (*http.Response, error) {
	return http.ReadResponse(bufio.NewReader(bytes.NewReader(b)), r)
}

// FuzzClient has a daemon answer anything: each call ends, and an error has words.
func FuzzClient(f *testing.F) {
	for _, s := range []string{
		"200 OK\r\n\r\n{\"version\":\"1\",\"uplinks\":[{\"name\":\"bizf\",\"state\":\"up\"}]}", "200 OK\r\n\r\n{", "200 OK\r\nContent-Length: 9\r\n\r\n{}",
		"409 Conflict\r\n\r\n{\"error\":{\"code\":\"busy\",\"message\":\"no\"}}", "500 No\r\n\r\n<html>", "409 Conflict\r\n\r\n{}", "302 Found\r\nLocation: /v1/status\r\n\r\n",
		"200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n{}\n\r\n0\r\n\r\n", "200 OK\r\n\r\n{\"time\":\"2026-11-23T04:05:06Z\",\"kind\":\"up\"}\n{\n", "100 Continue\r\n\r\n", "204 No Content\r\n\r\n",
	} {
		f.Add([]byte("HTTP/1.1 " + s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		c := &Client{http: &http.Client{Transport: replies(b)}, socket: "control.sock"}
		ctx := t.Context()
		_, status := c.Status(ctx)
		_, uplink := c.Uplink(ctx, "bizf")
		_, past := c.History(ctx, "bizf", time.Time{})
		_, plan := c.Plan(ctx, []byte("{}"), "a")
		events := 0
		follow := c.Events(ctx, "bizf", time.Time{}, true, func(state.Event) error { events++; return nil })
		if follow == nil || events > bytes.Count(b, []byte("\n"))+1 {
			t.Fatalf("followed to the end: %d events, %v", events, follow)
		}
		for _, err := range []error{status, uplink, past, plan, c.Order(ctx, "bizf", "up", time.Second), c.Reload(ctx), c.Stop(ctx), c.Confirm(ctx), c.Upgrade(ctx, ""), follow} {
			if err != nil && err.Error() == "" {
				t.Fatalf("an error without words: %#v", err)
			}
		}
	})
}
