package cache

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/cluster"

	"github.com/fairlead-dev/fairlead/sources/member"
)

// Connection is what a Fleet needs of the connection to a member. Its methods
// never block and may be called from any goroutine.
type Connection interface {
	// Link returns the connection as it is now.
	Link() member.Link
	// Report tells that a request with s failed: the server may be in
	// trouble.
	Report(s *member.Session, err error)
	// SetStale tells whether a watch has been silent for too long.
	SetStale(watch string, stale bool)
}

// Options say what a Fleet is made of.
type Options struct {
	Config Config
	// Scheme knows the types that are read. Nil means client-go's.
	Scheme *runtime.Scheme
	// Cluster adjusts the cluster.Cluster made for each member: what its
	// cache holds, how its client reads. HTTPClient is the Fleet's own. With
	// Cache.ByObject Follow fails while the member cannot be reached, because
	// controller-runtime asks it which kinds are namespaced.
	Cluster []cluster.Option
	// Log is told of transitions. The zero value discards them.
	Log logr.Logger
}

// scheme is what the members' cluster.Clusters will have.
func (o Options) scheme() *runtime.Scheme {
	if o.Scheme != nil {
		return o.Scheme
	}
	made := cluster.Options{Scheme: clientgoscheme.Scheme}
	for _, adjust := range o.Cluster {
		adjust(&made)
	}
	return cmp.Or(made.Scheme, clientgoscheme.Scheme)
}

// Fleet keeps the caches of members. See the package comment.
type Fleet struct {
	o      Options
	config Config
	scheme *runtime.Scheme // of members

	names sync.Map // of members, for Has; changed with mu held

	mu       sync.Mutex
	members  map[string]*cached
	statuses map[string]Status
	labels   map[string]map[string]string
	engagers map[engager]struct{}
	queues   map[remover]int
	watchers map[*mailbox]struct{}
}

// remover is a queue that can forget a cluster, as queue.Queue can.
type remover interface {
	RemoveCluster(ctx context.Context, cluster string) error
}

// engager is a source's part in every member.
type engager interface {
	// label is the name of the source. It is the same pointer each time.
	label() *string
	// engage works for one member until ctx ends.
	engage(ctx context.Context, m *cached)
}

// New returns a fleet without members. It starts nothing. The only error is a
// Config that does not validate.
func New(o Options) (*Fleet, error) {
	if err := o.Config.Validate(); err != nil {
		return nil, fmt.Errorf("caches: %w", err)
	}
	if o.Log.IsZero() {
		o.Log = logr.Discard()
	}
	return &Fleet{
		o:        o,
		config:   o.Config.withDefaults(),
		scheme:   o.scheme(),
		members:  map[string]*cached{},
		statuses: map[string]Status{},
		labels:   map[string]map[string]string{},
		engagers: map[engager]struct{}{},
		queues:   map[remover]int{},
		watchers: map[*mailbox]struct{}{},
	}, nil
}

// Follow keeps the caches of a member on its connection until ctx ends. When it
// returns, nothing of the member is left here but what queues hold: see Purge.
// Other members may be followed meanwhile; a name twice at once is an error.
func (f *Fleet) Follow(ctx context.Context, name string, conn Connection) error {
	m, err := f.build(name, conn)
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var wg sync.WaitGroup
	m.engage = func(e engager) { wg.Go(func() { e.engage(ctx, m) }) }
	if err := f.add(m); err != nil {
		return err
	}
	wg.Go(func() { m.attend(ctx) })
	err = m.cluster.Start(ctx)
	early := ctx.Err() == nil
	f.remove(m)
	stop()
	wg.Wait()
	if early {
		return fmt.Errorf("the caches of cluster %q ended: %w", name, errors.Join(err, errEnded))
	}
	return nil
}

var errEnded = errors.New("nobody stopped them")

// Include adds, for good, a cluster whose cache somebody else runs, as the manager runs
// the hub's: sources and reconcilers then treat it as any member that can always
// be reached. It is live but for sources that cannot join it, because it does not
// serve their kind, say: then it is syncing, its Reason and the log tell which,
// and they join once they can.
func (f *Fleet) Include(name string, c cluster.Cluster) error {
	m := &cached{
		name:     name,
		fleet:    f,
		conn:     hub{},
		config:   f.config,
		cluster:  c,
		scheme:   c.GetScheme(),
		changed:  make(chan struct{}),
		engaging: map[*string]string{},
	}
	// Ends with its source: there is nothing else to wait for.
	m.engage = func(e engager) { go e.engage(context.Background(), m) }
	if err := f.add(m); err != nil {
		return err
	}
	m.note()
	return nil
}

// hub is a connection that somebody else takes care of.
type hub struct{}

func (hub) Link() member.Link             { return member.Link{State: member.Live, Session: &member.Session{}} }
func (hub) Report(*member.Session, error) {}
func (hub) SetStale(string, bool)         {}

func (f *Fleet) add(m *cached) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, ok := f.members[m.name]; ok {
		return fmt.Errorf("cluster %q is in the fleet already", m.name)
	}
	f.members[m.name] = m
	f.names.Store(m.name, nil)
	for e := range f.engagers {
		m.begin(e)
	}
	return nil
}

// remove takes a member out: nobody finds it, and no source engages it, any
// more.
func (f *Fleet) remove(m *cached) {
	f.mu.Lock()
	delete(f.members, m.name)
	f.names.Delete(m.name)
	f.mu.Unlock()
	f.publish(Status{Cluster: m.name, State: Gone}, time.Now())
}

// Purge drops what the queues of all sources hold for a member that is gone
// and returns when no reconcile for it is under way any more, or with an error
// when ctx ends first.
func (f *Fleet) Purge(ctx context.Context, name string) error {
	f.mu.Lock()
	queues := make([]remover, 0, len(f.queues))
	for q := range f.queues {
		queues = append(queues, q)
	}
	f.mu.Unlock()
	var errs []error
	for _, q := range queues {
		errs = append(errs, q.RemoveCluster(ctx, name))
	}
	return errors.Join(errs...)
}

// Has tells whether a cluster is in the fleet. It takes no lock: a queue may ask
// while it holds its own.
func (f *Fleet) Has(name string) bool {
	_, ok := f.names.Load(name)
	return ok
}

// Cluster returns a member's cluster.Cluster, whatever its state; the fleet
// starts and stops it. The error, an ErrClusterGone, says that there is no
// such member.
func (f *Fleet) Cluster(name string) (cluster.Cluster, error) {
	f.mu.Lock()
	m := f.members[name]
	f.mu.Unlock()
	if m == nil {
		return nil, gone(name)
	}
	return m.cluster, nil
}

// Client returns a client of a member. It reads from the cache and writes to
// the member. While the member cannot be reached, reads go on and everything
// else fails at once with ErrClusterUnavailable, as does a read of something
// that was never synced. The error of Client itself, an ErrClusterGone, says
// that there is no such member.
func (f *Fleet) Client(name string) (client.Client, error) {
	c, err := f.Cluster(name)
	if err != nil {
		return nil, err
	}
	return c.GetClient(), nil
}

// State returns where a member stands; one that is not in the fleet is Gone.
func (f *Fleet) State(name string) Status {
	f.mu.Lock()
	m := f.members[name]
	f.mu.Unlock()
	if m == nil {
		return Status{Cluster: name, State: Gone}
	}
	return m.note()
}

// SetLabels says what a member's Status.Labels are, before or while it is
// followed; nil forgets them. The fleet keeps the map: do not change it.
func (f *Fleet) SetLabels(name string, labels map[string]string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if labels == nil {
		delete(f.labels, name)
	} else {
		f.labels[name] = labels
	}
	s, known := f.statuses[name]
	if !known || maps.Equal(s.Labels, labels) {
		return
	}
	s.Labels = labels
	f.statuses[name] = s
	for box := range f.watchers {
		box.put(s)
	}
}

// Clusters returns the names of all members, in no order.
func (f *Fleet) Clusters() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	names := make([]string, 0, len(f.members))
	for name := range f.members {
		names = append(names, name)
	}
	return names
}
