package fleettest_test

import (
	"cmp"
	"maps"
	"slices"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/fairlead-dev/fairlead/sources/fleet"
	"github.com/fairlead-dev/fairlead/sources/fleet/fleettest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// inventory is a provider as somebody else would write it: it describes clusters by
// kubeconfigs that are in memory.
type inventory struct {
	mu      sync.Mutex
	configs map[string][]byte // by name
}

// String returns the provider as --clusters would name it.
func (*inventory) String() string { return "inventory:" }

// NewScanner returns a scanner that has seen nothing yet.
func (i *inventory) NewScanner() fleet.Scanner {
	return &inventoryScanner{from: i, good: map[string]*fleet.Member{}}
}

func (i *inventory) put(name string, config []byte) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.configs[name] = config
}

func (i *inventory) remove(name string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	delete(i.configs, name)
}

type inventoryScanner struct {
	from *inventory
	good map[string]*fleet.Member // the last good ones
}

// Scan describes all clusters. One that has become useless is described as it was.
func (s *inventoryScanner) Scan() (all []fleet.Description) {
	s.from.mu.Lock()
	defer s.from.mu.Unlock()
	maps.DeleteFunc(s.good, func(name string, _ *fleet.Member) bool { _, ok := s.from.configs[name]; return !ok })
	for _, name := range slices.SortedFunc(maps.Keys(s.from.configs), cmp.Compare[string]) {
		d := fleet.Description{Source: "inventory " + name, Name: name}
		if d.Member, d.Err = fleet.NewMember(name, d.Source, s.from.configs[name]); d.Err == nil {
			s.good[name] = d.Member
		}
		d.Member = s.good[name]
		all = append(all, d)
	}
	return all
}

func TestAProviderOfSomebodyElse(t *testing.T) {
	fleettest.Run(t, func(testing.TB) fleettest.Place {
		i := &inventory{configs: map[string][]byte{}}
		return fleettest.Place{
			Provider: i,
			Describe: func(_ testing.TB, c fleettest.Cluster) error {
				i.put(c.Name, c.Kubeconfig())
				return nil
			},
			Remove: func(_ testing.TB, name string) { i.remove(name) },
			Write:  func(_ testing.TB, name string, text []byte) { i.put(name, text) },
		}
	})
}

// TestAKindOfSomebodyElse: one line in a table of kinds makes it one of --clusters.
func TestAKindOfSomebodyElse(t *testing.T) {
	kinds := append(fleet.Kinds(), fleet.Kind{
		Form: fleet.Form{Scheme: "inventory", Usage: "inventory:", Summary: "clusters in memory", Rest: fleet.Nothing},
		Parse: func(*fleet.Value, fleet.ParseOptions) (fleet.Provider, error) {
			return &inventory{configs: map[string][]byte{}}, nil
		},
	})
	if err := fleet.NewTable(kinds).Validate(); err != nil {
		t.Error(err)
	}
	providers, err := fleet.ParseOptions{Kinds: kinds}.Parse([]string{"inventory:", "dir:x"})
	if err != nil || len(providers) != 2 || providers[0].String() != "inventory:" {
		t.Errorf("%v, %v", providers, err)
	}
}
