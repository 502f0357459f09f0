package clusters_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/go-logr/logr"
	"go.uber.org/goleak"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	coordinationv1 "k8s.io/client-go/kubernetes/typed/coordination/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
	"k8s.io/klog/v2" //nolint:depguard // To silence what client-go logs.

	"github.com/fairlead-dev/fairlead/internal/testenv"
	"github.com/fairlead-dev/fairlead/locks/clusters"
	"github.com/fairlead-dev/fairlead/locks/locktest"
)

func TestMain(m *testing.M) {
	klog.SetLogger(logr.Discard())
	if lock := os.Getenv(childEnv); lock != "" {
		if err := standIn(lock); err != nil {
			fmt.Println(err)
		}
		return
	}
	goleak.VerifyTestMain(m)
}

// fleet is clusters that vote.
type fleet struct {
	*testenv.Env
	admins []*coordinationv1.CoordinationV1Client
	n      atomic.Int64
}

func startFleet(t *testing.T, size int) *fleet {
	t.Helper()
	f := &fleet{Env: testenv.Start(t, testenv.HubAndMembers(size)[1:]...)}
	for _, c := range f.Clusters {
		client, err := rest.HTTPClientFor(c.Config())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(client.CloseIdleConnections)
		admin, err := coordinationv1.NewForConfigAndClient(c.Config(), client)
		if err != nil {
			t.Fatal(err)
		}
		f.admins = append(f.admins, admin)
	}
	return f
}

// direct are the voters, reached without anything between.
func (f *fleet) direct() []clusters.Voter {
	var voters []clusters.Voter
	for _, c := range f.Clusters {
		voters = append(voters, clusters.Voter{Name: c.Name(), Config: c.Config()})
	}
	return voters
}

// open returns a lock that is closed with the test.
func open(t testing.TB, voters []clusters.Voter, name, identity string) *clusters.Lock {
	t.Helper()
	l, err := clusters.New(voters, clusters.Options{Namespace: "default", Name: name, Identity: identity})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

// backend returns a record that is reached by these voters.
func (f *fleet) backend(voters []clusters.Voter) locktest.Backend {
	name := fmt.Sprint("lock-", f.n.Add(1))
	names, targets := make([]string, len(voters)), make([]testenv.Target, len(voters))
	for i, v := range voters {
		names[i], targets[i] = v.Name, f.Clusters[i]
	}
	return locktest.Backend{
		AtOnce: 12, // three API servers, each with its etcd
		Open: func(t testing.TB, identity string) resourcelock.Interface {
			l := open(t, voters, name, identity)
			l.TrustAll()
			return l
		},
		Delete: func(t testing.TB) { f.remove(t, name) },
		Process: func(t testing.TB, identity string) *exec.Cmd {
			file := filepath.Join(t.TempDir(), "kubeconfig")
			if err := testenv.WriteKubeconfig(file, targets...); err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command(os.Args[0], identity)
			cmd.Env = append(os.Environ(), childEnv+"=clusters:"+strings.Join(names, ",")+"?namespace=default&name="+name+"&kubeconfig="+file)
			return cmd
		},
	}
}

// settled is a backend on which nobody is still about to write when a call begins, or when
// the record is deleted: who has a majority writes to the other voters when its call is
// over, too. A call that begins meanwhile may be refused, though the record is the one it
// has seen. Calls that are made at once have to bear that.
func settled(b locktest.Backend) locktest.Backend {
	all := &settling{}
	open, remove := b.Open, b.Delete
	b.Open = func(t testing.TB, identity string) resourcelock.Interface {
		l := open(t, identity).(*clusters.Lock)
		all.mu.Lock()
		defer all.mu.Unlock()
		all.opened = append(all.opened, l)
		return settledLock{l, all}
	}
	b.Delete = func(t testing.TB) {
		defer all.begin()()
		remove(t)
	}
	return b
}

// settling are the locks of a backend.
type settling struct {
	mu     sync.Mutex
	opened []*clusters.Lock
	calls  int // that are under way
}

// begin waits for what is left of calls that are over, if none is under way. A call ends
// with what it returns.
func (s *settling) begin() (end func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.calls == 0 {
		for _, l := range s.opened {
			l.Settle()
		}
	}
	s.calls++
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.calls--
	}
}

// settledLock is a lock whose calls begin so.
type settledLock struct {
	*clusters.Lock
	all *settling
}

func (l settledLock) Get(ctx context.Context) (*resourcelock.LeaderElectionRecord, []byte, error) {
	defer l.all.begin()()
	return l.Lock.Get(ctx)
}

func (l settledLock) Create(ctx context.Context, r resourcelock.LeaderElectionRecord) error {
	defer l.all.begin()()
	return l.Lock.Create(ctx, r)
}

func (l settledLock) Update(ctx context.Context, r resourcelock.LeaderElectionRecord) error {
	defer l.all.begin()()
	return l.Lock.Update(ctx, r)
}

// remove deletes all Leases of a record.
func (f *fleet) remove(t testing.TB, name string) {
	t.Helper()
	for _, admin := range f.admins {
		if err := admin.Leases("default").Delete(t.Context(), name, metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
	}
}

// TestOnClusters shares five clusters, which are slow to start.
func TestOnClusters(t *testing.T) {
	five := startFleet(t, 5)
	f := &fleet{Env: &testenv.Env{Clusters: five.Clusters[:3]}, admins: five.admins[:3]}
	t.Run("conformance", f.conformance)
	t.Run("histories", func(t *testing.T) {
		locktest.RunHistories(t, func(testing.TB) locktest.Backend { return f.backend(f.direct()) }, 2)
	})
	locktest.RunElection(t, func(testing.TB) locktest.Backend { return f.backend(f.direct()) })
	t.Run("one is silent", f.oneIsSilent)
	t.Run("the cluster that is meant", f.theClusterThatIsMeant)
	t.Run("credentials are read again", f.credentialsAreReadAgain)
	t.Run("the least rights", f.theLeastRights)
	t.Run("election of five", five.electionOfFive)
}

func (f *fleet) conformance(t *testing.T) {
	locktest.Run(t, func(testing.TB) locktest.Backend { return settled(f.backend(f.direct())) })
	for name, fault := range map[string]func(*testenv.Proxy) error{
		"cut off": func(p *testenv.Proxy) error {
			p.Cut()
			return nil
		},
		"silent": (*testenv.Proxy).BlackHole,
	} {
		t.Run(name, func(t *testing.T) {
			locktest.RunBroken(t, func(t testing.TB) locktest.Breakable { return f.breakable(t, fault) })
		})
	}
	for name, answer := range map[string]int{"overloaded": http.StatusServiceUnavailable, "login expired": http.StatusUnauthorized, "not found": http.StatusNotFound} {
		t.Run(name, func(t *testing.T) {
			locktest.RunBroken(t, func(t testing.TB) locktest.Breakable { return f.failing(t, answer) })
		})
	}
}

// breakable is a record behind proxies.
func (f *fleet) breakable(t testing.TB, fault func(*testenv.Proxy) error) locktest.Breakable {
	var voters []clusters.Voter
	var proxies []*testenv.Proxy
	for _, c := range f.Clusters {
		p, err := c.NewProxy()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := p.Close(); err != nil {
				t.Error(err)
			}
		})
		proxies = append(proxies, p)
		voters = append(voters, clusters.Voter{Name: c.Name(), Config: p.Config()})
	}
	each := func(do func(*testenv.Proxy) error) func(testing.TB) {
		return func(t testing.TB) {
			for _, p := range proxies {
				if err := do(p); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	return locktest.Breakable{Backend: f.backend(voters), Break: each(fault), Repair: each((*testenv.Proxy).Restore)}
}

// failing is a record behind gateways that answer with an error, and with what they were
// sent.
func (f *fleet) failing(t testing.TB, answer int) locktest.Breakable {
	const secret = "a-secret-token"
	var broken atomic.Bool
	var voters []clusters.Voter
	for _, c := range f.Clusters {
		inner, err := rest.HTTPClientFor(c.Config())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(inner.CloseIdleConnections)
		to, err := url.Parse(c.URL())
		if err != nil {
			t.Fatal(err)
		}
		proxy := &httputil.ReverseProxy{Transport: inner.Transport, Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(to)
			r.Out.Header.Del("Authorization") // the server knows the proxy by its certificate
		}}
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if broken.Load() {
				http.Error(w, r.Header.Get("Authorization"), answer)
				return
			}
			proxy.ServeHTTP(w, r)
		}))
		t.Cleanup(server.Close)
		voters = append(voters, clusters.Voter{Name: c.Name(), Config: &rest.Config{Host: server.URL, BearerToken: secret}})
	}
	return locktest.Breakable{
		Backend: f.backend(voters), Secrets: []string{secret},
		Break: func(testing.TB) { broken.Store(true) }, Repair: func(testing.TB) { broken.Store(false) },
	}
}

// oneIsSilent: of three voters one may be silent, whichever it is.
func (f *fleet) oneIsSilent(t *testing.T) {
	for i, c := range f.Clusters {
		b := f.backend(f.direct())
		first, second := b.Open(t, "first"), b.Open(t, "second")
		r := resourcelock.LeaderElectionRecord{HolderIdentity: "first", LeaseDurationSeconds: 15, RenewTime: metav1.Now()}
		if err := first.Create(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		if err := c.Pause(); err != nil {
			t.Fatal(err)
		}
		r.RenewTime = metav1.Now()
		if err := first.Update(t.Context(), r); err != nil {
			t.Errorf("voter %d is silent: %v", i, err)
		}
		if _, _, err := second.Get(t.Context()); err != nil {
			t.Errorf("voter %d is silent: %v", i, err)
		}
		r.HolderIdentity, r.RenewTime = "second", metav1.Now()
		if err := second.Update(t.Context(), r); err != nil {
			t.Errorf("voter %d is silent: %v", i, err)
		}
		if got, _, err := first.Get(t.Context()); err != nil || got.HolderIdentity != "second" {
			t.Errorf("voter %d is silent: %+v, %v", i, got, err)
		}
		if err := c.Resume(); err != nil {
			t.Fatal(err)
		}
	}
}

// theClusterThatIsMeant: a cluster with another UID has no vote, nor has one that
// votes twice.
func (f *fleet) theClusterThatIsMeant(t *testing.T) {
	voters := f.direct()
	for i := range voters {
		voters[i].UID = f.uid(t, i)
	}
	r := resourcelock.LeaderElectionRecord{HolderIdentity: "a", LeaseDurationSeconds: 15, RenewTime: metav1.Now()}
	a := open(t, voters, "meant", "a")
	if err := a.Create(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	exchanged := slices.Clone(voters)
	exchanged[0].Config, exchanged[1].Config = exchanged[1].Config, exchanged[0].Config
	b := open(t, exchanged, "meant", "b")
	_, _, err := b.Get(t.Context())
	wants(t, err, "another cluster", "2 are needed")

	twice := f.direct()
	twice[1].Config, twice[2].Config = twice[0].Config, twice[0].Config
	c := open(t, twice, "twice", "a")
	if err := c.Create(t.Context(), r); err == nil {
		t.Error("one cluster has a majority of three")
	}
	_, _, err = c.Get(t.Context())
	wants(t, err, "two voters are one cluster")

	others := f.direct() // without UIDs it is another set
	d := open(t, others, "meant", "d")
	_, _, err = d.Get(t.Context())
	wants(t, err, "belongs to the voters", "member-1="+string(voters[0].UID))
	r.HolderIdentity = "d"
	wants(t, d.Create(t.Context(), r), "belongs to the voters")
}

// credentialsAreReadAgain: after a request has failed.
func (f *fleet) credentialsAreReadAgain(t *testing.T) {
	voters := f.direct()
	var mu sync.Mutex
	good := false
	for i, c := range f.Clusters {
		voters[i].Config = nil
		voters[i].Reload = func(context.Context) (*rest.Config, error) {
			mu.Lock()
			defer mu.Unlock()
			config := c.Config()
			if !good {
				config.CertData, config.KeyData, config.BearerToken = nil, nil, "old"
			}
			return config, nil
		}
	}
	l := open(t, voters, "credentials", "a")
	_, _, err := l.Get(t.Context())
	wants(t, err, "401", "credentials do not hold")
	mu.Lock()
	good = true
	mu.Unlock()
	if err := l.Create(t.Context(), resourcelock.LeaderElectionRecord{HolderIdentity: "a", LeaseDurationSeconds: 15}); err != nil {
		t.Error(err)
	}
	for i := range voters {
		voters[i].Reload = func(context.Context) (*rest.Config, error) { return nil, errors.New("no such context") }
	}
	_, _, err = open(t, voters, "credentials", "b").Get(t.Context())
	wants(t, err, "no such context")
}
