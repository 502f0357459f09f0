package connection

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v4"
	"github.com/go-logr/logr"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/util/flowcontrol"

	"github.com/fairlead-dev/fairlead/internal/member"
	"github.com/fairlead-dev/fairlead/internal/retry"
)

const (
	// longestRetryAfter bounds what a server may ask for.
	longestRetryAfter = 5 * time.Minute
	// cutAfter is how long the requests of an ended session may go on.
	cutAfter = 10 * time.Second
	// forever is longer than any wait; the loop is woken instead.
	forever = 24 * time.Hour
)

// Options carry what a Connection depends on.
type Options struct {
	// Cluster is the member's name in the fleet. Required.
	Cluster string
	// REST says where the member is and who we are there. It is copied. QPS,
	// Burst, RateLimiter, Timeout, UserAgent and content types in it are
	// ignored. Nil, or one that cannot be used, makes the connection wait for
	// SetREST.
	REST *rest.Config
	// Config is what the operator has tuned.
	Config Config
	// Log is told of transitions. The zero value discards them.
	Log logr.Logger
	// UserAgent is what member API servers log. Default "fairlead/VERSION"
	// from the build.
	UserAgent string
}

// Connection is the connection to one member. See the package's doc; make one
// with New.
type Connection struct {
	cluster   string
	config    Config
	userAgent string
	log       logr.Logger
	limiter   flowcontrol.RateLimiter
	wake      chan struct{} // capacity 1: the loop should look again

	mu         sync.Mutex
	running    bool
	ended      bool
	paused     bool
	phase      phase
	changed    chan struct{} // closed and replaced when Acquire should look again
	generation int           // of the configuration; a probe of an older one counts for nothing
	rest       *rest.Config
	redact     redactor
	clients    *clients // nil until the configuration was first used
	session    *session // nil until the first good probe
	retired    []retired
	stop       context.CancelFunc // of the probe under way, or nil
	identity   identity
	version    string
	askVersion bool
	stale      map[string]struct{}

	delays    *backoff.ExponentialBackOff
	probeAt   time.Time // when the next probe is due
	lastProbe time.Time // when the last one ended
	liveSince time.Time // zero while not live
	attempt   int

	shown, logged member.State
	since         time.Time
	toldDigest    bool
	failure       string // result of the last failed probe
	lastError     string
	lastErrorAt   time.Time
	probes        map[string]uint64
	reconnects    map[string]uint64
}

// retired are clients whose session has ended.
type retired struct {
	clients *clients
	cut     time.Time
}

// New returns a connection that is not yet running. It fails on a Config that
// does not validate and on a missing name, not on a REST config that cannot be
// used: that is the member's fault and shown as its state.
func New(o Options) (*Connection, error) {
	if o.Cluster == "" {
		return nil, errors.New("connection: Options.Cluster is empty")
	}
	if err := o.Config.Validate(); err != nil {
		return nil, fmt.Errorf("connect cluster %q: %w", o.Cluster, err)
	}
	config := o.Config.withDefaults()
	userAgent := o.UserAgent
	if userAgent == "" {
		userAgent = defaultUserAgent()
	}
	log := o.Log
	if log.IsZero() {
		log = logr.Discard()
	}
	now := time.Now()
	c := &Connection{
		cluster:    o.Cluster,
		config:     config,
		userAgent:  userAgent,
		log:        log.WithValues("cluster", o.Cluster),
		limiter:    flowcontrol.NewTokenBucketRateLimiter(float32(config.QPS), config.Burst),
		wake:       make(chan struct{}, 1),
		changed:    make(chan struct{}),
		rest:       copyREST(o.REST),
		redact:     newRedactor(o.REST),
		askVersion: true,
		stale:      map[string]struct{}{},
		delays:     retry.NewBackOff(config.ReconnectMin, config.ReconnectMax),
		probeAt:    now,
		shown:      member.Connecting,
		logged:     member.Connecting,
		since:      now,
		probes:     map[string]uint64{},
		reconnects: map[string]uint64{},
	}
	return c, nil
}

func defaultUserAgent() string {
	version := "devel"
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		version = info.Main.Version
	}
	return "fairlead/" + version
}

// Run probes the member until ctx ends, then ends the session, closes every
// socket and returns nil. It can be called once. A credential plugin that
// hangs holds up the Run of its own member, because it cannot be stopped.
func (c *Connection) Run(ctx context.Context) error {
	c.mu.Lock()
	if c.running || c.ended {
		c.mu.Unlock()
		return ErrRunTwice
	}
	c.running = true
	c.mu.Unlock()
	defer c.end()

	timer := time.NewTimer(forever)
	defer timer.Stop()
	for ctx.Err() == nil {
		probing, cancel := context.WithTimeout(ctx, c.config.ConnectTimeout)
		a, wait := c.next(time.Now(), cancel)
		if a != nil {
			out := a.run(probing, c)
			cancel()
			if ctx.Err() != nil && a.fresh {
				a.clients.close()
			} else if ctx.Err() == nil {
				c.settle(a, out)
			}
			continue
		}
		cancel()
		timer.Reset(wait)
		select {
		case <-ctx.Done():
		case <-c.wake:
		case <-timer.C:
		}
	}
	return nil
}

// attempt is one probe to be made.
type attempt struct {
	generation int
	rest       *rest.Config
	clients    *clients // nil: to be made
	fresh      bool     // made by this attempt
	version    bool     // ask for it
}

// next returns the probe that is due, whose ctx ends with cancel, or how long
// there is nothing to do. It also cuts what is left of ended sessions.
func (c *Connection) next(now time.Time, cancel context.CancelFunc) (*attempt, time.Duration) {
	c.mu.Lock()
	var cut []*clients
	wait := forever
	for len(c.retired) > 0 { // oldest first
		if left := c.retired[0].cut.Sub(now); left > 0 {
			wait = left
			break
		}
		cut = append(cut, c.retired[0].clients)
		c.retired = c.retired[1:]
	}
	var a *attempt
	if left := c.probeAt.Sub(now); c.paused {
		// Resume wakes the loop.
	} else if left > 0 {
		wait = min(wait, left)
	} else {
		a = &attempt{generation: c.generation, rest: c.rest, clients: c.clients, version: c.askVersion}
		c.stop = cancel
	}
	c.mu.Unlock()
	for _, cl := range cut {
		cl.close()
	}
	return a, wait
}

func (a *attempt) run(ctx context.Context, c *Connection) outcome {
	if a.clients == nil {
		made, err := newClients(a.rest, c.limiter, c.userAgent, c.config.ConnectTimeout)
		if err != nil {
			return outcome{result: resultUnusable, err: err}
		}
		a.clients, a.fresh = made, true
	}
	return probe(ctx, a.clients, a.version)
}

// settle takes in what a probe found, unless the configuration has changed
// meanwhile.
func (c *Connection) settle(a *attempt, out outcome) {
	now := time.Now()
	c.mu.Lock()
	c.stop = nil
	if a.generation != c.generation {
		c.mu.Unlock()
		if a.fresh {
			a.clients.close()
		}
		return
	}
	c.clients = a.clients
	c.lastProbe = now
	c.probes[out.result]++
	if out.err != nil {
		c.failLocked(now, out)
	} else {
		c.goodLocked(now, out)
	}
	note := c.noteLocked(now)
	c.mu.Unlock()
	if out.err != nil && a.clients != nil {
		a.clients.closeIdle() // the next probe really dials
	}
	c.tell(note)
}

func (c *Connection) goodLocked(now time.Time, out outcome) {
	before := c.identity
	c.identity = before.decide(out.uid, c.clients.digest)
	if out.version != "" {
		c.version = out.version
	}
	c.askVersion = false
	if c.session != nil && c.identity.uid != before.uid {
		c.reconnects[lostIdentity]++
		c.endSessionLocked()
	}
	if c.session == nil {
		c.session = newSession(c.cluster, c.identity.uid, c.clients)
	}
	if c.liveSince.IsZero() {
		c.liveSince = now
	}
	c.phase = live
	c.attempt = 0
	c.probeAt = now.Add(spread(c.config.HealthInterval))
	c.broadcastLocked()
}

func (c *Connection) failLocked(now time.Time, out outcome) {
	if !c.liveSince.IsZero() {
		c.reconnects[out.result]++
		if now.Sub(c.liveSince) >= c.config.ReconnectMax {
			c.delays.Reset()
		}
		c.liveSince = time.Time{}
	}
	c.attempt++
	c.failure = out.result
	c.askVersion = true
	c.lastError, c.lastErrorAt = c.redact.text(out.err), now
	delay := c.delays.NextBackOff()
	c.phase = backingOff
	if out.result == resultUnauthorized || out.result == resultUnusable {
		c.phase = waiting
		// Only the first retry is quick: a token file or a plugin may have
		// newer credentials by then. After that, guessing helps nobody.
		if c.attempt > 1 {
			delay = c.config.ReconnectMax/2 + rand.N(c.config.ReconnectMax/2+1)
		}
	}
	if out.delay > 0 { // asked for: no sooner, and not all clients at once
		delay = max(delay, out.delay+rand.N(out.delay/10+1))
	}
	c.probeAt = now.Add(delay)
}

// spread returns d, give or take a fifth.
func spread(d time.Duration) time.Duration { return d - d/5 + rand.N(2*(d/5)+1) }

// end is the end of Run.
func (c *Connection) end() {
	c.mu.Lock()
	c.ended = true
	c.endSessionLocked()
	all := c.retired
	if c.clients != nil {
		all = append(all, retired{clients: c.clients})
	}
	c.retired, c.clients = nil, nil
	c.broadcastLocked()
	note := c.noteLocked(time.Now())
	c.mu.Unlock()
	for _, r := range all {
		r.clients.close()
	}
	c.tell(note)
}

func (c *Connection) broadcastLocked() {
	close(c.changed)
	c.changed = make(chan struct{})
}

// nudge makes the loop look again.
func (c *Connection) nudge() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}
