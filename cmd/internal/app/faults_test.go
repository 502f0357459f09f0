package app

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	coordinationclient "k8s.io/client-go/kubernetes/typed/coordination/v1"
	typedcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"github.com/fairlead-dev/fairlead/cmd/internal/api"
	"github.com/fairlead-dev/fairlead/internal/ledger"
	"github.com/fairlead-dev/fairlead/internal/spec"
	"github.com/fairlead-dev/fairlead/internal/testenv"
	"github.com/fairlead-dev/fairlead/sources/fleet"
	"github.com/fairlead-dev/fairlead/sources/member"
)

// A fault is one thing that is wrong with a fleet of real control planes. Commands that say
// why something does not arrive are tested with all of them.
type fault struct {
	name string
	// inject breaks something and returns the flags of a program that meets it. The cluster
	// alpha is at fault, if one is; beta is well.
	inject func(t *testing.T, s *stand) (flags []string)
	// then breaks something of a program that runs; nil: nothing.
	then func(t *testing.T, s *stand, r *running)
	// code is the finding that names the cause, and cluster that of the cluster; empty: it
	// is not about one.
	code, cluster string
	says          string   // part of the cause
	explained     string   // part of what explain says; empty: as says
	also          []string // other codes that may be found
	pre           bool     // the cause is found before the program runs, too
	info          bool     // it is no error and no warning
	leads         bool     // the program leads, and is asked before its term ends
	volume        bool     // where a volume can be had, the ledger is on a real one, which is full
	// object is what is asked for, of alpha; empty: configmaps/a. reason is the one of its
	// verdict; empty: nobody can be asked, and the error names the code.
	object string
	reason api.Reason
}

// stand is what faults are made with.
type stand struct {
	env     *testenv.Env
	ns      string
	objects *objects // of alpha
	options Options
	hub     *testenv.Proxy // if faults cut it
	full    atomic.Bool    // the ledger's volume
	refuses atomic.Bool    // the hub refuses to be written
}

// fleet returns the flag for a fleet of targets.
func (s *stand) fleet(t *testing.T, targets ...testenv.Target) string {
	return "--clusters=kubeconfig:" + writeKubeconfig(t, targets...)
}

// well are flags for a fleet of both clusters in which nothing is wrong.
func (s *stand) well(t *testing.T) []string {
	return []string{s.fleet(t, s.env.Cluster("alpha"), s.env.Cluster("beta")), "--watch=configmaps?namespace=" + s.ns, "--sink=stdout:"}
}

// with are flags for a fleet with another alpha.
func (s *stand) with(t *testing.T, alpha *rest.Config) []string {
	return []string{s.fleet(t, target{"alpha", alpha}, s.env.Cluster("beta")), "--watch=configmaps?namespace=" + s.ns, "--sink=stdout:"}
}

// target is a cluster as a kubeconfig has it.
type target struct {
	name   string
	config *rest.Config
}

func (t target) Name() string         { return t.name }
func (t target) Config() *rest.Config { return t.config }

// expiredToken is a token that says that it has ended. No server accepts it.
func expiredToken() string {
	part := base64.RawURLEncoding.EncodeToString
	return part([]byte(`{"alg":"none"}`)) + "." + part([]byte(`{"sub":"a","iat":1700000000,"exp":1700003600}`)) + "." + part([]byte("canary-signature"))
}

// front is a proxy with TLS in front of a cluster that keeps requests from it, which it
// answers with 403, and changes its answers. Each func may be nil.
func front(t *testing.T, c *testenv.Cluster, refuse func(*http.Request) bool, change func(*http.Response) error) *rest.Config {
	t.Helper()
	to := must(rest.TransportFor(c.Config()))(t)
	upstream := must(url.Parse(c.URL()))(t)
	proxy := &httputil.ReverseProxy{
		Rewrite:        func(r *httputil.ProxyRequest) { r.SetURL(upstream) },
		Transport:      to,
		ModifyResponse: change,
		FlushInterval:  -1,
		ErrorHandler:   func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) },
	}
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if refuse != nil && refuse(r) {
			http.Error(w, "no", http.StatusForbidden)
			return
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
		if idle, ok := to.(interface{ CloseIdleConnections() }); ok {
			idle.CloseIdleConnections()
		}
	})
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	return &rest.Config{Host: server.URL, BearerToken: "canary-anything", TLSClientConfig: rest.TLSClientConfig{CAData: ca}}
}

// silent returns an address at which something accepts connections, and says nothing.
func silent(t *testing.T) string {
	t.Helper()
	// The kernel accepts for it.
	l := must((&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0"))(t)
	t.Cleanup(func() { _ = l.Close() })
	return l.Addr().String()
}

// webhook is a sink over HTTP that answers as it is told.
func webhook(t *testing.T, answer http.HandlerFunc) string {
	server := httptest.NewServer(answer)
	t.Cleanup(server.Close)
	return "--sink=" + server.URL + "/in?name=hook"
}

// smallStore is a store of a ledger on a volume that may be full.
type smallStore struct {
	memory
	full *atomic.Bool
}

func (v *smallStore) Apply(context.Context, []ledger.Update) error {
	if v.full.Load() {
		return errors.New("write ledger: no space left on device")
	}
	return nil
}

var faults = []fault{
	{
		name: "expired token", code: "FL1005", cluster: "alpha", says: "does not accept the credentials", also: []string{"FL1021"}, pre: true,
		reason: api.ReasonStreamDown,
		inject: func(t *testing.T, s *stand) []string {
			config := s.env.Cluster("alpha").Config()
			config.CertData, config.KeyData, config.BearerToken = nil, nil, expiredToken()
			return s.with(t, config)
		},
	},
	{
		name: "RBAC missing", code: "FL1101", cluster: "alpha", says: "configmaps", also: []string{"FL1009"}, pre: true,
		reason: api.ReasonStreamDown,
		inject: func(t *testing.T, s *stand) []string {
			return s.with(t, must(s.env.Cluster("alpha").User("nobody"))(t))
		},
	},
	{
		name: "CA wrong", code: "FL1004", cluster: "alpha", says: "x509", pre: true,
		reason: api.ReasonStreamDown,
		inject: func(t *testing.T, s *stand) []string {
			config := s.env.Cluster("alpha").Config()
			config.CAData = s.env.Cluster("beta").Config().CAData
			return s.with(t, config)
		},
	},
	{
		name: "hanging plugin", code: "FL1006", cluster: "alpha", says: "has not answered", pre: true,
		reason: api.ReasonStreamDown,
		inject: func(t *testing.T, s *stand) []string {
			flags := s.well(t)
			path := strings.TrimPrefix(flags[0], "--clusters=kubeconfig:")
			file := must(clientcmd.LoadFromFile(path))(t)
			file.AuthInfos["alpha"] = &clientcmdapi.AuthInfo{Exec: &clientcmdapi.ExecConfig{
				Command: "sleep", Args: []string{"600"}, APIVersion: "client.authentication.k8s.io/v1", InteractiveMode: clientcmdapi.NeverExecInteractiveMode,
			}}
			if err := clientcmd.WriteToFile(*file, path); err != nil {
				t.Fatal(err)
			}
			return flags
		},
	},
	{
		name: "resource missing", code: "FL1102", cluster: "alpha", says: "gizmos.example.com", pre: true,
		reason: api.ReasonStreamDown, object: "gizmos.example.com/g",
		inject: func(t *testing.T, s *stand) []string {
			return []string{s.fleet(t, s.env.Cluster("alpha")), "--watch=configmaps?namespace=" + s.ns, "--watch=gizmos.example.com", "--sink=stdout:"}
		},
	},
	{
		name: "cluster down", code: "FL1003", cluster: "alpha", says: "refused", pre: true,
		reason: api.ReasonStreamDown,
		inject: func(t *testing.T, s *stand) []string {
			proxy := newProxy(t, s.env.Cluster("alpha"))
			proxy.Cut()
			return s.with(t, proxy.Config())
		},
	},
	{
		name: "proxy answering HTML", code: "FL1007", cluster: "alpha", says: "text/html", pre: true,
		reason: api.ReasonStreamDown,
		inject: func(t *testing.T, s *stand) []string {
			return s.with(t, front(t, s.env.Cluster("alpha"), nil, func(r *http.Response) error {
				_ = r.Body.Close()
				r.StatusCode, r.Header, r.ContentLength = http.StatusOK, http.Header{"Content-Type": {"text/html"}}, -1
				r.Body = io.NopCloser(strings.NewReader("<html>log in</html>"))
				return nil
			}))
		},
	},
	{
		name: "clock skew", code: "FL1023", cluster: "alpha", says: "ahead", pre: true,
		reason: api.ReasonDelivered,
		inject: func(t *testing.T, s *stand) []string {
			return s.with(t, front(t, s.env.Cluster("alpha"), nil, func(r *http.Response) error {
				r.Header.Set("Date", time.Now().Add(time.Hour).UTC().Format(http.TimeFormat))
				return nil
			}))
		},
	},
	{
		name: "version skew", code: "FL1024", cluster: "alpha", says: "v1.19.2", pre: true,
		reason: api.ReasonDelivered,
		inject: func(t *testing.T, s *stand) []string {
			return s.with(t, front(t, s.env.Cluster("alpha"), nil, func(r *http.Response) error {
				if r.Request.URL.Path == "/version" {
					_ = r.Body.Close()
					body := `{"major":"1","minor":"19","gitVersion":"v1.19.2"}`
					r.Body, r.ContentLength = io.NopCloser(strings.NewReader(body)), int64(len(body))
					r.Header.Del("Content-Length")
				}
				return nil
			}))
		},
	},
	{
		name: "one cluster twice", code: "FL1002", cluster: "alpha", says: "is the same cluster as again", pre: true,
		reason: api.ReasonDelivered,
		inject: func(t *testing.T, s *stand) []string {
			return []string{s.fleet(t, s.env.Cluster("alpha"), target{"again", s.env.Cluster("alpha").Config()}), "--watch=configmaps?namespace=" + s.ns, "--sink=stdout:"}
		},
	},
	{
		name: "UID changed", code: "FL1008", cluster: "alpha", says: "Another cluster",
		reason: api.ReasonStreamDown,
		inject: func(t *testing.T, s *stand) []string {
			return []string{s.fleet(t, s.env.Cluster("alpha")), "--watch=configmaps?namespace=" + s.ns, "--sink=stdout:"}
		},
		then: func(t *testing.T, s *stand, r *running) {
			path := strings.TrimPrefix(r.program.settings.Clusters[0], "kubeconfig:")
			if err := testenv.WriteKubeconfig(path, target{"alpha", s.env.Cluster("beta").Config()}); err != nil {
				t.Fatal(err)
			}
		},
	},
	{
		name: "paused", code: "FL1013", cluster: "alpha", says: "is paused", pre: true,
		reason: api.ReasonPaused,
		inject: func(t *testing.T, s *stand) []string {
			hub := s.env.Cluster("beta")
			client := must(typedcorev1.NewForConfig(hub.Config()))(t)
			_, err := client.Secrets(s.ns).Create(t.Context(), &corev1.Secret{
				ObjectMeta: metav1.ObjectMeta{Name: "alpha", Labels: map[string]string{"fairlead.dev/cluster": "true"}, Annotations: map[string]string{"fairlead.dev/paused": "true"}},
				Data:       map[string][]byte{"kubeconfig": must(testenv.Kubeconfig(s.env.Cluster("alpha")))(t)},
			}, metav1.CreateOptions{})
			if err != nil {
				t.Fatal(err)
			}
			return []string{"--clusters=secrets:" + s.ns, "--hub-kubeconfig=" + writeKubeconfig(t, hub), "--watch=configmaps?namespace=" + s.ns, "--sink=stdout:"}
		},
	},
	{
		name: "hub silent", code: "FL1001", says: "has not been read", pre: true,
		reason: api.ReasonNotFollowed,
		inject: func(t *testing.T, s *stand) []string {
			hub := target{"hub", &rest.Config{Host: "http://" + silent(t)}}
			return []string{s.fleet(t, s.env.Cluster("beta")), "--clusters=secrets:" + s.ns, "--hub-kubeconfig=" + writeKubeconfig(t, hub),
				"--watch=configmaps?namespace=" + s.ns, "--sink=stdout:"}
		},
	},
	{
		name: "hub falls silent", code: "FL1001", says: "no answer in time",
		reason: api.ReasonNotFollowed,
		inject: func(t *testing.T, s *stand) []string {
			s.hub = newProxy(t, s.env.Cluster("beta"))
			return []string{s.fleet(t, s.env.Cluster("beta")), "--clusters=secrets:" + s.ns, "--hub-kubeconfig=" + writeKubeconfig(t, s.hub),
				"--watch=configmaps?namespace=" + s.ns, "--sink=stdout:"}
		},
		then: func(t *testing.T, s *stand, r *running) {
			r.await("the hub is read", func() bool {
				return !slices.ContainsFunc(r.program.fleet.Sources(), func(of fleet.SourceStatus) bool { return !of.Known })
			})
			if err := s.hub.BlackHole(); err != nil {
				t.Fatal(err)
			}
		},
	},
	{
		name: "sink down", code: "FL1301", says: "refused", also: []string{"FL1305"},
		reason: api.ReasonSinkDown,
		inject: func(t *testing.T, s *stand) []string {
			gone := httptest.NewServer(http.NotFoundHandler())
			gone.Close()
			return append(s.well(t)[:2], "--sink="+gone.URL+"/in?name=hook")
		},
	},
	{
		name: "sink refusing", code: "FL1302", cluster: "alpha", says: "hook refuses",
		reason: api.ReasonSinkRefusing,
		inject: func(t *testing.T, s *stand) []string {
			return append(s.well(t)[:2], webhook(t, refuseAlpha))
		},
	},
	{
		name: "dead-lettered", code: "FL1304", cluster: "alpha", says: "for good",
		reason: api.ReasonDeadLettered,
		inject: func(t *testing.T, s *stand) []string {
			return append(s.well(t)[:2], webhook(t, refuseAlpha), "--dead-letter="+filepath.Join(t.TempDir(), "dead.jsonl"))
		},
	},
	{
		name: "sink slow", code: "FL1303", says: "stdout",
		reason: api.ReasonInFlight,
		inject: func(t *testing.T, s *stand) []string { return s.well(t) },
		then: func(_ *testing.T, s *stand, r *running) {
			r.await("nothing is under way", func() bool {
				return r.streamsLive("beta") && r.cluster("alpha").Streams[0].Unacked+r.cluster("beta").Streams[0].Unacked == 0
			})
			r.out.stall()
			s.objects.patch("a", "slow")
		},
	},
	{
		name: "bucket empty", code: "FL1202", cluster: "alpha", says: "waited for its limit", explained: "waits for a token", also: []string{"FL1201"},
		reason: api.ReasonThrottled, object: "configmaps/many-9",
		inject: func(t *testing.T, s *stand) []string { return append(s.well(t), "--cluster-limit=alpha=0.01:1") },
		then:   func(_ *testing.T, s *stand, _ *running) { s.many() },
	},
	{
		name: "lane full", code: "FL1201", cluster: "alpha", says: "is full", also: []string{"FL1202"},
		reason: api.ReasonLaneFull, object: "configmaps/many-9",
		inject: func(t *testing.T, s *stand) []string {
			return append(s.well(t), "--cluster-limit=alpha=0.01:1", "--lane-capacity=1")
		},
		then: func(_ *testing.T, s *stand, _ *running) { s.many() },
	},
	{
		name: "no room in the ledger", code: "FL1402", cluster: "alpha", says: "left out",
		reason: api.ReasonLedgerFull, object: "configmaps/many-9",
		inject: func(t *testing.T, s *stand) []string { return append(s.well(t), "--max-objects=3") },
		then:   func(_ *testing.T, s *stand, _ *running) { s.many() },
	},
	{
		name: "ledger full", code: "FL1401", says: "no space left", also: []string{"FL1203", "FL1405"}, volume: true,
		reason: api.ReasonHeldByLedger, object: "configmaps/many-9",
		inject: func(t *testing.T, s *stand) []string {
			s.options.stores = ledger.StoreKinds{{
				Form: spec.Form{Scheme: "heap", Usage: "heap:", Summary: "for a test", Rest: spec.Nothing},
				Parse: func(*spec.Value) (*ledger.StoreSpec, error) {
					return &ledger.StoreSpec{Identity: "heap:", Open: func(context.Context) (ledger.Store, error) { return &smallStore{full: &s.full}, nil }}, nil
				},
			}}
			return append(s.well(t), "--ledger=heap:")
		},
		then: func(_ *testing.T, s *stand, _ *running) {
			s.full.Store(true)
			s.many()
		},
	},
	{
		name: "filtered", code: "FL1111", cluster: "alpha", says: "leave nothing", info: true,
		reason: api.ReasonFiltered,
		inject: func(t *testing.T, s *stand) []string {
			return []string{s.fleet(t, s.env.Cluster("alpha")), "--watch=configmaps?namespace=" + s.ns, `--sink=stdout:?where=configmaps: object.metadata.name == "nobody"`}
		},
	},
	{
		name: "filter error", code: "FL1110", cluster: "alpha", says: "the last one",
		reason: api.ReasonDelivered,
		inject: func(t *testing.T, s *stand) []string {
			return []string{s.fleet(t, s.env.Cluster("alpha")), "--watch=configmaps?namespace=" + s.ns, `--sink=stdout:?where=configmaps: object.data.nothing == "x"`}
		},
	},
	{
		name: "follower asked", code: "FL1501", says: "leader is another-process", info: true,
		inject: func(t *testing.T, s *stand) []string { return s.following(t, s.env.Cluster("beta")) },
	},
	{
		name: "lock lost", code: "FL1503", says: "cannot be read or renewed",
		inject: func(t *testing.T, s *stand) []string { return s.following(t, newProxy(t, s.env.Cluster("beta"))) },
		then: func(_ *testing.T, s *stand, _ *running) {
			s.hub.Cut()
		},
	},
	{
		name: "lock not renewed", code: "FL1503", says: "has not been renewed since", leads: true,
		reason: api.ReasonDelivered,
		inject: func(t *testing.T, s *stand) []string { return s.leading(t, newProxy(t, s.env.Cluster("beta"))) },
		then:   func(_ *testing.T, s *stand, _ *running) { s.hub.Cut() },
	},
	{
		name: "lock refused", code: "FL1503", says: "this process stops delivering at", leads: true,
		reason: api.ReasonDelivered,
		inject: func(t *testing.T, s *stand) []string {
			return s.leading(t, target{"hub", front(t, s.env.Cluster("beta"), func(r *http.Request) bool {
				return s.refuses.Load() && r.Method == http.MethodPut
			}, nil)})
		},
		then: func(_ *testing.T, s *stand, _ *running) { s.refuses.Store(true) },
	},
}

// onVolume has commands name the fault of a program whose ledger is on a volume of its own, which
// is full. It does nothing, and returns false, where none may be mounted.
func (s *stand) onVolume(t *testing.T, f *fault) (mounted bool) {
	t.Run("on a volume", func(t *testing.T) {
		dir, admin := t.TempDir(), freeAddress(t)
		p := startKeeper(t, "volume", dir, append(s.well(t), "--ledger="+filepath.Join(dir, "ledger"), "--cluster-qps=0",
			"--metrics-bind-address=127.0.0.1:0", "--health-probe-bind-address=127.0.0.1:0", "--admin-bind-address="+admin)...)
		mounted = true
		p.start()
		p.await("all is live", func() bool {
			all := p.status().Clusters
			return len(all) == 2 && !slices.ContainsFunc(all, func(c api.Cluster) bool {
				return len(c.Streams) != 1 || c.Streams[0].State != member.Live || c.Streams[0].Unacked > 0
			})
		})
		p.do("full")
		// What is left of the file's last block may be too little for what the ledger has of one
		// cluster, and hold what it has of another: alpha's part makes it grow fast, and beta's
		// fills the rest.
		long, beta := strings.Repeat("x", 200), newObjects(t, s.env.Cluster("beta"), s.ns)
		for n := 0; ; n++ {
			if ok, _ := p.ready(); !ok {
				break
			}
			if n == 5000 {
				t.Fatal("the ledger still grows")
			}
			s.objects.create(fmt.Sprintf("grows-%d-%s", n, long))
			beta.create(fmt.Sprintf("grows-%d", n))
		}
		s.many()
		s.named(t, f, "--admin=http://"+admin)
		p.do("kill")
	})
	return mounted
}

func refuseAlpha(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	if bytes.Contains(body, []byte(`"alpha"`)) || bytes.Contains(body, []byte("alpha/")) {
		http.Error(w, "the schema does not allow it", http.StatusUnprocessableEntity)
	}
}

// many writes more changes than a limit allows.
func (s *stand) many() {
	for i := range 10 {
		s.objects.create(fmt.Sprint("many-", i))
	}
}

// following returns the flags of a process that follows another one, which holds a Lease in
// the hub.
func (s *stand) following(t *testing.T, hub testenv.Target) []string {
	s.hub, _ = hub.(*testenv.Proxy)
	client := must(coordinationclient.NewForConfig(s.env.Cluster("beta").Config()))(t)
	now := metav1.NowMicro()
	_, err := client.Leases(s.ns).Create(t.Context(), &coordinationv1.Lease{
		ObjectMeta: metav1.ObjectMeta{Name: "fairlead"},
		Spec: coordinationv1.LeaseSpec{
			HolderIdentity: new("another-process"), LeaseDurationSeconds: new(int32(3600)), AcquireTime: &now, RenewTime: &now, LeaseTransitions: new(int32(1)),
		},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return append(s.well(t), "--leader-elect", "--leader-election-namespace="+s.ns, "--hub-kubeconfig="+writeKubeconfig(t, hub),
		"--leader-election-lease-duration=6s", "--leader-election-renew-deadline=4s", "--leader-election-retry-period=1s")
}

// leading returns the flags of a process that leads. Its term lasts so long that it can be
// asked however slow the machine is; when it tries to renew its lock is as by default.
func (s *stand) leading(t *testing.T, hub testenv.Target) []string {
	s.hub, _ = hub.(*testenv.Proxy)
	return append(s.well(t), "--leader-elect", "--leader-election-namespace="+s.ns, "--hub-kubeconfig="+writeKubeconfig(t, hub),
		"--leader-election-lease-duration=310s", "--leader-election-renew-deadline=300s")
}

// newFaultStand is one for a fault, with a namespace of its own.
func newFaultStand(t *testing.T, env *testenv.Env, name string) *stand {
	s := &stand{env: env, ns: "fault-" + name, options: Options{}}
	s.objects = newObjects(t, env.Cluster("alpha"), s.ns)
	newObjects(t, env.Cluster("beta"), s.ns).create("b")
	s.objects.create("a")
	return s
}

// found reports whether there is a finding of a code about a cluster that says something.
func found(c *api.Check, code, cluster, says string) bool {
	return slices.ContainsFunc(c.Findings, func(f api.Finding) bool {
		return f.Code == code && f.Cluster == cluster && strings.Contains(f.Cause, says)
	})
}
