package app

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"

	"github.com/fairlead-dev/fairlead/internal/testenv"
)

// TestTheLabelIsTheLeaders: on a real API server, the label is on the Pod of the leader
// and on no other of its election, whatever one that was killed has left behind.
func TestTheLabelIsTheLeaders(t *testing.T) {
	c := testenv.Start(t, testenv.Spec{Name: "hub"}).Clusters[0]
	ns := c.NewNamespace(t)
	client := must(corev1client.NewForConfig(c.Config()))(t)
	pods := client.Pods(ns)
	for name, meta := range map[string]metav1.ObjectMeta{
		"a": {Labels: map[string]string{"app": "fairlead"}},
		"b": {Labels: map[string]string{roleLabel: leaderRole}, Annotations: map[string]string{lockAnnotation: "lease:ns/one"}},
		"c": {Labels: map[string]string{roleLabel: leaderRole}, Annotations: map[string]string{lockAnnotation: "lease:ns/another"}},
		"d": {Labels: map[string]string{roleLabel: leaderRole}}, // somebody else's
		"e": {},
	} {
		meta.Name = name
		_ = must(pods.Create(t.Context(), &corev1.Pod{ObjectMeta: meta, Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "x", Image: "x"}}}}, metav1.CreateOptions{}))(t)
	}
	labelled := func() map[string]bool {
		is := map[string]bool{}
		for _, p := range must(pods.List(t.Context(), metav1.ListOptions{LabelSelector: roleLabel + "=" + leaderRole}))(t).Items {
			is[p.Name] = true
		}
		return is
	}
	await := func(when string, want ...string) {
		t.Helper()
		is := map[string]bool{"c": true, "d": true}
		for _, name := range want {
			is[name] = true
		}
		diff := "-"
		if err := wait.PollUntilContextTimeout(t.Context(), 50*time.Millisecond, patience, true, func(context.Context) (bool, error) {
			diff = cmp.Diff(is, labelled())
			return diff == "", nil
		}); err != nil {
			t.Fatalf("%s: who has the label (-want +got):\n%s", when, diff)
		}
	}
	start := func(pod string, leads bool) (set func(bool), stop func()) {
		var is atomic.Bool
		is.Store(leads)
		l := &leaderLabel{pods: pods, pod: pod, lock: "lease:ns/one", leads: is.Load, log: newLogger(outputOf(t), "info", "text")}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			l.run(ctx)
		}()
		stop = func() {
			cancel()
			<-ended
		}
		t.Cleanup(stop)
		return is.Store, stop
	}
	await("before", "b")
	lead, stopA := start("a", true)
	await("a leads", "a")
	lead(false)
	await("a does not lead any more")
	_, stopE := start("e", true)
	await("e leads", "e")
	lead(true) // and e goes on believing that it does, until it looks again
	await("a has taken over", "a")
	stopE()
	await("e has ended", "a")
	stopA()
	await("a has ended")
	if got := must(pods.Get(t.Context(), "a", metav1.GetOptions{}))(t); got.Labels["app"] != "fairlead" || got.Annotations[lockAnnotation] != "" {
		t.Errorf("what is left of it on the Pod: %v, %v", got.Labels, got.Annotations)
	}
	_, stopB := start("b", false)
	lead2, _ := start("gone", true) // whose Pod is deleted
	lead2(false)
	await("a process that was killed has started again, as a follower")
	stopB()
}

func TestFlagsThatShowTheLeader(t *testing.T) {
	elect := []string{"--watch=pods", "--leader-elect", "--leader-elect-lock=lease:a/b"}
	for _, good := range []string{"--leader-label=ns/fairlead-0", "--advertise-address=10.0.0.7"} {
		if _, err := parseFlags(t, append(elect, good)...); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
	for _, bad := range [][]string{
		append(elect, "--leader-label=fairlead-0"),
		append(elect, "--leader-label=$(POD_NAMESPACE)/$(POD_NAME)"),
		append(elect, "--advertise-address=a/b"),
		{"--watch=pods", "--leader-label=ns/fairlead-0"},
	} {
		if _, err := parseFlags(t, bad...); err == nil {
			t.Errorf("%v is taken", bad)
		}
	}
}
