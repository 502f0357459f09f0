package app

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/fairlead-dev/fairlead/internal/testenv"
)

// TestLeaseWatch: a Lease is judged by when it changes, whatever times it holds.
func TestLeaseWatch(t *testing.T) {
	lease := func(holder, version string) *coordinationv1.Lease {
		renewed := metav1.NewMicroTime(time.Unix(0, 0)) // of a clock that is wrong by decades
		return &coordinationv1.Lease{
			ObjectMeta: metav1.ObjectMeta{UID: "a", ResourceVersion: version},
			Spec:       coordinationv1.LeaseSpec{HolderIdentity: &holder, LeaseDurationSeconds: new(int32(30)), RenewTime: &renewed},
		}
	}
	other := lease("a", "1")
	other.UID = "b"
	short := lease("a", "1")
	short.Spec.LeaseDurationSeconds = nil
	type look struct {
		after time.Duration // since the first one
		lease *coordinationv1.Lease
		want  leaseState
	}
	for name, looks := range map[string][]look{
		"no holder":                {{0, &coordinationv1.Lease{}, leaseFree}},
		"released":                 {{0, lease("", "1"), leaseFree}},
		"expired":                  {{0, lease("a", "1"), leaseHeld}, {29 * time.Second, lease("a", "1"), leaseHeld}, {30 * time.Second, lease("a", "1"), leaseFree}},
		"no duration":              {{0, short, leaseHeld}, {leaseValid - 1, short, leaseHeld}, {leaseValid, short, leaseFree}},
		"renewed":                  {{0, lease("a", "1"), leaseHeld}, {time.Second, lease("a", "2"), leaseRenewed}},
		"renewed late":             {{0, lease("a", "1"), leaseHeld}, {time.Hour, lease("a", "2"), leaseRenewed}},
		"another one in its place": {{0, lease("a", "1"), leaseHeld}, {time.Hour, other, leaseRenewed}},
		"released late":            {{0, lease("a", "1"), leaseHeld}, {time.Second, lease("", "2"), leaseFree}},
		"taken after the release":  {{0, lease("", "1"), leaseFree}, {time.Hour, lease("b", "2"), leaseHeld}, {time.Hour + time.Second, lease("b", "2"), leaseHeld}},
	} {
		var w leaseWatch
		for i, l := range looks {
			if got := w.saw(l.lease, time.Unix(1000, 0).Add(l.after)); got != l.want {
				t.Errorf("%s: look %d: %v, not %v", name, i, got, l.want)
			}
		}
	}
}

type roundTripFunc func(*http.Request) (*http.Response, error)

func (f roundTripFunc) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// removalStand is a Lease and Pods on a real API server.
type removalStand struct {
	t      *testing.T
	config *rest.Config
	client *kubernetes.Clientset
	ns     string
}

// holds writes the Lease as a holder does.
func (s *removalStand) holds(holder string) {
	s.t.Helper()
	leases, ctx := s.client.CoordinationV1().Leases(s.ns), s.t.Context()
	now := metav1.NowMicro()
	spec := coordinationv1.LeaseSpec{HolderIdentity: &holder, LeaseDurationSeconds: new(int32(1)), RenewTime: &now}
	lease, err := leases.Get(ctx, "lock", metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		_, err = leases.Create(ctx, &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Name: "lock"}, Spec: spec}, metav1.CreateOptions{})
	} else if err == nil {
		lease.Spec = spec
		_, err = leases.Update(ctx, lease, metav1.UpdateOptions{})
	}
	if err != nil {
		s.t.Error(err)
	}
}

// isThere reports whether the Lease is.
func (s *removalStand) isThere() bool {
	s.t.Helper()
	_, err := s.client.CoordinationV1().Leases(s.ns).Get(s.t.Context(), "lock", metav1.GetOptions{})
	if err != nil && !apierrors.IsNotFound(err) {
		s.t.Error(err)
	}
	return err == nil
}

// ends makes a Pod on a node that does not answer, and deletes it: it ends, and is left.
func (s *removalStand) ends(pod string) {
	s.t.Helper()
	pods := s.client.CoreV1().Pods(s.ns)
	_ = must(pods.Create(s.t.Context(), &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: pod, Labels: map[string]string{"app": "fairlead"}},
		Spec:       corev1.PodSpec{NodeName: "gone", Containers: []corev1.Container{{Name: "x", Image: "x"}}},
	}, metav1.CreateOptions{}))(s.t)
	if err := pods.Delete(s.t.Context(), pod, metav1.DeleteOptions{}); err != nil {
		s.t.Fatal(err)
	}
	if got := must(pods.Get(s.t.Context(), pod, metav1.GetOptions{}))(s.t); got.DeletionTimestamp == nil {
		s.t.Error("the Pod does not end")
	}
}

// removes has the Lease deleted, while said does what happens when a line is printed. It
// returns the lines.
func (s *removalStand) removes(ctx context.Context, said func(line string)) (lines []string, err error) {
	s.t.Helper()
	r := must(newLeaseRemoval(s.config, s.ns, "lock", s.ns))(s.t)
	r.selector, r.patience = "app=fairlead", 0
	r.say = func(format string, args ...any) error {
		line := fmt.Sprintf(format, args...)
		lines = append(lines, line)
		if said != nil {
			said(line)
		}
		return nil
	}
	err = r.run(ctx)
	return lines, err
}

// TestLeaseRemoval: on a real API server a Lease is deleted when nobody leads by it, and not
// before.
func TestLeaseRemoval(t *testing.T) {
	c := testenv.Start(t, testenv.Spec{Name: "hub"}).Clusters[0]
	client := must(kubernetes.NewForConfig(c.Config()))(t)
	for name, run := range map[string]func(*testing.T, *removalStand){
		"none": func(t *testing.T, s *removalStand) {
			lines, err := s.removes(t.Context(), nil)
			if want := "There is no Lease " + s.ns + "/lock"; err != nil || len(lines) != 1 || lines[0] != want {
				t.Errorf("%v, %q", err, lines)
			}
		},
		"released": func(t *testing.T, s *removalStand) {
			s.holds("")
			lines, err := s.removes(t.Context(), nil)
			if want := "Deleted the Lease " + s.ns + "/lock"; err != nil || len(lines) != 1 || lines[0] != want || s.isThere() {
				t.Errorf("%v, %q", err, lines)
			}
		},
		"not released": func(t *testing.T, s *removalStand) {
			s.holds("killed")
			lines, err := s.removes(t.Context(), func(line string) {
				if strings.Contains(line, "has not released") && !s.isThere() {
					t.Error("it is deleted before it has expired")
				}
			})
			if err != nil || len(lines) != 2 || !strings.HasPrefix(lines[0], "Waits: killed has not released") || s.isThere() {
				t.Errorf("%v, %q", err, lines)
			}
		},
		"renewed": func(t *testing.T, s *removalStand) {
			s.holds("another")
			lines, err := s.removes(t.Context(), func(string) { s.holds("another") })
			if !errors.Is(err, errRenewed) || !strings.Contains(err.Error(), "another") || !s.isThere() {
				t.Errorf("%v, %q", err, lines)
			}
		},
		"a Pod that ends": func(t *testing.T, s *removalStand) {
			s.holds("")
			s.ends("last")
			lines, err := s.removes(t.Context(), func(line string) {
				if !strings.HasPrefix(line, "Waits: Pods are left: "+s.ns+"/last") {
					return
				}
				if !s.isThere() {
					t.Error("it is deleted while a Pod ends")
				}
				if err := s.client.CoreV1().Pods(s.ns).Delete(t.Context(), "last", metav1.DeleteOptions{GracePeriodSeconds: new(int64(0))}); err != nil {
					t.Error(err)
				}
			})
			if err != nil || len(lines) != 2 || s.isThere() {
				t.Errorf("%v, %q", err, lines)
			}
		},
		"a Pod that does not end": func(t *testing.T, s *removalStand) {
			s.holds("")
			s.ends("stuck")
			ctx, cancel := context.WithCancelCause(t.Context())
			lines, err := s.removes(ctx, func(string) { cancel(errors.New("gave up")) })
			if err == nil || !strings.Contains(err.Error(), "Pods are left: "+s.ns+"/stuck: gave up") || !s.isThere() {
				t.Errorf("%v, %q", err, lines)
			}
		},
		"no rights": func(t *testing.T, s *removalStand) {
			s.holds("")
			s.config = rest.CopyConfig(s.config)
			s.config.Impersonate = rest.ImpersonationConfig{UserName: "nobody"}
			lines, err := s.removes(t.Context(), nil)
			if !apierrors.IsForbidden(err) || !strings.Contains(err.Error(), "list Pods with the labels app=fairlead") || !s.isThere() {
				t.Errorf("%v, %q", err, lines)
			}
		},
		"taken before it is deleted": func(t *testing.T, s *removalStand) {
			s.holds("")
			// Between the look at the Lease and the request that deletes it.
			s.config = rest.CopyConfig(s.config)
			take := sync.OnceFunc(func() { s.holds("new") })
			s.config.Wrap(func(next http.RoundTripper) http.RoundTripper {
				return roundTripFunc(func(r *http.Request) (*http.Response, error) {
					if r.Method == http.MethodDelete {
						take()
					}
					return next.RoundTrip(r)
				})
			})
			lines, err := s.removes(t.Context(), func(line string) {
				if strings.Contains(line, "has not released") {
					s.holds("new")
				}
			})
			if !errors.Is(err, errRenewed) || len(lines) != 2 || !strings.Contains(lines[0], "was written to meanwhile") || !s.isThere() {
				t.Errorf("%v, %q", err, lines)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			run(t, &removalStand{t: t, config: c.Config(), client: client, ns: c.NewNamespace(t)})
		})
	}
}

func TestPodNames(t *testing.T) {
	var pods []corev1.Pod
	for _, name := range []string{"a", "b", "c", "d", "e", "f", "g"} {
		pods = append(pods, corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: name}})
	}
	for n, want := range map[int]string{1: "ns/a", 5: "ns/a, ns/b, ns/c, ns/d, ns/e", 7: "ns/a, ns/b, ns/c, ns/d, ns/e, and 2 more"} {
		if got := podNames(pods[:n]); got != want {
			t.Errorf("%d Pods: %s", n, got)
		}
	}
}

// TestLeaseDeleteCommand: what is wrong with the arguments is an error; a Lease that stays
// is one too, but for --best-effort.
func TestLeaseDeleteCommand(t *testing.T) {
	run := func(args ...string) (stdout, stderr string, err error) {
		var out, errs strings.Builder
		cmd := NewCommand(Options{})
		cmd.SetOut(&out)
		cmd.SetErr(&errs)
		cmd.SetArgs(append([]string{"lease", "delete"}, args...))
		err = cmd.ExecuteContext(t.Context())
		return out.String(), errs.String(), err
	}
	for _, bad := range [][]string{
		{}, {"lock"}, {"a/b/c"}, {"A/b"}, {"ns/lock", "--pod-namespace=A"}, {"ns/lock", "--selector="}, {"ns/lock", "--selector=a=,,"}, {"ns/lock", "--timeout=0s"},
	} {
		if _, _, err := run(append(bad, "--best-effort")...); err == nil {
			t.Errorf("%q is accepted", bad)
		}
	}
	unknown := filepath.Join(t.TempDir(), "none")
	silent := writeKubeconfig(t, target{"hub", &rest.Config{Host: "http://" + silent(t)}})
	for _, test := range []struct {
		hub   string
		says  []string
		never string
	}{
		{unknown, []string{"the Lease ns/lock stays: the hub is not described", "--hub-kubeconfig", "KUBECONFIG", unknown}, "kubectl --namespace"},
		{silent, []string{"the Lease ns/lock stays: ", "gave up", "kubectl --namespace=ns delete lease lock"}, "not described"},
	} {
		args := []string{"ns/lock", "--hub-kubeconfig=" + test.hub, "--timeout=1ms"}
		_, stderr, err := run(args...)
		if err == nil || stderr != "" {
			t.Errorf("%v, %q", err, stderr)
		}
		_, best, none := run(append(args, "--best-effort")...)
		if none != nil {
			t.Errorf("with --best-effort: %v", none)
		}
		for _, said := range []string{fmt.Sprint(err), best} {
			for _, want := range test.says {
				if !strings.Contains(said, want) {
					t.Errorf("%q is not in %s", want, said)
				}
			}
			if strings.Contains(said, test.never) {
				t.Errorf("%q is in %s", test.never, said)
			}
		}
	}
}
