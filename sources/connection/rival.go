package connection

import (
	"fmt"
	"time"
)

// rival is another cluster that answers under the member's name.
type rival struct {
	uid   string
	until time.Time // when it gets the name
}

// heldLocked puts off that another cluster gets the name. An address that was
// mistaken, or a name that was stolen, is mended within the time, and nothing is
// told as deleted then.
func (c *Connection) heldLocked(now time.Time, uid string) bool {
	if c.rival.uid != uid {
		c.rival = rival{uid, now.Add(c.hold)}
	}
	if !now.Before(c.rival.until) {
		return false
	}
	if c.session != nil {
		c.reconnects[lostIdentity]++
		c.endSessionLocked()
	}
	c.liveSince, c.attempt = time.Time{}, 0
	c.phase, c.failure = waiting, resultReplaced
	c.lastError, c.lastErrorAt = fmt.Sprintf("cluster %s answers where another one has the name; if it still does at %s, it takes the name over "+
		"and the objects of the other are told as deleted", uid, c.rival.until.UTC().Format(time.RFC3339)), now
	c.probeAt = now.Add(min(c.rival.until.Sub(now), spread(c.config.HealthInterval)))
	c.broadcastLocked()
	return true
}
