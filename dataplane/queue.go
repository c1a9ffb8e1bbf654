package dataplane

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// queueWatch follows the queueing discipline of one device.
type queueWatch struct {
	device int
	tell   func(users string)
}

// queues are all that are followed in this network namespace. One thread waits for the
// kernel, however many there are.
var queues struct {
	mu      sync.Mutex
	watches []*queueWatch
	socket  *nl.NetlinkSocket // nil: nobody waits
}

// watchQueue tells which queueing discipline of the user's a device has, empty for none,
// now and whenever that changes.
func watchQueue(device int, tell func(users string)) (*queueWatch, error) {
	w := &queueWatch{device, tell}
	queues.mu.Lock()
	defer queues.mu.Unlock()
	if queues.socket == nil {
		s, err := nl.Subscribe(unix.NETLINK_ROUTE, unix.RTNLGRP_TC)
		if err != nil {
			return nil, err
		}
		queues.socket = s
		go followQueues(s)
	}
	queues.watches = append(queues.watches, w)
	w.look()
	return w, nil
}

// end ends it; no call of tell comes after.
func (w *queueWatch) end() {
	if w == nil {
		return
	}
	queues.mu.Lock()
	defer queues.mu.Unlock()
	queues.watches = slices.DeleteFunc(queues.watches, func(o *queueWatch) bool { return o == w })
	if len(queues.watches) == 0 && queues.socket != nil {
		queues.socket.Close()
		queues.socket = nil
	}
}

func (w *queueWatch) look() { w.tell(usersQueue(w.device)) }

func followQueues(s *nl.NetlinkSocket) {
	for {
		messages, _, err := s.Receive()
		queues.mu.Lock()
		if queues.socket != s {
			queues.mu.Unlock()
			return
		}
		for _, w := range queues.watches {
			// Too much was told, and some of it is lost; or it is of this device.
			if err != nil || slices.ContainsFunc(messages, func(m syscall.NetlinkMessage) bool { return deviceOf(m.Data) == w.device }) {
				w.look()
			}
		}
		queues.mu.Unlock()
		if err != nil && !errors.Is(err, unix.ENOBUFS) {
			time.Sleep(time.Second)
		}
	}
}

// deviceOf returns the device of a message about queueing disciplines (struct tcmsg).
func deviceOf(b []byte) int {
	if len(b) < 8 {
		return 0
	}
	return int(nl.NativeEndian().Uint32(b[4:]))
}

// usersQueue returns the kind of the queueing discipline that somebody has given a device;
// empty if it has the kernel's own, whose handle is 0.
func usersQueue(device int) string {
	if slices.Contains([]string{"noop", "noqueue", "pfifo_fast"}, kindOfQueue(device)) {
		return "" // nobody asks for those, and the list is of all devices: there may be thousands
	}
	list, err := netlink.QdiscList(&netlink.Device{LinkAttrs: netlink.LinkAttrs{Index: device}})
	if err != nil {
		return ""
	}
	for _, q := range list {
		if a := q.Attrs(); a.Parent == netlink.HANDLE_ROOT && a.Handle != 0 && a.LinkIndex == device {
			return q.Type()
		}
	}
	return ""
}

// kindOfQueue returns the kind of a device's queueing discipline; empty if it is not known.
func kindOfQueue(device int) string {
	request := nl.NewNetlinkRequest(unix.RTM_GETLINK, unix.NLM_F_ACK)
	m := nl.NewIfInfomsg(unix.AF_UNSPEC)
	m.Index = int32(device)
	request.AddData(m)
	answers, err := request.Execute(unix.NETLINK_ROUTE, 0)
	if err != nil || len(answers) == 0 || len(answers[0]) < unix.SizeofIfInfomsg {
		return ""
	}
	attributes, err := nl.ParseRouteAttr(answers[0][unix.SizeofIfInfomsg:])
	if err != nil {
		return ""
	}
	for _, a := range attributes {
		if a.Attr.Type == unix.IFLA_QDISC {
			return strings.TrimRight(string(a.Value), "\x00")
		}
	}
	return ""
}
