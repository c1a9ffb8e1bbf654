package supervisor_test

import (
	"strings"
	"testing"
	"time"

	"pppoectl/cause"
	"pppoectl/configs"
	"pppoectl/control"
)

const resolvConf = "/etc/resolv.conf"

// Name servers of both uplinks stand in one file; what was there before comes back.
func TestNameServersOfBothUplinksAreWrittenAndTakenBack(t *testing.T) {
	uplinks := delegating()
	for i := range uplinks {
		uplinks[i].WriteDNS = resolvConf
	}
	inWorldOf(t, uplinks, func(w *world) {
		w.pass(time.Second)
		w.expect("bizf6", control.Up)
		content, _, _ := w.ReadFile(resolvConf)
		if !strings.Contains(content, "# bizf\nnameserver 198.51.100.53\n# bizf6\nnameserver 2001:db8:ffff::53\n") {
			t.Errorf("it holds\n%s", content)
		}
		if err := w.sup.Down(background(), "bizf"); err != nil {
			t.Fatal(err)
		}
		if content, _, _ = w.ReadFile(resolvConf); strings.Contains(content, "198.51.100.53") || !strings.Contains(content, "2001:db8:ffff::53") {
			t.Errorf("after bizf is down it holds\n%s", content)
		}
		w.sup.Release(cause.Released)
		w.store.Close()
		w.sup = nil
		if content, _, _ = w.ReadFile(resolvConf); content != "nameserver 192.0.2.1\n" {
			t.Errorf("at the end it holds\n%s", content)
		}
	}, func(w *world) { w.WriteFile(resolvConf, "nameserver 192.0.2.1\n") })
}

// A daemon that was killed has left its name servers in the file; the next one
// finds its way on.
func TestOldNameServersComeBackAfterACrash(t *testing.T) {
	uplinks := delegating()
	uplinks[0].WriteDNS = resolvConf
	inWorldOf(t, uplinks, func(w *world) {
		w.pass(time.Second)
		w.detach()
		w.cfg.Uplinks[0].WriteDNS = ""
		w.start()
		if content, _, _ := w.ReadFile(resolvConf); content != "nameserver 192.0.2.1\n" {
			t.Errorf("without the key it holds\n%s", content)
		}
	}, func(w *world) { w.WriteFile(resolvConf, "nameserver 192.0.2.1\n") })
}

func TestResolvedIsTold(t *testing.T) {
	uplinks := delegating()
	uplinks[1].WriteDNS = configs.ToResolved
	inWorldOf(t, uplinks, func(w *world) {
		w.pass(time.Second)
		if got := w.system("resolvectl"); got != "resolvectl dns bizf6 2001:db8:ffff::53" {
			t.Errorf("resolved: %q", got)
		}
		if err := w.sup.Down(background(), "bizf6"); err != nil {
			t.Fatal(err)
		}
		if got := w.system("resolvectl"); got != "" {
			t.Errorf("after down: %q", got)
		}
	})
}
