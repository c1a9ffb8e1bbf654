package control

import "testing"

// Whoever opens connections without end keeps nobody else out.
func TestConnectionsAreBoundedPerUser(t *testing.T) {
	b := &bounded{own: 990, open: map[int]int{}}
	for uid, most := range map[int]int{1000: maxOfUser, 1001: maxOfUser, 0: maxOfRoot, 990: maxOfRoot, -1: maxOfUser} {
		n := 0
		for b.admit(uid) {
			n++
		}
		if n != most {
			t.Errorf("user %d has %d, want %d", uid, n, most)
		}
	}
	b.leave(1000)
	if !b.admit(1000) || b.admit(1000) || b.admit(1001) {
		t.Error("one that has gone makes room for one of the same user")
	}
}
