package connection

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/fairlead-dev/fairlead/internal/ledger"
)

var errUnidentified = errors.New("it cannot be told whether this is the cluster that is known under the name: address or CA are others, " +
	"and neither the UID of the namespace kube-system or default, nor any object that was delivered before, can be read; " +
	"allow get on namespace kube-system (with fairlead ledger forget everything in it would be delivered anew, and nothing be told as deleted)")

// rival is another cluster that answers under the member's name.
type rival struct {
	uid   string
	until time.Time // when it gets the name
}

// judge tells who answers. What the connection knows already needs no requests.
func (a *attempt) judge(ctx context.Context, c *Connection, seen sighting) verdict {
	var known []ledger.Identity
	if a.known.UID != "" {
		known = append(known, a.known)
		if v := judge(seen, known, func(ledger.Identity) presence { return unanswered }); !v.unsure && len(v.others) == 0 {
			v.others = a.others
			return v
		}
	}
	if c.known != nil {
		for _, k := range c.known.Identities(c.cluster) {
			if k.UID != a.known.UID {
				known = append(known, k)
			} else {
				known[0] = merge(a.known, k)
			}
		}
	}
	e := evidence{ctx: ctx, clients: a.clients, known: c.known, cluster: c.cluster}
	v := judge(seen, known, e.ask)
	if v.doubt {
		c.known.Doubt(c.cluster, v.identity.UID)
	}
	if v.unsure && c.known == nil {
		// Nobody has anything to lose.
		v = verdict{identity: ledger.Identity{UID: seen.uid, Digests: []string{seen.digest}}, others: []string{a.known.UID}, replaces: true}
	}
	return v
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
	c.probeAt, c.paced = now.Add(min(c.rival.until.Sub(now), spread(c.config.HealthInterval))), false
	c.broadcastLocked()
	return true
}
