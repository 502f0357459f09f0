package clusters_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	corev1 "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"

	"github.com/fairlead-dev/fairlead/internal/election"
	"github.com/fairlead-dev/fairlead/locks/clusters"
)

const patience = time.Minute

func wants(t *testing.T, err error, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("%v, want an error with %q", err, text)
		}
	}
}

func (f *fleet) uid(t *testing.T, i int) types.UID {
	t.Helper()
	config := f.Clusters[i].Config()
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		t.Fatal(err)
	}
	defer client.CloseIdleConnections()
	core, err := corev1.NewForConfigAndClient(config, client)
	if err != nil {
		t.Fatal(err)
	}
	ns, err := core.Namespaces().Get(t.Context(), "kube-system", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return ns.UID
}

// process takes part in an election.
type process struct {
	*election.Election
	lock  *clusters.Lock
	leads chan struct{} // closed when it does
	ended chan error
	stop  context.CancelFunc
}

func startProcess(t *testing.T, voters []clusters.Voter, identity string) *process {
	t.Helper()
	p := &process{lock: open(t, voters, "election", identity), leads: make(chan struct{}), ended: make(chan error, 1)}
	var err error
	p.Election, err = election.New(election.Timing{LeaseDuration: 3 * time.Second, RenewDeadline: 2 * time.Second, RetryPeriod: 200 * time.Millisecond}, p.lock, logr.Discard())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	p.stop = cancel
	go func() {
		p.ended <- p.Run(ctx, func(ctx, term context.Context) (bool, error) {
			close(p.leads)
			select {
			case <-ctx.Done():
			case <-term.Done():
			}
			return true, nil
		})
	}()
	return p
}

func (p *process) mustLead(t *testing.T) {
	t.Helper()
	limit := time.NewTimer(patience)
	defer limit.Stop()
	select {
	case <-p.leads:
	case err := <-p.ended:
		select {
		case <-p.leads: // and, on a slow machine, has lost the record since
			p.ended <- err
			return
		default:
		}
		t.Fatalf("%s has ended: %v", p.lock.Identity(), err)
	case <-limit.C:
		t.Fatalf("%s does not lead: %+v", p.lock.Identity(), p.Status())
	}
}

// electionOfFive: with one and with two of five clusters silent there is a leader,
// with three there is none, and when they are back there is one, in a higher term.
func (f *fleet) electionOfFive(t *testing.T) {
	first := startProcess(t, f.direct(), "first")
	first.mustLead(t)
	for _, c := range f.Clusters[:2] {
		if err := c.Pause(); err != nil {
			t.Fatal(err)
		}
	}
	second := startProcess(t, f.direct(), "second")
	first.stop() // releases it, unless it has lost it, as it may on a slow machine
	if err := <-first.ended; err != nil && !errors.Is(err, election.ErrLost) {
		t.Error(err)
	}
	second.mustLead(t)
	if second.lock.Token() <= first.lock.Token() {
		t.Errorf("term %d after %d", second.lock.Token(), first.lock.Token())
	}
	if err := f.Clusters[2].Pause(); err != nil {
		t.Fatal(err)
	}
	third := startProcess(t, f.direct(), "third")
	if err := <-second.ended; err == nil {
		t.Error("it leads with two of five")
	}
	select {
	case <-third.leads:
		t.Error("it leads with two of five")
	default:
	}
	for _, c := range f.Clusters[:3] {
		if err := c.Resume(); err != nil {
			t.Fatal(err)
		}
	}
	third.mustLead(t)
	if third.lock.Token() <= second.lock.Token() {
		t.Errorf("term %d after %d", third.lock.Token(), second.lock.Token())
	}
	third.stop()
	if err := <-third.ended; err != nil && !errors.Is(err, election.ErrLost) {
		t.Error(err)
	}
	second.stop()
}
