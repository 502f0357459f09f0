package propagation_test

import (
	"context"
	"errors"
	"testing"

	"github.com/go-logr/logr"
	"go.uber.org/goleak"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/fairlead-dev/fairlead/internal/leaks"
	"github.com/fairlead-dev/fairlead/internal/testenv"
	"github.com/fairlead-dev/fairlead/sources/propagation"
)

func TestMain(m *testing.M) {
	ctrllog.SetLogger(logr.Discard())
	goleak.VerifyTestMain(leaks.Patient(m))
}

const owner = "propagation-test/hub"

// site is a member without a cache; before is called before its next write.
type site struct {
	client.Client
	t      *testing.T
	ns     string
	before func()
}

func (s *site) GetClient() client.Client    { return s }
func (s *site) GetAPIReader() client.Reader { return s.Client }

func (s *site) interrupt() {
	if f := s.before; f != nil {
		s.before = nil
		f()
	}
}

func (s *site) Create(ctx context.Context, o client.Object, opts ...client.CreateOption) error {
	s.interrupt()
	return s.Client.Create(ctx, o, opts...)
}

func (s *site) Apply(ctx context.Context, o runtime.ApplyConfiguration, opts ...client.ApplyOption) error {
	s.interrupt()
	return s.Client.Apply(ctx, o, opts...)
}

func (s *site) Patch(ctx context.Context, o client.Object, p client.Patch, opts ...client.PatchOption) error {
	s.interrupt()
	return s.Client.Patch(ctx, o, p, opts...)
}

func (s *site) Delete(ctx context.Context, o client.Object, opts ...client.DeleteOption) error {
	s.interrupt()
	return s.Client.Delete(ctx, o, opts...)
}

func newSite(t *testing.T) *site {
	t.Helper()
	c := testenv.Start(t, testenv.Spec{Name: "member"}).Clusters[0]
	httpClient, err := rest.HTTPClientFor(c.Config())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(httpClient.CloseIdleConnections)
	direct, err := client.New(c.Config(), client.Options{HTTPClient: httpClient})
	if err != nil {
		t.Fatal(err)
	}
	return &site{Client: direct, t: t, ns: c.NewNamespace(t)}
}

func at(term uint64, resourceVersion string) propagation.Version {
	return propagation.Version{Term: term, UID: "source", ResourceVersion: resourceVersion}
}

func (s *site) apply(name string, v propagation.Version, data map[string]string) error {
	want := corev1ac.ConfigMap(name, s.ns).WithData(data)
	return propagation.ApplyIfNewer(s.t.Context(), s, want, &corev1.ConfigMap{}, propagation.Options{Owner: owner, Version: v})
}

func (s *site) delete(name string, v propagation.Version) (bool, error) {
	have := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: s.ns, Name: name}}
	return propagation.DeleteIfNewer(s.t.Context(), s, have, propagation.Options{Owner: owner, Version: v})
}

// holds checks what a copy holds, and of which version; nil: that there is none.
func (s *site) holds(name string, v propagation.Version, want map[string]string) {
	s.t.Helper()
	var have corev1.ConfigMap
	err := s.Get(s.t.Context(), client.ObjectKey{Namespace: s.ns, Name: name}, &have)
	if want == nil {
		if !apierrors.IsNotFound(err) {
			s.t.Errorf("%s is there: %v, %v", name, have.Data, err)
		}
		return
	}
	got, _ := propagation.Read(&have)
	same := len(have.Data) == len(want)
	for k := range want {
		same = same && have.Data[k] == want[k]
	}
	if err != nil || got != v || !same {
		s.t.Errorf("%s holds %v of %+v (%v), want %v of %+v", name, have.Data, got, err, want, v)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func refusedAsOlder(t *testing.T, what string, err error) {
	t.Helper()
	if !errors.Is(err, propagation.ErrOlder) || !apierrors.IsConflict(err) {
		t.Errorf("%s: %v, want a Conflict that is ErrOlder", what, err)
	}
}

func refusedAsChanged(t *testing.T, what string, err error) {
	t.Helper()
	if errors.Is(err, propagation.ErrOlder) || !apierrors.IsConflict(err) && !apierrors.IsAlreadyExists(err) {
		t.Errorf("%s: %v, want a refusal of the API server's", what, err)
	}
}

type data = map[string]string

func TestApplyIfNewer(t *testing.T) {
	s := newSite(t)
	for name, test := range map[string]func(t *testing.T, s *site){
		"follows": func(t *testing.T, s *site) {
			must(t, s.apply("x", at(1, "5"), data{"v": "5", "w": "5"}))
			s.holds("x", at(1, "5"), data{"v": "5", "w": "5"})
			must(t, s.apply("x", at(1, "6"), data{"v": "6"})) // what a create has set goes
			s.holds("x", at(1, "6"), data{"v": "6"})
			must(t, s.apply("x", at(1, "6"), data{"v": "6"}))
			refusedAsOlder(t, "an older state", s.apply("x", at(1, "5"), data{"v": "5"}))
			must(t, s.apply("x", at(2, "6"), data{"v": "6"}))
			refusedAsOlder(t, "an earlier term", s.apply("x", at(1, "7"), data{"v": "7"}))
			refusedAsOlder(t, "a later term that is behind", s.apply("x", at(3, "5"), data{"v": "5"}))
			s.holds("x", at(2, "6"), data{"v": "6"})
			_, err := s.delete("x", at(1, "9"))
			refusedAsOlder(t, "a deletion of an earlier term", err)
			gone, err := s.delete("x", at(2, "9"))
			if err != nil || !gone {
				t.Errorf("deleted: %v, %v", gone, err)
			}
			s.holds("x", at(0, ""), nil)
			gone, err = s.delete("x", at(2, "9"))
			if err != nil || !gone {
				t.Errorf("deleted once more: %v, %v", gone, err)
			}
		},
		// A process was stopped after it had looked, and goes on once another one
		// has written.
		"late create": func(t *testing.T, s *site) {
			s.before = func() { must(t, s.apply("late", at(2, "5"), data{"v": "new"})) }
			refusedAsChanged(t, "a late create", s.apply("late", at(1, "5"), data{"v": "old"}))
			s.holds("late", at(2, "5"), data{"v": "new"})
			refusedAsOlder(t, "the same again", s.apply("late", at(1, "5"), data{"v": "old"}))
		},
		"late apply": func(t *testing.T, s *site) {
			must(t, s.apply("late2", at(1, "5"), data{"v": "5"}))
			s.before = func() { must(t, s.apply("late2", at(2, "6"), data{"v": "new"})) }
			refusedAsChanged(t, "a late apply", s.apply("late2", at(1, "6"), data{"v": "old"}))
			s.holds("late2", at(2, "6"), data{"v": "new"})
		},
		"late delete": func(t *testing.T, s *site) {
			must(t, s.apply("late3", at(1, "5"), data{"v": "5"}))
			s.before = func() { must(t, s.apply("late3", at(2, "6"), data{"v": "new"})) }
			gone, err := s.delete("late3", at(1, "6"))
			refusedAsChanged(t, "a late delete", err)
			if gone {
				t.Error("it is called gone")
			}
			s.holds("late3", at(2, "6"), data{"v": "new"})
		},
		// A process ended after its create: its fields are taken over.
		"half a create": func(t *testing.T, s *site) {
			ctx, kill := context.WithCancel(t.Context())
			s.before = func() { s.before = kill } // before the second write
			want := corev1ac.ConfigMap("half", s.ns).WithData(data{"v": "5", "w": "5"})
			err := propagation.ApplyIfNewer(ctx, s, want, &corev1.ConfigMap{}, propagation.Options{Owner: owner, Version: at(1, "5")})
			if !errors.Is(err, context.Canceled) {
				t.Errorf("it went on: %v", err)
			}
			must(t, s.apply("half", at(2, "6"), data{"v": "6"}))
			s.holds("half", at(2, "6"), data{"v": "6"})
		},
		"drift": func(t *testing.T, s *site) {
			must(t, s.apply("drift", at(1, "5"), data{"v": "right"}))
			var have corev1.ConfigMap
			must(t, s.Get(t.Context(), client.ObjectKey{Namespace: s.ns, Name: "drift"}, &have))
			have.Data["v"] = "wrong"
			must(t, s.Update(t.Context(), &have, client.FieldOwner("kubectl-edit")))
			must(t, s.apply("drift", at(1, "5"), data{"v": "right"}))
			s.holds("drift", at(1, "5"), data{"v": "right"})
		},
		"applied by somebody else": func(t *testing.T, s *site) {
			must(t, s.apply("claimed", at(1, "5"), data{"v": "ours"}))
			theirs := corev1ac.ConfigMap("claimed", s.ns).WithData(data{"v": "theirs"})
			must(t, s.Client.Apply(t.Context(), theirs, client.FieldOwner("gitops"), client.ForceOwnership))
			err := s.apply("claimed", at(1, "6"), data{"v": "ours again"})
			if !apierrors.HasStatusCause(err, metav1.CauseTypeFieldManagerConflict) || errors.Is(err, propagation.ErrOlder) {
				t.Errorf("%v, want a conflict of field managers", err)
			}
			s.holds("claimed", at(1, "5"), data{"v": "theirs"})
		},
		"foreign": func(t *testing.T, s *site) {
			must(t, s.Client.Create(t.Context(), &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: s.ns, Name: "taken"}, Data: data{"v": "theirs"}}))
			if err := s.apply("taken", at(1, "5"), data{"v": "ours"}); !errors.Is(err, propagation.ErrForeign) {
				t.Errorf("%v, want ErrForeign", err)
			}
			if gone, err := s.delete("taken", at(1, "5")); err != nil || !gone {
				t.Errorf("what is not ours is no copy that is left: %v, %v", gone, err)
			}
			s.holds("taken", propagation.Version{}, data{"v": "theirs"})
		},
		// A member may write anything into the annotation. That is of no consequence
		// but for its copy.
		"damaged annotation": func(t *testing.T, s *site) {
			must(t, s.apply("damaged", at(1, "5"), data{"v": "5"}))
			var have corev1.ConfigMap
			must(t, s.Get(t.Context(), client.ObjectKey{Namespace: s.ns, Name: "damaged"}, &have))
			have.Annotations[propagation.Annotation] = `{"term":[]}`
			must(t, s.Update(t.Context(), &have))
			must(t, s.apply("damaged", at(1, "5"), data{"v": "5"}))
			s.holds("damaged", at(1, "5"), data{"v": "5"})
		},
		"waits for finalizers": func(t *testing.T, s *site) {
			must(t, s.apply("held", at(1, "5"), data{"v": "5"}))
			key := client.ObjectKey{Namespace: s.ns, Name: "held"}
			var have corev1.ConfigMap
			must(t, s.Get(t.Context(), key, &have))
			have.Finalizers = []string{"example.org/held"}
			must(t, s.Update(t.Context(), &have))
			if gone, err := s.delete("held", at(1, "5")); err != nil || gone {
				t.Errorf("gone although a finalizer holds it: %v, %v", gone, err)
			}
			must(t, s.Get(t.Context(), key, &have))
			have.Finalizers = nil
			must(t, s.Update(t.Context(), &have))
			if gone, err := s.delete("held", at(1, "5")); err != nil || !gone {
				t.Errorf("not gone: %v, %v", gone, err)
			}
		},
		"incomplete": func(t *testing.T, s *site) {
			if err := s.apply("", at(1, "5"), nil); err == nil {
				t.Error("a copy without a name is applied")
			}
			want := corev1ac.ConfigMap("x", s.ns)
			if err := propagation.ApplyIfNewer(t.Context(), s, want, &corev1.ConfigMap{}, propagation.Options{}); err == nil {
				t.Error("a copy without an owner is applied")
			}
			if _, err := propagation.DeleteIfNewer(t.Context(), s, &corev1.ConfigMap{}, propagation.Options{}); err == nil {
				t.Error("a copy without an owner is deleted")
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			test(t, &site{Client: s.Client, t: t, ns: s.ns})
		})
	}
}
