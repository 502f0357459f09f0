package ledger

import (
	"fmt"
	"maps"
)

// restart is kill -9 and a new process: only server, sink and store stay.
func (h *history) restart() {
	h.t.Helper()
	l, err := Open(h.t.Context(), Options{Store: h.store})
	if err != nil {
		h.t.Fatal(h.what, err)
	}
	l.Join("a")
	l.SetQuota("a", Quota{Objects: h.quota})
	h.ledger = l
	for _, l := range h.lanes {
		l.takeBackLetters(true)
		for _, w := range l.working {
			if w.refused || w.putAway {
				h.cut++
			}
		}
		l.waiting, l.working, l.acked, l.retried = map[string]item{}, map[string]*work{}, map[string]int{}, nil
		l.late = nil
		l.sink.newest, l.sink.buried = maps.Clone(l.stored), map[string]int{}
		l.connect()
		if l.asks != 0 {
			l.cursor.RaiseDue()
		}
	}
}

// crash restarts the process, if the ledger can tell what is to be done.
func (h *history) crash() {
	l, err := Open(h.t.Context(), Options{Store: h.store})
	if err != nil {
		h.t.Fatal(h.what, err)
	}
	for _, lane := range h.lanes {
		c, _ := l.claimAs(lane.cursor.ID(), lane.cursor.head.Digest)
		if lane.ahead(c, lane.server.past, false) || lane.forgets(c.head.Resume) {
			return
		}
	}
	if h.r.Float64() < 0.3 {
		h.sinks++
		for _, l := range h.lanes {
			past := l.sink.past // what the newest states are from
			l.sink, l.letters, l.sending = newSink(), nil, nil
			l.sink.past = past
		}
		h.restart()
		for _, l := range h.lanes {
			l.cursor.RaiseDue()
		}
		h.store.failing = false // who asks for a replay waits until it is stored
		h.commitNow()
		return
	}
	h.restart()
}

// connect begins the stream's run, whatever became of the one before.
func (h *lane) connect() {
	digest := fmt.Sprint("digest-", h.uid)
	id := StreamID{Cluster: "a", ClusterUID: fmt.Sprint("uid-", h.uid), Resource: h.resource}
	if !h.readable {
		id.ClusterUID = digest
	}
	var others []string // as the connection finds out
	for before := range h.uid {
		others = append(others, fmt.Sprint("digest-", before), fmt.Sprint("uid-", before))
	}
	mine := h.cursor
	if mine != nil && h.r.Float64() < 0.5 && !h.ahead(mine, h.server.past, false) && !h.forgets(mine.ResumePoint()) {
		mine = nil // another stream, of a member that has left and returned, say
		h.forgetNotBegun()
	}
	c, former := h.ledger.Claim(Claiming{ID: id, Digest: digest, Others: others, Mine: mine})
	c.SetForm("whole")
	h.breakOff()
	c.remembers, c.ghostsAtOnce = 1, 1+h.r.IntN(3)
	h.cursor, h.stream = c, &stream{cursor: c, former: former}
}

// breakOff ends a sweep that is under way.
func (h *lane) breakOff() {
	if h.stream != nil && h.stream.next != nil {
		h.stream.stop()
	}
}

// leave takes the cluster out of the fleet, and back, or has another engine follow it. The
// sink may still hold what workers have begun.
func (h *history) leave() {
	for _, l := range h.lanes {
		if l.ahead(l.cursor, l.server.past, false) || l.forgets(l.cursor.ResumePoint()) {
			return
		}
	}
	held := h.r.Float64() < 0.5
	for _, l := range h.lanes {
		clear(l.waiting)
		if !held {
			clear(l.working)
		}
	}
	switch {
	case held:
		h.ledger.Leave("a", "") // the name of the route
		h.held += min(len(h.lanes[0].working)+len(h.lanes[1].working), 1)
	case h.r.Float64() < 0.5:
		h.ledger.Leave("a")
	default:
		h.ledger.Reopen(nil) // other settings
	}
	h.ledger.Join("a")
	h.ledger.SetQuota("a", Quota{Objects: h.quota})
	for _, l := range h.lanes {
		l.connect()
		if held {
			l.forgetNotBegun()
			continue
		}
		l.sink.newest, l.sink.buried = maps.Clone(l.stored), map[string]int{}
		maps.Copy(l.sink.newest, l.acked)
	}
}

// forgetNotBegun is forgetUnacked for what no worker has begun.
func (h *lane) forgetNotBegun() {
	for n := range h.sink.newest {
		if w := h.working[n]; w == nil || !w.begun {
			h.forgetUnacked(n)
		}
	}
}

// replace puts another cluster in the place of this one.
func (h *history) replace() {
	h.uid++
	for _, l := range h.lanes {
		l.server.replace(1 + h.r.IntN(100))
		l.ever = nil // a stream retries nothing of another cluster
		l.burySent()
		l.connect()
	}
}
