package control

import (
	"context"
	"net/http"
	"net/url"

	"pppoectl/cause"
)

// upgrade has the daemon go on as the program ?binary=/a/path, or as a new start of its
// own without one. It is answered before that happens.
func (s *Server) upgrade(w http.ResponseWriter, r *http.Request) {
	done(w, s.daemon.Upgrade(r.Context(), r.URL.Query().Get("binary")))
}

// Upgrade has the daemon go on as another program, which takes its sessions over.
// An empty path means the file that it was started from.
func (c *Client) Upgrade(ctx context.Context, binary string) error {
	return c.post(ctx, "/v1/upgrade", url.Values{"binary": {binary}})
}

// owner wants root, or the daemon's own user: what is named may be any file.
func (s *Server) owner(f http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if p, _ := r.Context().Value(peerKey{}).(peer); !p.owner {
			refuse(w, cause.Errorf(cause.Forbidden, "only root may do that"))
			return
		}
		f(w, r)
	}
}
