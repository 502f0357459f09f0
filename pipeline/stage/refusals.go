package stage

import (
	"cmp"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fairlead-dev/fairlead/internal/redact"
	"github.com/fairlead-dev/fairlead/pipeline"
)

// A change that its sink refused is tried again after a delay that is drawn from
// [0, d], where d begins at refusedFirst and doubles up to refusedLongest ("full
// jitter": https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/).
const (
	refusedFirst   = 250 * time.Millisecond
	refusedLongest = time.Minute
	// refusedQuiet is for how long no more is logged of a cluster.
	refusedQuiet = time.Minute
	// reasonMost bounds what is kept of what a sink says, in bytes.
	reasonMost = 500
)

// Refused is what a sink has refused of one cluster and not accepted since.
type Refused struct {
	Cluster string    `json:"cluster"`
	Changes int       `json:"changes"` // objects of which a state waits for another try
	Since   time.Time `json:"since"`   // there has been at least one
	Reason  string    `json:"reason"`  // the last one, of at most 500 bytes
}

// refusals is the rate limiter of a Queue: it says when what failed is
// tried again. Beside that it knows what was refused. Of each object that has
// failed and was not accepted since it keeps one entry, and that object is in a
// lane or in work: so lanes bound it.
type refusals struct {
	some     atomic.Bool // there is an entry; asked for each change
	mu       sync.Mutex
	entries  map[pipeline.Key]refusal
	clusters map[string]*refusing

	left atomic.Pointer[func(cluster string)] // the stage's: see queue.Options.Left
}

type refusal struct {
	tries   int
	refused int    // by the sink, so often
	reason  string // why last; empty: that of the cluster stands for it
	since   time.Time
	version string // that was refused last
}

// mostReasons is of how many objects that are refused the own reasons are kept.
const mostReasons = 4096

// Refusal is what became of an object that a sink has refused and not accepted since.
type Refusal struct {
	Times int       // that it was refused
	Since time.Time // the first of them
	// ResourceVersion is of the state that was refused last: a newer one may wait, untried.
	ResourceVersion string
	Reason          string // of the last one; of many objects that are refused, maybe another one's
}

// refusing is a cluster of which something is refused, or was within refusedQuiet.
type refusing struct {
	Refused
	told   bool      // to the operator, since there was none
	toldAt time.Time // last
}

func newRefusals() *refusals {
	return &refusals{entries: map[pipeline.Key]refusal{}, clusters: map[string]*refusing{}}
}

// When counts a try that failed and returns the delay of the next one.
func (r *refusals) When(key pipeline.Key) time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	e := r.entries[key]
	longest := refusedLongest
	if e.tries < 8 { // the first is doubled at most seven times
		longest = min(longest, refusedFirst<<e.tries)
	}
	e.tries++
	r.entries[key] = e
	r.some.Store(true)
	return rand.N(longest + 1)
}

// NumRequeues returns how often When was called since Forget.
func (r *refusals) NumRequeues(key pipeline.Key) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.entries[key].tries
}

// Forget is called when a key was accepted or nothing waits of it any more.
func (r *refusals) Forget(key pipeline.Key) { r.forget(key) }

// forget is Forget. If that was the last one of a cluster, and the operator was
// told that there are some, it returns since when there were.
func (r *refusals) forget(key pipeline.Key) (over *Refused) {
	if !r.some.Load() {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	e, ok := r.entries[key]
	if !ok {
		return nil
	}
	delete(r.entries, key)
	r.some.Store(len(r.entries) > 0)
	c := r.clusters[key.Cluster]
	if e.refused == 0 || c == nil {
		return nil
	}
	if c.Changes--; c.Changes > 0 {
		return nil
	}
	if c.told {
		over = new(c.Refused)
	}
	c.told = false
	return over
}

// forgetCluster forgets a cluster of which nothing is in a lane any more.
func (r *refusals) forgetCluster(cluster string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	maps.DeleteFunc(r.entries, func(key pipeline.Key, _ refusal) bool { return key.Cluster == cluster })
	delete(r.clusters, cluster)
	r.some.Store(len(r.entries) > 0)
}

// refuse notes that the sink has refused a version of an object. It tells whether that is to be
// logged.
func (r *refusals) refuse(key pipeline.Key, version string, reason error, now time.Time) (tell bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	c := r.clusters[key.Cluster]
	if c == nil {
		// Nothing is kept of a cluster that has none, beyond what is to be logged.
		maps.DeleteFunc(r.clusters, func(_ string, c *refusing) bool {
			return c.Changes == 0 && now.Sub(c.toldAt) >= refusedQuiet
		})
		c = &refusing{Refused: Refused{Cluster: key.Cluster}}
		r.clusters[key.Cluster] = c
	}
	e := r.entries[key]
	c.Reason, e.version = brief(reason.Error()), version
	if e.refused++; e.refused == 1 {
		e.since = now
		r.some.Store(true)
		if c.Changes++; c.Changes == 1 {
			c.Since = now
		}
	}
	if e.reason = ""; len(r.entries) < mostReasons {
		e.reason = c.Reason
	}
	r.entries[key] = e
	if c.told || now.Sub(c.toldAt) < refusedQuiet {
		return false
	}
	c.told, c.toldAt = true, now
	return true
}

// list returns what is refused, by cluster.
func (r *refusals) list() []Refused {
	r.mu.Lock()
	defer r.mu.Unlock()
	var all []Refused
	for _, c := range r.clusters {
		if c.Changes > 0 {
			all = append(all, c.Refused)
		}
	}
	slices.SortFunc(all, func(a, b Refused) int { return cmp.Compare(a.Cluster, b.Cluster) })
	return all
}

// of returns what became of an object; not ok: it was not refused, or accepted since.
func (r *refusals) of(key pipeline.Key) (_ Refusal, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e := r.entries[key]
	if e.refused == 0 {
		return Refusal{}, false
	}
	reason := e.reason
	if c := r.clusters[key.Cluster]; c != nil {
		reason = cmp.Or(reason, c.Reason)
	}
	return Refusal{Times: e.refused, Since: e.since, ResourceVersion: e.version, Reason: reason}, true
}

// brief bounds what a sink says, and makes it fit for JSON.
func brief(reason string) string {
	return redact.Cut(strings.ToValidUTF8(reason, ""), reasonMost)
}
