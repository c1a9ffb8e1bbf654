package netconf

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"syscall"
	"time"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// Groups of netlink that tell of what is deleted.
var (
	routeGroups = []uint{
		unix.RTNLGRP_IPV4_IFADDR, unix.RTNLGRP_IPV6_IFADDR, unix.RTNLGRP_IPV4_ROUTE, unix.RTNLGRP_IPV6_ROUTE,
		unix.RTNLGRP_IPV4_RULE, unix.RTNLGRP_IPV6_RULE,
	}
	filterGroups = []uint{unix.NFNLGRP_NFTABLES}
)

const (
	delTable = unix.NFNL_SUBSYS_NFTABLES<<8 | unix.NFT_MSG_DELTABLE
	delChain = unix.NFNL_SUBSYS_NFTABLES<<8 | unix.NFT_MSG_DELCHAIN
	delRule  = unix.NFNL_SUBSYS_NFTABLES<<8 | unix.NFT_MSG_DELRULE
)

// WatchLost tells of addresses, routes, rules and nftables' tables that are taken
// away in this network namespace, until ctx is done. When nobody takes what it
// tells, it waits; when the kernel has told too much, some of it is not told.
func WatchLost(ctx context.Context) (<-chan Lost, error) {
	out := make(chan Lost, 64)
	for protocol, groups := range map[int][]uint{unix.NETLINK_ROUTE: routeGroups, unix.NETLINK_NETFILTER: filterGroups} {
		s, err := nl.Subscribe(protocol, groups...)
		if protocol == unix.NETLINK_NETFILTER && err != nil {
			continue // a kernel without nftables
		}
		if err != nil {
			return nil, fmt.Errorf("netlink: %w", err)
		}
		context.AfterFunc(ctx, s.Close)
		go follow(ctx, s, out)
	}
	return out, nil
}

func follow(ctx context.Context, s *nl.NetlinkSocket, out chan<- Lost) {
	for {
		messages, from, err := s.Receive()
		if ctx.Err() != nil {
			return
		}
		if err != nil { // it has told more than we have taken
			if !errors.Is(err, unix.ENOBUFS) {
				time.Sleep(time.Second)
			}
			continue
		}
		if from.Pid != nl.PidKernel {
			continue
		}
		for _, m := range messages {
			if l, ok := lost(m); ok {
				select {
				case out <- l:
				case <-ctx.Done():
					return
				}
			}
		}
	}
}

// lost reads one message; false if nothing that could be ours was taken away.
func lost(m syscall.NetlinkMessage) (Lost, bool) {
	switch m.Header.Type {
	case unix.RTM_DELADDR:
		return lostAddress(m.Data)
	case unix.RTM_DELROUTE, unix.RTM_DELRULE:
		return lostRoute(m.Data, m.Header.Type == unix.RTM_DELRULE)
	case delTable, delChain, delRule: // their first attribute is the table's name

		const header = 4 // nfgenmsg
		if len(m.Data) < header {
			return Lost{}, false
		}
		for _, a := range attributes(m.Data[header:]) {
			if a.Attr.Type == unix.NFTA_TABLE_NAME && len(a.Value) > 0 {
				return Lost{Firewall: strings.TrimRight(string(a.Value), "\x00")}, true
			}
		}
	}
	return Lost{}, false
}

func attributes(b []byte) []syscall.NetlinkRouteAttr {
	list, err := nl.ParseRouteAttr(b)
	if err != nil {
		return nil
	}
	return list
}

func lostAddress(b []byte) (Lost, bool) {
	if len(b) < unix.SizeofIfAddrmsg {
		return Lost{}, false
	}
	var l Lost
	for _, a := range attributes(b[unix.SizeofIfAddrmsg:]) {
		local := a.Attr.Type == unix.IFA_LOCAL // of a point-to-point link, whose IFA_ADDRESS is the peer
		if addr, ok := netip.AddrFromSlice(a.Value); ok && (local || a.Attr.Type == unix.IFA_ADDRESS && !l.Address.IsValid()) {
			l.Address = addr
		}
	}
	return l, l.Address.IsValid()
}

// lostRoute reads a route, or a rule, whose header is alike.
func lostRoute(b []byte, rule bool) (Lost, bool) {
	if len(b) < unix.SizeofRtMsg {
		return Lost{}, false
	}
	family, length, of := b[0], b[1], uint16(unix.RTA_DST)
	if rule {
		length, of = b[2], nl.FRA_SRC
	} else if b[5] != protocolOurs {
		return Lost{}, false
	}
	l := Lost{Rule: rule, Table: int(b[4])}
	everything := netip.IPv6Unspecified()
	if family == unix.AF_INET {
		everything = netip.IPv4Unspecified()
	}
	l.Prefix = netip.PrefixFrom(everything, 0)
	for _, a := range attributes(b[unix.SizeofRtMsg:]) {
		switch addr, ok := netip.AddrFromSlice(a.Value); {
		case a.Attr.Type == of && ok:
			l.Prefix = netip.PrefixFrom(addr, int(length))
		case a.Attr.Type == unix.RTA_TABLE && len(a.Value) == 4: // rules have it under the same number
			l.Table = int(nl.NativeEndian().Uint32(a.Value))
		case a.Attr.Type == unix.RTA_PRIORITY && len(a.Value) == 4:
			l.Priority = int(nl.NativeEndian().Uint32(a.Value))
		}
	}
	if l.Table == unix.RT_TABLE_MAIN {
		l.Table = 0
	}
	return l, true
}
