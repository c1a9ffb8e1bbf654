package simulator

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"pppoectl/flets"
)

// Listen makes the control socket at path. One that nobody answers on any more is
// replaced; anything else that is there is an error.
func Listen(path string) (net.Listener, error) {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
	case err != nil:
		return nil, err
	case info.Mode().Type() != os.ModeSocket:
		return nil, fmt.Errorf("%s is there and no socket; choose another --control", path)
	default:
		c, err := net.Dial("unix", path)
		if err == nil {
			c.Close()
			return nil, fmt.Errorf("%s: another fletsim answers there; choose another --control", path)
		}
		if !errors.Is(err, unix.ECONNREFUSED) {
			return nil, err
		}
		if err := os.Remove(path); err != nil {
			return nil, err
		}
	}
	old := unix.Umask(0o177) // nobody else may break the line
	defer unix.Umask(old)
	return net.Listen("unix", path)
}

// Serve answers on a control socket until the function that is returned is called:
// `POST /do` with a command as its body, `GET /status`.
func (s *Simulator) Serve(l net.Listener) (end func() error) {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /do", func(w http.ResponseWriter, r *http.Request) {
		text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 4096))
		var c flets.Command
		if err == nil {
			c, err = flets.ParseCommand(string(text))
		}
		if err == nil {
			err = s.Do(c)
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
		}
	})
	mux.HandleFunc("GET /status", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(s.Status())
	})
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	go server.Serve(l)
	return server.Close
}

// ErrNotRunning is matched when nobody answers on the control socket.
var ErrNotRunning = errors.New("no fletsim answers")

// Client talks to a running simulator.
type Client struct{ http http.Client }

// Dial returns a client for the control socket at path.
func Dial(path string) *Client {
	var d net.Dialer
	return &Client{http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext:       func(ctx context.Context, _, _ string) (net.Conn, error) { return d.DialContext(ctx, "unix", path) },
	}}}
}

// Do has the line carry out a command.
func (c *Client) Do(ctx context.Context, command string) error {
	_, err := c.call(ctx, http.MethodPost, "/do", command)
	return err
}

// Status returns the line as it is now.
func (c *Client) Status(ctx context.Context) (flets.Status, error) {
	var s flets.Status
	b, err := c.call(ctx, http.MethodGet, "/status", "")
	if err == nil {
		err = json.Unmarshal(b, &s)
	}
	return s, err
}

func (c *Client) call(ctx context.Context, method, path, body string) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, method, "http://fletsim"+path, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	answer, err := c.http.Do(r)
	if err != nil {
		var op *net.OpError
		if errors.As(err, &op) {
			return nil, fmt.Errorf("%w: %v", ErrNotRunning, op)
		}
		return nil, err
	}
	defer answer.Body.Close()
	b, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode != http.StatusOK {
		err = errors.New(strings.TrimSpace(string(b)))
	}
	return b, err
}
