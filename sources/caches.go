package sources

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/cluster"

	"github.com/fairlead-dev/fairlead/sources/cache"
	"github.com/fairlead-dev/fairlead/sources/connection"
	"github.com/fairlead-dev/fairlead/sources/fleet"
)

// The defaults of Connection.ReconnectMin and Connection.ReconnectMax for caches.
// ReconnectMax bounds how long caches lag behind the end of an outage: the next probe
// comes within this time, and opens all watches at once. A member that is down costs
// about one attempt to connect per second.
const (
	DefaultCachesReconnectMin = 500 * time.Millisecond
	DefaultCachesReconnectMax = 1500 * time.Millisecond
)

// CachesOptions say what Caches are made of. The zero value is ready to use.
type CachesOptions struct {
	// Connection tunes the members' connections. ReconnectMin and ReconnectMax are
	// DefaultCachesReconnectMin and DefaultCachesReconnectMax unless they are set.
	Connection ConnectionConfig
	// Cache tunes the members' caches.
	Cache cache.Config
	// Scheme knows the types that are read. Nil means client-go's.
	Scheme *runtime.Scheme
	// Cluster adjusts the cluster.Cluster made for each member, for example
	// what its cache holds. Prefer Cache.DefaultLabelSelector and the like to
	// Cache.ByObject: for that, controller-runtime asks the member which kinds
	// are namespaced, so that one which was never reached is not in the fleet yet.
	Cluster []cluster.Option
	// UserAgent is what the members' API servers log. Empty means Fairlead's.
	UserAgent string
	// Limit is called with the limits that a member's description asks for, when
	// it joins and when its description changes, in the order of the changes.
	// It must not block, nor call the Caches, which are locked meanwhile. Queues
	// made by Caches.FairRequests have them already. Optional.
	Limit func(cluster string, l fleet.Limits)
	// Registerer gets metrics of the members' connections and caches and, with
	// AddToManager, of the fleet: controller-runtime's metrics.Registry, say. Nil
	// means none.
	Registerer prometheus.Registerer
	// Removed is called once nothing of a member is left, from the member's own
	// goroutine. It must not block for long, but may call the Caches: one that is
	// set again starts when Removed has returned. Optional.
	Removed func(cluster string)
	Log     logr.Logger
}

// Caches keep a connection and a cluster.Cluster for each member of a fleet,
// for reconcilers that run over all of them. They are a fleet.Handler, and a
// runnable of controller-runtime's manager: add them to it, so that they run
// before the first reconcile and beyond the last.
//
// What sources and reconcilers use comes with the embedded cache.Fleet: Clusters
// returns the members' names, Client and Cluster give access to one of them, Has
// tells whether one is there, State where it stands, Changes yields what becomes
// of all, and WaitLive waits for one.
type Caches struct {
	// Fleet is what sources and reconcilers use.
	*cache.Fleet
	*roster[*resident]

	o          CachesOptions
	reconnects *connection.ReconnectLimiter

	// Guarded by the lock of the roster:
	limiters  map[*queueLimiter]struct{} // one per queue of FairRequests that takes requests
	described *fleet.Fleet               // of AddToManager
}

// NewCaches returns Caches without members. It starts nothing. The only errors
// are configurations that do not validate, and metrics that are registered
// already.
func NewCaches(o CachesOptions) (*Caches, error) {
	if o.Log.IsZero() {
		o.Log = logr.Discard()
	}
	o.Connection.ReconnectMin = cmp.Or(o.Connection.ReconnectMin, DefaultCachesReconnectMin)
	o.Connection.ReconnectMax = cmp.Or(o.Connection.ReconnectMax, max(DefaultCachesReconnectMax, o.Connection.ReconnectMin))
	if err := o.Connection.Validate(); err != nil {
		return nil, fmt.Errorf("connections: %w", err)
	}
	f, err := cache.New(cache.Options{Config: o.Cache, Scheme: o.Scheme, Cluster: o.Cluster, Log: o.Log})
	if err != nil {
		return nil, err
	}
	c := &Caches{
		Fleet:      f,
		o:          o,
		limiters:   map[*queueLimiter]struct{}{},
		reconnects: connection.NewReconnectLimiter(o.Connection.ReconnectMax),
	}
	c.roster = newRoster(o.Log, c)
	if o.Registerer == nil {
		return c, nil
	}
	if err := errors.Join(o.Registerer.Register(connection.NewCollector(c.Connections)), o.Registerer.Register(cache.NewCollector(f))); err != nil {
		return nil, fmt.Errorf("register metrics: %w", err)
	}
	return c, nil
}

// Run keeps the members' caches, of those set before and those set while it
// runs, until ctx ends, then waits for all of them. It can be called once.
func (c *Caches) Run(ctx context.Context) error { return c.children.Run(ctx) }

// Start is Run, for the manager.
func (c *Caches) Start(ctx context.Context) error { return c.Run(ctx) }

// NeedLeaderElection tells the manager to start the caches before it leads.
func (c *Caches) NeedLeaderElection() bool { return false }

// Set adds a member or gives one that is there a new configuration, which
// takes effect at once: what is cached stays, and only what has changed
// meanwhile is told to reconcilers. Other limits or labels alone do not
// touch the connection. A member that is paused stays in the fleet, backing off: its
// caches can be read, and nothing is sent to it.
func (c *Caches) Set(m fleet.Member) { c.set(m) }

// Remove takes a member out. It returns at once; what the member holds, in
// queues as well, is freed when the reconciles in work for it are done.
func (c *Caches) Remove(name string) { c.remove(name) }

// Connections returns where the connection of each member stands, in no order.
func (c *Caches) Connections() []ConnectionStatus {
	c.mu.Lock()
	defer c.mu.Unlock()
	status := make([]connection.Status, 0, len(c.members))
	for _, r := range c.members {
		status = append(status, r.conn.Status())
	}
	return status
}

// Connection returns where the connection of one member stands: among others its Attempt, how
// many in a row have failed, and NextRetry, when the next one comes. ok is false if there is no
// such member.
func (c *Caches) Connection(name string) (status ConnectionStatus, ok bool) {
	c.mu.Lock()
	r := c.members[name]
	if r == nil {
		c.mu.Unlock()
		return status, false
	}
	conn := r.conn
	c.mu.Unlock()
	return conn.Status(), true
}
