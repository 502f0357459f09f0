package cache

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"github.com/go-logr/logr"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"

	"github.com/fairlead-dev/fairlead/internal/apistatus"
	"github.com/fairlead-dev/fairlead/sources/member"
)

// flavor is one of the ways in which controller-runtime caches a kind.
type flavor string

const (
	typed        flavor = ""
	unstructured flavor = " (unstructured)"
	metadata     flavor = " (metadata)"
)

// kindKey names what is cached; with several namespaces it has an informer for
// each.
type kindKey struct {
	schema.GroupVersionKind
	flavor flavor
}

func (k kindKey) String() string { return k.GroupKind().String() + string(k.flavor) }

func flavorOf(obj runtime.Object) flavor {
	switch obj.(type) {
	case runtime.Unstructured:
		return unstructured
	case *metav1.PartialObjectMetadata, *metav1.PartialObjectMetadataList:
		return metadata
	}
	return typed
}

// informer is what is known of one informer of one member.
type informer struct {
	member *cached
	key    kindKey

	mu       sync.Mutex
	uid      string          // of the cluster that the cache was listed from
	synced   bool            // its first list is in the cache
	trying   time.Time       // since when the first list could be under way; zero while the gate is shut
	problem  string          // why the newest request failed; empty once one succeeded
	open     bool            // the newest request was answered, and not cut
	silent   bool            // reported as silent
	last     time.Time       // when its server last told it something
	watching *flight         // its open watch
	session  *member.Session // of the newest request
}

// snapshot is an informer at one moment.
type snapshot struct {
	name                       string
	problem                    string
	synced, open, late, silent bool
	trying, last               time.Time
	watching                   *flight
}

func (i *informer) snapshot(now time.Time, patience time.Duration) snapshot {
	i.mu.Lock()
	defer i.mu.Unlock()
	return snapshot{
		name:     i.key.String(),
		problem:  i.problem,
		synced:   i.synced,
		open:     i.open,
		late:     !i.synced && !i.trying.IsZero() && now.Sub(i.trying) >= patience,
		silent:   i.silent,
		trying:   i.trying,
		last:     i.last,
		watching: i.watching,
	}
}

// set applies a change and tells the member's loop and those who wait.
func (i *informer) set(change func()) {
	i.mu.Lock()
	change()
	i.mu.Unlock()
	i.member.touch()
}

// shut: its request waits at the gate.
func (i *informer) shut() {
	i.set(func() { i.open, i.trying = false, time.Time{} })
}

// try: a request is about to be sent with a session.
func (i *informer) try(s *member.Session) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.session = s
	if i.trying.IsZero() {
		i.trying = time.Now()
	}
}

// fail: a request was answered with an error, or not at all. The problem is fit
// to be shown.
func (i *informer) fail(problem string) {
	i.set(func() { i.open, i.problem = false, problem })
}

// opened: a request was answered. fl is its flight if it is a watch.
func (i *informer) opened(fl *flight) {
	i.mu.Lock()
	silent := i.silent
	i.silent, i.open, i.problem, i.watching = false, true, "", fl
	i.mu.Unlock()
	if silent {
		i.member.conn.SetStale(i.stream(), false)
	}
	i.member.touch()
}

// heard: something arrived.
func (i *informer) heard() {
	i.mu.Lock()
	i.last = time.Now()
	i.mu.Unlock()
}

// gaveUp: the informer got an answer that it could not use, and will try again
// after a delay of its own. client-go's handler would log each time, also the end
// of an informer, and wait for its turn among all informers of the process.
func (i *informer) gaveUp(ctx context.Context, _ *toolscache.Reflector, err error) {
	switch {
	case ctx.Err() != nil, errors.Is(err, io.EOF):
	case apistatus.Of(err).Meaning == apistatus.Expired: // it lists anew
	default:
		i.mu.Lock()
		s := i.session
		i.mu.Unlock()
		i.fail(shown(err, s))
	}
}

// markSilent: its watch has been silent for too long.
func (i *informer) markSilent() {
	i.mu.Lock()
	i.silent = true
	i.mu.Unlock()
	i.member.conn.SetStale(i.stream(), true)
}

// closed: the flight of a watch has ended.
func (i *informer) closed(fl *flight, cut bool) {
	i.set(func() {
		if i.watching == fl {
			i.watching = nil
			i.open = i.open && !cut
		}
	})
}

// stream is its name at the connection.
func (i *informer) stream() string { return "cache of " + i.key.String() }

type informerKey struct{}

// informerOf returns the informer that a request is made for, or nil.
func informerOf(ctx context.Context) *informer {
	i, _ := ctx.Value(informerKey{}).(*informer)
	return i
}

type newInformerFunc = func(toolscache.ListerWatcher, runtime.Object, time.Duration, toolscache.Indexers) toolscache.SharedIndexInformer

// newInformer wraps a constructor of informers so that their requests are told
// apart from calls, at the gate, and their state is known.
func (m *cached) newInformer(next newInformerFunc) newInformerFunc {
	if next == nil {
		next = toolscache.NewSharedIndexInformer
	}
	return func(lw toolscache.ListerWatcher, obj runtime.Object, resync time.Duration, indexers toolscache.Indexers) toolscache.SharedIndexInformer {
		gvk, err := apiutil.GVKForObject(obj, m.scheme)
		if err != nil {
			gvk = obj.GetObjectKind().GroupVersionKind()
		}
		i := &informer{member: m, key: kindKey{gvk, flavorOf(obj)}}
		inner := toolscache.ToListerWatcherWithContext(lw)
		shared := next(&toolscache.ListWatch{
			ListWithContextFunc: func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
				return inner.ListWithContext(context.WithValue(ctx, informerKey{}, i), o)
			},
			WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
				w, err := inner.WatchWithContext(context.WithValue(ctx, informerKey{}, i), o)
				if err != nil || o.SendInitialEvents == nil || !*o.SendInitialEvents {
					return w, err
				}
				return newListWatch(ctx, w), nil
			},
		}, obj, resync, indexers)
		// It fails only for an informer that has started.
		_ = shared.SetWatchErrorHandlerWithContext(i.gaveUp)
		m.join(i)
		return &tracked{SharedIndexInformer: shared, i: i}
	}
}

// tracked is an informer that tells when it is synced and when it ends.
type tracked struct {
	toolscache.SharedIndexInformer
	i *informer
}

// RunWithContext runs the informer until ctx ends.
func (t *tracked) RunWithContext(ctx context.Context) {
	var wg sync.WaitGroup
	wg.Go(func() {
		select {
		case <-t.HasSyncedChecker().Done():
			t.i.set(func() { t.i.synced = true })
		case <-ctx.Done():
		}
	})
	// What client-go has to say is for those who look closely.
	log := t.i.member.fleet.o.Log.WithValues("cluster", t.i.member.name, "cache", t.i.key.String())
	t.SharedIndexInformer.RunWithContext(logr.NewContext(ctx, log.V(2)))
	wg.Wait()
	t.i.member.leave(t.i)
}

// Run runs the informer until stop is closed.
func (t *tracked) Run(stop <-chan struct{}) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		select {
		case <-stop:
			cancel()
		case <-ctx.Done():
		}
	}()
	t.RunWithContext(ctx)
}
