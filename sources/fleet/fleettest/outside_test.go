package fleettest_test

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/fairlead-dev/fairlead/internal/leaks"
	"github.com/fairlead-dev/fairlead/sources/fleet"
	"github.com/fairlead-dev/fairlead/sources/fleet/fleettest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(leaks.Patient(m)) }

// The example's provider, which docs/library.md shows, is one that passes.
func TestAProviderOfSomebodyElse(t *testing.T) { fleettest.Run(t, newInventory) }

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
