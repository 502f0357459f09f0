package fleettest

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"go.uber.org/goleak"
	"k8s.io/client-go/rest"

	"github.com/fairlead-dev/fairlead/sources/fleet"
)

// Cluster is what the suite has described: a server and the token for it.
type Cluster struct {
	Name, Server, Token string
}

// Kubeconfig returns a kubeconfig with that one context.
func (c Cluster) Kubeconfig() []byte {
	type named map[string]any
	text, err := json.Marshal(map[string]any{
		"apiVersion": "v1", "kind": "Config", "current-context": c.Name,
		"clusters": []named{{"name": c.Name, "cluster": named{"server": c.Server}}},
		"users":    []named{{"name": c.Name, "user": named{"token": c.Token}}},
		"contexts": []named{{"name": c.Name, "context": named{"cluster": c.Name, "user": c.Name}}},
	})
	if err != nil {
		panic(err) // of texts and maps
	}
	return text
}

// Place is an empty place that a provider reads and the suite writes.
type Place struct {
	// Provider reads the place.
	Provider fleet.Provider
	// Hub is Options.Hub of the fleet; nil unless the provider reads the hub.
	Hub *rest.Config
	// Describe writes the description of a cluster, in the place of one of that name.
	// It returns an error if no cluster can be described under that name here.
	Describe func(t testing.TB, c Cluster) error
	// Remove removes the description of that name.
	Remove func(t testing.TB, name string)
	// Write writes a text where the description of that name would be. It is nil if
	// the place holds no texts.
	Write func(t testing.TB, name string, text []byte)
	// Together: all clusters are in one text, so that one which cannot be read keeps
	// all of them from changing.
	Together bool
	// TwoPolls: a change counts once two scans in a row have read the same.
	TwoPolls bool
	// NoTokens: the place holds no credentials, so the suite's tokens go nowhere.
	NoTokens bool
}

// New returns a place of its own. What it opens ends with t's cleanup.
type New func(t testing.TB) Place

// rules are the suite. They stand on testing.TB so that the suite's own tests can
// see them fail.
var rules = []struct {
	name  string
	check func(testing.TB, Place)
}{
	{"what is there joins", firstList},
	{"what comes later joins", joins},
	{"what changes is told once", changes},
	{"what goes leaves, and may come back", leaves},
	{"names that are refused", names},
	{"texts that are no description", texts},
	{"two scans in a row", twoScans},
	{"each scanner begins anew", scanners},
	{"it ends with its context", ends},
}

// Run runs the suite, one subtest for each rule.
func Run(t *testing.T, place New) {
	for _, r := range rules {
		t.Run(r.name, func(t *testing.T) { r.check(t, place(t)) })
	}
}

// patience is how long the suite waits for what must come about.
const patience = 30 * time.Second

// pollInterval is short, so that what takes two polls does not take long.
const pollInterval = 20 * time.Millisecond

// running is a fleet at work.
type running struct {
	t     testing.TB
	place Place
	fleet *fleet.Fleet
	told  chan struct{} // holds one if something was told since

	mu      sync.Mutex
	members map[string]fleet.Member
	sets    map[string]int // by name
	removes map[string]int
}

// start runs a fleet over the place until the test ends.
func start(t testing.TB, p Place) *running {
	t.Helper()
	before := goleak.IgnoreCurrent()
	r := &running{t: t, place: p, told: make(chan struct{}, 1), members: map[string]fleet.Member{}, sets: map[string]int{}, removes: map[string]int{}}
	r.fleet = fleet.New(fleet.Options{
		Providers: []fleet.Provider{p.Provider}, Handler: r, Hub: p.Hub,
		Log: logr.Discard(), PollInterval: pollInterval, NameHold: -1,
	})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- r.fleet.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		limit := time.NewTimer(patience)
		defer limit.Stop()
		select {
		case err := <-ended:
			if err != nil {
				t.Errorf("the fleet ended with %v", err)
			}
		case <-limit.C:
			t.Errorf("the fleet has not ended %v after its context", patience)
			return
		}
		if err := goleak.Find(before, ignoreIdleConnections); err != nil {
			t.Errorf("left behind: %v", err)
		}
	})
	return r
}

// ignoreIdleConnections: client-go keeps the connections to the hub, for whoever
// asks next.
var ignoreIdleConnections = goleak.IgnoreAnyFunction("net/http.(*persistConn).readLoop")

// Set is for the fleet.
func (r *running) Set(m fleet.Member) {
	r.mu.Lock()
	r.members[m.Name] = m
	r.sets[m.Name]++
	r.mu.Unlock()
	r.wake()
}

// Remove is for the fleet.
func (r *running) Remove(name string) {
	r.mu.Lock()
	delete(r.members, name)
	r.removes[name]++
	r.mu.Unlock()
	r.wake()
}

func (r *running) wake() {
	select {
	case r.told <- struct{}{}:
	default:
	}
}

// await waits until ok holds.
func (r *running) await(what string, ok func() bool) {
	r.t.Helper()
	limit := time.NewTimer(patience)
	defer limit.Stop()
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	for !ok() {
		select {
		case <-r.told:
		case <-tick.C:
		case <-limit.C:
			r.t.Fatalf("not within %v: %s; the members are %v, the problems %v", patience, what, r.names(), r.fleet.Problems())
		}
	}
}

func (r *running) names() (all []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for name := range r.members {
		all = append(all, name)
	}
	return all
}

// is reports whether a cluster is a member as it was described.
func (r *running) is(c Cluster) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	m, ok := r.members[c.Name]
	return ok && m.REST.Host == c.Server && (r.place.NoTokens || m.REST.BearerToken == c.Token)
}

// joined waits until clusters are members as they were described.
func (r *running) joined(all ...Cluster) {
	r.t.Helper()
	for _, c := range all {
		r.await(fmt.Sprintf("cluster %.80q is a member, at %s", c.Name, c.Server), func() bool { return r.is(c) })
	}
}

// counts returns how often a name was set and removed.
func (r *running) counts(name string) (sets, removes int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.sets[name], r.removes[name]
}

// quiet checks that no message of the fleet holds a token.
func (r *running) quiet(all ...Cluster) {
	r.t.Helper()
	for _, p := range r.fleet.Problems() {
		for _, c := range all {
			if strings.Contains(p.Error(), c.Token) {
				r.t.Errorf("a problem quotes the token of cluster %q", c.Name)
			}
		}
	}
}

// describe writes a description that must be possible.
func describe(t testing.TB, p Place, all ...Cluster) {
	t.Helper()
	for _, c := range all {
		if err := p.Describe(t, c); err != nil {
			t.Fatalf("describe cluster %q: %v", c.Name, err)
		}
	}
}

// cluster returns a cluster of that name, in its n-th version.
func cluster(name string, n int) Cluster {
	return Cluster{Name: name, Server: fmt.Sprintf("https://%s-%d.invalid", name, n), Token: fmt.Sprintf("secret-of-%s-%d", name, n)}
}
