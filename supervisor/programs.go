package supervisor

import (
	"crypto/sha256"
	"encoding/hex"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"pppoectl/cause"
	"pppoectl/dataplane"
	"pppoectl/netconf"
	"pppoectl/session"
)

// pinDirectory is where a line's programs are pinned. A BPF file system is common to all
// network namespaces and daemons, so each has a directory of its own there; it allows no
// dots, which VLAN devices have in their names.
func (s *Supervisor) pinDirectory(line string) string {
	if s.cfg.BPFDir == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(netconf.Namespace() + " " + s.store.Journal()))
	return filepath.Join(s.cfg.BPFDir, hex.EncodeToString(sum[:4]), strings.ReplaceAll(line, ".", ":"))
}

// programs has the line carry sessions in the kernel, if the uplink is to have that and it
// can be. It comes before all else, and so before the first frame: a network card may lose its carrier for a moment.
func (p *plan) programs() {
	u := p.u
	if u.pins = u.wantsPrograms(); u.pins == "" {
		return
	}
	ifi := u.line.Interface
	p.add( // features last: nothing is switched for programs that cannot be
		netconf.Programs{Interface: ifi.Name, Index: ifi.Index, Directory: u.pins},
		netconf.Offloads{Interface: ifi.Name, Index: ifi.Index},
	)
}

// lineReset is how long a network card may take to notice that programs were attached.
const lineReset = 2 * time.Second

// hasPrograms reports whether the line's programs stand among the uplink's changes.
func (u *uplink) hasPrograms() bool {
	return slices.ContainsFunc(u.s.journal.Applied(u.cfg.Name), func(c netconf.Change) bool {
		_, ok := c.(netconf.Programs)
		return ok
	})
}

// abandonReset ends a session in the making whose line has just lost its carrier because of
// our programs: no failure, and nothing to warn of.
func (u *uplink) abandonReset() {
	u.moving = true
	u.step(session.Input{Command: session.Abandon, Cause: cause.NoCarrier, Text: "the line's carrier is away while programs are attached"})
	u.moving = false
}

// refuses notes that the line can have no programs. That does not change with each dial, and a
// network card may be reset by trying.
func (u *uplink) refuses(why error) {
	u.noPrograms = why.Error()
	u.refusedBy, u.refusedAt = u.line.Interface.Index, u.s.env.Now()
}

// askAgain is how long a line that can have no programs is not asked again.
const askAgain = 10 * time.Minute

// mayHavePrograms forgets why the line can have no programs, if it is another line now or that
// is long ago.
func (u *uplink) mayHavePrograms() {
	if u.line.Interface.Index != u.refusedBy || u.s.env.Now()-u.refusedAt >= askAgain {
		u.noPrograms = ""
	}
}

// forgetInKernel has programs carry no session of the uplink's device.
func (u *uplink) forgetInKernel(line, device string) {
	pins := u.s.pinDirectory(line)
	if pins == "" || u.s.env.ForgetSession == nil {
		return
	}
	if err := u.s.env.ForgetSession(pins, device); err != nil {
		u.log.Warnf("data path: %v", err)
	}
}

// wantsPrograms returns where the line's programs are to be pinned; empty if it is to have
// none.
func (u *uplink) wantsPrograms() string {
	kind := dataplane.Kind(u.cfg.DataPath)
	if kind != dataplane.Auto && kind != dataplane.EBPF || !u.line.Exists || u.noPrograms != "" {
		return ""
	}
	return u.s.pinDirectory(u.cfg.Interface)
}
