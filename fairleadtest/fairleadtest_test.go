package fairleadtest_test

import (
	"context"
	"crypto/x509"
	"errors"
	"flag"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/fairlead-dev/fairlead/fairleadtest"
	"github.com/fairlead-dev/fairlead/internal/testenv"
)

// An example cannot skip itself, as a test does that calls Start.
func TestMain(m *testing.M) {
	flag.Parse()
	required := os.Getenv(fairleadtest.RequireEnv) != ""
	if _, err := fairleadtest.Find(); !required && (err != nil || testing.Short()) {
		if err := flag.Set("test.skip", "^Example"); err != nil {
			panic(err)
		}
	}
	goleak.VerifyTestMain(m)
}

// The tests of this package break clusters, so each starts its own, of one or
// two, and none runs beside another.

func TestTwoClustersThroughOneKubeconfig(t *testing.T) {
	env := fairleadtest.Start(t, fairleadtest.HubAndMembers(1)...)
	hub, member := env.Cluster("hub"), env.Cluster("member-1")
	if env.Cluster("member-2") != nil {
		t.Error("there is a member-2, which nobody asked for")
	}
	proxy, err := member.NewProxy()
	if err != nil {
		t.Fatal(err)
	}
	path := t.TempDir() + "/fleet.yaml"
	if err := fairleadtest.WriteKubeconfig(path, hub, proxy); err != nil {
		t.Fatal(err)
	}
	if err := fairleadtest.WriteKubeconfig(path, hub, hub); err == nil {
		t.Error("a kubeconfig took two contexts of one name")
	}

	// The same name in both: each cluster has to have its own.
	uids := make(map[string]string)
	for _, name := range []string{"hub", "member-1"} {
		rules := &clientcmd.ClientConfigLoadingRules{ExplicitPath: path}
		config, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules,
			&clientcmd.ConfigOverrides{CurrentContext: name}).ClientConfig()
		if err != nil {
			t.Fatal(err)
		}
		made, err := testenv.NewConfigMaps(t, config, "default").Create(t.Context(), "shared-name")
		if err != nil {
			t.Fatalf("create in %s: %v", name, err)
		}
		uids[name] = string(made.UID)
	}
	direct, err := testenv.NewConfigMaps(t, member.Config(), "default").Get(t.Context(), "shared-name")
	if err != nil {
		t.Fatal(err)
	}
	if got := string(direct.UID); got != uids["member-1"] || got == uids["hub"] {
		t.Errorf("member-1 has UID %s; created were %v", got, uids)
	}
}

func TestUserMayDoNothing(t *testing.T) {
	env := fairleadtest.Start(t, fairleadtest.Spec{Name: "a"})
	config, err := env.Clusters[0].User("nobody")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := testenv.NewConfigMaps(t, config, "default").Get(t.Context(), "any"); !apierrors.IsForbidden(err) {
		t.Errorf("get as a user without rights: got %v, want 403", err)
	}
	config.CertData, config.KeyData, config.BearerToken = nil, nil, "wrong"
	if _, err := testenv.NewConfigMaps(t, config, "default").Get(t.Context(), "any"); !apierrors.IsUnauthorized(err) {
		t.Errorf("get with a wrong token: got %v, want 401", err)
	}
}

func TestRestartAndFailOverKeepData(t *testing.T) {
	env := fairleadtest.Start(t, fairleadtest.Spec{Name: "late", Down: true})
	cluster := env.Clusters[0]
	client := testenv.NewConfigMaps(t, cluster.Config(), "default")
	if _, err := client.Get(t.Context(), "kept"); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Fatalf("get from a cluster that is down: got %v, want connection refused", err)
	}
	if err := cluster.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	client.Namespace = cluster.NewNamespace(t)
	made, err := client.Create(t.Context(), "kept")
	if err != nil {
		t.Fatal(err)
	}
	for _, end := range []struct {
		name string
		how  func() error
	}{{"stop", cluster.Stop}, {"kill", cluster.Kill}} {
		url := cluster.URL()
		if err := end.how(); err != nil {
			t.Fatal(err)
		}
		if _, err := client.Get(t.Context(), "kept"); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("get after %s: got %v, want connection refused", end.name, err)
		}
		if err := cluster.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		found, err := client.Get(t.Context(), "kept")
		if err != nil {
			t.Fatalf("get after %s and start: %v", end.name, err)
		}
		if found.UID != made.UID || found.ResourceVersion != made.ResourceVersion {
			t.Errorf("after %s and start: got %s at %s, want %s at %s", end.name,
				found.UID, found.ResourceVersion, made.UID, made.ResourceVersion)
		}
		if cluster.URL() != url {
			t.Errorf("after %s and start: the address is %s, was %s", end.name, cluster.URL(), url)
		}
	}
	if err := cluster.FailOver(); err == nil {
		t.Error("it has failed over without a standby")
	}
	proxy, err := cluster.NewProxy()
	if err != nil {
		t.Fatal(err)
	}
	through := testenv.NewConfigMaps(t, proxy.Config(), client.Namespace)
	if err := errors.Join(cluster.StartStandby(t.Context()), cluster.StartStandby(t.Context())); err != nil {
		t.Fatal(err)
	}
	if _, err := client.Get(t.Context(), "kept"); err != nil {
		t.Errorf("get while there are two API servers: %v", err)
	}
	before := cluster.Config()
	if err := cluster.FailOver(); err != nil {
		t.Fatal(err)
	}
	if _, err := testenv.NewConfigMaps(t, before, client.Namespace).Get(t.Context(), "kept"); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("get from the address of before the failover: got %v, want connection refused", err)
	}
	for name, c := range map[string]testenv.ConfigMaps{"the proxy": through, "the new address": testenv.NewConfigMaps(t, cluster.Config(), client.Namespace)} {
		if found, err := c.Get(t.Context(), "kept"); err != nil || found.UID != made.UID || found.ResourceVersion != made.ResourceVersion {
			t.Errorf("get through %s after the failover: %v, %v", name, found, err)
		}
	}
}

// Who follows a cluster has to begin with a list again, also if its watch was open.
func TestExpireWatchesEndsOpenWatches(t *testing.T) {
	cluster := fairleadtest.Start(t, fairleadtest.Spec{Name: "a"}).Clusters[0]
	client := testenv.NewConfigMaps(t, cluster.Config(), "default")
	made, err := client.Create(t.Context(), "before")
	if err != nil {
		t.Fatal(err)
	}
	changes, err := client.Watch(t.Context(), made.ResourceVersion)
	if err != nil {
		t.Fatal(err)
	}
	defer changes.Stop()
	if err := cluster.ExpireWatches(t.Context()); err != nil {
		t.Fatal(err)
	}
	if event, open := <-changes.ResultChan(); open {
		t.Errorf("the watch shows %v, want its end", event)
	}
	event := testenv.FirstEvent(t, client, made.ResourceVersion)
	if err := apierrors.FromObject(event.Object); !apierrors.IsResourceExpired(err) {
		t.Errorf("watch from before: got %v, want 410", event)
	}
	if found, err := client.Get(t.Context(), "before"); err != nil || found.UID != made.UID {
		t.Errorf("got %v, %v, want the object of before", found, err)
	}
}

func TestRotateCARefusesOldCredentials(t *testing.T) {
	cluster := fairleadtest.Start(t, fairleadtest.Spec{Name: "a"}).Clusters[0]
	old := cluster.Config()
	made, err := testenv.NewConfigMaps(t, old, "default").Create(t.Context(), "kept")
	if err != nil {
		t.Fatal(err)
	}
	if err := cluster.RotateCA(t.Context()); err != nil {
		t.Fatal(err)
	}
	if found, err := testenv.NewConfigMaps(t, cluster.Config(), "default").Get(t.Context(), "kept"); err != nil || found.UID != made.UID {
		t.Errorf("get with new credentials: got %v, %v", found, err)
	}
	_, err = testenv.NewConfigMaps(t, old, "default").Get(t.Context(), "kept")
	if unknown := (x509.UnknownAuthorityError{}); !errors.As(err, &unknown) {
		t.Errorf("get with the CA of before: got %v, want that it is unknown", err)
	}
	old.CAData = cluster.Config().CAData
	if _, err := testenv.NewConfigMaps(t, old, "default").Get(t.Context(), "kept"); !apierrors.IsUnauthorized(err) {
		t.Errorf("get with the client certificate of before: got %v, want 401", err)
	}
}

func TestRestoreGoesBack(t *testing.T) {
	cluster := fairleadtest.Start(t, fairleadtest.Spec{Name: "back"}).Clusters[0]
	client := testenv.NewConfigMaps(t, cluster.Config(), "default")
	kept, err := client.Create(t.Context(), "kept")
	if err != nil {
		t.Fatal(err)
	}
	if err := cluster.Backup(t.Context()); err != nil {
		t.Fatal(err)
	}
	lost, err := client.Create(t.Context(), "lost")
	if err != nil {
		t.Fatal(err)
	}
	if err := cluster.Restore(t.Context()); err != nil {
		t.Fatal(err)
	}
	found, err := client.Get(t.Context(), "kept")
	if err != nil || found.UID != kept.UID || found.ResourceVersion != kept.ResourceVersion {
		t.Errorf("got %+v, %v, want what was there", found, err)
	}
	if _, err := client.Get(t.Context(), "lost"); err == nil {
		t.Error("what was written after the backup is there")
	}
	again, err := client.Create(t.Context(), "again")
	if err != nil {
		t.Fatal(err)
	}
	was, errWas := strconv.Atoi(lost.ResourceVersion)
	is, errIs := strconv.Atoi(again.ResourceVersion)
	if errWas != nil || errIs != nil || is > was+100 {
		t.Errorf("a new object has version %s after the restore, one had %s before", again.ResourceVersion, lost.ResourceVersion)
	}
}

func TestFullEtcdTakesNoWrites(t *testing.T) {
	cluster := fairleadtest.Start(t, fairleadtest.Spec{Name: "full", EtcdFlags: []string{"--quota-backend-bytes=16777216"}}).Clusters[0]
	client := testenv.NewConfigMaps(t, cluster.Config(), "default")
	if err := cluster.FillEtcd(t.Context()); err != nil {
		t.Fatal(err)
	}
	_, err := client.Create(t.Context(), "refused")
	if err == nil || !strings.Contains(err.Error(), "database space exceeded") {
		t.Errorf("a write to a full etcd: %v", err)
	}
	if _, err := client.Get(t.Context(), "refused"); !apierrors.IsNotFound(err) {
		t.Errorf("a read of it: %v", err)
	}
	for _, name := range []string{"first", "second"} { // the second one after it was full again
		if err := cluster.MakeRoom(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := client.Create(t.Context(), name); err != nil {
			t.Errorf("a write after room was made: %v", err)
		}
		if err := cluster.FillEtcd(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

func TestPausedServerHangs(t *testing.T) {
	env := fairleadtest.Start(t, fairleadtest.Spec{Name: "a"})
	cluster := env.Clusters[0]
	client := testenv.NewConfigMaps(t, cluster.Config(), "default")
	if _, err := client.Create(t.Context(), "waits"); err != nil {
		t.Fatal(err)
	}
	if err := cluster.Pause(); err != nil {
		t.Fatal(err)
	}
	answer := make(chan error, 1)
	go func() {
		_, err := client.Get(t.Context(), "waits")
		answer <- err
	}()
	short, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if _, err := client.Get(short, "waits"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("get from a paused server: got %v, want no answer", err)
	}
	if err := cluster.Resume(); err != nil {
		t.Fatal(err)
	}
	if err := <-answer; err != nil {
		t.Errorf("get that waited through the pause: %v", err)
	}
	// A paused server can be stopped.
	if err := errors.Join(cluster.Pause(), cluster.Restart(t.Context())); err != nil {
		t.Fatal(err)
	}
}

func TestCompactionExpiresOldWatches(t *testing.T) {
	env := fairleadtest.Start(t,
		fairleadtest.Spec{Name: "uncached", APIServerFlags: []string{"--watch-cache=false"}},
		fairleadtest.Spec{Name: "restarted"})
	for _, cluster := range env.Clusters {
		t.Run(cluster.Name(), func(t *testing.T) {
			client := testenv.NewConfigMaps(t, cluster.Config(), "default")
			first, err := client.Create(t.Context(), "first")
			if err != nil {
				t.Fatal(err)
			}
			second, err := client.Create(t.Context(), "second")
			if err != nil {
				t.Fatal(err)
			}
			if event := testenv.FirstEvent(t, client, first.ResourceVersion); event.Type != watch.Added ||
				event.Object.(*corev1.ConfigMap).Name != "second" {
				t.Fatalf("watch before the compaction: got %v, want second added", event)
			}
			if err := cluster.Compact(t.Context()); err != nil {
				t.Fatal(err)
			}
			if cluster.Name() == "restarted" {
				if err := cluster.Restart(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			for _, known := range []*corev1.ConfigMap{first, second} {
				event := testenv.FirstEvent(t, client, known.ResourceVersion)
				if err := apierrors.FromObject(event.Object); !apierrors.IsResourceExpired(err) {
					t.Errorf("watch from %s after the compaction: got %v, want 410", known.Name, event)
				}
			}
			// A list of now is where to go on from.
			version, err := client.Version(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if _, err := client.Create(t.Context(), "third"); err != nil {
				t.Fatal(err)
			}
			if event := testenv.FirstEvent(t, client, version); event.Type != watch.Added ||
				event.Object.(*corev1.ConfigMap).Name != "third" {
				t.Errorf("watch from the present: got %v, want third added", event)
			}
		})
	}
}

// Names of clusters are those of contexts and of etcd members.
func TestNamesAreChecked(t *testing.T) {
	for _, specs := range [][]fairleadtest.Spec{{{}}, {{Name: "a=b"}}, {{Name: "a,b"}}, {{Name: "a"}, {Name: "a"}}} {
		if env, err := fairleadtest.New(t.Context(), specs...); err == nil || !strings.Contains(err.Error(), "name") {
			t.Errorf("%+v: %v", specs, err)
			if env != nil {
				_ = env.Close()
			}
		}
	}
}

// What is closed stays so: another one may have the numbers of its files by then.
func TestCloseTwice(t *testing.T) {
	env := fairleadtest.Start(t, fairleadtest.Spec{Name: "down", Down: true})
	proxy, err := env.Clusters[0].NewProxy()
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := errors.Join(proxy.Close(), env.Clusters[0].Close(), env.Close()); err != nil {
			t.Error(err)
		}
	}
}
