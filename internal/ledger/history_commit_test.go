package ledger

import (
	"errors"
	"maps"
)

// commit is a transaction. While it is under way everything else goes on, and
// the process may be killed: before it is durable, or after it and before the
// process knows.
func (h *history) commit(all bool) {
	if h.committing {
		return
	}
	h.committing = true
	defer func() { h.committing = false }()
	process := h.ledger
	var begun [len(h.lanes)]lane
	for i, l := range h.lanes {
		begun[i] = lane{acked: maps.Clone(l.acked), swept: l.swept, restores: l.restores, asks: l.asks}
	}
	stored := func() {
		for i, l := range h.lanes {
			was := begun[i]
			maps.Copy(l.stored, was.acked)
			maps.DeleteFunc(l.acked, func(name string, version int) bool { return was.acked[name] == version })
			l.unswept = l.unswept && !(was.swept && was.restores == l.restores)
			if l.asks == was.asks {
				l.asks = 0
			}
		}
	}
	meanwhile := func() {
		for range h.r.IntN(16) {
			h.step()
		}
	}
	applied := false
	h.store.around = func(apply func() error) error {
		early := !h.settling && h.r.IntN(2) == 0
		if early {
			meanwhile()
		}
		if h.ledger != process {
			return errors.New("killed")
		}
		if err := apply(); err != nil {
			return err
		}
		if applied = true; all {
			stored()
		}
		if !early && !h.settling {
			meanwhile()
		}
		return nil
	}
	err := process.writer.commit(h.t.Context(), all)
	if h.store.around = nil; err == nil && !applied && all {
		stored() // there was nothing left to store
	}
}

// commitNow is a transaction while which nothing else happens.
func (h *history) commitNow() {
	h.t.Helper()
	around := h.store.around
	h.store.around = nil
	defer func() { h.store.around = around }()
	if err := h.ledger.writer.commit(h.t.Context(), true); err != nil {
		h.t.Fatal(h.what, err)
	}
	for _, l := range h.lanes {
		maps.Copy(l.stored, l.acked)
		clear(l.acked)
		l.asks = 0
	}
}
