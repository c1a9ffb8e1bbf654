package lab_test

import (
	"strings"
	"testing"
	"time"

	"pppoectl/control"
)

// The data path is changed under connections through both sessions of the real AC: none is
// lost, nor is a session.
func TestDataPathIsChangedUnderConnections(t *testing.T) {
	r := newRouter(t)
	r.concentrator()
	with := func(path string) string {
		return strings.ReplaceAll(everything, "    interface: eth1\n", "    interface: eth1\n    data-path: "+path+"\n")
	}
	r.configure(with("auto"))
	r.run()
	r.up(both...)
	if p := r.uplink("bizf").DataPath; p == nil || p.Kind != "ebpf" || p.Note != "" {
		t.Errorf("auto is %+v", p)
	}
	was := map[string]uint16{"bizf": r.uplink("bizf").SessionID, "bizf6": r.uplink("bizf6").SessionID}
	const seconds = 16
	streams := []*stream{
		r.stream("bizf, upload", seconds, "-c", "198.51.100.1"),
		r.stream("bizf6, download", seconds, "-6", "-c", "2001:db8:ffff::1", "-p", "5202", "-R"),
	}
	for _, path := range []string{"portable", "ebpf", "offload", "auto"} {
		time.Sleep(2 * time.Second) // of traffic
		r.configure(with(path))
		r.must(0, "reload")
		want := strings.Replace(path, "auto", "ebpf", 1)
		for _, name := range both {
			r.await(name, "data path "+want, func(u control.Uplink) bool { return u.DataPath != nil && u.DataPath.Kind == want })
		}
	}
	for _, x := range streams {
		r.survived(x)
	}
	for name, id := range was {
		if now := r.uplink(name).SessionID; now != id {
			t.Errorf("%s: session %d, was %d", name, now, id)
		}
	}
	r.must(0, "stop")
}
