package sources

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/fairlead-dev/fairlead/internal/testenv"
	"github.com/fairlead-dev/fairlead/sources/cache"
	"github.com/fairlead-dev/fairlead/sources/connection"
	"github.com/fairlead-dev/fairlead/sources/fleet"
)

// TestCaches runs a manager on real control planes.
func TestCaches(t *testing.T) {
	env := testenv.Start(t, testenv.Spec{Name: "hub"}, testenv.Spec{Name: "a"})
	hub, a := env.Clusters[0], env.Clusters[1]
	t.Run("cut", func(t *testing.T) {
		testCut(t, hub, a, quick, func(m *managed) {
			eventually(t, "many attempts", func() bool { return m.connection("a").Attempt >= 10 })
		})
	})
	t.Run("cut of a minute", func(t *testing.T) {
		testCut(t, hub, a, connection.Config{}, func(*managed) {
			select {
			case <-time.After(time.Minute):
			case <-t.Context().Done():
			}
		})
	})
	t.Run("bad members", func(t *testing.T) { testBadMembers(t, hub, a) })
	t.Run("noisy member", func(t *testing.T) { testNoisy(t, hub, a) })
	t.Run("certificate rotation", func(t *testing.T) { testRotation(t, hub, a) })
	t.Run("token rotation", func(t *testing.T) { testTokens(t, hub, a) })
	t.Run("kinds and handlers", func(t *testing.T) { testKinds(t, hub, a) })
	t.Run("restored backup", func(t *testing.T) { testRestore(t, hub, a) })
	t.Run("add and remove", func(t *testing.T) { testRounds(t, hub, a) })
}

// testCut: reads go on through an outage and say how old they are, calls fail
// at once, nothing is logged for each attempt, and the first probe that comes
// through brings everything back; only what has changed is told.
func testCut(t *testing.T, hub, a *testenv.Cluster, config connection.Config, lasts func(*managed)) {
	proxy, err := a.NewProxy()
	if err != nil {
		t.Fatal(err)
	}
	ns, direct := a.NewNamespace(t), clientOf(t, a)
	for _, name := range []string{"1", "2", "3"} {
		create(t, direct, ns, name)
	}
	log := &counted{}
	m := manage(t, hub.Config(), CachesOptions{Connection: config, Log: log.logger()})
	changes := m.follow(t, "a")
	m.caches.Set(fleet.Member{Name: "a", REST: proxy.Config()})
	m.becomes(t, "a", cache.Live)
	for _, name := range []string{"1", "2", "3"} {
		eventually(t, "first list", func() bool { return m.count("a", ns, name) == 1 })
	}
	m.idle(t, "a")
	before, lines, others := m.total("a"), log.lines(), clientGo.lines()
	changes.take()

	proxy.Cut()
	m.becomes(t, "a", cache.BackingOff)
	c, err := m.caches.Client("a")
	if err != nil {
		t.Fatal(err)
	}
	read := func(name string) error {
		return c.Get(t.Context(), client.ObjectKey{Namespace: ns, Name: name}, &corev1.ConfigMap{})
	}
	down := m.caches.State("a")
	if err := read("1"); err != nil {
		t.Errorf("read while cut: %v", err)
	}
	lasts(m)
	still := m.caches.State("a")
	if err := read("1"); err != nil {
		t.Errorf("read at the end of the cut: %v", err)
	}
	if still.State != cache.BackingOff || still.Reason == "" || still.LastError == "" || still.Since != down.Since {
		t.Errorf("state %+v", still)
	}
	if !still.AsOf.Equal(down.AsOf) || still.Age() <= down.Since.Sub(down.AsOf) {
		t.Errorf("the age is %v as of %v; %v when it began", still.Age(), still.AsOf, down.AsOf)
	}
	if err := c.Create(t.Context(), configMap(ns, "lost", "")); !errors.Is(err, cache.ErrClusterUnavailable) {
		t.Errorf("write while cut: %v", err)
	}
	var secrets corev1.SecretList
	if err := c.List(t.Context(), &secrets); !errors.Is(err, cache.ErrClusterUnavailable) {
		t.Errorf("read of something new while cut: %v", err)
	}
	if told := changes.take(); len(told) == 0 || len(told) > 3 || told[len(told)-1] != cache.BackingOff {
		t.Errorf("changes: %v", told)
	}
	create(t, direct, ns, "new")

	probes := m.connection("a")
	if err := proxy.Restore(); err != nil {
		t.Fatal(err)
	}
	restored := time.Now()
	m.becomes(t, "a", cache.Live)
	t.Logf("live %v after the cut, which %d probes had tried", time.Since(restored), probes.Attempt)
	after := m.connection("a")
	if good := after.Probes["ok"] - probes.Probes["ok"]; good != 1 {
		t.Errorf("%d good probes until it was live", good)
	}
	eventually(t, "the new one", func() bool { return m.count("a", ns, "new") == 1 })
	if err := read("new"); err != nil {
		t.Errorf("read of the new one: %v", err)
	}
	if s := m.caches.State("a"); s.AsOf.Before(restored) {
		t.Errorf("after the cut: %+v", s)
	}
	if told := changes.take(); len(told) == 0 || told[len(told)-1] != cache.Live {
		t.Errorf("changes: %v", told)
	}
	if got := m.total("a"); got != before+1 {
		t.Errorf("%d reconciles because of a cut, want 1", got-before)
	}
	// Down, and up again.
	if told := log.lines() - lines; told > 2 || clientGo.lines() != others {
		t.Errorf("%d lines in the log and %d of client-go because of a cut:\n%s\n%s", told, clientGo.lines()-others, log, &clientGo)
	}
	if err := c.List(t.Context(), &secrets); err != nil {
		t.Errorf("read of something new: %v", err)
	}
}

// unfinished holds up lists of ConfigMaps.
type unfinished struct {
	http.RoundTripper
	released chan struct{}
}

func (u unfinished) RoundTrip(req *http.Request) (*http.Response, error) {
	if strings.HasSuffix(req.URL.Path, "/configmaps") {
		select {
		case <-u.released:
		case <-req.Context().Done():
			return nil, req.Context().Err()
		}
	}
	return u.RoundTripper.RoundTrip(req)
}

// testBadMembers: before the manager starts there are one member that is down,
// one that hangs, one that may not list and one whose lists never end. The
// manager starts, and the hub and a good member are served.
func testBadMembers(t *testing.T, hub, a *testenv.Cluster) {
	ns, hubNS := a.NewNamespace(t), hub.NewNamespace(t)
	create(t, clientOf(t, a), ns, "x")
	create(t, clientOf(t, hub), hubNS, "x")
	down, err := a.NewProxy()
	if err != nil {
		t.Fatal(err)
	}
	down.Cut()
	hanging, err := a.NewProxy()
	if err != nil {
		t.Fatal(err)
	}
	if err := hanging.BlackHole(); err != nil {
		t.Fatal(err)
	}
	nobody, err := a.User("nobody", "system:authenticated")
	if err != nil {
		t.Fatal(err)
	}
	released := make(chan struct{})
	slow := a.Config()
	slow.Wrap(func(next http.RoundTripper) http.RoundTripper { return unfinished{next, released} })
	bad := map[string]*rest.Config{"down": down.Config(), "hanging": hanging.Config(), "nobody": nobody, "slow": slow}
	m := manage(t, hub.Config(), CachesOptions{Connection: quick, Cache: cache.Config{CacheSyncTimeout: time.Second}},
		func(c *Caches) kindSource {
			for name, cfg := range bad {
				c.Set(fleet.Member{Name: name, REST: cfg})
			}
			return nil
		})
	if err := m.caches.Include("hub", m.mgr); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the hub", func() bool { return m.count("hub", hubNS, "x") == 1 })
	m.becomes(t, "hub", cache.Live)
	for name, why := range map[string]string{"down": "", "hanging": "", "nobody": "forbidden", "slow": "not synced in time"} {
		m.becomes(t, name, cache.BackingOff)
		// On a machine that stands still, it may be for another reason at first.
		eventuallyOr(t, name+" says why", func() bool {
			s := m.caches.State(name)
			return s.State == cache.BackingOff && s.Reason != "" && strings.Contains(s.Reason, why)
		}, func() string { return fmt.Sprintf("%+v", m.caches.State(name)) })
	}
	m.caches.Set(fleet.Member{Name: "good", REST: a.Config()})
	eventually(t, "the good one", func() bool { return m.count("good", ns, "x") == 1 })
	m.becomes(t, "good", cache.Live)
	for name := range bad {
		if s := m.caches.State(name); s.State != cache.BackingOff || m.total(name) != 0 {
			t.Errorf("%s: %+v, %d reconciles", name, s, m.total(name))
		}
		c, err := m.caches.Client(name)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
		if err := c.Get(ctx, client.ObjectKey{Namespace: ns, Name: "x"}, &corev1.ConfigMap{}); !errors.Is(err, cache.ErrClusterUnavailable) {
			t.Errorf("read of %s: %v", name, err)
		}
		cancel()
	}
	// What it may do, it still can.
	c, err := m.caches.Client("nobody")
	if err != nil {
		t.Fatal(err)
	}
	review := &authorizationv1.SelfSubjectAccessReview{}
	if err := c.Create(t.Context(), review); !apierrors.IsForbidden(err) && !apierrors.IsInvalid(err) && err != nil {
		t.Errorf("call of a member with unsynced caches: %v", err)
	}
	for _, proxy := range []*testenv.Proxy{down, hanging} {
		if err := proxy.Restore(); err != nil {
			t.Fatal(err)
		}
	}
	close(released)
	m.caches.Set(fleet.Member{Name: "nobody", REST: a.Config()})
	for name := range bad {
		m.becomes(t, name, cache.Live)
		eventually(t, name, func() bool { return m.count(name, ns, "x") == 1 })
	}
}
