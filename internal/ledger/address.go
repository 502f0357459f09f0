package ledger

import (
	"fmt"
	"slices"
	"strings"
)

// Address says in which form the stream delivers states from here on, as in
// "metadata of v1". A cursor remembers that and the sinks of its ledger, because
// what was acked, was by those sinks and in that form. If there is a sink now
// that there was not, or another form, everything is owed: only a snapshot will
// do, and Observe has all that it holds delivered, until all of it is acked.
// A restart before that does not change it.
//
// It returns why everything is owed, in words; "" if it is not. It is called
// before the stream observes anything.
func (c *Cursor) Address(form string) (owed string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	h := &c.head
	added := slices.DeleteFunc(slices.Clone(c.sinks), func(s string) bool { return slices.Contains(h.Sinks, s) })
	switch {
	case c.acked.len() == 0 && len(c.held) == 0:
	case len(added) > 0:
		owed = fmt.Sprintf("sinks %q were not there before", added)
	case !isForm(h.Form, form):
		owed = fmt.Sprintf("delivered as %q now, as %q before", form, h.Form)
	case h.Owed:
		owed = "it was due before, and has not been done"
	}
	if h.Form != form || !slices.Equal(h.Sinks, c.sinks) {
		h.Form, h.Sinks = form, c.sinks
		// Acks from here on are of these. Stored under those that there were,
		// they would be taken for theirs, should they come back.
		c.headDirty, c.headFirst = true, true
	}
	if owed != "" && !h.Owed {
		h.Owed, c.headDirty = true, true
		c.distrustLocked()
	}
	return owed
}

// isForm reports whether what was delivered in one form was so in the other. A
// form without a version is one that was noted when only versions that the
// operator had written were: it may have been any.
func isForm(noted, form string) bool {
	return noted == form || strings.HasPrefix(form, noted+" of ")
}
