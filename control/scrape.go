package control

import (
	"errors"
	"net"
	"net/http"
	"net/netip"
	"time"
)

// Scrape serves metrics, and nothing else, at a TCP address of this machine.
type Scrape struct{ http *http.Server }

// ListenScrape begins to serve metrics at an address. Failures later on are told to
// failed.
func ListenScrape(at netip.AddrPort, metrics http.Handler, failed func(error)) (*Scrape, error) {
	l, err := net.Listen("tcp", at.String())
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", metrics)
	s := &Scrape{&http.Server{
		Handler: mux, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: 30 * time.Second,
		IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10,
	}}
	go func() {
		if err := s.http.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			failed(err)
		}
	}()
	return s, nil
}

// Close ends it at once.
func (s *Scrape) Close() error { return s.http.Close() }
