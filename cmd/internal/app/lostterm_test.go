package app

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/fairlead-dev/fairlead/internal/election"
	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/sinks"
)

// refusesTerms is a sink whose destination has accepted a change of a later term.
type refusesTerms struct{}

func (refusesTerms) Write(_ context.Context, batch []*pipeline.Change) error {
	return fmt.Errorf("write %d rows: %w: 9, and this is %d", len(batch), pipeline.ErrOldTerm, batch[0].Origin.Term)
}

// TestADestinationEndsTheTerm: what a destination knows of a later leader ends this
// one's term at once, though its lock says otherwise, and makes no dead letter.
func TestADestinationEndsTheTerm(t *testing.T) {
	withLock(t)
	dir := t.TempDir()
	members, dead := filepath.Join(dir, "members"), filepath.Join(dir, "dead")
	writeFile(t, members, oneContext)
	o := Options{Sinks: sinks.Kinds{testKind("terms", func(string) (pipeline.Sink, error) { return refusesTerms{}, nil })}}
	s := parseWith(t, o, "--clusters=kubeconfig:"+members, "--watch=pods", "--sink=terms:", "--ledger="+filepath.Join(dir, "ledger"), "--dead-letter="+dead,
		"--metrics-bind-address=0", "--health-probe-bind-address=0", "--admin-bind-address=0",
		"--leader-elect", "--leader-elect-lock=memory:", "--leader-election-retry-period=10ms")
	p := must(newProgram(t.Context(), s, t.Output(), newLogger(outputOf(t), "info", "text"), prometheus.NewRegistry()))(t)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	err := p.election.Run(ctx, func(_, term context.Context) (bool, error) {
		if err := p.open(term); err != nil {
			return true, err
		}
		defer p.close()
		if p.term != p.election.Token() || p.term == 0 {
			t.Errorf("term %d, with token %d", p.term, p.election.Token())
		}
		var wg sync.WaitGroup
		defer wg.Wait()
		wg.Go(func() { _ = p.current().sinks.run(term, p.dead, nil) })
		wg.Go(func() {
			_ = p.current().sinks[0].batcher.Deliver(term, func(int, error) {}, &pipeline.Change{
				Key:    pipeline.Key{Cluster: "edge", Resource: "pods", Name: "a"},
				Origin: &pipeline.Origin{Cluster: "edge", Kind: "Pod", Resource: schema.GroupVersionResource{Version: "v1", Resource: "pods"}, Term: p.term},
				Op:     pipeline.Added, UID: "u", ResourceVersion: "1",
			})
		})
		select {
		case <-term.Done():
		case <-ctx.Done():
			t.Error("the term does not end")
		}
		return true, nil
	})
	if election.Reason(err) != election.Refused {
		t.Errorf("the election ended with %v", err)
	}
	if p.current().sinks[0].batcher.Status().Attempts > 1 {
		t.Errorf("it was tried again: %+v", p.current().sinks[0].batcher.Status())
	}
	if text := must(os.ReadFile(dead))(t); len(text) > 0 {
		t.Errorf("dead letters: %s", text)
	}
}
