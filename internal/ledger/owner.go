package ledger

import "time"

// Claiming is what a stream says of itself to get its cursor.
type Claiming struct {
	ID StreamID
	// Digest is that of the server's URL and CA, Others are known to be other
	// clusters; see Ledger.Claim.
	Digest string
	Others []string
	// Selection is what the stream follows. When it is another one than before, a
	// snapshot tells what is no longer in it, and what is in it now.
	Selection Selection
	// Followed are the namespaces, "" for all, in which the member's streams follow
	// the resource. What was followed in others and belongs to this stream, or to
	// none, becomes this one's, of whatever cluster it is; so does what belongs to this
	// stream and another of them has taken over. nil: the caller does not know,
	// and nothing does.
	Followed []string
	// Mine is the handle that the caller has had of the cursor, nil if it has none:
	// should it still be the owner's, it stays so, and goes on where it was.
	Mine *Cursor

	moved bool // the cursor was of another stream
}

// Selection is what a stream follows of a resource.
type Selection struct {
	Namespace string `json:"namespace,omitempty"` // empty: all
	Labels    string `json:"labels,omitempty"`    // label selector
	Fields    string `json:"fields,omitempty"`    // field selector
	// Where and Changed are the texts of the rules by which the stream selects among the
	// states that it reads: which it delivers, and what counts in them as a change. A
	// version that does not know them refuses the ledger, as it would deliver other ones.
	Where   string `json:"where,omitempty"`
	Changed string `json:"changed,omitempty"`
}

// A cursor has one owner at a time: whoever Claim gave the last handle to. What the
// owners before have handed over may still be acked; what they have observed and not
// handed over is not to be handed over any more, as the new owner observes it again.

// claimed notes what a stream says that claims the cursor, and returns its handle.
func (c *Cursor) claimed(q Claiming) *Cursor {
	c.mu.Lock()
	defer c.mu.Unlock()
	h := &c.head
	if h.Digest != q.Digest || h.Replaced {
		h.Digest, h.Replaced, c.headDirty = q.Digest, false, true
	}
	now := time.Now()
	c.elsewhere = false
	c.setMissingLocked(h.unwatched(), false, now)
	c.setMissingLocked(h.routeGone(), false, now)
	if h.Selection != q.Selection || q.moved {
		if h.Selection.Changed != q.Selection.Changed {
			c.dropDigestsLocked()
		}
		h.Selection, c.headDirty = q.Selection, true
		if !c.isEmptyLocked() || h.Resume != "" || q.moved {
			// What one selection has deleted the other may hold in the same version.
			c.raiseGenerationLocked()
			if c.mayHaveToldLocked() {
				c.raiseDueLocked()
			} else {
				c.anewLocked()
			}
			q.Mine = nil
		}
	}
	if q.Mine != nil && q.Mine.cursor == c.cursor && q.Mine.as == c.owner && c.owner != 0 {
		return q.Mine
	}
	return c.handleLocked()
}

// handleLocked returns a handle for a new owner.
func (c *Cursor) handleLocked() *Cursor {
	if c.owner++; c.owner > 1 {
		c.lingerLocked()
		c.rewindLocked()
	}
	return &Cursor{cursor: c.cursor, as: c.owner}
}

// current returns a handle that counts until the next Claim.
func (c *Cursor) current() *Cursor {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.owner = max(c.owner, 1)
	return &Cursor{cursor: c.cursor, as: c.owner}
}

// Release says that the handle's owner does nothing more with the cursor: what it has
// handed over and nobody has begun is not begun any more.
func (c *Cursor) Release() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.lostLocked() {
		c.handleLocked()
	}
}

// lingerLocked remembers what workers have begun for the owner until now. What is sent again
// is the acked state: it keeps nothing from the next owner, and its ack says nothing.
func (c *Cursor) lingerLocked() {
	if c.lingering == nil {
		c.lingering = map[name]uint64{}
	}
	for n, p := range c.pending {
		if r := c.redeliveries[n]; p.begun.listed() && (r == nil || r.sequence != p.begun.last) {
			c.lingering[n] = p.begun.last
		}
	}
}

// lostLocked reports whether the handle is not the owner's any more.
func (c *Cursor) lostLocked() bool { return c.as != 0 && c.as != c.owner }

// givesUpLocked says that a worker does not hand over what it has begun before, or what has
// taken the place of that in the queue, which has one item of a name.
func (c *Cursor) givesUpLocked(key []byte, sequence uint64) {
	if at, lingers := c.lingering[name(key)]; lingers && at <= sequence {
		delete(c.lingering, name(key))
	}
}

// overtakenLocked is told of the ack of what an owner before this one has begun. A
// watch may have shown this one again what came before, in the same history.
func (c *Cursor) overtakenLocked(p *pending, sequence uint64, acked rv, deleted bool) {
	if p != nil && sequence > c.undoneSince && p.waiting.listed() && !p.listed &&
		p.rv.notAfter(acked) && !acked.isBefore(deleted, p.rv, p.deleted) {
		c.order.remove(&p.waiting)
	}
}
