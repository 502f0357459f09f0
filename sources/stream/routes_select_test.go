package stream

import (
	"bytes"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-dev/fairlead/internal/synctest"
	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/pipeline/selection"
)

var (
	selectSeeds = flag.Int("select-seeds", 12, "random histories of routes with rules")
	selectSeed  = flag.Uint64("select-seed", 0, "only this random history of routes with rules")
)

// phase is what changes in an object at every fourth version or so.
func (o simObject) phase() int { return phaseOf(o.rv) }

func phaseOf(rv int) int { return rv / 4 % 2 }

// simRules are what one sink selects, in words and as it is checked.
type simRules struct {
	colour  string // "": all; "cluster": that of the cluster's label
	changed bool   // only phase counts
	shape   string // "", "drop" or "only"
}

func (s simRules) texts() (t selection.Texts) {
	switch s.colour {
	case "":
	case "cluster":
		t.Where = []string{"configmaps: object.metadata.labels['colour'] == cluster.labels['colour']"}
	default:
		t.Where = []string{"configmaps: object.metadata.labels['colour'] == '" + s.colour + "'"}
	}
	if s.changed {
		t.Changed = []string{"configmaps: metadata.labels.phase"}
	}
	switch s.shape {
	case "drop":
		t.Drop = []string{"configmaps: metadata.labels.colour"}
	case "only":
		t.Only = []string{"configmaps: metadata.labels.phase"}
	}
	return t
}

func randomRules(r *rand.Rand) simRules {
	return simRules{
		colour: []string{"", "r", "b", "cluster"}[r.IntN(4)], changed: r.IntN(2) == 0, shape: []string{"", "", "drop", "only"}[r.IntN(4)],
	}
}

// selecting is a simulation whose routes have rules.
type selecting struct {
	simulation
	said [simRoutes]simRules
}

func (s *selecting) use(i int, rules simRules) {
	compiled, err := selection.Parse(rules.texts(), selection.ParseOptions{})
	if err != nil {
		s.t.Fatal(err)
	}
	s.said[i], s.rules[i] = rules, selection.Merge(compiled)
	s.sinks[i].check = func(e *pipeline.Event) error {
		shaped, gone := rules.shape != "", e.Op() == pipeline.Deleted
		switch {
		case len(e.Data) == 0 && !gone:
			return fmt.Errorf("%s without its object", e.ID)
		case len(e.Data) > 0 && shaped == bytes.Contains(e.Data, []byte(`"colour"`)):
			return fmt.Errorf("%s delivers %s in form %q", e.ID, e.Data, rules.shape)
		case len(e.Data) > 0 && len(rules.colour) == 1 && !shaped && !bytes.Contains(e.Data, []byte(`"colour":"`+rules.colour+`"`)):
			return fmt.Errorf("%s delivers %s, which is not selected", e.ID, e.Data)
		}
		return nil
	}
}

func (s *selecting) relabel() {
	s.labels = map[string]string{"colour": string("rb"[s.rand.IntN(2)])}
	s.stream.Relabel(s.labels)
}

func (s *selecting) step() {
	switch x := s.rand.Float64(); {
	case x < 0.03:
		s.restart(func() { i := s.rand.IntN(simRoutes); s.use(i, randomRules(s.rand)) })
	case x < 0.05:
		s.relabel()
	default:
		s.simulation.step()
	}
}

// compareSelected tells what is wrong in a sink in the end.
func (s *selecting) compareSelected(i int) []string {
	sink, rules := s.sinks[i], s.said[i]
	sink.mu.Lock()
	defer sink.mu.Unlock()
	problems := slices.Clone(sink.problems)
	colour := rules.colour
	if colour == "cluster" {
		colour = s.labels["colour"]
	}
	right := map[string]simObject{}
	alive := map[string]bool{}
	for name, o := range s.server.objects {
		if (colour == "" || o.colour == colour) && (s.colour == "" || o.colour == s.colour) {
			right[name], alive[simUID(o.uid)] = o, true
		}
	}
	holds := func(o simObject, has map[string]string) bool {
		version, ok := has[simUID(o.uid)]
		rv, _ := strconv.Atoi(version)
		return ok && len(has) == 1 && (rv == o.rv || rules.changed && phaseOf(rv) == o.phase())
	}
	for what, state := range map[string]map[string]map[string]string{"": sink.state, " in a sink that drops repeats": sink.unique, " in one that orders by sequence": sink.ordered} {
		maps.DeleteFunc(state, func(_ string, has map[string]string) bool { return len(has) == 0 })
		wrong := len(state) != len(right)
		for name, o := range right {
			wrong = wrong || !holds(o, state[name])
		}
		if wrong {
			problems = append(problems, fmt.Sprintf("wrong final state%s: has %v, want %+v", what, state, right))
		}
	}
	for name := range right {
		if n := sink.replayed[name]; n < sink.asked {
			problems = append(problems, fmt.Sprintf("replay %d was confirmed, and %s was delivered last after replay %d", sink.asked, name, n))
		}
	}
	for uid := range sink.seen {
		if !alive[uid] && !sink.gone[uid] {
			problems = append(problems, "never deleted: "+uid)
		}
	}
	return problems
}

// TestRoutesWithRules runs random histories of routes with rules that change: each sink
// ends up with what its rules select of what the stream does, in the form that they say,
// also one that drops for ever what has an id that it had before. What does not count as a
// change may be missing, and nothing else.
func TestRoutesWithRules(t *testing.T) {
	first, n := uint64(1), uint64(*selectSeeds)
	if *selectSeed != 0 {
		first, n = *selectSeed, 1
	}
	for seed := first; seed < first+n; seed++ {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { runSelecting(t, seed) })
		})
	}
}

func runSelecting(t *testing.T, seed uint64) {
	r := rand.New(rand.NewPCG(seed, 17))
	s := &selecting{simulation: simulation{
		t: t, rand: r, server: newSimServer(rand.New(rand.NewPCG(seed, 18))), store: &simStore{cursors: map[string]*simCursor{}},
		labels: map[string]string{"colour": "r"},
	}}
	s.server.odd = seed%2 == 0
	for i := range s.sinks {
		s.sinks[i] = newSimSink(rand.New(rand.NewPCG(seed, uint64(19+i))))
		s.sinks[i].odd = s.server.odd
		s.sinks[i].refuses = []float64{0, 0.2}[r.IntN(2)]
		s.use(i, randomRules(r))
	}
	s.begin()
	for range 300 {
		s.step()
	}
	for round := range 4 { // in the end some are narrowed, and widened again
		if round > 0 { // it would mend what the process has missed
			s.restart(func() {
				s.out = [simRoutes]bool{}
				for i := range s.sinks {
					if round > 1 && r.IntN(2) == 0 {
						s.use(i, randomRules(r))
					}
				}
			})
		}
		s.settle()
		if round == 2 {
			s.relabel()
			time.Sleep(10 * time.Minute)
		}
		for range 3 {
			s.server.write()
		}
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		for i := range s.sinks {
			if s.out[i] {
				continue
			}
			for _, problem := range s.compareSelected(i) {
				t.Errorf("seed %d, round %d: sink %d, %+v: %s", seed, round, i, s.said[i], problem)
			}
			if t.Failed() && *selectSeed != 0 {
				t.Log(strings.Join(s.sinks[i].told, "\n"))
			}
		}
		if t.Failed() {
			break
		}
	}
	s.kill()
}
