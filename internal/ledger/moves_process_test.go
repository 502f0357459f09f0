package ledger

import (
	"errors"
	"fmt"
	"maps"
	"slices"
)

// restart is a new process; the one before was killed, or has ended.
func (h *movesHistory) restart(store *memStore) {
	l, err := Open(h.t.Context(), Options{Store: store})
	if err != nil {
		h.t.Fatal(err)
	}
	h.store, h.ledger, h.killed = store, l, nil
	h.log("restart")
	h.join()
}

// join begins without streams and queue, with the ledger that there is.
func (h *movesHistory) join() {
	h.ledger.Join("a")
	h.ledger.moveAtOnce, h.ledger.between = h.atOnce, h.betweenSteps
	h.endParting()
	for _, s := range h.streams {
		s.breakOff()
	}
	h.streams, h.lane = map[string]*moveStream{}, map[string]routed{}
	h.batch, h.acks, h.next = nil, nil, 0
	clear(h.sink.newest)
}

// betweenSteps is called between two steps of a move: other things go on, or the process
// is killed. The move goes on as well then, and is seen nowhere.
func (h *movesHistory) betweenSteps() {
	h.moved++
	if h.killed != nil || h.resting {
		return
	}
	for range h.r.IntN(4) {
		h.goOn()
	}
	if h.r.Float64() < 0.1 {
		h.cut++
		h.log("killed between two steps of a move")
		h.killed = h.store.copied()
	}
}

// commit is a transaction. While it is under way everything else goes on.
func (h *movesHistory) commit(all bool) {
	if h.committing || h.killed != nil {
		return
	}
	h.committing = true
	defer func() { h.committing = false }()
	process, claiming := h.ledger, h.claiming
	meanwhile := func() {
		for range h.r.IntN(6) {
			if h.ledger != process || h.resting {
				return
			}
			if claiming {
				h.goOn()
			} else {
				h.step()
			}
		}
	}
	store := h.store
	store.around = func(apply func() error) error {
		if h.r.IntN(2) == 0 {
			meanwhile()
		}
		if h.ledger != process || h.killed != nil {
			return errors.New("killed")
		}
		return apply()
	}
	_ = process.writer.commit(h.t.Context(), all) // what fails is stored with the next one
	store.around = nil
}

// idOf names the cursor of a namespace.
func (h *movesHistory) idOf(namespace string) StreamID {
	return StreamID{Cluster: "a", ClusterUID: fmt.Sprint("uid-", h.uid), Resource: "pods", Namespace: namespace, Route: "r"}
}

// claim gives a stream its cursor, anew if it has one; goesOn says that it stays the owner then.
func (h *movesHistory) claim(namespace string, goesOn bool) {
	if h.claiming || h.killed != nil {
		return
	}
	h.claiming = true
	q := Claiming{ID: h.idOf(namespace), Selection: Selection{Namespace: namespace, Labels: h.selection}, Followed: slices.Clone(h.follow)}
	if h.where {
		q.Selection.Labels, q.Selection.Where = "", h.selection
	}
	for i := range h.uid {
		q.Others = append(q.Others, fmt.Sprint("uid-", i))
	}
	s := h.streams[namespace]
	if s == nil {
		s = &moveStream{movesHistory: h, namespace: namespace}
	}
	if goesOn {
		q.Mine = s.cursor
	}
	s.breakOff()
	delete(h.streams, namespace)
	process := h.ledger
	c, former := process.Claim(q)
	h.claiming = false
	if h.killed != nil {
		h.restart(h.killed)
		return
	}
	if h.ledger != process {
		return
	}
	clear(h.sink.newest)
	h.log("claimed %q of %q, as %s: number %d, generation %d, start %q", namespace, h.follow, c.key[:4], c.numbers.last, c.head.Generation, c.last)
	s.selection, s.cursor, s.former = h.selection, c, former
	h.streams[namespace] = s
	c.SetForm("whole")
	h.watched()
}

// watched tells the ledger what is followed, as far as that is known.
func (h *movesHistory) watched() {
	var ids []StreamID
	for namespace := range h.streams {
		ids = append(ids, h.idOf(namespace))
	}
	var may func(StreamID) bool
	if len(ids) < len(h.follow) {
		may = func(StreamID) bool { return true }
	}
	h.ledger.Watched("a", among(ids), may)
}

// follows are the namespaces in which the resource may be followed.
var movesFollow = [][]string{{""}, {""}, {"a"}, {"b"}, {"a", "b"}, {"b", "c"}, {"a", "b", "c"}, {}}

// change has other namespaces followed, or other objects of them selected, from some moment on.
func (h *movesHistory) change() {
	if h.claiming || h.killed != nil {
		return
	}
	follow, selection := movesFollow[h.r.IntN(len(movesFollow))], h.selection
	if h.r.IntN(4) == 0 {
		selection = []string{"r", "b", "rb"}[h.r.IntN(3)]
	}
	h.changeTo(follow, selection, h.r.IntN(4))
}

func (h *movesHistory) changeTo(follow []string, selection string, how int) {
	h.follow, h.selection = follow, selection
	h.log("change to %q %q how %d", follow, selection, how)
	switch how {
	case 0: // after a kill
		h.restart(h.store)
	case 1: // after a process that has ended in good order
		h.stop()
		h.restart(h.store)
	case 2: // in the same process, whose streams and workers have ended
		h.ledger.Reopen(nil)
		h.join()
	case 3: // in the same process, whose workers go on
		for namespace, s := range h.streams {
			s.breakOff()
			if !slices.Contains(follow, namespace) {
				delete(h.streams, namespace)
			}
		}
		h.endParting()
		for _, namespace := range slices.Sorted(maps.Keys(h.streams)) {
			h.claim(namespace, h.r.IntN(2) == 0)
		}
		if h.killed == nil && len(follow) == 0 {
			h.watched()
		}
	}
}

// stop ends the process in good order.
func (h *movesHistory) stop() {
	for _, c := range h.ledger.all() {
		c.close()
	}
	if !h.committing {
		_ = h.ledger.writer.commit(h.t.Context(), true)
	}
}

// storeIntents stores what a worker waits for, with nothing else going on.
func (h *movesHistory) storeIntents(process *Ledger) bool {
	if h.committing {
		return false
	}
	h.committing = true
	defer func() { h.committing = false }()
	err := process.writer.commit(h.t.Context(), false)
	return err == nil
}
