package fleettest_test

import (
	"maps"
	"slices"
	"sync"
	"testing"

	"github.com/fairlead-dev/fairlead/sources/fleet"
	"github.com/fairlead-dev/fairlead/sources/fleet/fleettest"
)

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
	for _, name := range slices.Sorted(maps.Keys(s.from.configs)) {
		d := fleet.Description{Source: "inventory " + name, Name: name}
		if d.Member, d.Err = fleet.NewMember(name, d.Source, s.from.configs[name]); d.Err == nil {
			s.good[name] = d.Member
		}
		d.Member = s.good[name]
		all = append(all, d)
	}
	return all
}

// newInventory returns an empty inventory, and how the suite writes to it.
func newInventory(testing.TB) fleettest.Place {
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
}

// The suite runs in a test of the provider.
func ExampleRun() {
	var t *testing.T // of TestConformance(t *testing.T)
	fleettest.Run(t, newInventory)
}
