package clusters_test

import (
	"context"
	"os"

	"github.com/fairlead-dev/fairlead/locks"
	"github.com/fairlead-dev/fairlead/locks/clusters"
	"github.com/fairlead-dev/fairlead/locks/locktest"
)

// childEnv turns this test program into a process that stands in elections: it holds the
// lock as a flag has it. The argument is the identity.
const childEnv = "FAIRLEAD_TEST_CLUSTERS"

func standIn(lock string) error {
	spec, err := locks.Parse([]locks.Kind{clusters.Kind()}, lock)
	if err != nil {
		return err
	}
	l, err := spec.Open(context.Background(), locks.Env{Identity: os.Args[1]})
	if err != nil {
		return err
	}
	return locktest.Stand(l, os.Stdin, os.Stdout)
}
