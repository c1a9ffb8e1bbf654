package line

import (
	"io"
	"net"
	"os"
	"testing"
	"time"

	"pppoectl/labnet"
)

// A line that another program uses is not to be set down.
func TestOthersOnALine(t *testing.T) {
	labnet.Supported(t)
	if name := os.Getenv("OPEN_LINE"); name != "" { // the other program
		ifi, err := net.InterfaceByName(name)
		if err != nil {
			t.Fatal(err)
		}
		var ports Ports
		if _, err := ports.Open(*ifi); err != nil {
			t.Fatal(err)
		}
		io.Copy(io.Discard, os.Stdin)
		return
	}
	ns, peer := labnet.New(t), labnet.New(t)
	labnet.Veth(ns, "eth1", peer, "eth1")
	ns.IP("link", "set", "eth1", "up")
	var ifi *net.Interface
	others := func() (yes bool) {
		ns.Do(func() { yes = Others(ifi.Index) })
		return yes
	}
	ns.Do(func() {
		var err error
		if ifi, err = net.InterfaceByName("eth1"); err != nil {
			t.Fatal(err)
		}
		var ports Ports
		h, err := ports.Open(*ifi)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(h.Close)
	})
	if others() {
		t.Error("our own sockets are another's")
	}
	cmd := ns.Command(os.Args[0], "-test.run", "^TestOthersOnALine$")
	cmd.Env = append(os.Environ(), "OPEN_LINE=eth1")
	stdin, err := cmd.StdinPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	for begin := time.Now(); !others(); time.Sleep(10 * time.Millisecond) {
		if time.Since(begin) > 20*time.Second {
			t.Fatal("another's socket is not seen")
		}
	}
	stdin.Close()
	cmd.Wait()
	if others() {
		t.Error("it is seen, though it has gone")
	}
}
