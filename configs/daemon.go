package configs

import (
	"net/netip"
	"os"
	"path/filepath"
	"time"
)

// hooks reads which programs are run. The default directory need not be there.
func (l *loader) hooks(r rawHooks) Hooks {
	h := Hooks{Dir: r.Dir, Timeout: DefaultHookTimeout}
	switch {
	case r.Dir == "":
		h.Dir = defaultHooksDir
	case r.Dir == "none":
		h.Dir = ""
	case !filepath.IsAbs(r.Dir):
		l.wrong("hooks.dir", "%q is neither an absolute path nor none", r.Dir)
	default:
		if info, err := os.Stat(r.Dir); err != nil || !info.IsDir() {
			l.wrong("hooks.dir", "%q is no directory", r.Dir)
		}
	}
	if r.Timeout != nil {
		h.Timeout = *r.Timeout
	}
	if h.Timeout < time.Second || h.Timeout > time.Hour {
		l.wrong("hooks.timeout", "%v is not between 1s and 1h", h.Timeout)
	}
	return h
}

// metrics reads where metrics are served. There is no password there, so that nobody but
// this machine may ask.
func (l *loader) metrics(r rawMetrics) Metrics {
	if r.Listen == "" {
		return Metrics{}
	}
	at, err := netip.ParseAddrPort(r.Listen)
	if err != nil || at.Port() == 0 {
		l.wrong("metrics.listen", "%q is no address and port, such as 127.0.0.1:9709", r.Listen)
	} else if !at.Addr().IsLoopback() {
		l.wrong("metrics.listen", "%v can be reached from other machines; take 127.0.0.1 or [::1], and a proxy with a password", at)
	}
	return Metrics{at}
}
