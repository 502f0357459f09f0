package connection

import (
	"context"
	"slices"

	"k8s.io/client-go/rest"

	"github.com/fairlead-dev/fairlead/internal/ledger"
	"github.com/fairlead-dev/fairlead/internal/redact"
)

// attempt is one probe to be made.
type attempt struct {
	generation int
	rest       *rest.Config
	plugin     *plugin
	redact     *redact.Redactor
	clients    *clients        // nil: to be made
	known      ledger.Identity // so far
	others     []string        // as of the session
	version    bool            // ask for it
	again      bool            // the last one failed
}

// probeLocked begins a probe and returns what makes it.
func (c *Connection) probeLocked(ctx context.Context) func() {
	a := &attempt{
		generation: c.generation, rest: c.rest, plugin: c.plugin, redact: c.redact, clients: c.clients,
		known: c.identity, others: c.others, version: c.askVersion, again: c.attempt > 0,
	}
	probing, cancel := context.WithTimeout(ctx, c.config.ConnectTimeout)
	if c.askedLocked() && !c.dialsLocked() {
		probing = withoutDial(probing)
	}
	c.stop = cancel
	return func() {
		defer cancel()
		out := a.run(probing, c)
		out.expiry = expiryOf(a.rest)
		if ctx.Err() == nil {
			c.settle(a, out)
		}
	}
}

// askedLocked tells whether the next probe is one that a stream has asked for, of a member that
// has not failed yet.
func (c *Connection) askedLocked() bool {
	return c.attempt == 0 && (c.phase == suspect || c.phase == live && c.silent)
}

// dialsLocked tells whether the next probe may dial because of a cut, and so has to wait for its
// turn in the fleet's line. One that is asked for may not at first: if a watch was cut alone,
// there is a connection to ask over. If not, the member may not be the only one that was cut.
func (c *Connection) dialsLocked() bool {
	// Nobody knows what a transport has open that is not ours.
	return c.attempt > 0 || c.askedLocked() && (c.mustDial || c.clients.custom != nil)
}

func (a *attempt) run(ctx context.Context, c *Connection) outcome {
	if a.clients == nil {
		made, err := newClients(a.rest, clientOptions{
			plugin: a.plugin, limiter: c.limiter, userAgent: c.userAgent,
			connectTimeout: c.config.ConnectTimeout, maxAnswer: c.config.MaxAnswer, redact: a.redact,
		})
		if err != nil {
			return outcome{result: resultUnusable, err: err}
		}
		a.clients = made
		if !c.adopt(a) {
			return outcome{result: resultCanceled, err: context.Canceled}
		}
	}
	settled := !a.again && slices.Contains(a.known.Digests, a.clients.digest)
	out := probe(ctx, a.clients, settled, a.version)
	if out.err == nil {
		out.verdict = a.judge(ctx, c, out.seen)
	}
	return out
}

// adopt makes the clients that a has made the connection's, unless the
// configuration has changed meanwhile.
func (c *Connection) adopt(a *attempt) bool {
	c.mu.Lock()
	same := a.generation == c.generation
	if same {
		c.clients = a.clients
	}
	c.mu.Unlock()
	if !same {
		a.clients.close()
	}
	c.nudge() // it can be asked now whether it answers
	return same
}
