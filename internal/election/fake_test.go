package election

import (
	"context"
	"encoding/json"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"go.uber.org/goleak"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
)

var discard = logr.Discard()

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var usual = Timing{LeaseDuration: 15 * time.Second, RenewDeadline: 10 * time.Second, RetryPeriod: 2 * time.Second}

// hub holds one Lease.
type hub struct {
	mu      sync.Mutex
	version int // 0: there is none
	record  resourcelock.LeaderElectionRecord
}

func (h *hub) holder() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.record.HolderIdentity
}

// give writes the Lease as kubectl edit would.
func (h *hub) give(holder string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.record.HolderIdentity = holder
	h.version++
}

// line is what a request goes through before it reaches the hub, and after.
type line func(ctx context.Context, before bool) error

// client is one process's way to the hub. It is used as a LeaseLock is: what
// Update writes must not have changed since the last answer.
type client struct {
	hub      *hub
	identity string
	seen     int

	line atomic.Pointer[line] // nil: nothing is in the way
}

func (c *client) Identity() string   { return c.identity }
func (c *client) Describe() string   { return "ns/lease" }
func (c *client) RecordEvent(string) {}

// through lets requests go through l from now on.
func (c *client) through(l line) { c.line.Store(&l) }

func (c *client) request(ctx context.Context, do func() error) error {
	l := c.line.Load()
	if l != nil {
		if err := (*l)(ctx, true); err != nil {
			return err
		}
	}
	c.hub.mu.Lock()
	err := do()
	c.hub.mu.Unlock()
	if l != nil {
		if err := (*l)(ctx, false); err != nil {
			return err
		}
	}
	return err
}

var leases = schema.GroupResource{Group: "coordination.k8s.io", Resource: "leases"}

func (c *client) Get(ctx context.Context) (*resourcelock.LeaderElectionRecord, []byte, error) {
	var record resourcelock.LeaderElectionRecord
	var version int
	err := c.request(ctx, func() error {
		record, version = c.hub.record, c.hub.version
		if version == 0 {
			return apierrors.NewNotFound(leases, "lease")
		}
		return nil
	})
	if err != nil {
		return nil, nil, err
	}
	c.seen = version
	raw, err := json.Marshal(record)
	return &record, raw, err
}

func (c *client) Create(ctx context.Context, record resourcelock.LeaderElectionRecord) error {
	return c.write(ctx, record, func() error {
		if c.hub.version > 0 {
			return apierrors.NewAlreadyExists(leases, "lease")
		}
		return nil
	})
}

func (c *client) Update(ctx context.Context, record resourcelock.LeaderElectionRecord) error {
	return c.write(ctx, record, func() error {
		if c.hub.version != c.seen {
			return apierrors.NewConflict(leases, "lease", nil)
		}
		return nil
	})
}

func (c *client) write(ctx context.Context, record resourcelock.LeaderElectionRecord, check func() error) error {
	var version int
	err := c.request(ctx, func() error {
		if err := check(); err != nil {
			return err
		}
		c.hub.version++
		c.hub.record, version = record, c.hub.version
		return nil
	})
	if err == nil {
		c.seen = version
	}
	return err
}

// process is one part in the election.
type process struct {
	*Election
	client *client
	term   chan context.Context // the term, once it leads
	finish chan bool            // what lead returns as ended
	stop   context.CancelFunc   // as SIGTERM does
	result chan error           // of Run
}

// join starts a process. It leads until it is told to finish, whatever happens.
func join(t *testing.T, h *hub, identity string) *process {
	t.Helper()
	return joinWith(t, h, identity, usual, discard)
}

func joinWith(t *testing.T, h *hub, identity string, timing Timing, log logr.Logger) *process {
	t.Helper()
	p := &process{
		client: &client{hub: h, identity: identity},
		term:   make(chan context.Context, 1),
		finish: make(chan bool, 1),
		result: make(chan error, 1),
	}
	var err error
	p.Election, err = New(timing, p.client, log)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	p.stop = cancel
	go func() {
		p.result <- p.Run(ctx, func(_, term context.Context) (bool, error) {
			p.term <- term
			return <-p.finish, nil
		})
	}()
	return p
}

// leads reports whether lead was called, once.
func (p *process) leads() bool {
	select {
	case <-p.term:
		return true
	default:
		return false
	}
}
