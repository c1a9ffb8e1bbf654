package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	stdlog "log"
	"net"
	"net/http"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/sirupsen/logrus"
	"golang.org/x/sys/unix"

	"pppoectl/cause"
	"pppoectl/history"
	"pppoectl/state"
)

// Daemon is what the API controls.
type Daemon interface {
	Status() Status
	Uplink(name string) (Uplink, error)
	Up(ctx context.Context, name string, patience time.Duration) error
	Restart(ctx context.Context, name string, patience time.Duration) error
	Down(ctx context.Context, name string) error
	// History sums up what has happened to an uplink since a time.
	History(name string, since time.Time) (history.Summary, error)
	Events(name string) (past []state.Event, next <-chan state.Event, end func(), err error)
	Reload() error
	// Plan tells what a configuration would change, a line each; its file is called
	// name.
	Plan(text []byte, name string) ([]string, error)
	// Apply takes a configuration, to be confirmed within a time unless that is 0.
	Apply(text []byte, name string, within time.Duration) (Trial, error)
	Confirm() error
	// Upgrade goes on as another program; an empty path is that of this one.
	Upgrade(ctx context.Context, binary string) error
	Stop()
}

// SocketName is the socket's name in the run directory.
const SocketName = "control.sock"

// Server serves the API.
type Server struct {
	daemon   Daemon
	log      *logrus.Entry
	listener net.Listener
	http     *http.Server
	group    int // besides root; -1: nobody
	path     string
	metrics  http.Handler
}

// Listen makes the socket in dir. Members of group, if it is not empty, may use
// it besides root and the daemon's own user.
func Listen(dir, group string, daemon Daemon, metrics http.Handler, log *logrus.Entry) (*Server, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	s := &Server{daemon: daemon, log: log, group: -1, path: filepath.Join(dir, SocketName), metrics: metrics}
	if group != "" {
		g, err := user.LookupGroup(group)
		if err != nil {
			return nil, fmt.Errorf("control-group: %w", err)
		}
		if s.group, err = strconv.Atoi(g.Gid); err != nil {
			return nil, fmt.Errorf("control-group: %w", err)
		}
	}
	// Of this state directory we are the only daemon; another one must not have the same
	// run directory. A socket that nobody listens on is left over.
	if c, err := net.DialTimeout("unix", s.path, time.Second); err == nil {
		c.Close()
		return nil, fmt.Errorf("run-dir: %s is in use by another pppoectl; give each its own", dir)
	}
	if err := os.Remove(s.path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	mask := unix.Umask(0o177)
	l, err := net.Listen("unix", s.path)
	unix.Umask(mask)
	if err != nil {
		return nil, err
	}
	s.listener = &bounded{Listener: l, own: os.Geteuid(), open: map[int]int{}}
	if s.group >= 0 {
		if err := errors.Join(os.Chown(s.path, -1, s.group), os.Chmod(s.path, 0o660)); err != nil {
			l.Close()
			return nil, err
		}
	}
	s.http = &http.Server{
		Handler: s.routes(), ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 30 * time.Second,
		IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10, ErrorLog: stdlog.New(log.WriterLevel(logrus.WarnLevel), "", 0),
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			return context.WithValue(ctx, peerKey{}, s.allowed(c))
		},
	}
	return s, nil
}

// Serve serves until Close.
func (s *Server) Serve() error {
	if err := s.http.Serve(s.listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// Close ends the server; requests under way get a moment to be answered.
func (s *Server) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), 500*time.Millisecond)
	defer cancel()
	if err := s.http.Shutdown(ctx); err != nil {
		return s.http.Close()
	}
	return nil
}

type peerKey struct{}

// peer is what the process at the other end may do.
type peer struct {
	allowed bool // use the API
	owner   bool // change the configuration
}

// allowed reports what the process at the other end may do: root and our own user
// everything, a member of the group all but changing the configuration.
func (s *Server) allowed(c net.Conn) peer {
	cred := credentials(c)
	if cred == nil {
		return peer{}
	}
	if cred.Uid == 0 || int(cred.Uid) == os.Geteuid() {
		return peer{true, true}
	}
	groups := []int{int(cred.Gid)}
	if p, err := user.LookupId(strconv.Itoa(int(cred.Uid))); err == nil {
		ids, _ := p.GroupIds()
		for _, id := range ids {
			if n, err := strconv.Atoi(id); err == nil {
				groups = append(groups, n)
			}
		}
	}
	return peer{allowed: s.group >= 0 && slices.Contains(groups, s.group)}
}

func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/status", func(w http.ResponseWriter, _ *http.Request) { reply(w, s.daemon.Status()) })
	mux.HandleFunc("GET /v1/uplinks/{name}", func(w http.ResponseWriter, r *http.Request) {
		u, err := s.daemon.Uplink(r.PathValue("name"))
		if err != nil {
			refuse(w, err)
			return
		}
		reply(w, u)
	})
	mux.HandleFunc("GET /v1/uplinks/{name}/history", s.history)
	mux.HandleFunc("POST /v1/uplinks/{name}/{verb}", s.order)
	mux.HandleFunc("GET /v1/events", s.events)
	mux.HandleFunc("POST /v1/reload", func(w http.ResponseWriter, _ *http.Request) { done(w, s.daemon.Reload()) })
	mux.HandleFunc("POST /v1/plan", s.owner(s.plan))
	mux.HandleFunc("POST /v1/apply", s.owner(s.apply))
	mux.HandleFunc("POST /v1/confirm", s.owner(func(w http.ResponseWriter, _ *http.Request) { done(w, s.daemon.Confirm()) }))
	mux.HandleFunc("POST /v1/upgrade", s.owner(s.upgrade))
	mux.HandleFunc("POST /v1/stop", func(w http.ResponseWriter, _ *http.Request) {
		s.log.Info("asked to stop")
		done(w, nil)
		s.daemon.Stop()
	})
	if s.metrics != nil {
		mux.Handle("GET /metrics", s.metrics)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if p, _ := r.Context().Value(peerKey{}).(peer); !p.allowed {
			refuse(w, cause.Errorf(cause.Forbidden, "you may not control this daemon; be root, or a member of its control-group"))
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// maxPatience is the longest that a request may wait.
const maxPatience = time.Hour

// order is up, down and restart. With ?wait=30s, up and restart wait so long.
func (s *Server) order(w http.ResponseWriter, r *http.Request) {
	patience := time.Duration(0)
	if v := r.URL.Query().Get("wait"); v != "" {
		d, err := time.ParseDuration(v)
		if err != nil || d < 0 || d > maxPatience {
			refuse(w, cause.Errorf(cause.Usage, "wait: %q is no duration up to %v", v, maxPatience))
			return
		}
		patience = d
	}
	name := r.PathValue("name")
	switch r.PathValue("verb") {
	case "up":
		done(w, s.daemon.Up(r.Context(), name, patience))
	case "restart":
		done(w, s.daemon.Restart(r.Context(), name, patience))
	case "down":
		done(w, s.daemon.Down(r.Context(), name))
	default:
		refuse(w, cause.Errorf(cause.Usage, "%q is none of up, down, restart", r.PathValue("verb")))
	}
}

// since reads ?since=, a time as in RFC 3339; without it all is wanted.
func since(r *http.Request) (time.Time, error) {
	v := r.URL.Query().Get("since")
	if v == "" {
		return time.Time{}, nil
	}
	t, err := time.Parse(time.RFC3339Nano, v)
	if err != nil {
		return t, cause.Errorf(cause.Usage, "since: %q is no time such as 2026-11-23T04:05:06+09:00", v)
	}
	return t, nil
}

// history sums up what has happened to an uplink.
func (s *Server) history(w http.ResponseWriter, r *http.Request) {
	from, err := since(r)
	if err != nil {
		refuse(w, err)
		return
	}
	h, err := s.daemon.History(r.PathValue("name"), from)
	if err != nil {
		refuse(w, err)
		return
	}
	reply(w, h)
}

// slowest is how long a client may take to read an event; who does not read is
// not waited for.
const slowest = 10 * time.Second

// events writes what has happened, an object a line, and with ?follow=1 what comes
// after it.
func (s *Server) events(w http.ResponseWriter, r *http.Request) {
	from, err := since(r)
	if err != nil {
		refuse(w, err)
		return
	}
	past, next, end, err := s.daemon.Events(r.URL.Query().Get("uplink"))
	if err != nil {
		refuse(w, err)
		return
	}
	defer end()
	w.Header().Set("Content-Type", "application/x-ndjson")
	out := json.NewEncoder(w)
	rc := http.NewResponseController(w)
	for _, e := range past {
		if e.Time.Before(from) {
			continue
		}
		rc.SetWriteDeadline(time.Now().Add(slowest))
		if out.Encode(e) != nil {
			return
		}
	}
	if r.URL.Query().Get("follow") != "1" {
		return
	}
	uplink := r.URL.Query().Get("uplink")
	for {
		rc.Flush()
		select {
		case <-r.Context().Done():
			return
		case e := <-next:
			if uplink != "" && e.Uplink != uplink {
				continue
			}
			rc.SetWriteDeadline(time.Now().Add(slowest))
			if out.Encode(e) != nil {
				return
			}
		}
	}
}

// Problem is the body of an answer that is not 2xx.
type Problem struct {
	Error struct {
		Code    cause.Code `json:"code"`
		Message string     `json:"message"`
	} `json:"error"`
}

func reply(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(v)
}

func done(w http.ResponseWriter, err error) {
	if err != nil {
		refuse(w, err)
		return
	}
	reply(w, struct{}{})
}

func refuse(w http.ResponseWriter, err error) {
	var p Problem
	p.Error.Code, p.Error.Message = cause.Internal, err.Error()
	var c *cause.Error
	if errors.As(err, &c) {
		p.Error.Code = c.Code
	}
	code := http.StatusConflict
	switch p.Error.Code {
	case cause.Unknown:
		code = http.StatusNotFound
	case cause.Usage:
		code = http.StatusBadRequest
	case cause.Forbidden:
		code = http.StatusForbidden
	case cause.WaitTimeout:
		code = http.StatusGatewayTimeout
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	json.NewEncoder(w).Encode(p)
}
