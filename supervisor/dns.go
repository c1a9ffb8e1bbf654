package supervisor

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"sync"

	"pppoectl/configs"
	"pppoectl/netconf"
)

// nameServers are those of all uplinks that are written to files, by file and
// uplink.
type nameServers struct {
	mu    sync.Mutex
	files map[string]map[string]servers
}

// servers are what one uplink knows.
type servers struct {
	metric    int
	addresses []netip.Addr
	domains   []string
}

// filePrefix begins the names under which files stand in the journal.
const filePrefix = "file:"

// fileOf returns the file that owner stands for in the journal.
func fileOf(owner string) (string, bool) { return strings.CutPrefix(owner, filePrefix) }

// maxSearch is how many domains resolv.conf(5) takes.
const maxSearch = 6

// set notes what an uplink knows for a file, and writes it; without any the file
// is as it was before.
func (n *nameServers) set(journal *netconf.Journal, file, uplink string, s servers) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.files == nil {
		n.files = map[string]map[string]servers{}
	}
	if n.files[file] == nil {
		n.files[file] = map[string]servers{}
	}
	if len(s.addresses) == 0 {
		delete(n.files[file], uplink)
	} else {
		n.files[file][uplink] = s
	}
	var want []netconf.Change
	if all := n.files[file]; len(all) > 0 {
		want = []netconf.Change{netconf.File{Path: file, Content: resolvConf(all)}}
	}
	return journal.Apply(filePrefix+file, want)
}

// resolvConf is a resolv.conf(5) with the servers of all uplinks, those of the
// lowest metric first.
func resolvConf(all map[string]servers) string {
	names := slices.SortedFunc(maps.Keys(all), func(a, b string) int {
		if d := all[a].metric - all[b].metric; d != 0 {
			return d
		}
		return strings.Compare(a, b)
	})
	var b strings.Builder
	var domains []string
	b.WriteString("# Written by pppoectl; what was here before comes back when it ends.\n")
	for _, name := range names {
		fmt.Fprintf(&b, "# %s\n", name)
		for _, a := range all[name].addresses {
			fmt.Fprintf(&b, "nameserver %v\n", a)
		}
		for _, d := range all[name].domains {
			if !slices.Contains(domains, d) && len(domains) < maxSearch {
				domains = append(domains, d)
			}
		}
	}
	if len(domains) > 0 {
		fmt.Fprintf(&b, "search %s\n", strings.Join(domains, " "))
	}
	return b.String()
}

// knownServers are the name servers of the uplink, as long as it has any use of
// them.
func (u *uplink) knownServers() servers {
	s := servers{metric: u.cfg.Metric}
	if u.addrs.ipv4 != nil {
		s.addresses = append(s.addresses, u.addrs.ipv4.DNS...)
	}
	lease, _ := u.pd.lease()
	if len(lease.Prefixes) > 0 && u.addrs.ipv6 != nil {
		for _, a := range lease.Told.DNS {
			if a.IsLinkLocalUnicast() {
				a = a.WithZone(u.cfg.Ifname)
			}
			s.addresses = append(s.addresses, a)
		}
		s.domains = lease.Told.Domains
	}
	return s
}

// resolved is what systemd-resolved is told.
func (u *uplink) resolved() []netconf.Change {
	s := u.knownServers()
	if len(s.addresses) == 0 {
		return nil
	}
	var list []string
	for _, a := range s.addresses {
		list = append(list, a.WithZone("").String())
	}
	return []netconf.Change{netconf.Resolved{
		Device: u.cfg.Ifname, Servers: strings.Join(list, " "), Domains: strings.Join(s.domains, " "), Default: u.cfg.DefaultRoute,
	}}
}

// writeServers writes the uplink's name servers where the configuration wants
// them, if that is a file.
func (u *uplink) writeServers(s servers) error {
	file := u.cfg.WriteDNS
	if file == "" || file == configs.ToResolved {
		return nil
	}
	return u.s.servers.set(u.s.journal, file, u.cfg.Name, s)
}
