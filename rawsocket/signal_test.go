package rawsocket_test

import (
	"os"
	"os/signal"
	"strconv"
	"testing"
	"time"

	"github.com/mdlayher/packet"
	"golang.org/x/sys/unix"

	"pppoectl/rawsocket"
)

// openwrt issue 24715: a signal ended the wait for a PADO, and discovery with it.
func TestSignalsDoNotEndTheWait(t *testing.T) {
	got := make(chan os.Signal, 1)
	signal.Notify(got, unix.SIGUSR1)
	defer signal.Stop(got)
	for name, receive := range map[string]func(c *packet.Conn, b []byte) (int, error){
		"one frame": func(c *packet.Conn, b []byte) (int, error) {
			n, _, err := c.ReadFrom(b)
			return n, err
		},
		"many frames": func(c *packet.Conn, b []byte) (int, error) {
			m := rawsocket.NewMessages([][]byte{b})
			r, err := c.SyscallConn()
			if err == nil {
				_, err = m.Receive(r)
			}
			return m.Len(0), err
		},
	} {
		t.Run(name, func(t *testing.T) {
			near, far := pair(t)
			b, done := make([]byte, 2048), make(chan error, 1)
			var n int
			go func() {
				var err error
				n, err = receive(far, b)
				done <- err
			}()
			for range 200 {
				signalAllThreads(t)
				<-got
				select {
				case err := <-done:
					t.Fatalf("the wait ended with nothing received: %v", err)
				default:
				}
			}
			if _, err := near.WriteTo([]byte(frame(1)), &packet.Addr{HardwareAddr: []byte(frame(1))[:6]}); err != nil {
				t.Fatal(err)
			}
			far.SetReadDeadline(time.Now().Add(20 * time.Second))
			if err := <-done; err != nil || string(b[:n]) != frame(1) {
				t.Errorf("%q, %v", b[:n], err)
			}
		})
	}
}

// signalAllThreads reaches whichever waits in the kernel.
func signalAllThreads(t *testing.T) {
	t.Helper()
	tasks, err := os.ReadDir("/proc/self/task")
	if err != nil {
		t.Fatal(err)
	}
	for _, task := range tasks {
		id, err := strconv.Atoi(task.Name())
		if err != nil {
			t.Fatal(err)
		}
		if err := unix.Tgkill(os.Getpid(), id, unix.SIGUSR1); err != nil && err != unix.ESRCH {
			t.Fatal(err)
		}
	}
}
