package fleettest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"sync"
	"testing"

	"github.com/fairlead-dev/fairlead/internal/synctest"
	"github.com/fairlead-dev/fairlead/sources/fleet"
)

// recorder is a testing.TB whose failures are noted, and whose cleanups run when it
// is told to.
type recorder struct {
	testing.TB
	mu       sync.Mutex
	said     []string
	cleanups []func()
}

func (r *recorder) Errorf(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.said = append(r.said, fmt.Sprintf(format, args...))
}

func (r *recorder) Error(args ...any) { r.Errorf("%s", fmt.Sprint(args...)) }

func (r *recorder) Fatalf(format string, args ...any) {
	r.Errorf(format, args...)
	runtime.Goexit()
}

func (r *recorder) Cleanup(f func()) { r.cleanups = append(r.cleanups, f) }

// failures runs check, where time costs nothing, and returns what it has said.
func failures(t *testing.T, check func(testing.TB)) (said []string) {
	synctest.Test(t, func(t *testing.T) {
		r := &recorder{TB: t}
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			check(r)
		}()
		<-ended
		for _, f := range slices.Backward(r.cleanups) {
			f()
		}
		said = r.said
	})
	return said
}

// faults are rules that are switched off in a provider.
type faults struct {
	forgetsGood    bool // what cannot be used any more takes the member away
	saysNothing    bool // what is wrong is not told
	quotes         bool // errors quote the text
	freshMarks     bool // each scan gives another fingerprint
	oneMark        bool // all have the same fingerprint
	shared         bool // scanners share what they remember
	keepsRemoved   bool // what is removed stays
	seesFirstOnly  bool // what comes later is not seen
	oneBadSpoils   bool // one text that is none ends the scan
	leaks          bool // Follow leaves a goroutine behind
	endsFleet      bool // Follow returns an error
	outlives       bool // Follow goes on after its context
	namesItsSecret bool // String holds a token
}

// inventory is a provider of kubeconfigs in memory.
type inventory struct {
	faults
	mu       sync.Mutex
	configs  map[string][]byte
	one      *inventoryScanner // if it is shared
	scans    int
	readings map[string]reading // by name and text
}

// reading is what became of a text: a fleet that waits reads it a thousand times.
type reading struct {
	member *fleet.Member
	err    error
}

func (i *inventory) read(name, source string) (*fleet.Member, error) {
	key := name + " " + string(i.configs[name])
	r, ok := i.readings[key]
	if !ok {
		r.member, r.err = fleet.NewMember(name, source, i.configs[name])
		i.readings[key] = r
	}
	if r.member == nil {
		return nil, r.err
	}
	return new(*r.member), r.err
}

func (i *inventory) String() string {
	if i.namesItsSecret {
		return "inventory:" + cluster("alpha", 1).Token
	}
	return "inventory:"
}

func (i *inventory) NewScanner() fleet.Scanner {
	s := &inventoryScanner{from: i, good: map[string]*fleet.Member{}}
	if i.shared {
		if i.one == nil {
			i.one = s
		}
		s = i.one
	}
	if i.leaks || i.endsFleet || i.outlives {
		return follower{s}
	}
	return s
}

type inventoryScanner struct {
	from  *inventory
	good  map[string]*fleet.Member
	names []string // of the first scan
	kept  []fleet.Description
}

func (s *inventoryScanner) Scan() (all []fleet.Description) {
	i := s.from
	i.mu.Lock()
	defer i.mu.Unlock()
	i.scans++
	if s.kept != nil && i.shared {
		return s.kept
	}
	names := slices.Sorted(maps.Keys(i.configs))
	if s.names == nil {
		s.names = names
	}
	if !i.keepsRemoved {
		maps.DeleteFunc(s.good, func(name string, _ *fleet.Member) bool { return !slices.Contains(names, name) })
	}
	for _, name := range names {
		if i.seesFirstOnly && !slices.Contains(s.names, name) {
			continue
		}
		d := fleet.Description{Source: "inventory " + name, Name: name}
		d.Member, d.Err = i.read(name, d.Source)
		switch {
		case d.Err != nil && i.oneBadSpoils:
			return nil
		case d.Err != nil && !i.forgetsGood:
			d.Member = s.good[name]
		case d.Err == nil && i.freshMarks:
			d.Member.Fingerprint = fmt.Sprint(i.scans)
		case d.Err == nil && i.oneMark:
			d.Member.Fingerprint = "1"
		}
		if d.Err != nil && i.quotes {
			d.Err = fmt.Errorf("%w: %s", d.Err, i.configs[name])
		}
		if i.saysNothing {
			d.Err = nil
		}
		s.good[name] = d.Member
		all = append(all, d)
	}
	if i.keepsRemoved {
		for name, m := range s.good {
			if !slices.Contains(names, name) && m != nil {
				all = append(all, fleet.Description{Source: "inventory " + name, Name: name, Member: m})
			}
		}
	}
	s.kept = all
	return all
}

type follower struct{ *inventoryScanner }

func (f follower) Follow(ctx context.Context, _ fleet.Env, _ func()) error {
	i := f.from
	if i.endsFleet {
		return errors.New("no answer")
	}
	<-ctx.Done()
	if i.leaks || i.outlives {
		later := make(chan struct{})
		leaked.add(func() { close(later) })
		if i.outlives {
			<-later
			return nil
		}
		go func() { <-later }()
	}
	return nil
}

// leaked are what mutants leave behind, to be ended after the suite has looked.
var leaked cleanups

type cleanups struct {
	mu  sync.Mutex
	all []func()
}

func (c *cleanups) add(f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.all = append(c.all, f)
}

func (c *cleanups) run() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, f := range c.all {
		f()
	}
	c.all = nil
}

// conforms returns the rules that a provider with these faults breaks.
func conforms(t *testing.T, wrong faults) (broken []string) {
	for _, r := range rules {
		said := failures(t, func(t testing.TB) {
			i := &inventory{faults: wrong, configs: map[string][]byte{}, readings: map[string]reading{}}
			put := func(name string, text []byte) {
				i.mu.Lock()
				defer i.mu.Unlock()
				i.configs[name] = text
			}
			t.Cleanup(leaked.run)
			r.check(t, Place{
				Provider: i,
				Describe: func(_ testing.TB, c Cluster) error {
					put(c.Name, c.Kubeconfig())
					return nil
				},
				Remove: func(_ testing.TB, name string) {
					i.mu.Lock()
					defer i.mu.Unlock()
					delete(i.configs, name)
				},
				Write: func(_ testing.TB, name string, text []byte) { put(name, text) },
			})
		})
		if len(said) > 0 {
			broken = append(broken, r.name)
			t.Logf("%s: %.300s", r.name, said[0])
		}
	}
	return broken
}

func TestTheSuiteFindsMutants(t *testing.T) {
	if broken := conforms(t, faults{}); broken != nil {
		t.Errorf("a provider without faults breaks %q", broken)
	}
	for name, wrong := range map[string]faults{
		"forgets what was good":         {forgetsGood: true},
		"says nothing":                  {saysNothing: true},
		"quotes what it reads":          {quotes: true},
		"another fingerprint each time": {freshMarks: true},
		"one fingerprint for all":       {oneMark: true},
		"scanners share":                {shared: true},
		"keeps what is removed":         {keepsRemoved: true},
		"sees the first only":           {seesFirstOnly: true},
		"one bad text spoils all":       {oneBadSpoils: true},
		"leaves a goroutine behind":     {leaks: true},
		"ends the fleet":                {endsFleet: true},
		"outlives its context":          {outlives: true},
		"names its secret":              {namesItsSecret: true},
	} {
		t.Run(name, func(t *testing.T) {
			if broken := conforms(t, wrong); broken == nil {
				t.Error("the suite passes")
			}
		})
	}
}
