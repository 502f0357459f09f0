package app

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fairlead-dev/fairlead/cmd/internal/api"
	"github.com/fairlead-dev/fairlead/sources"
	"github.com/fairlead-dev/fairlead/sources/connection"
)

// The ledger is called what messages call it, not what the flag says.
func TestTheStatusHasTheLedgersIdentity(t *testing.T) {
	p := &program{settings: parseWith(t, Options{}, "--watch=pods", "--clusters=dir:/x", "--ledger=bolt:/a/b")}
	if got := p.status(time.Now()).Ledger.Path; got != "/a/b" {
		t.Errorf("the ledger is shown as %q", got)
	}
}

// A process without an engine says that it does not deliver: that it has no clusters is
// no good news.
func TestAStatusBeforeDeliveryIsNotReady(t *testing.T) {
	p := &program{settings: parseWith(t, Options{}, "--watch=pods", "--clusters=dir:/x")}
	if got := p.status(time.Now()).NotReady; got == "" {
		t.Error("it is ready")
	}
	p.changing.Store(new(time.Now()))
	if got := p.status(time.Now()).NotReady; got != "" {
		t.Errorf("while its settings change it says %q, too", got)
	}
}

// One cluster under two names is a problem of each of them.
func TestSameClustersAreProblems(t *testing.T) {
	since := time.Unix(1e9, 0)
	got := sameClusters([]sources.MemberStatus{
		{Source: "file f, context a", Connection: connection.Status{Cluster: "a"}, SameAs: []string{"c", "d"}, SameSince: since},
		{Source: "file f, context b", Connection: connection.Status{Cluster: "b"}},
	})
	want := []api.Problem{{
		Source: "file f, context a", Cluster: "a", Since: since,
		Error: "is the same cluster as c, d: what both follow is delivered under both names",
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
