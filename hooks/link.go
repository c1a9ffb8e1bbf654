package hooks

import (
	"strconv"
	"strings"
)

// Link is what a program is told of an uplink; what does not apply is empty.
type Link struct {
	Uplink    string
	Device    string // the TUN device
	Interface string // the line
	User      string // the login
	Local     string // address of this side: IPv4, or link-local for the events of IPv6
	Remote    string // of the AC
	OldLocal  string // the address before this one, if it was another
	DNS       []string
	ACName    string // untrusted
	ACMAC     string
	Seconds   int // that the session has lasted, at its end
	Sent      uint64
	Received  uint64 // octets, at the end
}

// pppd's names of what happens.
const (
	IPUp     = "ip-up"
	IPDown   = "ip-down"
	IPv6Up   = "ipv6-up"
	IPv6Down = "ipv6-down"
	AuthUp   = "auth-up"
	AuthDown = "auth-down"
	AuthFail = "auth-fail"
)

// speed stands where pppd has that of a serial line.
const speed = "0"

// arguments are those that pppd gives to a program for an event; ours look like those of
// ip-up.
func (l Link) arguments(event string) []string {
	switch event {
	case AuthUp, AuthDown, AuthFail:
		return []string{l.Device, plain(l.ACName), l.User, l.Interface, speed, l.Uplink}
	}
	return []string{l.Device, l.Interface, speed, l.Local, l.Remote, l.Uplink}
}

// environment is that of pppd, of Debian's scripts around it, and our own.
func (l Link) environment(event string, pid int) []string {
	env := []string{
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8", "HOME=/",
		"PPPOECTL_EVENT=" + event, "PPPOECTL_UPLINK=" + l.Uplink,
		"PPPD_PID=" + strconv.Itoa(pid), "ORIG_UID=0", "PPPLOGNAME=root",
		"PPP_SPEED=" + speed,
	}
	set := func(value string, names ...string) {
		for _, n := range names {
			if value != "" {
				env = append(env, n+"="+value)
			}
		}
	}
	set(l.Uplink, "LINKNAME", "PPP_IPPARAM")
	set(l.Device, "IFNAME", "PPP_IFACE")
	set(l.Interface, "DEVICE", "PPP_TTY", "PPP_TTYNAME")
	set(plain(l.ACName), "PEERNAME", "ACNAME")
	set(l.ACMAC, "MACREMOTE")
	local, remote := "IPLOCAL", "IPREMOTE"
	if event == IPv6Up || event == IPv6Down {
		local, remote = "LLLOCAL", "LLREMOTE"
	}
	set(l.Local, local, "PPP_LOCAL")
	set(l.Remote, remote, "PPP_REMOTE")
	set(l.OldLocal, "OLDIPLOCAL")
	for i, server := range l.DNS {
		if i < 2 {
			set(server, "DNS"+strconv.Itoa(i+1))
		}
	}
	if len(l.DNS) > 0 {
		set("1", "USEPEERDNS")
	}
	if l.Seconds > 0 {
		set(strconv.Itoa(l.Seconds), "CONNECT_TIME")
		set(strconv.FormatUint(l.Sent, 10), "BYTES_SENT")
		set(strconv.FormatUint(l.Received, 10), "BYTES_RCVD")
	}
	return env
}

// plain returns an AC's name without what a shell script may trip over.
func plain(name string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', strings.ContainsRune("._:@-", r):
			return r
		}
		return '_'
	}, name[:min(len(name), 64)])
}
