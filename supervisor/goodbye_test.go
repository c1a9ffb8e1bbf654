package supervisor_test

import (
	"testing"
	"time"

	"pppoectl/cause"
)

// `stop` says goodbye, and that is the last word.
func TestReleaseSaysGoodbye(t *testing.T) {
	inLAN(t, advertising(), func(w *world, l *lans) {
		w.start()
		w.pass(10 * time.Minute)
		w.sup.Release(cause.Released)
		w.store.Close()
		w.sup = nil
		l.says("eth0", "router 0, 2001:db8:100:1:: 0/0")
		l.says("eth2", "router 0, 2001:db8:100:2:: 0/0")
		ended := w.env.Now()
		w.pass(time.Hour)
		if got := l.on("eth0", ended+1); len(got) > 0 {
			t.Errorf("said after the end: %v", got)
		}
		l.says("eth0", "router 0, 2001:db8:100:1:: 0/0")
		if len(l.sockets) > 0 {
			t.Errorf("%d sockets are open", len(l.sockets))
		}
		if got := w.system("2001:db8:100"); got != "" {
			t.Errorf("left over:\n%s", got)
		}
	})
}
