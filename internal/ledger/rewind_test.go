package ledger

// Rewind forgets what a restart forgets. No worker holds a change of this cursor.
func (c *Cursor) Rewind() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.rewindLocked()
}
