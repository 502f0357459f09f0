package app

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes/scheme"

	"github.com/fairlead-dev/fairlead/internal/ledger"
	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/sinks"
)

// TestTheProgramAsksTheFence opens all that a leader writes to, has the lease
// taken from it in the middle of a write, and expects that nothing but that write
// has come out of it.
func TestTheProgramAsksTheFence(t *testing.T) {
	dir := t.TempDir()
	members, hub, dead := filepath.Join(dir, "members"), filepath.Join(dir, "hub"), filepath.Join(dir, "dead")
	hubLease := &leaseServer{}
	server := httptest.NewServer(hubLease)
	t.Cleanup(server.Close)
	writeFile(t, members, oneContext)
	writeFile(t, hub, strings.Replace(oneContext, "https://127.0.0.1:1", server.URL, 1))

	to := &refusing{under: make(chan struct{}), goOn: make(chan struct{})}
	o := Options{Sinks: sinks.Kinds{testKind("refusing", func(string) (pipeline.Sink, error) { return to, nil })}}
	s := parseWith(t, o, "--clusters=kubeconfig:"+members, "--watch=pods", "--sink=refusing:", "--ledger="+filepath.Join(dir, "ledger"), "--dead-letter="+dead,
		"--hub-kubeconfig="+hub, "--leader-elect", "--leader-election-namespace=ns", "--leader-election-retry-period=10ms")
	p := must(newProgram(t.Context(), s, t.Output(), newLogger(outputOf(t), "info", "text"), prometheus.NewRegistry()))(t)

	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	err := p.election.Run(ctx, func(ctx, term context.Context) (bool, error) {
		if err := p.open(term); err != nil {
			return true, err
		}
		ctx, stop := context.WithCancel(ctx)
		var wg sync.WaitGroup
		defer p.close()
		defer wg.Wait()
		defer stop()
		wg.Go(func() { _ = p.current().sinks.run(ctx, p.dead, nil) })
		delivered := make(chan error, 1)
		wg.Go(func() {
			delivered <- p.current().sinks[0].batcher.Deliver(ctx, func(int, error) {}, &pipeline.Change{
				Key:    pipeline.Key{Cluster: "edge", Resource: "pods", Name: "a"},
				Origin: &pipeline.Origin{Cluster: "edge", Kind: "Pod", Resource: schema.GroupVersionResource{Version: "v1", Resource: "pods"}},
				Op:     pipeline.Added, UID: "u", ResourceVersion: "1",
			})
		})
		<-to.under
		hubLease.taken.Store(true)
		<-term.Done()
		close(to.goOn)
		p.ledger.Claim(ledger.Claiming{ID: ledger.StreamID{Cluster: "edge"}}) // which is to be stored
		wg.Go(func() { _ = p.ledger.Run(ctx) })

		tried := func(context.Context) (bool, error) {
			stored, _ := p.ledger.Status()
			tried := p.current().sinks[0].batcher.Status().Attempts > 1 || len(delivered) > 0
			return tried && stored.Failures+stored.Writes > 0, nil
		}
		if err := wait.PollUntilContextTimeout(ctx, 10*time.Millisecond, patience, true, tried); err != nil {
			t.Errorf("neither the sink nor the ledger was tried again: %+v", p.current().sinks[0].batcher.Status())
		}
		if stored, _ := p.ledger.Status(); stored.Writes > 0 || !strings.Contains(stored.LastError, "lost the lease") {
			t.Errorf("the ledger was written %d times, and failed with %q", stored.Writes, stored.LastError)
		}
		return true, nil
	})
	if err == nil || !strings.Contains(err.Error(), "lost the lease") {
		t.Errorf("the election ended with %v", err)
	}
	if n := to.writes.Load(); n != 1 {
		t.Errorf("the sink was written to %d times, want the one that was under way", n)
	}
	if text := must(os.ReadFile(dead))(t); len(text) > 0 {
		t.Errorf("dead letters after the lease was lost: %s", text)
	}
}

// refusing is a sink that refuses everything for good, the first time as soon as
// it is told to.
type refusing struct {
	writes      atomic.Int32
	under, goOn chan struct{} // closed
}

func (r *refusing) Write(context.Context, []*pipeline.Change) error {
	if r.writes.Add(1) == 1 {
		close(r.under)
	}
	<-r.goOn
	return pipeline.Permanent(errors.New("no"))
}

// leaseServer is an API server that has one Lease, until another process takes it.
type leaseServer struct {
	taken atomic.Bool

	mu   sync.Mutex
	held *coordinationv1.Lease // nil: there is none
}

func (l *leaseServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	l.mu.Lock()
	defer l.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	refuse := func(code int, reason metav1.StatusReason) {
		w.WriteHeader(code)
		_ = json.NewEncoder(w).Encode(metav1.Status{
			TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Status"}, Status: metav1.StatusFailure, Code: int32(code), Reason: reason,
		})
	}
	switch {
	case r.Method == http.MethodGet && l.held == nil:
		refuse(http.StatusNotFound, metav1.StatusReasonNotFound)
		return
	case r.Method == http.MethodGet && l.taken.Load():
		l.held.Spec.HolderIdentity = new("another")
	case r.Method == http.MethodGet:
		// as it is
	case l.taken.Load():
		refuse(http.StatusConflict, metav1.StatusReasonConflict)
		return
	default:
		body, _ := io.ReadAll(r.Body)
		given := new(coordinationv1.Lease)
		if err := runtime.DecodeInto(scheme.Codecs.UniversalDeserializer(), body, given); err != nil {
			refuse(http.StatusBadRequest, metav1.StatusReasonBadRequest)
			return
		}
		l.held = given
	}
	_ = json.NewEncoder(w).Encode(l.held)
}
