package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/go-logr/logr/testr"
	"go.uber.org/goleak"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/config"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/fairlead-dev/fairlead/internal/testenv"
	"github.com/fairlead-dev/fairlead/sources"
	"github.com/fairlead-dev/fairlead/sources/cache"
)

func TestMain(m *testing.M) {
	ctrllog.SetLogger(logr.Discard())
	goleak.VerifyTestMain(m)
}

// site is a cluster of the test and a client that goes around the controller.
type site struct {
	t *testing.T
	*testenv.Cluster
	client.Client
	proxy *testenv.Proxy // through which the controller goes
}

func newSite(t *testing.T, c *testenv.Cluster) *site {
	t.Helper()
	httpClient, err := rest.HTTPClientFor(c.Config())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(httpClient.CloseIdleConnections)
	direct, err := client.New(c.Config(), client.Options{HTTPClient: httpClient})
	if err != nil {
		t.Fatal(err)
	}
	proxy, err := c.NewProxy()
	if err != nil {
		t.Fatal(err)
	}
	return &site{t: t, Cluster: c, Client: direct, proxy: proxy}
}

// scene is a hub, its members and a controller that runs.
type scene struct {
	t       *testing.T
	hub     *site
	members map[string]*site
	ns      string // of sources and copies
	fleetNS string // of the members' Secrets
	stop    func()
}

func newScene(t *testing.T) *scene {
	t.Helper()
	env := testenv.Start(t, testenv.HubAndMembers(2)...)
	s := &scene{t: t, hub: newSite(t, env.Clusters[0]), members: map[string]*site{}}
	s.ns, s.fleetNS = s.hub.NewNamespace(t), "fleet"
	s.grant(s.hub, "hub.yaml")
	for i, name := range []string{"a", "b"} {
		s.members[name] = newSite(t, env.Clusters[i+1])
		s.grant(s.members[name], "member.yaml")
		s.must(s.members[name].Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: s.ns}}))
		s.join(name)
	}
	s.start()
	t.Cleanup(func() { s.stop() })
	return s
}

// grant applies a manifest.
func (s *scene) grant(at *site, path string) {
	s.t.Helper()
	text, err := os.ReadFile(path)
	s.must(err)
	reader := yaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(text)))
	for {
		document, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return
		}
		s.must(err)
		object, _, err := scheme.Codecs.UniversalDeserializer().Decode(document, nil, nil)
		s.must(err)
		s.must(at.Create(s.t.Context(), object.(client.Object)))
	}
}

// account is a cluster as the account of the manifests sees it.
type account struct{ *site }

func (a account) Config() *rest.Config {
	cfg, err := a.User("system:serviceaccount:propagate:propagate", "system:serviceaccounts", "system:authenticated")
	if err != nil {
		a.t.Fatal(err)
	}
	return a.proxy.Through(cfg)
}

func (s *scene) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// join describes a member in a Secret of the hub, labelled env=prod and zone=NAME.
func (s *scene) join(name string) {
	s.t.Helper()
	kubeconfig, err := testenv.Kubeconfig(account{s.members[name]})
	s.must(err)
	s.must(s.hub.Create(s.t.Context(), &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: s.fleetNS, Name: name, Labels: map[string]string{
			"fairlead.dev/cluster": "true", "env": "prod", "zone": name,
		}},
		Data: map[string][]byte{"kubeconfig": kubeconfig},
	}))
}

// start runs the controller until stop.
func (s *scene) start() {
	ctx, cancel := context.WithCancel(context.Background())
	log := testr.NewWithOptions(s.t, testr.Options{})
	var wg sync.WaitGroup
	mgr, err := ctrl.NewManager(account{s.hub}.Config(), ctrl.Options{
		LeaderElection:                true,
		LeaderElectionID:              "fairlead-propagate",
		LeaderElectionNamespace:       "propagate",
		LeaderElectionReleaseOnCancel: true,
		Logger:                        log,
		Metrics:                       metricsserver.Options{BindAddress: "0"},
		Controller:                    config.Controller{SkipNameValidation: new(true)},
	})
	s.must(err)
	wg.Go(func() {
		err := run(ctx, mgr, func() uint64 { return 1 }, []string{"secrets:" + s.fleetNS}, sources.CachesOptions{
			// What hangs does so until the test ends it.
			Connection: sources.ConnectionConfig{
				ConnectTimeout: 2 * time.Second, ReconnectMin: 50 * time.Millisecond, ReconnectMax: time.Second, HealthInterval: time.Hour,
			},
			Cache: cache.Config{CallTimeout: time.Hour, CacheSyncTimeout: time.Hour},
			Log:   log,
		})
		if err != nil {
			s.t.Errorf("run: %v", err)
		}
	})
	s.stop = sync.OnceFunc(func() {
		cancel()
		wg.Wait()
		mgr.GetHTTPClient().CloseIdleConnections()
	})
}

// eventually waits until f returns no error.
func (s *scene) eventually(what string, f func() error) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), time.Minute)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := f()
		if err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			s.t.Fatalf("never: %s: %v", what, err)
		}
	}
}

// source makes a source in the hub.
func (s *scene) source(name, selector string, data map[string]string) *corev1.ConfigMap {
	s.t.Helper()
	cm := &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: s.ns, Name: name,
			Labels: map[string]string{labelRole: "source"}, Annotations: map[string]string{annotationClusters: selector},
		},
		Data: data,
	}
	s.must(s.hub.Create(s.t.Context(), cm))
	return cm
}

// patch changes a ConfigMap, as a merge patch.
func (s *scene) patch(at *site, name, patch string) {
	s.t.Helper()
	cm := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: s.ns, Name: name}}
	s.must(at.Patch(s.t.Context(), cm, client.RawPatch("application/merge-patch+json", []byte(patch)), client.FieldOwner("test-edit")))
}

func (s *scene) delete(at *site, name string) {
	s.t.Helper()
	s.must(at.Delete(s.t.Context(), &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: s.ns, Name: name}}))
}

// holds waits until a cluster has a ConfigMap with that value of key v, or no
// such ConfigMap if value is empty.
func (s *scene) holds(at *site, name, value string) {
	s.t.Helper()
	s.eventually(fmt.Sprintf("%s has %s=%q", at.Name(), name, value), func() error {
		cm, err := get(s.t.Context(), at.Client, client.ObjectKey{Namespace: s.ns, Name: name})
		if err != nil || cm.Data["v"] == value && (value != "" || cm.UID == "") {
			return err
		}
		return fmt.Errorf("%+v", cm)
	})
}

// status returns what the hub says of a source.
func (s *scene) status(name string) (status, *corev1.ConfigMap) {
	s.t.Helper()
	obj, err := get(s.t.Context(), s.hub.Client, client.ObjectKey{Namespace: s.ns, Name: statusName(name)})
	s.must(err)
	return read(obj), obj
}

// says waits until the status of a source says something of a member.
func (s *scene) says(name, member, what string, is func(e *entry, source version) bool) {
	s.t.Helper()
	s.eventually(fmt.Sprintf("%s in %s is %s", name, member, what), func() error {
		st, obj := s.status(name)
		if e := st.Clusters[member]; e == nil || !is(e, st.Source) {
			return fmt.Errorf("%s", obj.Data["status"])
		}
		return nil
	})
}

func (s *scene) applied(name string, members ...string) {
	s.t.Helper()
	for _, m := range members {
		s.says(name, m, "applied", func(e *entry, source version) bool {
			return e.State == applied && e.Applied == source && e.ClusterUID != "" && e.UnreachableSince == nil
		})
	}
}

type version = string

// frozen reads ConfigMaps as they were, and writes to the API server.
type frozen struct {
	client.Client
	at map[client.ObjectKey]*corev1.ConfigMap
}

func (f frozen) Get(ctx context.Context, key client.ObjectKey, obj client.Object, opts ...client.GetOption) error {
	if cm, ok := f.at[key]; ok {
		cm.DeepCopyInto(obj.(*corev1.ConfigMap))
		return nil
	}
	return f.Client.Get(ctx, key, obj, opts...)
}

func asJSON(v any) string {
	text, _ := json.Marshal(v)
	return string(text)
}
