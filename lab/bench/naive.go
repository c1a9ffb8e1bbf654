package main

import (
	"encoding/binary"
	"os"

	"golang.org/x/sys/unix"

	"pppoectl/dataplane"
	"pppoectl/pppoe"
)

// startNaive carries packets as one would at first: a TUN device and a packet socket, a
// packet for each system call.
func startNaive(s dataplane.Session, device string) error {
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return err
	}
	request, err := unix.NewIfreq(device)
	if err != nil {
		return err
	}
	request.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
	if err := unix.IoctlIfreq(fd, unix.TUNSETIFF, request); err != nil {
		return err
	}
	tun := os.NewFile(uintptr(fd), device)
	const protocol = 0x6488 // 0x8864 in network byte order
	fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, protocol)
	if err != nil {
		return err
	}
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 4<<20); err != nil {
		return err
	}
	if err := unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: protocol, Ifindex: s.Interface.Index}); err != nil {
		return err
	}
	line := os.NewFile(uintptr(fd), s.Interface.Name)
	go func() {
		b := make([]byte, 2048)
		copy(b, s.AC[:])
		copy(b[6:], s.MAC[:])
		binary.BigEndian.PutUint16(b[12:], pppoe.EtherTypeSession)
		b[14] = 0x11
		binary.BigEndian.PutUint16(b[16:], s.ID)
		for {
			n, err := tun.Read(b[22:])
			if err != nil {
				return
			}
			binary.BigEndian.PutUint16(b[18:], uint16(n+2))
			binary.BigEndian.PutUint16(b[20:], map[byte]uint16{4: 0x0021, 6: 0x0057}[b[22]>>4])
			line.Write(b[:22+n])
		}
	}()
	go func() {
		b := make([]byte, 2048)
		for {
			n, err := line.Read(b)
			if err != nil {
				return
			}
			if n < 22 || binary.BigEndian.Uint16(b[16:]) != s.ID || b[14] != 0x11 || b[15] != 0 {
				continue
			}
			if l := int(binary.BigEndian.Uint16(b[18:])); l >= 2 && 20+l <= n && b[20] == 0 {
				tun.Write(b[22 : 20+l])
			}
		}
	}()
	return nil
}
