package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"golang.org/x/net/bpf"

	"pppoectl/dataplane"
	"pppoectl/netspace"
	"pppoectl/pppoe"
	"pppoectl/rawsocket"
)

// mixed is traffic of many kinds, as arguments of iperf3's client: super-packets and small
// ones, that the kernel may join and that it may not, of both families and transports.
var mixed = []string{
	"-4 -b 200M", "-6 -b 200M", "-4 -P 4 -b 50M", "-6 -P 4 -b 50M", "-4 -N -l 200 -b 50M", "-6 -N -l 333 -b 50M", "-4 -N -l 1500 -b 200M", "-4 -M 536 -b 100M",
	"-6 -M 1220 -b 100M", "-4 -u -b 300M -l 64", "-6 -u -b 300M -l 64", "-4 -u -b 300M -l 512", "-4 -u -b 300M -l 1426", "-6 -u -b 300M -l 1406",
	"-4 -u -b 50M -l 4000", // in fragments
	"-4 -R", "-6 -R -P 2",
}

// check has the path in the kernel send mixed traffic, of its own and of a LAN behind it,
// until so many frames were captured at the far end, and fails if one is wrong.
func check(frames int) error {
	s, err := newSite(options{})
	defer s.close()
	if err != nil {
		return err
	}
	if err := s.join(0, string(dataplane.EBPF), string(dataplane.Offload)); err != nil {
		return err
	}
	if err := s.addLAN(); err != nil {
		return err
	}
	ports := []string{"5201", "5202"}
	stop, err := s.serve(ports...)
	if err != nil {
		return err
	}
	defer stop()
	var seen atomic.Int64
	var talking sync.WaitGroup
	ended := make(chan error, 2)
	for i, ns := range []string{s.near, s.lan} {
		talking.Go(func() { ended <- s.talk(ns, ports[i], func() bool { return seen.Load() >= int64(frames) }) })
	}
	done := make(chan struct{})
	go func() { talking.Wait(); close(done) }()
	found, err := s.examine(&seen, done)
	err = errors.Join(err, <-ended, <-ended)
	fmt.Println(found)
	if err == nil && len(found.wrong) > 0 {
		err = errors.New("there are wrong frames")
	}
	return err
}

// addLAN adds a namespace behind the near one.
func (s *site) addLAN() error {
	s.lan = fmt.Sprintf("pppoectl-%d-3", os.Getpid())
	return errors.Join(run("ip", "netns", "add", s.lan),
		run("ip", "link", "add", "lan", "netns", s.near, "type", "veth", "peer", "name", "eth0", "netns", s.lan),
		run("ip", "-n", s.near, "address", "add", "192.168.7.1/24", "dev", "lan"),
		run("ip", "-n", s.near, "address", "add", "fd77::1/64", "dev", "lan", "nodad"),
		run("ip", "-n", s.near, "link", "set", "lan", "up"),
		run("ip", in(s.near, "sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")...),
		run("ip", "-n", s.lan, "address", "add", "192.168.7.2/24", "dev", "eth0"),
		run("ip", "-n", s.lan, "address", "add", "fd77::2/64", "dev", "eth0", "nodad"),
		run("ip", "-n", s.lan, "link", "set", "eth0", "up"),
		run("ip", "-n", s.lan, "route", "add", "default", "via", "192.168.7.1"),
		run("ip", "-n", s.lan, "route", "add", "default", "via", "fd77::1"),
		run("ip", "-n", s.far, "route", "add", "192.168.7.0/24", "dev", "tun0"),
		run("ip", "-n", s.far, "route", "add", "fd77::/64", "dev", "tun0"))
}

// talk makes all of the mixed traffic from a namespace, again and again until it is enough.
func (s *site) talk(ns, port string, enough func() bool) error {
	far4, far6 := addresses(0, true)
	for i := 0; i < len(mixed) || !enough(); i++ {
		args := strings.Fields(mixed[i%len(mixed)])
		to := far4
		if slices.Contains(args, "-6") {
			to = far6
		}
		args = append([]string{"iperf3", "-c", to, "-p", port, "-t", "1", "--connect-timeout", "3000"}, args...)
		if out, err := exec.Command("ip", in(ns, args...)...).CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w: %s", strings.Join(args, " "), err, out)
		}
	}
	return nil
}

// findings are what was seen on the line.
type findings struct {
	frames, largest int // of how many octets is the largest IP packet
	kinds           map[string]int
	wrong           map[string]int
}

func (f findings) String() string {
	return fmt.Sprintf("%d frames: %v; largest packet %d octets; wrong: %v", f.frames, f.kinds, f.largest, f.wrong)
}

// examine looks at frames from the near end until done is closed.
func (s *site) examine(seen *atomic.Int64, done <-chan struct{}) (findings, error) {
	f := findings{kinds: map[string]int{}, wrong: map[string]int{}}
	buffers, err := rawsocket.NewBuffers(64, 1<<16)
	if err != nil {
		return f, err
	}
	defer buffers.Close()
	messages := rawsocket.NewMessages(buffers.List)
	return f, netspace.Do(netspace.Path(s.far), func() error {
		ifi, err := interfaceCalled("line0")
		if err != nil {
			return err
		}
		c, err := rawsocket.Listen(ifi, pppoe.EtherTypeSession, []bpf.Instruction{bpf.RetConstant{Val: 1 << 16}}, 64<<20)
		if err != nil {
			return err
		}
		go func() { <-done; c.Close() }()
		raw, err := c.SyscallConn()
		if err != nil {
			return err
		}
		for {
			n, err := messages.Receive(raw)
			select {
			case <-done:
				return nil
			default:
			}
			if err != nil {
				return err
			}
			for i := range n {
				f.look(buffers.List[i][:messages.Len(i)])
			}
			seen.Add(int64(n))
		}
	})
}

// look looks at one frame.
func (f *findings) look(frame []byte) {
	f.frames++
	wrong := func(what string) { f.wrong[what]++ }
	if len(frame) < 22+20 {
		wrong("short")
		return
	}
	packet := frame[22:]
	f.largest = max(f.largest, len(packet))
	if len(packet) > mtu {
		wrong("over the MTU")
	}
	if int(binary.BigEndian.Uint16(frame[18:])) != len(packet)+2 {
		wrong("PPPoE length")
	}
	protocol, pseudo, payload, fragment := packet[9], []byte(nil), packet[20:], false
	if binary.BigEndian.Uint16(frame[20:]) == 0x21 {
		if int(binary.BigEndian.Uint16(packet[2:])) != len(packet) {
			wrong("IPv4 length")
		}
		if sum(packet[:20]) != 0xffff {
			wrong("IPv4 checksum")
		}
		pseudo, fragment = packet[12:20], binary.BigEndian.Uint16(packet[6:])&0x3fff != 0
	} else {
		if len(packet) < 40 || int(binary.BigEndian.Uint16(packet[4:]))+40 != len(packet) {
			wrong("IPv6 length")
			return
		}
		protocol, pseudo, payload = packet[6], packet[8:40], packet[40:]
	}
	names := map[byte]string{6: "TCP", 17: "UDP"}
	name := names[protocol]
	if fragment || name == "" {
		f.kinds["others, fragments"]++
		return
	}
	f.kinds[fmt.Sprintf("%s over IPv%d", name, packet[0]>>4)]++
	tail := []byte{0, protocol, byte(len(payload) >> 8), byte(len(payload))}
	if sum(slices.Concat(pseudo, tail, payload)) != 0xffff {
		wrong(name + " checksum")
	}
}

// sum is the Internet checksum before it is inverted (RFC 1071).
func sum(b []byte) uint32 {
	var s uint32
	for i := 0; i+1 < len(b); i += 2 {
		s += uint32(binary.BigEndian.Uint16(b[i:]))
	}
	if len(b)%2 == 1 {
		s += uint32(b[len(b)-1]) << 8
	}
	for s > 0xffff {
		s = s>>16 + s&0xffff
	}
	return s
}
