package app

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/go-logr/logr"

	"github.com/fairlead-dev/fairlead/cmd/internal/api"
	"github.com/fairlead-dev/fairlead/cmd/internal/compare"
	"github.com/fairlead-dev/fairlead/sources"
)

// anyComparison returns a comparison of all of some clusters, whose answer nobody reads.
func anyComparison(streams compareStreams, clusters ...string) *comparison {
	return &comparison{
		p: &program{log: logr.Discard()}, route: &route{sink: &sink{destination: &destination{wanted: wanted{name: "sink"}}}}, clusters: clusters, all: true, resources: []string{""},
		streams: streams, release: func() {}, out: &diffWriter{failed: true},
	}
}

// A member that leaves while it is compared is told once, and one that has left not at all.
func TestCompareMembersThatLeave(t *testing.T) {
	leaves := errors.New("the cluster leaves the fleet")
	streams := func(ctx context.Context, cluster, _, _ string, f func(context.Context, string, *sources.Comparison, error) error) error {
		if cluster == "left" {
			return fmt.Errorf("%w as %q", sources.ErrUnknownCluster, cluster)
		}
		ctx, cancel := context.WithCancelCause(ctx)
		defer cancel(nil)
		cancel(leaves)
		for _, stream := range []string{"pods", "configmaps"} {
			if err := f(ctx, stream, nil, errors.New("the stream is not connected")); err != nil {
				return err
			}
		}
		return nil
	}
	c := anyComparison(streams, "left", "leaving")
	c.run(t.Context())
	if c.done != (api.DiffDone{Streams: 1, Failed: 1}) {
		t.Errorf("%+v, want one stream, which has failed once", c.done)
	}
	c.all, c.done = false, api.DiffDone{} // now they were named
	c.run(t.Context())
	if c.done.Failed != 2 {
		t.Errorf("%+v, want that the one that has left is told as well", c.done)
	}
}

// noRepairs is a stream none of whose objects is to be repaired.
type noRepairs struct{ t *testing.T }

func (n noRepairs) Repair(names []sources.ObjectName) (string, error) {
	n.t.Errorf("repairs %v", names)
	return "", nil
}

func (n noRepairs) Bury(_ context.Context, name sources.ObjectName, _, _ string) error {
	n.t.Errorf("buries %v", name)
	return nil
}

// What the ledger has no room for is not told to be delivered again: no snapshot delivers it.
func TestNoRoomToRepair(t *testing.T) {
	state := compare.State{UID: "u", Version: "1"}
	leftOut := sources.ComparedStanding{LeftOut: true}
	r := &compare.Result{Differences: []compare.Difference{
		{Object: compare.Object{Member: state, Ledger: leftOut}, Verdict: compare.OnlyInMember},
		{Object: compare.Object{Member: state, Sink: compare.State{UID: "u2", Version: "1"}, Ledger: leftOut}, Verdict: compare.OtherUID},
	}}
	c := anyComparison(nil)
	all := make([]api.Difference, len(r.Differences))
	if n := c.repairAll(t.Context(), noRepairs{t}, r, all); n != 0 {
		t.Errorf("%d are repaired", n)
	}
	for _, d := range all {
		if !strings.HasPrefix(d.Repair, "none: the ledger has no room") {
			t.Errorf("%q", d.Repair)
		}
	}
}
