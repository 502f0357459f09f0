package sources

import (
	"context"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/fairlead-dev/fairlead/internal/testenv"
	"github.com/fairlead-dev/fairlead/pipeline/queue"
	"github.com/fairlead-dev/fairlead/sources/cache"
	"github.com/fairlead-dev/fairlead/sources/fleet"
)

// listCounter counts lists of ConfigMaps, in pages or streamed.
type listCounter struct{ n atomic.Int64 }

func (l *listCounter) counting(cfg *rest.Config) *rest.Config {
	cfg.Wrap(func(next http.RoundTripper) http.RoundTripper { return countedLists{next, l} })
	return cfg
}

type countedLists struct {
	http.RoundTripper
	counter *listCounter
}

func (c countedLists) RoundTrip(req *http.Request) (*http.Response, error) {
	q := req.URL.Query()
	// One of a single object asks for the server's version.
	list := q.Get("watch") == "" && q.Get("limit") != "1" || q.Get("sendInitialEvents") == "true"
	if list && strings.HasSuffix(req.URL.Path, "/configmaps") {
		c.counter.n.Add(1)
	}
	return c.RoundTripper.RoundTrip(req)
}

// testRotation: another user takes over while objects change.
func testRotation(t *testing.T, hub, a *testenv.Cluster) {
	ns, direct, lists := a.NewNamespace(t), clientOf(t, a), &listCounter{}
	create(t, direct, ns, "x")
	m := manage(t, hub.Config(), CachesOptions{Connection: quick})
	m.caches.Set(fleet.Member{Name: "a", REST: lists.counting(a.Config())})
	m.becomes(t, "a", cache.Live)
	eventually(t, "first list", func() bool { return m.count("a", ns, "x") == 1 })
	m.idle(t, "a")
	before := m.total("a")
	for i := range 5 {
		other, err := a.User(fmt.Sprint("admin-", i), "system:masters")
		if err != nil {
			t.Fatal(err)
		}
		m.caches.Set(fleet.Member{Name: "a", REST: lists.counting(other)})
		name := fmt.Sprint("new-", i)
		create(t, direct, ns, name)
		eventually(t, name, func() bool { return m.count("a", ns, name) == 1 })
	}
	m.becomes(t, "a", cache.Live)
	if got := m.total("a") - before; got != 5 {
		t.Errorf("%d reconciles of five changes", got)
	}
	if got := lists.n.Load(); got != 1 {
		t.Errorf("%d lists", got)
	}
}

// account is a service account that may do everything.
type account struct {
	name  string
	token string
}

func newAccount(t *testing.T, c *kubernetes.Clientset, ns, name string) account {
	t.Helper()
	meta := metav1.ObjectMeta{Namespace: ns, Name: name}
	if _, err := c.CoreV1().ServiceAccounts(ns).Create(t.Context(), &corev1.ServiceAccount{ObjectMeta: meta}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	binding := &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: ns + "-" + name},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "cluster-admin"},
		Subjects:   []rbacv1.Subject{{Kind: "ServiceAccount", Namespace: ns, Name: name}},
	}
	if _, err := c.RbacV1().ClusterRoleBindings().Create(t.Context(), binding, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	request, err := c.CoreV1().ServiceAccounts(ns).CreateToken(t.Context(), name, &authenticationv1.TokenRequest{}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return account{"system:serviceaccount:" + ns + ":" + name, request.Status.Token}
}

// target is a cluster as one user sees it.
type target struct {
	*testenv.Cluster
	name, token string
}

func (t target) Name() string { return t.name }

func (t target) Config() *rest.Config {
	cfg := t.Cluster.Config()
	cfg.CertData, cfg.KeyData, cfg.BearerToken = nil, nil, t.token
	return cfg
}

// testTokens: two members get another token, one in its kubeconfig file and one
// in its Secret in the hub; what they had before is not valid any more. Nothing
// unchanged is told again, and their lanes are what they were.
func testTokens(t *testing.T, hub, a *testenv.Cluster) {
	clientset := func(cfg *rest.Config) *kubernetes.Clientset {
		h, err := rest.HTTPClientFor(cfg)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(h.CloseIdleConnections)
		c, err := kubernetes.NewForConfigAndClient(cfg, h)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	ns, hubNS, direct := a.NewNamespace(t), hub.NewNamespace(t), clientOf(t, a)
	create(t, direct, ns, "x")
	accounts, secrets := clientset(a.Config()), clientset(hub.Config()).CoreV1().Secrets(hubNS)
	first, second := newAccount(t, accounts, ns, "first"), newAccount(t, accounts, ns, "second")
	path := filepath.Join(t.TempDir(), "fleet.yaml")
	describe := func(who account) {
		t.Helper()
		if err := testenv.WriteKubeconfig(path, target{a, "file", who.token}); err != nil {
			t.Fatal(err)
		}
		text, err := testenv.Kubeconfig(target{a, "any", who.token})
		if err != nil {
			t.Fatal(err)
		}
		secret := &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Name: "secret", Labels: map[string]string{"fairlead.dev/cluster": "true"}},
			Data:       map[string][]byte{"kubeconfig": text},
		}
		if _, err := secrets.Create(t.Context(), secret, metav1.CreateOptions{}); apierrors.IsAlreadyExists(err) {
			_, err = secrets.Update(t.Context(), secret, metav1.UpdateOptions{})
			if err != nil {
				t.Fatal(err)
			}
		} else if err != nil {
			t.Fatal(err)
		}
	}
	describe(first)

	m := manage(t, hub.Config(), CachesOptions{Connection: quick})
	providers, err := fleet.Parse([]string{"kubeconfig:" + path, "secrets:" + hubNS})
	if err != nil {
		t.Fatal(err)
	}
	f := fleet.New(fleet.Options{Providers: providers, Handler: m.caches, Hub: hub.Config(), PollInterval: 50 * time.Millisecond})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- f.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("fleet: %v", err)
		}
	})
	user := func(cluster string) string {
		c, err := m.caches.Client(cluster)
		if err != nil {
			return err.Error()
		}
		review := &authenticationv1.SelfSubjectReview{}
		if err := c.Create(t.Context(), review); err != nil {
			return err.Error()
		}
		return review.Status.UserInfo.Username
	}
	members := []string{"file", "secret"}
	before, lanes := map[string]int{}, map[string]queue.LaneStats{}
	for _, name := range members {
		m.becomes(t, name, cache.Live)
		eventually(t, "first list of "+name, func() bool { return m.count(name, ns, "x") == 1 })
		m.idle(t, name)
		if got := user(name); got != first.name {
			t.Errorf("%s is %q", name, got)
		}
	}
	for _, l := range m.queue.Lanes() {
		before[l.Cluster], lanes[l.Cluster] = m.total(l.Cluster), l
	}

	describe(second)
	for _, name := range members {
		eventuallyOr(t, name+" uses the new token", func() bool { return user(name) == second.name }, func() string { return user(name) })
	}
	if err := accounts.CoreV1().ServiceAccounts(ns).Delete(t.Context(), "first", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	old := target{a, "old", first.token}.Config()
	stale := clientset(old)
	eventually(t, "the old token is refused", func() bool {
		_, err := stale.CoreV1().Namespaces().Get(t.Context(), ns, metav1.GetOptions{})
		return apierrors.IsUnauthorized(err)
	})
	create(t, direct, ns, "new")
	for _, name := range members {
		eventually(t, "the new one of "+name, func() bool { return m.count(name, ns, "new") == 1 })
		m.becomes(t, name, cache.Live)
		if got := m.total(name) - before[name]; got != 1 {
			t.Errorf("%s: %d reconciles of one change", name, got)
		}
	}
	for _, l := range m.queue.Lanes() {
		if was := lanes[l.Cluster]; l.HandedOut != was.HandedOut+1 || l.DroppedRemoved != 0 {
			t.Errorf("lane %+v, was %+v", l, was)
		}
	}
}
