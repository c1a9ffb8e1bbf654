package line

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"pppoectl/pppoe"
)

// Others reports whether another process has a socket for PPPoE on the interface with an
// index: it should not find the line down when we leave.
func Others(index int) bool {
	sockets, err := os.Open("/proc/thread-self/net/packet")
	if err != nil {
		return false
	}
	defer sockets.Close()
	own := ownSockets()
	lines := bufio.NewScanner(sockets)
	for lines.Scan() {
		f := strings.Fields(lines.Text()) // sk RefCnt Type Proto Iface R Rmem User Inode
		if len(f) < 9 || f[3] != fmt.Sprintf("%04x", pppoe.EtherTypeDiscovery) || f[4] != fmt.Sprint(index) {
			continue
		}
		if !own["socket:["+f[8]+"]"] {
			return true
		}
	}
	return false
}

// ownSockets are this process's descriptors, as the kernel calls them.
func ownSockets() map[string]bool {
	own := map[string]bool{}
	list, _ := filepath.Glob("/proc/self/fd/*")
	for _, fd := range list {
		if name, err := os.Readlink(fd); err == nil {
			own[name] = true
		}
	}
	return own
}
