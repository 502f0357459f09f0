package ledger

import (
	"errors"
	"slices"
)

// A sink refuses some changes for good, and deletions of ghosts too. They are put away in a
// file, count as accepted, and are sent again later. In the end the sink has had each, unless
// something newer of its object came: of a deletion, unless its UID exists again. The sink
// answers in one step, the file has it after another one, and the ack is a third, so that the
// process may end between any two.

// letter is a change that is being sent again.
type letter struct {
	item
	*Redelivery
}

// handOver gives a change to the sink, and before that the deletions of the ghosts that it
// displaces: some at a time, so that a process may end between them.
func (h *lane) handOver(w *work) {
	if !h.handOverSome(w) {
		return
	}
	w.delivered = h.tell(w, w.uid)
}

// handOverAlone gives the deletions of so many ghosts to the sink that the change has to
// wait. It is begun again then.
func (h *lane) handOverAlone(w *work) {
	if h.handOverSome(w) || h.r.Float64() < 0.1 { // the next one failed
		h.putBack(w)
	}
	h.alone++
}

// handOverSome gives deletions of ghosts to the sink, and reports whether it has all.
func (h *lane) handOverSome(w *work) (all bool) {
	n, _ := w.id()
	for w.given < len(w.ghosts) {
		ghost := w.ghosts[w.given]
		h.checkOwed(w, ghost)
		refused := w.refused
		if !h.tell(w, ghost) {
			return false
		}
		w.given++
		if refused || h.r.Float64() < 0.5 { // a sink's answer may be lost
			w.cursor.AckGhost(n, ghost)
		}
		if h.r.Float64() < 0.5 {
			return false
		}
	}
	return true
}

// tell gives the sink the change itself, or the deletion of another UID before it. It reports
// whether that may be acked: what the sink refuses is put away first, in the next step.
func (h *lane) tell(w *work, uid string) bool {
	switch {
	case w.refused:
		w.refused, w.putAway = false, true
		h.putAway(w, uid)
	case h.refuses(w, uid):
		w.refused = true
		return false
	case uid != w.uid:
		h.sink.bury(w.item, uid)
	default:
		h.sink.deliver(w.item)
	}
	return true
}

// putAway keeps what the sink has refused: the change itself, or the deletion of another UID.
func (h *lane) putAway(w *work, uid string) {
	l := w.item
	l.deleted, l.uid = l.deleted || uid != l.uid, uid
	h.letters = append(h.letters, l)
	h.refused++
}

// isPutAway reports whether the sink has refused a state of an object, and was told nothing of
// its name since.
func (h *lane) isPutAway(name, uid string, rv int) bool {
	is := func(i item) bool {
		return !i.deleted && i.name == name && i.uid == uid && i.rv == rv && i.sequence > h.sink.numbers[name]
	}
	return slices.ContainsFunc(h.letters, is) || slices.ContainsFunc(h.sending, func(l letter) bool { return is(l.item) })
}

// checkOwed verifies that the store has a change as owed to the sink before that is told of the
// deletion of a UID that is sent again: a watch shows the change, or a snapshot delivers it.
func (h *lane) checkOwed(w *work, ghost string) {
	c, n := w.cursor, nameOf(w.name)
	if w.deleted || !slices.Contains(c.unackedUIDs[n], version{c.uidLocked(ghost), isGone}) {
		return
	}
	head, err := decodeHead(c.key, h.store.heads[c.key])
	if err != nil {
		h.t.Fatal(err)
	}
	k, err := decodeRecord([]byte(n), h.store.records[c.key][string(n)], func(uid, string) {})
	if err != nil {
		h.t.Fatal(err)
	}
	_, v := w.id()
	shown := head.Resume != "" && h.number(head.Resume) < w.rv
	due := head.Resume == "" && (!k.isAcked || k.acked != c.versionLocked(v) || k.due != head.Due)
	if !shown && !due {
		h.t.Fatalf("%s: the deletion of %s is told before the store has that %s is owed; resume point %q", h.what, ghost, w.name, head.Resume)
	}
}

// refuses reports whether the sink refuses a change, or the deletion of another UID before it.
func (h *lane) refuses(w *work, uid string) bool {
	share := 0.1
	if !w.deleted && uid == w.uid {
		share = 0.05
	}
	return !h.settling && w.cursor == h.cursor && len(h.stream.former) == 0 && h.r.Float64() < share
}

// retryLetter sends a letter again, if the cursor lets it.
func (h *lane) retryLetter() {
	h.takeBackLetters(false)
	if len(h.letters) == 0 || len(h.stream.former) > 0 {
		return
	}
	at := h.r.IntN(len(h.letters))
	l := h.letters[at]
	n, v := l.id()
	again := l
	again.again, again.cursor, again.past = true, h.cursor, h.sink.past[l.name]
	if !l.deleted { // the sink may never have had it
		again.past = max(again.past, l.past)
		for _, acked := range []int{h.acked[l.name], h.stored[l.name]} {
			if past, rv := ageOf(acked); rv == l.rv {
				again.past = max(again.past, past) // it was shown again, and refused again
			}
		}
	}
	var r *Redelivery
	err := ErrNotNow
	if h.cursor.Reached(v.ResourceVersion) {
		r, again.sequence, err = h.cursor.Redeliver(n, v, l.deleted)
	}
	handsOver := err == nil
	if errors.Is(err, ErrNameTaken) || l.deleted && errors.Is(err, ErrNotNow) && h.r.IntN(2) == 0 { // a snapshot keeps it from nobody
		r, err = h.cursor.RedeliverGhost(n, v.UID)
	}
	if errors.Is(err, ErrNotNow) {
		return
	}
	h.letters = slices.Delete(h.letters, at, at+1)
	switch {
	case errors.Is(err, ErrSuperseded):
	case err != nil:
		h.t.Fatalf("%s: %v", h.what, err)
	default:
		h.sending = append(h.sending, letter{l, r})
		if handsOver {
			h.late = append(h.late, again)
		} else {
			h.history.ghosts++
		}
	}
}

// takeBackLetters puts back what is not sent after all; all of it after a kill.
func (h *lane) takeBackLetters(all bool) {
	var left []letter
	for _, l := range h.sending {
		select {
		case <-l.Settled():
			if !l.Acked() {
				h.letters = append(h.letters, l.item)
			}
		default:
			if all {
				h.letters = append(h.letters, l.item)
			} else {
				left = append(left, l)
			}
		}
	}
	h.sending = left
}

// burySent is somebody who deletes by hand in the sink what the letters of a cluster tell
// that another one has replaced.
func (h *lane) burySent() {
	h.takeBackLetters(true)
	for _, l := range h.letters {
		if !l.deleted {
			continue // somebody else deletes what there is
		}
		h.sink.gone[l.uid] = true
		for _, states := range h.sink.states() {
			if states[l.name].uid == l.uid {
				delete(states, l.name)
			}
		}
	}
	h.letters = nil
}

// reachLetters has the server come to the versions of all letters, as it would some day
// after a restored backup. The stream has noticed that.
func (h *lane) reachLetters() {
	for _, l := range h.letters {
		h.server.rv = max(h.server.rv, l.rv+1)
	}
}
