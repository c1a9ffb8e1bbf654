package lab_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"pppoectl/concentrator"
	"pppoectl/flets"
	"pppoectl/labnet"
	"pppoectl/simulator"
)

// simulated is a running fletsim.
type simulated struct {
	s    *site
	at   *labnet.Namespace
	cmd  *exec.Cmd
	done chan struct{}
}

// fletsim starts fletsim on the host's eth1: the host is the provider, and the
// guest the customer.
func (s *site) fletsim(oldNew ...string) *simulated {
	s.t.Helper()
	return s.fletsimOn(s.host, "eth1", oldNew...)
}

// fletsimOn starts fletsim on an interface and waits until it is ready. Its line
// is that of `fletsim example`, but for each old that is replaced by new.
func (s *site) fletsimOn(at *labnet.Namespace, device string, oldNew ...string) *simulated {
	s.t.Helper()
	args := []string{"-i", device, "--control", s.path("f.sock"), "--json"}
	if len(oldNew) > 0 {
		text := flets.Example
		for i := 0; i < len(oldNew); i += 2 {
			if !strings.Contains(text, oldNew[i]) {
				s.t.Fatalf("fletsim's example has no %q", oldNew[i])
			}
			text = strings.ReplaceAll(text, oldNew[i], oldNew[i+1])
		}
		s.writeFile(s.path("line.yaml"), text)
		args = append(args, "-c", s.path("line.yaml"))
	}
	f := &simulated{s: s, at: at, cmd: at.Command(lineProgram, args...), done: make(chan struct{})}
	out, err := os.Create(s.path("events.json"))
	if err != nil {
		s.t.Fatal(err)
	}
	defer out.Close()
	log, err := os.OpenFile(s.path("daemon.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600) // examined at the end
	if err != nil {
		s.t.Fatal(err)
	}
	defer log.Close()
	f.cmd.Stdout, f.cmd.Stderr = out, log
	if err := f.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	go func() {
		f.cmd.Wait()
		close(f.done)
	}()
	s.t.Cleanup(func() {
		f.cmd.Process.Kill()
		<-f.done
		if b, _ := os.ReadFile(s.path("events.json")); s.t.Failed() {
			s.t.Logf("fletsim:\n%s", tail(string(b), 60))
		}
	})
	f.nth("ready", "", 1)
	return f
}

// end ends fletsim by SIGTERM, and expects that its device goes with it.
func (f *simulated) end() {
	f.s.t.Helper()
	f.cmd.Process.Signal(unix.SIGTERM)
	select {
	case <-f.done:
	case <-time.After(patience):
		f.s.t.Fatal("fletsim does not end")
	}
	if c := f.cmd.ProcessState.ExitCode(); c != 0 {
		f.s.t.Errorf("fletsim: exit status %d", c)
	}
	if links := f.at.IP("-o", "link"); strings.Contains(links, "internet") {
		f.s.t.Errorf("fletsim has left its device: %s", links)
	}
}

// events returns what fletsim has told of a kind, about a user unless that is "".
func (f *simulated) events(kind concentrator.Kind, user string) []concentrator.Event {
	f.s.t.Helper()
	b, err := os.ReadFile(f.s.path("events.json"))
	if err != nil {
		f.s.t.Fatal(err)
	}
	var list []concentrator.Event
	for lines := bufio.NewScanner(bytes.NewReader(b)); lines.Scan(); {
		var e concentrator.Event // the last line may not be complete yet
		if json.Unmarshal(lines.Bytes(), &e) == nil && e.Kind == kind && (user == "" || e.User == user) {
			list = append(list, e)
		}
	}
	return list
}

// nth waits for the nth event of a kind, from 1.
func (f *simulated) nth(kind concentrator.Kind, user string, n int) concentrator.Event {
	f.s.t.Helper()
	var list []concentrator.Event
	f.s.eventually(fmt.Sprintf("event %d of kind %s %s", n, kind, user), func() error {
		if list = f.events(kind, user); len(list) < n {
			return fmt.Errorf("there are %v", list)
		}
		return nil
	})
	return list[n-1]
}

// ended waits until a session has ended, and returns why.
func (f *simulated) ended(id uint16) string {
	f.s.t.Helper()
	var why string
	f.s.eventually(fmt.Sprintf("the end of session %d", id), func() error {
		for _, e := range f.events(concentrator.SessionEnded, "") {
			if e.Session == id {
				why = e.Text
				return nil
			}
		}
		return errors.New("it lasts")
	})
	return why
}

// status returns what `fletsim status` shows.
func (f *simulated) status() flets.Status {
	f.s.t.Helper()
	r := f.s.exec(lineProgram, "--control", f.s.path("f.sock"), "--json", "status")
	var st flets.Status
	if err := json.Unmarshal([]byte(r.stdout), &st); err != nil {
		f.s.t.Fatalf("fletsim status: %v: %s%s", err, r.stdout, r.stderr)
	}
	return st
}

// session waits until a user has one session, and returns its status.
func (f *simulated) session(user string) flets.SessionStatus {
	f.s.t.Helper()
	var list []flets.SessionStatus
	f.s.eventually("one session of "+user, func() error {
		st := f.status()
		list = slices.DeleteFunc(slices.Clone(st.Sessions), func(o flets.SessionStatus) bool { return o.User != user })
		if len(list) != 1 {
			return fmt.Errorf("there are %+v", st)
		}
		return nil
	})
	return list[0]
}

// customer is a guest that does what the test tells it. DIR is the site's
// directory, where a file appears for each step.
const customer = `
umask 077
printf '%s\n' 'user@bizf.example.jp * secret4' 'user@bizf6.example.jp * secret6' > /etc/ppp/pap-secrets
cp /etc/ppp/pap-secrets /etc/ppp/chap-secrets; : > /etc/ppp/options
ip link add lan0 type dummy; ip link set lan0 up
start() { # NAME COMMAND...: its output has NAME before each line
  local name=$1; shift
  { "$@" 2>&1 & echo $! > /run/$name.pid; wait $!; echo "exit $?"; } 2>/dev/null | sed -u "s/^/$name: /" &
}
dial() { # NAME LOGIN OPTION...
  start $1 pppd plugin rp-pppoe.so vec0 user $2 ifname $1 noauth debug nodetach mtu 1454 mru 1454 noccp novj "${@:3}"
}
delegate() { # NAME DEVICE: asks for a prefix, and puts an address of it on lan0
  cat > /etc/wide-dhcpv6/dhcp6c.conf <<X
interface $2 { send ia-pd 0; request domain-name-servers; };
id-assoc pd 0 { prefix-interface lan0 { sla-id 0; sla-len 8; }; };
X
  start $1 dhcp6c -D -f -c /etc/wide-dhcpv6/dhcp6c.conf $2
}
end() { kill -$2 $(< /run/$1.pid); } # NAME SIGNAL
echo READY
for ((n = 1; ; n++)); do
  until [[ -e DIR/step$n ]]; do read -t 0.05 <>/run/never; done
  . DIR/step$n; echo "step $n: $?"
done
`

// peer is a customer's guest.
type peer struct {
	*guest
	steps int
}

// customer boots a guest that is a customer.
func (s *site) customer() *peer {
	s.t.Helper()
	if _, err := exec.LookPath("dhcp6c"); err != nil {
		s.t.Skip("not installed: dhcp6c; lab/install installs it")
	}
	path := s.path("customer.guest")
	s.writeFile(path, strings.ReplaceAll(customer, "DIR", s.dir))
	return &peer{guest: s.boot(path)}
}

// do has the guest run commands, and returns the last one's exit status.
func (p *peer) do(text string) (status string) {
	p.s.t.Helper()
	p.steps++
	name := fmt.Sprintf("step%d", p.steps)
	p.s.writeFile(p.s.path("next"), text+"\n")
	if err := os.Rename(p.s.path("next"), p.s.path(name)); err != nil {
		p.s.t.Fatal(err)
	}
	return p.says(fmt.Sprintf("step %d", p.steps), "")
}

// must has the guest run commands that succeed.
func (p *peer) must(text string) {
	p.s.t.Helper()
	if status := p.do(text); status != "0" {
		p.s.t.Fatalf("in the guest: exit status %s of %s", status, text)
	}
}

// says waits for a line of a program of the guest's with text in it.
func (p *peer) says(name, text string) (line string) {
	p.s.t.Helper()
	p.s.eventually(fmt.Sprintf("%s says %q", name, text), func() error {
		for _, l := range strings.Split(p.log(), "\n") {
			if said, ok := strings.CutPrefix(l, name+": "); ok && strings.Contains(said, text) {
				line = said
				return nil
			}
		}
		return errors.New("it does not")
	})
	return line
}

// part runs f as a subtest, after which the test goes on only if it has passed.
func (s *site) part(name string, f func()) {
	whole := s.t
	ok := whole.Run(name, func(t *testing.T) {
		s.t = t
		defer func() { s.t = whole }()
		f()
	})
	if !ok {
		whole.FailNow()
	}
}

// do has the line do something.
func (f *simulated) do(command string) {
	f.s.t.Helper()
	if err := simulator.Dial(f.s.path("f.sock")).Do(f.s.t.Context(), command); err != nil {
		f.s.t.Fatal(err)
	}
}
