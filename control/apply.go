package control

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"time"

	"pppoectl/cause"
)

// Trial is a new configuration that waits for its confirmation.
type Trial struct {
	Steps []string   `json:"steps,omitempty"` // what it changes, a line each
	Until *time.Time `json:"until,omitempty"` // when the old one returns unless it is confirmed; absent: never
}

// maxConfig is how long a configuration may be, in octets.
const maxConfig = 1 << 20

// maxTrial is how long a configuration may wait to be confirmed.
const maxTrial = 24 * time.Hour

// plan tells what the configuration in the body would change.
func (s *Server) plan(w http.ResponseWriter, r *http.Request) {
	text, ok := configuration(w, r)
	if !ok {
		return
	}
	steps, err := s.daemon.Plan(text, r.URL.Query().Get("name"))
	if err != nil {
		refuse(w, err)
		return
	}
	reply(w, Trial{Steps: steps})
}

// apply takes the configuration in the body; with ?within=60s it has to be
// confirmed in that time.
func (s *Server) apply(w http.ResponseWriter, r *http.Request) {
	within := time.Duration(0)
	if v := r.URL.Query().Get("within"); v != "" {
		d, err := time.ParseDuration(v)
		if err != nil || d < 0 || d > maxTrial {
			refuse(w, cause.Errorf(cause.Usage, "within: %q is no duration up to %v", v, maxTrial))
			return
		}
		within = d
	}
	text, ok := configuration(w, r)
	if !ok {
		return
	}
	trial, err := s.daemon.Apply(text, r.URL.Query().Get("name"), within)
	if err != nil {
		refuse(w, err)
		return
	}
	reply(w, trial)
}

// configuration reads a request's body.
func configuration(w http.ResponseWriter, r *http.Request) ([]byte, bool) {
	text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxConfig))
	if err != nil {
		refuse(w, cause.Errorf(cause.Usage, "the configuration: %v", err))
	}
	return text, err == nil
}

// Plan returns what a configuration would change. Name is that of its file, for
// people.
func (c *Client) Plan(ctx context.Context, text []byte, name string) (Trial, error) {
	return c.try(ctx, "/v1/plan", text, url.Values{"name": {name}})
}

// Apply has the daemon take a configuration; within a time it has to be confirmed,
// unless that is 0.
func (c *Client) Apply(ctx context.Context, text []byte, name string, within time.Duration) (Trial, error) {
	return c.try(ctx, "/v1/apply", text, url.Values{"name": {name}, "within": {within.String()}})
}

// Confirm makes the configuration that was applied permanent.
func (c *Client) Confirm(ctx context.Context) error { return c.post(ctx, "/v1/confirm", nil) }

func (c *Client) try(ctx context.Context, path string, text []byte, query url.Values) (Trial, error) {
	var t Trial
	body, err := c.send(ctx, http.MethodPost, path, query, text)
	if err != nil {
		return t, err
	}
	defer body.Close()
	return t, json.NewDecoder(body).Decode(&t)
}
