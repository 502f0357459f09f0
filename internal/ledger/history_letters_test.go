package ledger

import (
	"errors"
	"slices"
)

// A sink refuses some deletions for good, those of ghosts too. They are put away in a file,
// count as accepted, and are sent again later. In the end the sink has had each, unless
// its UID exists again.

// letter is a deletion that is being sent again.
type letter struct {
	item
	*Redelivery
}

// handOver gives a change and the ghosts before it to the sink, or puts deletions away.
func (h *lane) handOver(w *work) {
	refuses := func() bool {
		return !h.settling && w.cursor == h.cursor && len(h.stream.former) == 0 && h.r.Float64() < 0.1
	}
	ghosts := slices.Clone(w.ghosts)
	ghosts = slices.DeleteFunc(ghosts, func(uid string) bool {
		away := refuses()
		if away {
			h.letters = append(h.letters, item{deleted: true, name: w.name, uid: uid, rv: w.rv})
		}
		return away
	})
	if w.deleted && refuses() {
		h.letters = append(h.letters, item{deleted: true, name: w.name, uid: w.uid, rv: w.rv})
		h.sink.bury(w.item, ghosts)
		return
	}
	h.sink.deliver(w.item, ghosts)
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
	if !h.cursor.Reached(v.ResourceVersion) {
		return
	}
	again := l
	again.again, again.cursor, again.past = true, h.cursor, h.sink.past[l.name]
	r, sequence, err := h.cursor.Redeliver(n, v, true)
	again.sequence = sequence
	if errors.Is(err, ErrNameTaken) {
		var next Successor
		r, next, err = h.cursor.RedeliverGhost(n, v.UID)
		again.deleted, again.uid, again.sequence = false, next.Version.UID, next.Sequence
		if err == nil {
			again.rv = h.number(next.Version.ResourceVersion)
		}
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
		h.offer(again)
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
			if left = append(left, l); all {
				h.letters = append(h.letters, l.item)
			}
		}
	}
	if h.sending = left; all {
		h.sending = nil
	}
}

// burySent is somebody who deletes by hand in the sink what the letters of a cluster tell
// that another one has replaced.
func (h *lane) burySent() {
	h.takeBackLetters(true)
	for _, l := range h.letters {
		h.sink.gone[l.uid] = true
		if h.sink.objects[l.name].uid == l.uid {
			delete(h.sink.objects, l.name)
		}
	}
	h.letters = nil
}

// bury tells of ghosts alone.
func (s *sink) bury(i item, ghosts []string) {
	for _, g := range ghosts {
		s.gone[g], s.buried[g] = true, i.past
		if s.objects[i.name].uid == g {
			delete(s.objects, i.name)
		}
	}
}

// reachLetters has the server come to the versions of all letters, as it would some day
// after a restored backup. The stream has noticed that.
func (h *lane) reachLetters() {
	for _, l := range h.letters {
		h.server.rv = max(h.server.rv, l.rv+1)
	}
}
