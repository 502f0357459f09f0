package fleet

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/client-go/rest"
)

// DefaultNameHold is how long a name is kept for what it belongs to: longer than
// to delete a Secret and create it again, or to mend an address.
const DefaultNameHold = 5 * time.Minute

// defaultPollInterval lets changes take effect within seconds, and costs a
// fleet of a thousand files about 2 % of one CPU (BenchmarkIdlePoll).
const defaultPollInterval = 2 * time.Second

// Options configures a Fleet.
type Options struct {
	// Providers describe the clusters; see Parse. Where two describe the same
	// name at the same time, the earlier one has it.
	Providers []Provider
	// Handler is told which clusters exist. Required.
	Handler Handler
	// Log gets joins, changes, departures and problems, once each.
	Log logr.Logger
	// Registerer gets the metrics while Run runs; nil means none.
	Registerer prometheus.Registerer
	// Hub says how to reach the hub, see LoadHub. It is used only if a provider
	// reads the hub, and required then; see NeedsHub.
	Hub *rest.Config
	// PollInterval is the pause between two readings of all files; zero means
	// two seconds.
	PollInterval time.Duration
	// NameHold is how long a name is kept for the object of the hub that has
	// described it and is gone. Zero means DefaultNameHold, less than zero not at
	// all.
	NameHold time.Duration
}

// Fleet follows the providers.
type Fleet struct {
	opts     Options
	scanners []Scanner        // of Run
	found    [][]Description  // by each scanner's last scan; of Run
	owners   map[string]owner // by cluster name; of Run
	held     map[string]hold  // by cluster name; of Run
	free     time.Time        // when the next of these is free; zero: none is held
	events   *events          // nil: no provider reads the hub
	began    time.Time        // when the first poll was; of Run
	scans    int              // polls; of Run
	polls    int              // that were complete; of Run

	mu       sync.Mutex
	read     []bool // by provider; see SourceStatus
	size     int    // how many clusters there are
	known    bool   // see Known
	problems map[problemKey]Problem
}

// owner is the description that has a name. No source has the same name twice,
// so ref and name find it again.
type owner struct {
	ref    sourceRef
	member *Member
	hub    bool // it is described by an object of the hub
}

// sourceRef is one source of one provider.
type sourceRef struct {
	provider int
	source   string
}

// problemKey tells a problem that lasts from a new one.
type problemKey struct {
	ref                      sourceRef
	context, cluster, reason string
}

// New returns a fleet that has read nothing yet.
func New(opts Options) *Fleet {
	opts.PollInterval = cmp.Or(opts.PollInterval, defaultPollInterval)
	opts.NameHold = cmp.Or(opts.NameHold, DefaultNameHold)
	f := &Fleet{opts: opts, owners: map[string]owner{}, held: map[string]hold{}, found: make([][]Description, len(opts.Providers)), read: make([]bool, len(opts.Providers))}
	for _, p := range opts.Providers {
		f.scanners = append(f.scanners, p.NewScanner())
	}
	if NeedsHub(opts.Providers) {
		f.events = newEvents()
	}
	return f
}

// Run follows the providers until ctx ends, then returns nil. It removes no
// member on the way out. It must be called once only. An error means that the
// metrics could not be registered, or that Options.Hub is of no use; a hub that
// does not answer is a problem, not an error.
func (f *Fleet) Run(ctx context.Context) error {
	if reg := f.opts.Registerer; reg != nil {
		c := collector{f}
		if err := reg.Register(c); err != nil {
			return fmt.Errorf("register the fleet's metrics: %w", err)
		}
		defer reg.Unregister(c)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel(nil)
	// One waiting wake-up is enough: a poll sees everything.
	woken := make(chan struct{}, 1)
	if err := f.follow(ctx, &wg, cancel, woken); err != nil {
		return err
	}

	tick := time.NewTicker(f.opts.PollInterval)
	defer tick.Stop()
	free := time.NewTimer(0) // a name
	defer free.Stop()
	for f.poll(time.Now()); ctx.Err() == nil; {
		free.Stop()
		if !f.free.IsZero() {
			free.Reset(time.Until(f.free))
		}
		select {
		case <-ctx.Done():
		case now := <-free.C:
			f.settle(now)
		case <-tick.C:
			f.poll(time.Now())
		case <-woken:
			f.pollFollowers(time.Now())
		}
	}
	if err := context.Cause(ctx); errors.Is(err, errHub) || errors.Is(err, errFollow) {
		return err
	}
	return nil
}

// Start is Run, for controller-runtime's manager.
func (f *Fleet) Start(ctx context.Context) error { return f.Run(ctx) }

// NeedLeaderElection tells the manager that followers know the fleet too.
func (f *Fleet) NeedLeaderElection() bool { return false }

// errHub and errFollow mark the failures of what follows the hub, and of what
// follows something else.
var (
	errHub    = errors.New("follow the hub")
	errFollow = errors.New("follow a source of members")
)

// follow starts what learns of changes by itself, and what writes Events in the hub
// if a provider reads that.
func (f *Fleet) follow(ctx context.Context, wg *sync.WaitGroup, fail context.CancelCauseFunc, woken chan<- struct{}) error {
	if f.events != nil && f.opts.Hub == nil {
		return fmt.Errorf("%w: it is not said where the hub is; see --hub-kubeconfig", errHub)
	}
	wake := func() {
		select {
		case woken <- struct{}{}:
		default:
		}
	}
	start := func(what error, run func() error) {
		wg.Go(func() {
			if err := run(); err != nil {
				fail(fmt.Errorf("%w: %w", what, err))
			}
		})
	}
	for i, s := range f.scanners {
		s, ok := s.(Follower)
		if !ok {
			continue
		}
		env, what := Env{Log: f.opts.Log}, errFollow
		if _, ok := f.opts.Providers[i].(HubReader); ok {
			env.Hub, what = f.opts.Hub, errHub
		}
		start(what, func() error { return s.Follow(ctx, env, wake) })
	}
	if f.events != nil {
		start(errHub, func() error { return f.events.run(ctx, f.opts.Hub, f.opts.Log) })
	}
	return nil
}

// Check reads the providers once, beside Run, and returns what must not be
// there at start: two descriptions of one name, whichever is meant, and no
// cluster at all when none is named. It connects to nothing. Everything else
// that is wrong with a description harms that cluster only, may be repaired
// while the program runs, and is left to Problems.
func (f *Fleet) Check() error {
	var (
		errs   []error
		places = map[string][]string{}
		order  []string
	)
	for _, p := range f.opts.Providers {
		found := p.NewScanner().Scan()
		for _, fd := range found {
			if fd.Name == "" || fd.Absent {
				continue
			}
			if places[fd.Name] == nil {
				order = append(order, fd.Name)
			}
			places[fd.Name] = append(places[fd.Name], at(fd.Source, fd.Context))
		}
		if _, ok := p.(*currentProvider); ok && !slices.ContainsFunc(found, func(fd Description) bool { return fd.Member != nil }) {
			for _, fd := range found {
				errs = append(errs, fmt.Errorf("--clusters is not set, and %s describes no cluster: %w",
					p, Problem{Source: fd.Source, Context: fd.Context, Err: fd.Err}))
			}
		}
	}
	for _, name := range order {
		if len(places[name]) > 1 {
			errs = append(errs, fmt.Errorf("--clusters: cluster %q is described more than once: %s; rename one, or pick others with ?contexts=",
				name, strings.Join(places[name], " and ")))
		}
	}
	return errors.Join(errs...)
}

// Problems returns what keeps descriptions from being used now, sorted by
// source, context and cluster.
func (f *Fleet) Problems() []Problem {
	f.mu.Lock()
	problems := slices.Collect(maps.Values(f.problems))
	f.mu.Unlock()
	slices.SortFunc(problems, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Source, b.Source), cmp.Compare(a.Context, b.Context),
			cmp.Compare(a.Cluster, b.Cluster), cmp.Compare(a.Err.Error(), b.Err.Error()))
	})
	return problems
}

// Known reports whether the handler has been told of each cluster that is described, so
// that one which it has not been told of does not belong to the fleet: all providers have
// been read, nothing is wrong with any description, and there is a cluster. It may be
// called by any goroutine.
func (f *Fleet) Known() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.known
}

// poll reads all providers once and tells the handler what changed.
func (f *Fleet) poll(now time.Time) {
	if f.began.IsZero() {
		f.began = now
	}
	complete, read := f.isComplete(), f.completers() // before they are read: what comes meanwhile may be missed
	for i, s := range f.scanners {
		f.found[i] = s.Scan()
	}
	f.settle(now)
	f.scans++
	if complete {
		f.polls++
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.note(read)
	f.known = f.polls >= leastPolls && len(f.problems) == 0 && f.size > 0
}

// pollFollowers is poll for what learns of changes by itself. It leaves files alone, for which two
// readings count that are some time apart.
func (f *Fleet) pollFollowers(now time.Time) {
	read := f.completers()
	for i, s := range f.scanners {
		_, follows := s.(Follower)
		if follows {
			f.found[i] = s.Scan()
		}
		read[i] = read[i] && follows
	}
	f.settle(now)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.note(read)
}

// note notes which providers have been read. It is called with the lock.
func (f *Fleet) note(read []bool) {
	for i, r := range read {
		f.read[i] = f.read[i] || r
	}
}
