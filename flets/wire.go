package flets

import (
	"bytes"
	"container/heap"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"time"

	"pppoectl/ppp"
	"pppoectl/pppoe"
)

// wire is the cable, with all that can go wrong on it. What it delays, it holds
// back in queue.
type wire struct {
	rand      *rand.Rand
	silence   time.Duration // until when nothing passes
	delay     effect        // of each frame
	slow      effect        // of what concentrators say
	lose      effect
	duplicate effect
	reorder   effect
	queue     delayed
	serial    uint64
}

// effect is an impairment that lasts for a while.
type effect struct {
	on    bool
	until time.Duration // 0: until it is cleared
	by    time.Duration
	share float64 // of the frames
}

func (e effect) active(now time.Duration) bool { return e.on && (e.until == 0 || now < e.until) }

// hits reports whether the effect is on, and on this frame.
func (w *wire) hits(e effect, now time.Duration) bool {
	return e.active(now) && w.rand.Float64() < e.share
}

// passing is a frame on the wire.
type passing struct {
	frame pppoe.Frame
	up    bool // from a host to a concentrator
}

// overtaken is how long a frame is held back for others to overtake it.
const overtaken = 20 * time.Millisecond

// maxQueue bounds what is held back, in frames.
const maxQueue = 1 << 16

// pass puts a frame on the wire and returns how often it is at the other end at
// once.
func (w *wire) pass(now time.Duration, p passing) int {
	if now < w.silence || w.hits(w.lose, now) {
		return 0
	}
	copies := 1
	if w.hits(w.duplicate, now) {
		copies = 2
	}
	var hold time.Duration
	if w.delay.active(now) {
		hold += w.delay.by
	}
	if w.slow.active(now) && !p.up && control(p.frame) {
		hold += w.slow.by
	}
	if w.hits(w.reorder, now) {
		hold += overtaken
	}
	if hold == 0 {
		return copies
	}
	p.frame.Payload = bytes.Clone(p.frame.Payload)
	for range copies {
		if len(w.queue) < maxQueue {
			w.serial++
			heap.Push(&w.queue, held{p, now + hold, w.serial})
		}
	}
	return 0
}

// plain reports whether data passes at once, and once.
func (w *wire) plain(now time.Duration) bool {
	return now >= w.silence && !w.lose.active(now) && !w.duplicate.active(now) && !w.delay.active(now) && !w.reorder.active(now)
}

// control reports whether a frame is none of the hosts' data.
func control(f pppoe.Frame) bool {
	return f.EtherType == pppoe.EtherTypeDiscovery || len(f.Payload) < pppoe.HeaderLen+2 ||
		ppp.Protocol(binary.BigEndian.Uint16(f.Payload[pppoe.HeaderLen:])) >= 0x8000
}

// arrived returns the frames that have been held back long enough.
func (w *wire) arrived(now time.Duration) []passing {
	var list []passing
	for len(w.queue) > 0 && w.queue[0].at <= now {
		list = append(list, heap.Pop(&w.queue).(held).passing)
	}
	return list
}

func (w *wire) deadline() time.Duration {
	if len(w.queue) == 0 {
		return 0
	}
	return w.queue[0].at
}

// clear ends all impairments; what is on its way arrives.
func (w *wire) clear() {
	*w = wire{rand: w.rand, queue: w.queue, serial: w.serial}
}

// active names the impairments of the moment.
func (w *wire) active(now time.Duration) []string {
	var list []string
	add := func(name string, e effect) {
		if !e.active(now) {
			return
		}
		if e.by != 0 {
			list = append(list, fmt.Sprintf("%s %v", name, e.by))
		} else {
			list = append(list, fmt.Sprintf("%s %.10g%%", name, 100*e.share))
		}
	}
	if now < w.silence {
		list = append(list, "silence")
	}
	add("delay", w.delay)
	add("slow", w.slow)
	add("lose", w.lose)
	add("duplicate", w.duplicate)
	add("reorder", w.reorder)
	return list
}

// held is a frame that is held back.
type held struct {
	passing
	at     time.Duration
	serial uint64 // frames of the same time stay in order
}

// delayed is a heap of frames by time.
type delayed []held

func (d delayed) Len() int { return len(d) }
func (d delayed) Less(i, j int) bool {
	return d[i].at < d[j].at || d[i].at == d[j].at && d[i].serial < d[j].serial
}
func (d delayed) Swap(i, j int) { d[i], d[j] = d[j], d[i] }
func (d *delayed) Push(x any)   { *d = append(*d, x.(held)) }
func (d *delayed) Pop() any {
	last := len(*d) - 1
	h := (*d)[last]
	(*d)[last] = held{}
	*d = (*d)[:last]
	return h
}
