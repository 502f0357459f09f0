package locks

import "sync/atomic"

// Term numbers the terms of one process, for a lock that is not made by [New]: such a
// lock is [Fenced] by a Term that is told of every answer. The zero value has had no
// term. One goroutine uses it at a time; Token may be called from any.
type Term struct {
	held  bool
	token atomic.Uint64
}

// Saw notes whether this process holds the record, which is of that version now. A
// term begins with the first version in which the process is known to hold it: every
// earlier holder's is lower, since it wrote before, and every later holder's is higher.
func (t *Term) Saw(held bool, version uint64) {
	if held && !t.held {
		t.token.Store(version)
	}
	t.held = held
}

// Interrupted notes that another process may have held the record since the last
// answer: if this one holds it next, that is another term.
func (t *Term) Interrupted() { t.held = false }

// Token returns the version with which the last term began; 0: there was none.
func (t *Term) Token() uint64 { return t.token.Load() }
