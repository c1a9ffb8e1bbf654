package concentrator

import (
	"encoding/binary"
	"math"
	"math/bits"
	"net/netip"
	"strings"
	"time"

	"pppoectl/auth"
	"pppoectl/pppoe"
)

// Subscribers are what stands behind the concentrators of a line: who may log in,
// what each gets, who is in, and which prefixes are delegated. They have no lock:
// whoever steps the concentrators owns them.
type Subscribers struct {
	Logins map[string]Login
	Realms map[string]Realm // by what follows the @

	PerLine  int    // sessions of one station at a time; 0: any number
	PerLogin int    // sessions of one login at a time; 0: any number
	Replace  bool   // one session too many of a login ends the oldest, instead of being refused
	Busy     string // the text of that refusal; empty: "already logged in"

	refused map[string]refusal
	members map[string]int // number of a user in his realm, from 0
	size    map[string]int // of a realm
	perLine map[pppoe.MAC]int
	inside  map[string][]*Session
	leases  map[string][]*binding // by user
}

// NewSubscribers returns subscribers of which nobody is in.
func NewSubscribers(logins map[string]Login) *Subscribers {
	if logins == nil {
		logins = map[string]Login{}
	}
	return &Subscribers{
		Logins: logins, Realms: map[string]Realm{}, refused: map[string]refusal{}, members: map[string]int{},
		size: map[string]int{}, perLine: map[pppoe.MAC]int{}, inside: map[string][]*Session{}, leases: map[string][]*binding{},
	}
}

// Realm is what all users of a realm have in common who have no Login of their
// own. Each gets the next address and prefix, and keeps them.
type Realm struct {
	Password string
	IPv4     netip.Prefix // of addresses; invalid: no IPCP
	DNS      [2]netip.Addr
	IPv6     bool
	Prefixes netip.Prefix // to be cut into one for each user; invalid: none
	Length   int          // of a user's prefix, in bits
	Lease    Lease
	DNS6     []netip.Addr
}

type refusal struct {
	until time.Duration
	text  string
}

// Refuse turns a login away, whatever the password, until a time.
func (s *Subscribers) Refuse(user, text string, until time.Duration) {
	s.refused[user] = refusal{until, text}
}

// Find returns what a user gets. Only a member of a realm who was let in once
// has a place in it.
func (s *Subscribers) Find(user string) (Login, bool) {
	if l, ok := s.Logins[user]; ok {
		return l, true
	}
	r, ok := s.realm(user)
	if !ok {
		return Login{}, false
	}
	l := Login{Password: r.Password, IPv6: r.IPv6, DNS: r.DNS, DNS6: r.DNS6, Lease: r.Lease}
	if n, ok := s.members[user]; ok {
		l.IPv4, _ = hostOf(r.IPv4, n)
		l.Prefix, _ = nth(r.Prefixes, r.Length, n)
	}
	return l, true
}

func (s *Subscribers) realm(user string) (Realm, bool) {
	at := strings.LastIndexByte(user, '@')
	if at <= 0 {
		return Realm{}, false
	}
	r, ok := s.Realms[user[at+1:]]
	return r, ok
}

// Known reports whether somebody of that name is let in.
func (s *Subscribers) Known(user string) bool {
	_, ok := s.Find(user)
	return ok
}

// Change changes what a user gets from now on. A member of a realm gets his place
// in it first, so that he keeps the rest.
func (s *Subscribers) Change(user string, f func(*Login)) {
	s.enrol(user)
	l, _ := s.Find(user)
	f(&l)
	s.Logins[user] = l
}

// check decides on a login. valid tells whether a password is the one that was
// sent.
func (s *Subscribers) check(now time.Duration, asking *Session, user string, valid func(secret string) bool) auth.Verdict {
	l, ok := s.Find(user)
	r, refused := s.refused[user]
	if !refused || now >= r.until {
		r, refused = s.refused[""]
	}
	switch {
	case refused && now < r.until:
		return auth.Verdict{Text: r.text}
	case !ok || !valid(l.Password):
		return auth.Verdict{Text: "Login incorrect"}
	case l.Reject != "":
		return auth.Verdict{Text: l.Reject}
	case !s.enrol(user):
		return auth.Verdict{Text: "no address is left"}
	}
	if s.PerLogin > 0 {
		if n := s.others(user, asking); n >= s.PerLogin {
			if !s.Replace {
				return auth.Verdict{Text: s.busy()}
			}
			s.oldest(user, asking).replace()
		}
	}
	return auth.Verdict{OK: true, Text: "Login ok"}
}

func (s *Subscribers) busy() string {
	if s.Busy != "" {
		return s.Busy
	}
	return "already logged in"
}

// enrol gives a member of a realm his place; false if the realm is full.
func (s *Subscribers) enrol(user string) bool {
	if _, ok := s.Logins[user]; ok {
		return true
	}
	if _, ok := s.members[user]; ok {
		return true
	}
	r, ok := s.realm(user)
	if !ok {
		return false
	}
	name := user[strings.LastIndexByte(user, '@')+1:]
	n := s.size[name]
	if _, ok := hostOf(r.IPv4, n); r.IPv4.IsValid() && !ok {
		return false
	}
	if _, ok := nth(r.Prefixes, r.Length, n); r.Prefixes.IsValid() && !ok {
		return false
	}
	if n >= maxMembers {
		return false
	}
	s.members[user] = n
	s.size[name]++
	return true
}

// maxMembers bounds what the users of a realm can make us remember.
const maxMembers = 1 << 16

// others counts the sessions of a user but for one.
func (s *Subscribers) others(user string, but *Session) int {
	n := 0
	for _, o := range s.inside[user] {
		if o != but {
			n++
		}
	}
	return n
}

func (s *Subscribers) oldest(user string, but *Session) *Session {
	for _, o := range s.inside[user] {
		if o != but {
			return o
		}
	}
	return nil
}

// entered notes that a session is a user's.
func (s *Subscribers) entered(user string, o *Session) {
	s.left(user, o)
	s.inside[user] = append(s.inside[user], o)
}

func (s *Subscribers) left(user string, o *Session) {
	list := s.inside[user]
	for i := range list {
		if list[i] == o {
			list = append(list[:i:i], list[i+1:]...)
			break
		}
	}
	if len(list) == 0 {
		delete(s.inside, user)
		return
	}
	s.inside[user] = list
}

// hostOf returns the nth address of a pool, from 0, whose network address and the
// one after it, ours, are left out.
func hostOf(pool netip.Prefix, n int) (netip.Addr, bool) {
	if !pool.IsValid() || !pool.Addr().Is4() {
		return netip.Addr{}, false
	}
	base := binary.BigEndian.Uint32(pool.Masked().Addr().AsSlice())
	size := uint64(1) << (32 - pool.Bits())
	if uint64(n)+3 >= size {
		return netip.Addr{}, false
	}
	return netip.AddrFrom4([4]byte(binary.BigEndian.AppendUint32(nil, base+uint32(n)+2))), true
}

// nth returns the nth prefix of the given length within an IPv6 prefix, from 0.
func nth(p netip.Prefix, length, n int) (netip.Prefix, bool) {
	if !p.IsValid() || !p.Addr().Is6() {
		return netip.Prefix{}, false
	}
	if length < p.Bits() {
		length = p.Bits()
	}
	room := length - p.Bits()
	if length > 128 || n < 0 || room < 63 && n > math.MaxInt>>(63-room) {
		return netip.Prefix{}, false
	}
	b := p.Masked().Addr().As16()
	hi, lo := binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])
	var addHi, addLo uint64
	switch shift := 128 - length; {
	case shift >= 64:
		addHi = uint64(n) << (shift - 64)
	default:
		addLo = uint64(n) << shift
		if shift > 0 {
			addHi = uint64(n) >> (64 - shift)
		}
	}
	lo, carry := bits.Add64(lo, addLo, 0)
	hi, _ = bits.Add64(hi, addHi, carry)
	binary.BigEndian.PutUint64(b[:8], hi)
	binary.BigEndian.PutUint64(b[8:], lo)
	return netip.PrefixFrom(netip.AddrFrom16(b), length), true
}

// RefuseNobody ends all refusals.
func (s *Subscribers) RefuseNobody() { clear(s.refused) }

// Destinations returns all addresses and prefixes that users have or may get.
func (s *Subscribers) Destinations() []netip.Prefix {
	var list []netip.Prefix
	add := func(p netip.Prefix) {
		if p.IsValid() {
			list = append(list, p.Masked())
		}
	}
	for _, l := range s.Logins {
		if l.IPv4.IsValid() {
			add(netip.PrefixFrom(l.IPv4, 32))
		}
		add(l.Block)
		add(l.Prefix)
	}
	for _, r := range s.Realms {
		add(r.IPv4)
		add(r.Prefixes)
	}
	return list
}
