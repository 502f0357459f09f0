package app

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	typedcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"

	"github.com/fairlead-dev/fairlead/cmd/internal/api"
	"github.com/fairlead-dev/fairlead/internal/testenv"
)

// secretsOf are the Secrets of a hub that describe members.
type secretsOf struct {
	t      *testing.T
	client typedcorev1.SecretInterface
}

func newSecretsOf(t *testing.T, hub *testenv.Cluster, namespace string) secretsOf {
	t.Helper()
	h := must(rest.HTTPClientFor(hub.Config()))(t)
	t.Cleanup(h.CloseIdleConnections)
	return secretsOf{t, must(typedcorev1.NewForConfigAndClient(hub.Config(), h))(t).Secrets(namespace)}
}

func describing(name string, kubeconfig []byte) *corev1.Secret {
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"fairlead.dev/cluster": "true"}},
		Data:       map[string][]byte{"kubeconfig": kubeconfig},
	}
}

func (s secretsOf) create(name string, kubeconfig []byte) {
	s.t.Helper()
	if _, err := s.client.Create(s.t.Context(), describing(name, kubeconfig), metav1.CreateOptions{}); err != nil {
		s.t.Fatal(err)
	}
}

func (s secretsOf) update(name string, kubeconfig []byte) {
	s.t.Helper()
	if _, err := s.client.Update(s.t.Context(), describing(name, kubeconfig), metav1.UpdateOptions{}); err != nil {
		s.t.Fatal(err)
	}
}

func (s secretsOf) delete(name string) {
	s.t.Helper()
	if err := s.client.Delete(s.t.Context(), name, metav1.DeleteOptions{}); err != nil {
		s.t.Fatal(err)
	}
}

// as is a cluster in the eyes of one user.
type as struct {
	*testenv.Cluster
	config *rest.Config
}

func (a as) Config() *rest.Config { return a.config }

// TestSecretsComeAndGo: other credentials in a Secret deliver nothing again, a
// Secret that is no use is told of everywhere and harms nobody, and fifty rounds
// of a member leave goroutines and heap where they were.
func TestSecretsComeAndGo(t *testing.T) {
	env := testenv.Start(t, testenv.Spec{Name: "hub"}, testenv.Spec{Name: "alpha"})
	hub, alpha := env.Cluster("hub"), env.Cluster("alpha")
	const ns = "rounds"
	o := newObjects(t, alpha, ns)
	for i := range 100 {
		o.create(fmt.Sprint("o-", i))
	}
	hubNS := hub.NewNamespace(t)
	secrets := newSecretsOf(t, hub, hubNS)
	file := filepath.Join(t.TempDir(), "hub.yaml")
	if err := testenv.WriteKubeconfig(file, hub); err != nil {
		t.Fatal(err)
	}
	kubeconfig := must(testenv.Kubeconfig(alpha))(t)
	r := start(t, "--clusters=secrets:"+hubNS, "--hub-kubeconfig="+file, "--watch=configmaps?namespace="+ns,
		"--health-probe-bind-address=127.0.0.1:0")
	secrets.create("alpha", kubeconfig)
	r.awaitSame(o)
	r.await("all is acked", func() bool { return len(r.out.received()) >= 100 && r.cluster("alpha").Lane.InFlight == 0 })

	t.Run("other credentials", func(t *testing.T) {
		before, lane := len(r.out.received()), r.cluster("alpha").Counts.HandedOut
		other := must(alpha.User("other", "system:masters"))(t)
		secrets.update("alpha", must(testenv.Kubeconfig(as{alpha, other}))(t))
		r.await("the connection was replaced", func() bool { return metric(r, "fairlead_connection_reconnects_total", "alpha") > 0 })
		o.create("new")
		r.awaitSame(o)
		if got := len(r.out.received()) - before; got != 1 {
			t.Errorf("%d changes delivered, want 1", got)
		}
		if got := r.cluster("alpha").Counts.HandedOut - lane; got != 1 {
			t.Errorf("the lane handed out %d, or is another one", got)
		}
	})
	t.Run("no use", func(t *testing.T) {
		secrets.create("broken", []byte("{"))
		exec := bytes.Replace(kubeconfig, []byte("users:\n"), []byte("users:\n- name: evil\n  user: {exec: {apiVersion: client.authentication.k8s.io/v1, command: sh, interactiveMode: Never}}\n"), 1)
		secrets.create("evil", exec)
		var s api.Status
		r.await("both are on /clusters", func() bool {
			req := must(http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+r.program.healthAddress.String()+"/clusters", nil))(t)
			req.Close = true
			resp := must(http.DefaultClient.Do(req))(t)
			defer func() { _ = resp.Body.Close() }()
			s = api.Status{}
			if err := json.NewDecoder(resp.Body).Decode(&s); err != nil {
				t.Fatal(err)
			}
			return len(s.Problems) == 2
		})
		if got := s.Problems[0]; got.Source != "Secret "+hubNS+"/broken" || !strings.Contains(got.Error, `key "kubeconfig" is not valid YAML`) {
			t.Errorf("problem %+v", got)
		}
		if got := s.Problems[1]; got.Source != "Secret "+hubNS+"/evil" || !strings.Contains(got.Error, `users["evil"].exec would run a command`) {
			t.Errorf("problem %+v", got)
		}
		if got := metric(r, "fairlead_fleet_problems", "secrets:"+hubNS); got != 2 {
			t.Errorf("fairlead_fleet_problems is %v", got)
		}
		o.create("meanwhile")
		r.awaitSame(o)
		secrets.delete("broken")
		secrets.delete("evil")
		r.await("the problems are over", func() bool { return metric(r, "fairlead_fleet_problems", "secrets:"+hubNS) == 0 })
	})
	t.Run("fifty rounds", func(t *testing.T) {
		round := func() {
			secrets.delete("alpha")
			r.await("it is gone", func() bool { return r.cluster("alpha").Name == "" })
			secrets.create("alpha", kubeconfig)
			r.await("it is there", func() bool { return r.streamsLive("alpha") })
		}
		for range 5 {
			round()
		}
		goroutines, before := runtime.NumGoroutine(), heap()
		for range 50 {
			round()
		}
		r.await("goroutines are what they were", func() bool { return runtime.NumGoroutine() <= goroutines+2 })
		// An HTTP/2 connection is kept by a timer of its own for half a minute.
		const most = 256 << 10
		grown := int64(0)
		err := wait.PollUntilContextTimeout(t.Context(), time.Second, patience, true, func(context.Context) (bool, error) {
			grown = heap() - before
			return grown <= most, nil
		})
		if err != nil {
			t.Errorf("the heap has grown by %d KB", grown>>10)
		}
		t.Logf("%d goroutines, %d before; heap grown by %d KB", runtime.NumGoroutine(), goroutines, grown>>10)
		secrets.delete("alpha")
		r.await("it is gone", func() bool { return r.cluster("alpha").Name == "" })
		for _, family := range must(r.registry.Gather())(t) {
			for _, m := range family.GetMetric() {
				for _, l := range m.GetLabel() {
					if l.GetName() == "cluster" && l.GetValue() == "alpha" {
						t.Errorf("%s is left of a member that is gone", family.GetName())
					}
				}
			}
		}
	})
}

// metric adds up the series of a family that have a label of this value.
func metric(r *running, name, label string) (sum float64) {
	families, err := r.registry.Gather()
	if err != nil {
		r.t.Error(err)
	}
	for _, family := range families {
		if family.GetName() != name {
			continue
		}
		for _, m := range family.GetMetric() {
			for _, l := range m.GetLabel() {
				if l.GetValue() == label {
					sum += m.GetCounter().GetValue() + m.GetGauge().GetValue()
				}
			}
		}
	}
	return sum
}
