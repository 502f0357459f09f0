package clusters

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode"
	"unicode/utf8"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/leaderelection/resourcelock"

	"github.com/fairlead-dev/fairlead/locks"
)

// DefaultTimeout is how long one request to a voter may take, and the most that
// Options.Timeout says: one that is slower counts as one that does not answer.
const DefaultTimeout = 2 * time.Second

// The number of voters that New takes. Below three none may fail. Each one more than
// an odd number makes one more necessary, and lets no more of them fail.
const (
	MinVoters = 3
	MaxVoters = 15
)

// Voter is one cluster that takes part in the decision.
type Voter struct {
	// Name is the cluster's name among the voters: 1 to 253 visible characters,
	// without comma and equals sign. It is written into the Leases. Required.
	Name string
	// UID is that of the namespace kube-system in the cluster. If it is given, each new
	// connection has to show it before an answer counts, and it is written into the Leases.
	UID types.UID
	// Config says how to reach the cluster. Of its certificates the files are read
	// once; a token file is read again within a minute. Required without Reload.
	Config *rest.Config
	// Reload, if not nil, returns Config anew. It is called for the first request, and
	// after one that has got no connection, was refused for its credentials, or has met
	// another cluster. Its ctx ends after Options.Timeout.
	Reload func(ctx context.Context) (*rest.Config, error)
}

// Options configure a Lock.
type Options struct {
	// Namespace and Name are those of the Lease, in each of the voters. The namespace
	// has to exist. Both required.
	Namespace, Name string
	// Identity is the name of this process in the Leases, see locks.CheckIdentity. No
	// other process may have it, not even an earlier one on the same machine.
	// Required.
	Identity string
	// Timeout is how long one request to a voter may take. 0 is DefaultTimeout, which
	// is also the most.
	Timeout time.Duration
	// UserAgent names the program to the voters. Empty: what Config says.
	UserAgent string
}

// Lock is a record that a majority of clusters keeps. One goroutine uses it at a time;
// Token may be called from any.
type Lock struct {
	o       Options
	voters  string // the set, as the Leases have it
	seats   []*seat
	nonce   string           // of this lock, in its ballots
	now     func() time.Time // monotonic
	rules   rules
	running sync.WaitGroup // requests

	token atomic.Uint64

	mu      sync.Mutex
	view    view // what the caller has been told last
	shown   told
	unknown bool // the outcome of the last write is
	ballots uint64
}

var (
	_ resourcelock.Interface = (*Lock)(nil)
	_ locks.Fenced           = (*Lock)(nil)
)

// rules are what holds the lock together. Tests switch single ones off, to see that
// they are needed.
type rules struct {
	noWait       bool // take votes before their lease duration is over
	unknownIsYes bool // count a vote whose outcome is not known
	half         bool // be content with less than a majority
	noSuspects   bool // let a voter count that has lost what it knew
	noObjection  bool // take free votes although another process holds one
	missingVotes bool // let a voter count that has no Lease
}

// New returns a lock on the Leases of these clusters. It connects to nothing.
func New(voters []Voter, o Options) (*Lock, error) {
	if err := errors.Join(checkVoters(voters), o.check()); err != nil {
		return nil, fmt.Errorf("lock by a majority of clusters: %w", err)
	}
	if o.Timeout <= 0 || o.Timeout > DefaultTimeout {
		o.Timeout = DefaultTimeout
	}
	registers := make([]register, len(voters))
	for i := range voters {
		registers[i] = newClient(voters[i], o)
	}
	return newLock(voters, registers, o), nil
}

func newLock(voters []Voter, registers []register, o Options) *Lock {
	l := &Lock{o: o, nonce: rand.Text()[:12], now: time.Now, voters: setOf(voters)}
	for i := range voters {
		l.seats = append(l.seats, &seat{name: voters[i].Name, register: registers[i], turn: make(chan struct{}, 1)})
	}
	return l
}

// setOf names the voters, in whichever order they are given.
func setOf(voters []Voter) string {
	names := make([]string, len(voters))
	for i, v := range voters {
		if names[i] = v.Name; v.UID != "" {
			names[i] += "=" + string(v.UID)
		}
	}
	slices.Sort(names)
	return strings.Join(names, ",")
}

func checkVoters(voters []Voter) error {
	var errs []error
	if n := len(voters); n < MinVoters || n > MaxVoters {
		errs = append(errs, fmt.Errorf("%d voters; from %d to %d can decide, best an odd number", n, MinVoters, MaxVoters))
	}
	seen, uids := map[string]bool{}, map[types.UID]bool{}
	for _, v := range voters {
		switch {
		case !visible(v.Name) || len(v.Name) > 253:
			errs = append(errs, fmt.Errorf("the voter's name %s is not of 1 to 253 visible characters without comma and equals sign", shown(v.Name)))
		case seen[v.Name]:
			errs = append(errs, fmt.Errorf("voter %s is named twice", shown(v.Name)))
		case v.UID != "" && (!visible(string(v.UID)) || len(v.UID) > 64):
			errs = append(errs, fmt.Errorf("the UID %s of voter %s cannot be one", shown(string(v.UID)), shown(v.Name)))
		case v.UID != "" && uids[v.UID]:
			errs = append(errs, fmt.Errorf("voter %s has the UID of another: one cluster would vote twice", shown(v.Name)))
		case v.Config == nil && v.Reload == nil:
			errs = append(errs, fmt.Errorf("it is not said how to reach voter %s", shown(v.Name)))
		}
		seen[v.Name], uids[v.UID] = true, true
	}
	return errors.Join(errs...)
}

func visible(text string) bool {
	return text != "" && utf8.ValidString(text) && !strings.ContainsFunc(text, func(r rune) bool {
		return r == ' ' || r == ',' || r == '=' || !unicode.IsPrint(r)
	})
}

func (o *Options) check() error {
	errs := []error{locks.CheckIdentity(o.Identity)}
	if wrong := validation.IsDNS1123Label(o.Namespace); len(wrong) > 0 {
		errs = append(errs, fmt.Errorf("%s cannot be a namespace: %s", shown(o.Namespace), strings.Join(wrong, "; ")))
	}
	if wrong := validation.IsDNS1123Subdomain(o.Name); len(wrong) > 0 {
		errs = append(errs, fmt.Errorf("%s cannot be the name of a Lease: %s", shown(o.Name), strings.Join(wrong, "; ")))
	}
	return errors.Join(errs...)
}

// majority is how many votes it takes.
func (l *Lock) majority() int {
	if l.rules.half {
		return len(l.seats) / 2
	}
	return len(l.seats)/2 + 1
}

// bounded returns a context for a request that goes on when the call that began it has
// returned: what it finds is noted for the next one.
func (l *Lock) bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	return bounded(ctx, l.o.Timeout)
}

func bounded(ctx context.Context, timeout time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(context.WithoutCancel(ctx), timeout, fmt.Errorf("no answer within %v", timeout))
}

// limited returns a context for a call that asks the voters: the caller's may have no
// deadline. A request to a voter waits for its turn, and for the voter's UID.
func (l *Lock) limited(ctx context.Context) (context.Context, context.CancelFunc) {
	limit := 4 * l.o.Timeout
	return context.WithTimeoutCause(ctx, limit, fmt.Errorf("no decision within %v", limit))
}

// Token implements locks.Fenced: it is the term in which this process has held a
// majority of the votes last, and higher than that of every process that had held one
// before.
func (l *Lock) Token() uint64 { return l.token.Load() }

// RecordEvent does nothing.
func (*Lock) RecordEvent(string) {}

// Identity returns the name of this process in the Leases.
func (l *Lock) Identity() string { return l.o.Identity }

// Describe names the Lease and the voters.
func (l *Lock) Describe() string {
	return l.o.Namespace + "/" + l.o.Name + " of " + l.names()
}

func (l *Lock) names() string {
	names := make([]string, len(l.seats))
	for i, s := range l.seats {
		names[i] = s.name
	}
	return strings.Join(names, ",")
}

// Close waits for requests that are still under way, each of which ends after its
// timeout, and closes the connections. A credential plugin that hangs is left alone after
// one timeout more. The lock cannot be used after it.
func (l *Lock) Close() error {
	l.running.Wait()
	var closing sync.WaitGroup
	for _, s := range l.seats {
		closing.Go(s.register.close)
	}
	closing.Wait()
	return nil
}
