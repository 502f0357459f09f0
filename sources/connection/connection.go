package connection

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v4"
	"github.com/go-logr/logr"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/util/flowcontrol"

	"github.com/fairlead-dev/fairlead/internal/ledger"
	"github.com/fairlead-dev/fairlead/internal/redact"
	"github.com/fairlead-dev/fairlead/internal/retry"
	"github.com/fairlead-dev/fairlead/sources/member"
)

const (
	// cutAfter is how long the requests of an ended session may go on.
	cutAfter = 10 * time.Second
	// digestPatience is how long the kube-system namespace must have been
	// unreadable before anything else decides who answers.
	digestPatience = 5 * time.Second
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
	// ReconnectLimiter is shared by the connections of a fleet, so that those that went
	// down together do not retry together. Optional.
	ReconnectLimiter *ReconnectLimiter
	// Known tells which clusters have borne the name, so that the one that answers
	// is another one on evidence only. Nil: nothing is known but what this
	// connection has seen, and a server at another address whose UID cannot be read
	// is another cluster.
	Known Known
	// Hold is how long another cluster has to answer under the name before it gets
	// it from one that is known. Zero: it gets it at once.
	Hold time.Duration
	// Identified is called when it has become known who the member is, with the UID
	// of the sessions from then on. It must not block. Optional.
	Identified func(uid string)
	// Log is told of transitions. The zero value discards them.
	Log logr.Logger
	// UserAgent is what member API servers log. Default "fairlead/VERSION"
	// from the build.
	UserAgent string
}

// Connection is the connection to one member. See the package's doc; make one
// with New.
type Connection struct {
	cluster          string
	config           Config
	userAgent        string
	log              logr.Logger
	limiter          flowcontrol.RateLimiter
	reconnectLimiter *ReconnectLimiter
	known            Known
	hold             time.Duration
	identified       func(uid string)
	wake             chan struct{} // capacity 1: the loop should look again

	mu         sync.Mutex
	running    bool
	ended      bool
	paused     bool
	phase      phase
	changed    chan struct{} // closed and replaced when Acquire should look again
	generation int           // a probe of an older one counts for nothing: the configuration has changed, or it hung
	rest       *rest.Config
	redact     *redact.Redactor
	plugin     *plugin  // nil: none
	clients    *clients // nil until the configuration was first used
	session    *session // nil until the first good probe
	retired    []retired
	stop       context.CancelFunc // of the probe under way, or nil
	identity   ledger.Identity    // its UID is empty until it is known
	others     []string           // the clusters known under the name that it is not
	rival      rival
	unreadable time.Time // since when probes have not told who it is; else zero
	version    string
	expiry     expiry // of the credentials of the last probe
	askVersion bool
	stale      map[string]struct{}
	silent     bool // a stream has fallen silent since the last probe

	delays    *backoff.ExponentialBackOff
	probeAt   time.Time // when the next probe is due
	place     place     // in the fleet's line
	mustDial  bool      // the next probe: there is nothing open to ask over
	wentAhead time.Time // when it last stood ahead of the line
	reach     reach
	lastProbe time.Time // when the last one ended
	liveSince time.Time // zero while not live
	attempt   int

	shown, logged member.State
	since         time.Time
	toldDigest    bool
	failure       string // result of the last failed probe, or more about it
	lastError     string
	lastErrorAt   time.Time
	probes        map[string]uint64
	reached       map[string]uint64 // reachability probes by result
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
	config := o.Config.WithDefaults()
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
		cluster:          o.Cluster,
		config:           config,
		userAgent:        userAgent,
		log:              log.WithValues("cluster", o.Cluster),
		limiter:          flowcontrol.NewTokenBucketRateLimiter(float32(config.QPS), config.Burst),
		reconnectLimiter: o.ReconnectLimiter,
		known:            o.Known,
		hold:             o.Hold,
		identified:       o.Identified,
		wake:             make(chan struct{}, 1),
		changed:          make(chan struct{}),
		rest:             copyREST(o.REST),
		redact:           redactorOf(o.REST),
		askVersion:       true,
		stale:            map[string]struct{}{},
		delays:           retry.NewBackOff(config.ReconnectMin, config.ReconnectMax),
		probeAt:          now,
		shown:            member.Connecting,
		logged:           member.Connecting,
		since:            now,
		probes:           map[string]uint64{},
		reached:          map[string]uint64{},
		reconnects:       map[string]uint64{},
	}
	c.plugin = pluginOf(c.rest, nil, c.pluginSays(c.redact))
	return c, nil
}

// pluginSays returns what takes the lines that a credential plugin writes.
func (c *Connection) pluginSays(r *redact.Redactor) func(line string) (shown string) {
	return func(line string) string {
		shown := r.Output(line)
		c.log.Info("The credential plugin says", "line", shown)
		return shown
	}
}

func defaultUserAgent() string {
	version := "devel"
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		version = info.Main.Version
	}
	return "fairlead/" + version
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
