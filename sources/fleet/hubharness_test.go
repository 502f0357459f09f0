package fleet

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr/funcr"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/fairlead-dev/fairlead/internal/testenv"
)

// patience bounds every wait for something that must come about.
const patience = 2 * time.Minute

// hubEnv is a real hub for the tests of one function.
type hubEnv struct {
	*testenv.Cluster
	*kubernetes.Clientset
}

func newHubEnv(t *testing.T, specs ...testenv.Spec) *hubEnv {
	t.Helper()
	if len(specs) == 0 {
		specs = []testenv.Spec{{Name: "hub"}}
	}
	cluster := testenv.Start(t, specs...).Clusters[0]
	client, httpClient := clientOf(t, cluster.Config())
	t.Cleanup(httpClient.CloseIdleConnections)
	return &hubEnv{cluster, client}
}

func clientOf(t *testing.T, cfg *rest.Config) (*kubernetes.Clientset, *http.Client) {
	t.Helper()
	httpClient, err := rest.HTTPClientFor(cfg)
	if err != nil {
		t.Fatal(err)
	}
	client, err := kubernetes.NewForConfigAndClient(cfg, httpClient)
	if err != nil {
		t.Fatal(err)
	}
	return client, httpClient
}

func (h *hubEnv) create(t *testing.T, s *corev1.Secret) {
	t.Helper()
	if _, err := h.CoreV1().Secrets(s.Namespace).Create(t.Context(), s, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
}

func (h *hubEnv) delete(t *testing.T, namespace, name string) {
	t.Helper()
	if err := h.CoreV1().Secrets(namespace).Delete(t.Context(), name, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
}

// set changes a key of a Secret.
func (h *hubEnv) set(t *testing.T, namespace, name, key, value string) {
	t.Helper()
	h.patch(t, namespace, name, map[string]any{"stringData": map[string]string{key: value}})
}

// annotate sets an annotation, or removes it if the value is empty.
func (h *hubEnv) annotate(t *testing.T, namespace, name, key, value string) {
	t.Helper()
	annotations := map[string]any{key: value}
	if value == "" {
		annotations[key] = nil
	}
	h.patch(t, namespace, name, map[string]any{"metadata": map[string]any{"annotations": annotations}})
}

func (h *hubEnv) patch(t *testing.T, namespace, name string, patch any) {
	t.Helper()
	data, err := json.Marshal(patch)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.CoreV1().Secrets(namespace).Patch(t.Context(), name, types.MergePatchType, data, metav1.PatchOptions{}); err != nil {
		t.Fatal(err)
	}
}

func newSecret(namespace, name, label, value string, data map[string]string) *corev1.Secret {
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, Labels: map[string]string{label: value}},
		StringData: data,
	}
}

func ownSecret(namespace, name, text string) *corev1.Secret {
	return newSecret(namespace, name, labelOwn, "true", map[string]string{"kubeconfig": text})
}

// live is a fleet that runs, and what it has told. It never polls again after
// its start, so whatever it tells later, the hub has woken it for.
type live struct {
	*Fleet
	t *testing.T

	mu      sync.Mutex
	members map[string]Member
	calls   []string
	logs    strings.Builder
	news    chan struct{} // something was told
}

func (l *live) Set(m Member) {
	l.mu.Lock()
	l.members[m.Name] = m
	l.calls = append(l.calls, "set "+m.Name)
	l.mu.Unlock()
	l.tell()
}

func (l *live) Remove(name string) {
	l.mu.Lock()
	delete(l.members, name)
	l.calls = append(l.calls, "remove "+name)
	l.mu.Unlock()
	l.tell()
}

func (l *live) tell() {
	select {
	case l.news <- struct{}{}:
	default:
	}
}

func (l *live) logLine(_, args string) {
	l.mu.Lock()
	fmt.Fprintln(&l.logs, args)
	l.mu.Unlock()
	l.tell()
}

// names returns the members' names, sorted.
func (l *live) names() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var names []string
	for name := range l.members {
		names = append(names, name)
	}
	slices.Sort(names)
	return strings.Join(names, " ")
}

// told returns the calls of the handler so far.
func (l *live) told() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.calls)
}

func (l *live) member(name string) Member {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.members[name]
}

func (l *live) text() string {
	var all []string
	for _, p := range l.Problems() {
		all = append(all, p.Error())
	}
	return strings.Join(all, "\n")
}

// until waits for something to become so.
func (l *live) until(what string, is func() bool) {
	l.t.Helper()
	ctx, cancel := context.WithTimeout(l.t.Context(), patience)
	defer cancel()
	for !is() {
		select {
		case <-l.news:
		case <-ctx.Done():
			l.t.Fatalf("not in time: %s\nmembers: %s\nproblems:\n%s", what, l.names(), l.text())
		}
	}
}

func (l *live) untilNames(names string) {
	l.t.Helper()
	l.until("the members are "+names, func() bool { return l.names() == names })
}

func (l *live) untilProblem(text string) {
	l.t.Helper()
	l.until("problem "+text, func() bool { return strings.Contains(l.text(), text) })
}

func (l *live) untilNoProblem() {
	l.t.Helper()
	l.until("no problem", func() bool { return l.text() == "" })
}

// startLive runs a fleet until the test ends, and fails the test if that leaves
// an error or a secret was shown.
func startLive(t *testing.T, hub *rest.Config, o ParseOptions, values ...string) *live {
	t.Helper()
	providers, err := o.Parse(values)
	if err != nil {
		t.Fatal(err)
	}
	l := &live{t: t, members: map[string]Member{}, news: make(chan struct{}, 1)}
	l.Fleet = New(Options{
		Providers: providers, Handler: l, Hub: hub, PollInterval: time.Hour, NameHold: 2 * time.Second,
		Log: funcr.New(l.logLine, funcr.Options{}),
	})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- l.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
		if shown := l.logs.String() + l.text(); strings.Contains(shown, secret) {
			t.Errorf("a secret is shown:\n%s", shown)
		}
	})
	return l
}

// untilEvents waits until Events on an object have these reasons and notes, and
// returns them by reason.
func (h *hubEnv) untilEvents(t *testing.T, namespace, name string, enough func(map[string]eventsv1.Event) bool) map[string]eventsv1.Event {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	found := map[string]eventsv1.Event{}
	w, err := h.EventsV1().Events(namespace).Watch(ctx, metav1.ListOptions{FieldSelector: "regarding.name=" + name})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Stop()
	for !enough(found) {
		change, ok := <-w.ResultChan()
		if !ok {
			t.Fatalf("the Events on %s are not in time: %v", name, found)
		}
		if e, ok := change.Object.(*eventsv1.Event); ok {
			if strings.Contains(e.Note, secret) {
				t.Errorf("a secret is shown: %s", e.Note)
			}
			found[e.Reason] = *e
		}
	}
	return found
}
