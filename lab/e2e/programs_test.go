package lab_test

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"

	"pppoectl/control"
)

// withPath is a configuration whose uplinks all have a data path.
func withPath(text, path string) string {
	return strings.ReplaceAll(text, "    username:", "    data-path: "+path+"\n    username:")
}

func dataPathIs(kind, note string) func(control.Uplink) bool {
	return func(u control.Uplink) bool {
		return u.DataPath != nil && u.DataPath.Kind == kind && strings.Contains(u.DataPath.Note, note) && (note != "" || u.DataPath.Note == "")
	}
}

// Each path carries both families to the real AC, with the whole MTU, and lowers the MSS of
// SYNs in both directions.
func TestEachDataPathOnTheRealAC(t *testing.T) {
	r := newRouter(t)
	before := r.settled()
	r.boot(r.script(intoLAN, "", ""))
	r.configure(withPath(routing, "ebpf"))
	r.run()
	r.up(both...)
	lan := r.lanThatDials()
	r.address(0, "2001:db8:100::/64")
	for _, kind := range []string{"ebpf", "offload", "portable"} {
		r.configure(withPath(routing, kind))
		if kind != "ebpf" {
			r.must(0, "reload")
		}
		for _, name := range both {
			r.await(name, "data path "+kind, dataPathIs(kind, ""))
		}
		r.part(kind, func() {
			was := map[string]control.Uplink{"bizf": r.uplink("bizf"), "bizf6": r.uplink("bizf6")}
			r.ping("-M", "do", "-s", "1426", behindAC)
			r.ping("-M", "do", "-s", "1406", inside6)
			for _, name := range both {
				r.eventually("the pings are counted", func() error { // once they are through
					if now := r.uplink(name); now.Rx.Bytes < was[name].Rx.Bytes+1454 || now.Tx.Bytes < was[name].Tx.Bytes+1454 {
						return fmt.Errorf("%s has counted rx %+v tx %+v, before the ping %+v %+v", name, now.Rx, now.Tx, was[name].Rx, was[name].Tx)
					}
					return nil
				})
			}
			checkSYNs(t, r.site, newCapture(t, r.line, "ac0"), newCapture(t, lan, "eth0"))
			checkMSS6(t, r)
		})
	}
	r.must(0, "stop")
	r.host.IP("link", "delete", "eth0")
	r.restored(before, "each path and stop")
}

// What the kernel has carried is in the status, also after a restart, though the TUN
// device's own counters do not see it.
func TestTrafficInTheKernelIsCounted(t *testing.T) {
	r := newRouter(t)
	r.concentrator()
	r.configure(everything)
	d := r.run()
	r.up(both...)
	r.await("bizf", "in the kernel", dataPathIs("ebpf", ""))
	transfer := func(args ...string) uint64 { // octets that came
		t.Helper()
		got, err := r.iperf(append(args, "-c", behindAC, "-n", "4M")...)
		if err != nil || got.End.Received.Bytes < 1<<20 {
			t.Fatalf("%v, %+v", err, got)
		}
		return uint64(got.End.Received.Bytes)
	}
	was := r.uplink("bizf")
	up, down := transfer(), transfer("-R")
	now := r.uplink("bizf")
	for what, d := range map[string]struct {
		now, was control.Traffic
		octets   uint64
	}{"rx": {now.Rx, was.Rx, down}, "tx": {now.Tx, was.Tx, up}} {
		octets, packets := d.now.Bytes-d.was.Bytes, d.now.Packets-d.was.Packets
		if octets < d.octets || octets > d.octets*3/2 || packets < d.octets/1454 {
			t.Errorf("%s: %d octets in %d packets counted, of %d and acknowledgements", what, octets, packets, d.octets)
		}
	}
	if text := r.host.Run("cat", "/sys/class/net/bizf/statistics/tx_bytes"); len(text) > 6 {
		t.Errorf("the device has seen %s itself: this is not the path in the kernel", text)
	}
	d.end(os.Kill)
	up = transfer() // without us
	r.run()
	r.await("bizf", "resumed", func(u control.Uplink) bool { return u.State == control.Up && u.Resumed == 1 })
	if again := r.uplink("bizf"); again.Tx.Bytes < now.Tx.Bytes+up || again.Tx.Bytes > now.Tx.Bytes+up*3/2 {
		t.Errorf("sent %+v, before the restart %+v, and %d octets meanwhile", again.Tx, now.Tx, up)
	}
	r.must(0, "stop")
}

// Where the kernel's programs cannot be, the next path is taken, and the status says why.
func TestDataPathFallsBack(t *testing.T) {
	r := newRouter(t)
	before := r.settled()
	r.concentrator()
	carries := func(note string) {
		t.Helper()
		r.up(both...)
		for _, name := range both {
			r.await(name, "falls back: "+note, dataPathIs("offload", note))
		}
		r.ping(behindAC)
		r.ping(inside6)
		t.Log(r.uplink("bizf").DataPath.Note)
		r.must(0, "stop")
	}
	r.configure(strings.Replace(everything, "bpf-dir: DIR/bpf/pppoectl", "bpf-dir: DIR/elsewhere", 1))
	r.run()
	carries("DIR/elsewhere/"[3:])

	r.configure(everything)
	r.part("no CAP_BPF", func() {
		args := append([]string{"--bounding-set=-bpf,-perfmon,-sys_admin", program}, r.daemonArgs()...)
		r.launch(r.host.Command("setpriv", args...)).answers()
		carries("no right to load BPF programs: it takes CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN")
	})
	r.part("another program's XDP", func() {
		end := r.occupyXDP()
		r.run()
		carries("another program's XDP is on eth1 (other, id ")
		end()
	})
	r.part("a bridge", func() {
		mac := strings.TrimSpace(r.host.Run("cat", "/sys/class/net/eth1/address"))
		r.host.IP("link", "add", "br1", "address", mac, "type", "bridge", "forward_delay", "0")
		r.host.IP("link", "set", "eth1", "master", "br1")
		r.host.IP("link", "set", "br1", "up")
		r.configure(strings.ReplaceAll(everything, "interface: eth1", "interface: br1"))
		r.run()
		carries("br1 has no native XDP")
		r.host.IP("link", "delete", "br1")
	})
	r.configure(everything)
	r.run()
	r.up(both...)
	r.await("bizf", "in the kernel now", dataPathIs("ebpf", ""))
	r.must(0, "stop")
	r.restored(before, "each way to fall back")
}

// occupyXDP has another program at the line's XDP hook until end is called.
func (s *site) occupyXDP() (end func()) {
	s.t.Helper()
	index, err := strconv.Atoi(strings.TrimSpace(s.host.Run("cat", "/sys/class/net/eth1/ifindex")))
	if err != nil {
		s.t.Fatal(err)
	}
	s.host.Do(func() {
		p, err := ebpf.NewProgram(&ebpf.ProgramSpec{Name: "other", Type: ebpf.XDP, License: "GPL", Instructions: asm.Instructions{
			asm.Mov.Imm(asm.R0, 2), asm.Return(), // XDP_PASS
		}})
		if err != nil {
			s.t.Fatal(err)
		}
		x, err := link.AttachXDP(link.XDPOptions{Program: p, Interface: index})
		if err != nil {
			s.t.Fatal(err)
		}
		end = func() {
			if err := errors.Join(x.Close(), p.Close()); err != nil {
				s.t.Error(err)
			}
		}
	})
	return end
}

// A queueing discipline that the user gives the device is respected, as long as it is there.
func TestUsersQueueIsRespected(t *testing.T) {
	r := newRouter(t)
	r.concentrator()
	r.configure(everything)
	r.run()
	r.up(both...)
	r.await("bizf", "in the kernel", dataPathIs("ebpf", ""))
	queued := func() int {
		var packets int
		out := r.host.Run("tc", "-s", "qdisc", "show", "dev", "bizf", "root")
		if _, after, ok := strings.Cut(out, " bytes "); ok {
			fmt.Sscan(after, &packets)
		}
		return packets
	}
	r.host.Run("tc", "qdisc", "add", "dev", "bizf", "root", "handle", "1:", "pfifo", "limit", "100")
	r.await("bizf", "the queue is respected", dataPathIs("ebpf", "upload by offload, for the sake of the pfifo queue on the device"))
	r.await("bizf6", "the other's is not concerned", dataPathIs("ebpf", ""))
	r.ping(behindAC)
	if n := queued(); n == 0 {
		t.Error("the ping has not gone through the queue")
	}
	if n := r.uplink("bizf").DataPath.Reasons["tx_user_space"]; n == 0 {
		t.Error("that it has gone another way is not counted")
	}
	x := r.stream("meanwhile", 4, "-c", behindAC)
	time.Sleep(2 * time.Second) // of traffic
	r.host.Run("tc", "qdisc", "delete", "dev", "bizf", "root")
	r.await("bizf", "all of it in the kernel again", dataPathIs("ebpf", ""))
	r.survived(x)
	r.must(0, "stop")
}

// At full speed nothing stands still while there is no daemon: what is carried each second is
// told, upwards and downwards.
func TestNothingStandsStillWithoutTheDaemon(t *testing.T) {
	r := newRouter(t)
	r.fletsimOn(r.line, "br0")
	r.configure(everything)
	d := r.run()
	r.up(both...)
	r.await("bizf", "in the kernel", dataPathIs("ebpf", ""))
	server := r.line.Command("iperf3", "-s")
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Process.Kill(); server.Wait() })
	for _, direction := range []string{"up", "down"} {
		args := []string{"-c", behindAC}
		if direction == "down" {
			args = append(args, "-R")
		}
		x := r.connect(direction, 8, args...)
		time.Sleep(2500 * time.Millisecond) // of traffic
		d.end(os.Kill)
		time.Sleep(2 * time.Second) // of traffic without a daemon
		d = r.run()
		r.await("bizf", "resumed", func(u control.Uplink) bool { return u.State == control.Up && u.Resumed > 0 })
		<-x.done
		if x.err != nil || len(x.got.Intervals) < 8 {
			t.Fatalf("%s: %v, %+v", direction, x.err, x.got)
		}
		var each []float64
		for _, i := range x.got.Intervals[:8] {
			each = append(each, i.Sum.Bytes*8/1e9/(i.Sum.End-i.Sum.Start))
		}
		t.Logf("%s: Gbit/s in each second, no daemon from 2.5 to 4.5: %.2f", direction, each)
		usual := (each[0] + each[1]) / 2
		for i, rate := range each {
			if rate < usual/20 { // on a machine that does other things as well
				t.Errorf("%s: %.2f Gbit/s in second %d, usual was %.2f", direction, rate, i+1, usual)
			}
		}
	}
	r.must(0, "stop")
}
