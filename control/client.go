package control

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"pppoectl/cause"
	"pppoectl/history"
	"pppoectl/state"
)

// Client talks to a daemon.
type Client struct {
	http   *http.Client
	socket string
}

// NewClient returns a client for the daemon whose run directory is dir.
func NewClient(dir string) *Client {
	socket := filepath.Join(dir, SocketName)
	return &Client{socket: socket, http: &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "unix", socket)
		},
	}}}
}

// do sends a request; the caller closes the body. Answers that are not 2xx are
// errors.
func (c *Client) do(ctx context.Context, method, path string, query url.Values) (io.ReadCloser, error) {
	return c.send(ctx, method, path, query, nil)
}

// send is do with a body.
func (c *Client) send(ctx context.Context, method, path string, query url.Values, content []byte) (io.ReadCloser, error) {
	u := url.URL{Scheme: "http", Host: "pppoectl", Path: path, RawQuery: query.Encode()}
	r, err := http.NewRequestWithContext(ctx, method, u.String(), bytes.NewReader(content))
	if err != nil {
		return nil, err
	}
	resp, err := c.http.Do(r)
	if err != nil {
		return nil, c.unreachable(err)
	}
	if resp.StatusCode/100 == 2 {
		return resp.Body, nil
	}
	defer resp.Body.Close()
	var p Problem
	if err := json.NewDecoder(io.LimitReader(resp.Body, 1<<20)).Decode(&p); err != nil || p.Error.Message == "" {
		return nil, fmt.Errorf("%s: %s", c.socket, resp.Status)
	}
	return nil, &cause.Error{Code: p.Error.Code, Message: p.Error.Message}
}

// unreachable says why there is no answer.
func (c *Client) unreachable(err error) error {
	switch {
	case errors.Is(err, unix.ENOENT), errors.Is(err, unix.ECONNREFUSED):
		return cause.Errorf(cause.NotRunning, "pppoectl is not running (nobody listens on %s)", c.socket)
	case errors.Is(err, unix.EACCES):
		return cause.Errorf(cause.Forbidden, "%s: you may not use it; be root, or a member of control-group", c.socket)
	}
	return fmt.Errorf("%s: %w", c.socket, err)
}

func (c *Client) get(ctx context.Context, path string, v any) error {
	body, err := c.do(ctx, http.MethodGet, path, nil)
	if err != nil {
		return err
	}
	defer body.Close()
	return json.NewDecoder(body).Decode(v)
}

func (c *Client) post(ctx context.Context, path string, query url.Values) error {
	body, err := c.do(ctx, http.MethodPost, path, query)
	if err != nil {
		return err
	}
	return body.Close()
}

// Status returns the status of all uplinks.
func (c *Client) Status(ctx context.Context) (Status, error) {
	var s Status
	return s, c.get(ctx, "/v1/status", &s)
}

// Uplink returns the status of one uplink.
func (c *Client) Uplink(ctx context.Context, name string) (Uplink, error) {
	var u Uplink
	return u, c.get(ctx, "/v1/uplinks/"+url.PathEscape(name), &u)
}

// Order tells an uplink up, down or restart; up and restart wait for so long
// until it is usable.
func (c *Client) Order(ctx context.Context, name, verb string, patience time.Duration) error {
	return c.post(ctx, "/v1/uplinks/"+url.PathEscape(name)+"/"+verb, url.Values{"wait": {patience.String()}})
}

// Reload has the daemon read its configuration again.
func (c *Client) Reload(ctx context.Context) error { return c.post(ctx, "/v1/reload", nil) }

// Stop has the daemon release its sessions and end.
func (c *Client) Stop(ctx context.Context) error { return c.post(ctx, "/v1/stop", nil) }

// History sums up what has happened to an uplink since a time.
func (c *Client) History(ctx context.Context, uplink string, since time.Time) (history.Summary, error) {
	var h history.Summary
	body, err := c.do(ctx, http.MethodGet, "/v1/uplinks/"+url.PathEscape(uplink)+"/history", url.Values{"since": {since.Format(time.RFC3339Nano)}})
	if err != nil {
		return h, err
	}
	defer body.Close()
	return h, json.NewDecoder(body).Decode(&h)
}

// Events calls f with each event of one uplink, or of all, since a time, the oldest
// first; with follow it goes on until ctx is done or f fails.
func (c *Client) Events(ctx context.Context, uplink string, since time.Time, follow bool, f func(state.Event) error) error {
	query := url.Values{"since": {since.Format(time.RFC3339Nano)}}
	if uplink != "" {
		query.Set("uplink", uplink)
	}
	if follow {
		query.Set("follow", "1")
	}
	body, err := c.do(ctx, http.MethodGet, "/v1/events", query)
	if err != nil {
		return err
	}
	defer body.Close()
	lines := bufio.NewScanner(body)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var e state.Event
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			return err
		}
		if err := f(e); err != nil {
			return err
		}
	}
	switch err := lines.Err(); {
	case ctx.Err() != nil:
		return nil
	case follow && (err == nil || errors.Is(err, io.ErrUnexpectedEOF)):
		return cause.Errorf(cause.NotRunning, "pppoectl has ended")
	default:
		return err
	}
}
