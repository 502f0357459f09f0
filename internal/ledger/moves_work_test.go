package ledger

import (
	"fmt"
	"maps"
	"slices"
)

func (h *movesHistory) offerTombstone(d Tombstone, c *Cursor) {
	h.offer(routed{
		key: moveKey(d.Name), uid: d.Version.UID, rv: h.number(d.Version.ResourceVersion), deleted: true, listed: true,
		sequence: d.Sequence, generation: d.Generation, replays: h.sink.asked, cursor: c,
	})
}

// offer hands a change to the lane, where a newer one goes before.
func (h *movesHistory) offer(x routed) {
	if was, waits := h.lane[x.key]; !waits || was.sequence < x.sequence {
		h.lane[x.key] = x
	}
}

// work is one step of the worker.
func (h *movesHistory) work() {
	if h.killed != nil {
		return
	}
	switch {
	case h.batch == nil:
		h.begin()
	case h.next < len(h.batch):
		x := h.batch[h.next]
		h.next++
		if h.r.Float64() < 0.2 { // refused: it leaves the worker, and comes back
			h.offer(x)
			return
		}
		for _, uid := range h.ghosts[x.key] {
			ghost := x
			ghost.uid, ghost.deleted, ghost.sequence = uid, true, x.sequence-1
			h.tell(ghost)
			x.cursor.AckGhost(moveName(x.key), uid)
			if !h.resting && h.r.Float64() < 0.1 { // the next one failed
				h.offer(x)
				return
			}
		}
		h.tell(x)
		h.acks = append(h.acks, x)
	default:
		for _, x := range h.acks {
			if h.r.Float64() < 0.1 { // the answer was lost
				h.offer(x)
				continue
			}
			h.log("ack %s %d", x.key, x.sequence)
			x.cursor.Ack(x.sequence, moveName(x.key), x.version(), x.deleted)
		}
		h.batch, h.acks = nil, nil
	}
}

// begin has the worker take what waits.
func (h *movesHistory) begin() {
	h.next, h.acks, h.ghosts = 0, nil, map[string][]string{}
	process := h.ledger
	for _, key := range slices.Sorted(maps.Keys(h.lane)) {
		if len(h.batch) == 1+h.r.IntN(3) {
			return
		}
		x := h.lane[key]
		delete(h.lane, key)
		ghosts, _, unstored, superseded := x.cursor.begin(x.sequence, moveName(key), x.version(), x.deleted)
		if superseded {
			continue
		}
		if unstored && !h.storeIntents(process) {
			if h.ledger != process || h.killed != nil {
				return
			}
			h.offer(x) // Begin is given up
			continue
		}
		h.batch, h.ghosts[key] = append(h.batch, x), ghosts
	}
}

func (h *movesHistory) tell(x routed) {
	if x.sequence < h.sink.numbers[x.key] {
		h.sink.backwards = append(h.sink.backwards, fmt.Sprintf("%s@%d has sequence %d after %d", x.key, x.rv, x.sequence, h.sink.numbers[x.key]))
	}
	h.log("tell %s %s@%d deleted %v sequence %d gen %d by %s", x.key, x.uid, x.rv, x.deleted, x.sequence, x.generation, x.cursor.key[:4])
	h.sink.receive(x, "")
	if !x.deleted {
		h.tells = append(h.tells, fmt.Sprintf("%s %s@%d", x.key, x.uid, x.rv))
	}
	for _, s := range h.streams {
		if s.cursor == x.cursor && !(x.deleted && x.listed) { // that has the version of a list
			h.sink.order(x)
		}
	}
}
