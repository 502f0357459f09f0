package connection

import "github.com/fairlead-dev/fairlead/sources/member"

// Link returns the connection as it is now, for those who do not want to wait
// in Acquire. It never blocks.
func (c *Connection) Link() member.Link {
	c.mu.Lock()
	defer c.mu.Unlock()
	l := member.Link{
		Since:     c.since,
		LastError: c.lastError,
		Suspect:   c.phase == suspect && !c.paused && !c.ended,
		Changed:   c.changed,
	}
	l.State, l.Reason = c.stateLocked()
	if c.phase == live && !c.paused && !c.ended {
		l.Session = &c.session.Session
	}
	return l
}
