package fastpath

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"github.com/cilium/ebpf"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// key and value of the map of sessions, as pppoe.bpf.c has them.
type key struct {
	ID [2]byte // network byte order
	AC [6]byte
}

type value struct {
	Device uint32
	MAC    [6]byte
	MTU    uint16
	Flags  uint32
}

// Flags of a session.
const (
	passIPv4 = 1 << iota
	passIPv6
	slowUpload
)

// Traffic is what the programs have carried for a TUN device, and what they have not, by
// direction and reason. Octets are those that IP sees.
type Traffic struct {
	RxPackets, RxBytes uint64
	RxClosed           uint64 // the family's NCP was not open
	RxLength           uint64 // a length that lied, or no IP
	RxSlow             uint64 // given to user space
	TxPackets, TxBytes uint64
	TxClosed           uint64
	TxMTU              uint64 // too large
	TxSlow             uint64 // given to user space
	TxSplit            uint64 // super-packets that were split by the pair of veths
	TxFailed           uint64
}

func (t *Traffic) add(o Traffic) {
	t.RxPackets += o.RxPackets
	t.RxBytes += o.RxBytes
	t.RxClosed += o.RxClosed
	t.RxLength += o.RxLength
	t.RxSlow += o.RxSlow
	t.TxPackets += o.TxPackets
	t.TxBytes += o.TxBytes
	t.TxClosed += o.TxClosed
	t.TxMTU += o.TxMTU
	t.TxSlow += o.TxSlow
	t.TxSplit += o.TxSplit
	t.TxFailed += o.TxFailed
}

// Sub returns t without what o counts.
func (t Traffic) Sub(o Traffic) Traffic {
	t.RxPackets -= o.RxPackets
	t.RxBytes -= o.RxBytes
	t.RxClosed -= o.RxClosed
	t.RxLength -= o.RxLength
	t.RxSlow -= o.RxSlow
	t.TxPackets -= o.TxPackets
	t.TxBytes -= o.TxBytes
	t.TxClosed -= o.TxClosed
	t.TxMTU -= o.TxMTU
	t.TxSlow -= o.TxSlow
	t.TxSplit -= o.TxSplit
	t.TxFailed -= o.TxFailed
	return t
}

// Parameters say what a session is.
type Parameters struct {
	ID     uint16
	AC     [6]byte
	MAC    [6]byte // ours
	MTU    int     // octets
	Device int     // index of the TUN device
}

// Session is one that the programs carry. It is safe for concurrent use.
type Session struct {
	dir    string
	device uint32
	key    key

	mu    sync.Mutex
	value value
	maps  programsMaps
}

// Begin has the programs that are attached with their pins in dir carry a session; of none
// of its families yet, unless it is one that they carry already.
func Begin(dir string, p Parameters) (*Session, error) {
	s := &Session{dir: dir, device: uint32(p.Device), key: key{AC: p.AC}}
	binary.BigEndian.PutUint16(s.key.ID[:], p.ID)
	s.value = value{Device: s.device, MAC: p.MAC, MTU: uint16(p.MTU)}
	for name, m := range map[string]**ebpf.Map{
		programsMapSessions: &s.maps.Sessions, programsMapDevices: &s.maps.Devices,
		programsMapTraffic: &s.maps.Traffic, programsMapStrangers: &s.maps.Strangers,
	} {
		var err error
		if *m, err = ebpf.LoadPinnedMap(filepath.Join(dir, name), nil); err != nil {
			s.close()
			return nil, err
		}
	}
	if err := s.begin(); err != nil {
		return nil, errors.Join(err, s.End())
	}
	return s, nil
}

func (s *Session) begin() error {
	var there value
	if s.maps.Sessions.Lookup(s.key, &there) == nil && there.Device == s.device {
		s.value.Flags = there.Flags & (passIPv4 | passIPv6)
	}
	var before key
	if s.maps.Devices.Lookup(s.device, &before) == nil && before != s.key { // an earlier session of the device
		if err := ignoreMissing(s.maps.Sessions.Delete(before)); err != nil {
			return err
		}
	}
	if err := s.count(); err != nil {
		return err
	}
	if err := errors.Join(s.maps.Sessions.Put(s.key, s.value), s.maps.Devices.Put(s.device, s.key)); err != nil {
		return err
	}
	program, err := ebpf.LoadPinnedProgram(filepath.Join(s.dir, pinProgram+programsProgEncapsulate), nil)
	if err != nil {
		return err
	}
	defer program.Close()
	return ensureTCX(s.pin(), int(s.device), program, ebpf.AttachTCXEgress)
}

// count begins to count for the device, unless that is done. Devices that are gone make room.
func (s *Session) count() error {
	zero := make([]Traffic, ebpf.MustPossibleCPU())
	err := s.maps.Traffic.Update(s.device, zero, ebpf.UpdateNoExist)
	if errors.Is(err, unix.E2BIG) {
		var device uint32
		var each []Traffic
		for i := s.maps.Traffic.Iterate(); i.Next(&device, &each); {
			if _, err := netlink.LinkByIndex(int(device)); err != nil {
				s.maps.Traffic.Delete(device)
			}
		}
		err = s.maps.Traffic.Update(s.device, zero, ebpf.UpdateNoExist)
	}
	if errors.Is(err, ebpf.ErrKeyExist) {
		return nil
	}
	return err
}

func (s *Session) pin() string { return uploadPin(s.dir, s.device) }

// uploadPin is where a TUN device's link is pinned.
func uploadPin(dir string, device uint32) string {
	return filepath.Join(dir, fmt.Sprint(pinUpload, device))
}

// Pass says which families may flow.
func (s *Session) Pass(ipv4, ipv6 bool) error {
	return s.set(map[uint32]bool{passIPv4: ipv4, passIPv6: ipv6})
}

// SlowUpload says whether uploads are left to whoever reads the TUN device.
func (s *Session) SlowUpload(slow bool) error { return s.set(map[uint32]bool{slowUpload: slow}) }

func (s *Session) set(flags map[uint32]bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	v := s.value
	for f, on := range flags {
		v.Flags &^= f
		if on {
			v.Flags |= f
		}
	}
	if v == s.value {
		return nil
	}
	s.value = v
	return s.maps.Sessions.Update(s.key, v, ebpf.UpdateExist)
}

// Traffic returns what was carried since the TUN device had its first session.
func (s *Session) Traffic() (Traffic, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return trafficIn(s.maps.Traffic, s.device)
}

func trafficIn(m *ebpf.Map, device uint32) (Traffic, error) {
	var each []Traffic // one a processor
	var sum Traffic
	if err := m.Lookup(device, &each); err != nil {
		return sum, err
	}
	for _, t := range each {
		sum.add(t)
	}
	return sum, nil
}

// Carried returns what programs of an earlier run have carried for a TUN device.
func Carried(dir string, device int) (Traffic, error) {
	m, err := ebpf.LoadPinnedMap(filepath.Join(dir, programsMapTraffic), nil)
	if err != nil {
		return Traffic{}, err
	}
	defer m.Close()
	return trafficIn(m, uint32(device))
}

// Strangers returns how many frames of data on the line were of no session here.
func (s *Session) Strangers() (uint64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var each []uint64
	var sum uint64
	if err := s.maps.Strangers.Lookup(uint32(0), &each); err != nil {
		return 0, err
	}
	for _, n := range each {
		sum += n
	}
	return sum, nil
}

// End has the programs carry the session no more.
func (s *Session) End() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.close()
	var there value
	failed := []error{}
	if s.maps.Sessions.Lookup(s.key, &there) == nil && there.Device == s.device {
		failed = append(failed, ignoreMissing(s.maps.Sessions.Delete(s.key)))
	}
	failed = append(failed, ignoreMissing(s.maps.Devices.Delete(s.device)))
	if pinnedOn(s.pin()) == 0 { // the TUN device is gone, and its index may come again
		failed = append(failed, ignoreMissing(s.maps.Traffic.Delete(s.device)))
	}
	return errors.Join(append(failed, unpin(s.pin()))...)
}

// Leave leaves the session to the programs alone, uploads too: nobody reads the device.
func (s *Session) Leave() {
	s.SlowUpload(false)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.close()
}

func (s *Session) close() {
	for _, m := range []*ebpf.Map{s.maps.Sessions, s.maps.Devices, s.maps.Traffic, s.maps.Strangers} {
		m.Close() // a nil map, too
	}
}

// Forget has programs of an earlier run carry no session of a TUN device any more.
func Forget(dir string, device int) error {
	devices, err := ebpf.LoadPinnedMap(filepath.Join(dir, programsMapDevices), nil)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer devices.Close()
	sessions, err := ebpf.LoadPinnedMap(filepath.Join(dir, programsMapSessions), nil)
	if err != nil {
		return err
	}
	defer sessions.Close()
	var k key
	if err := devices.Lookup(uint32(device), &k); err != nil {
		return ignoreMissing(err)
	}
	return errors.Join(ignoreMissing(sessions.Delete(k)), ignoreMissing(devices.Delete(uint32(device))),
		unpin(uploadPin(dir, uint32(device))))
}

func ignoreMissing(err error) error {
	if errors.Is(err, ebpf.ErrKeyNotExist) || errors.Is(err, unix.ENOENT) {
		return nil
	}
	return err
}
