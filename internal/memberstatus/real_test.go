package memberstatus

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/go-logr/logr/funcr"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/rest"

	"github.com/fairlead-dev/fairlead/internal/apiclient"
	"github.com/fairlead-dev/fairlead/internal/testenv"
)

// patience bounds what has to come about.
const patience = 2 * time.Minute

// realHub is a namespace of a real API server.
type realHub struct {
	t         *testing.T
	config    *rest.Config
	namespace string
	hub       hub
}

func startHub(t *testing.T) *realHub {
	c := testenv.Start(t, testenv.Spec{Name: "hub"}).Clusters[0]
	r := &realHub{t: t, config: c.Config(), namespace: c.NewNamespace(t)}
	r.hub = hub{r.namespace, apiclient.NewCaller(apiclient.CallerOptions{
		Config: func() (*rest.Config, error) { return r.config, nil }, Timeout: patience, Connections: 2,
	})}
	t.Cleanup(r.hub.caller.Close)
	return r
}

// do makes a request that has to succeed.
func (r *realHub) do(c apiclient.Call) []byte {
	r.t.Helper()
	text, err := r.hub.caller.Do(r.t.Context(), c, 16<<20)
	if err != nil {
		r.t.Fatal(err)
	}
	return text
}

func (r *realHub) applyCRD() {
	r.t.Helper()
	r.do(apiclient.Call{
		Method: http.MethodPatch, Path: "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/memberclusters.fairlead.dev",
		Query:       url.Values{"fieldManager": {"test"}, "force": {"true"}, "fieldValidation": {"Strict"}},
		ContentType: apiclient.TypeApply, Body: CRD(),
	})
}

// writer runs a Writer, until stop at the latest.
func (r *realHub) writer(c *crowd, log logr.Logger) (w *Writer, stop func()) {
	w = New(Options{
		Namespace: r.namespace, Members: c.all, Log: log, Known: func() bool { return true },
		Config: func() (*rest.Config, error) { return r.config, nil }, QPS: 100, Burst: 100,
	})
	ctx, cancel := context.WithCancel(r.t.Context())
	ended := make(chan error, 1)
	go func() { ended <- w.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			r.t.Error(err)
		}
	})
	r.t.Cleanup(stop)
	return w, stop
}

// await waits until the objects are as ok wants them.
func (r *realHub) await(what string, ok func(map[string]*held) bool) map[string]*held {
	r.t.Helper()
	var found map[string]*held
	var last error
	if err := wait.PollUntilContextTimeout(r.t.Context(), 50*time.Millisecond, patience, true, func(ctx context.Context) (bool, error) {
		found, last = r.hub.list(ctx)
		return last == nil && ok(found), nil
	}); err != nil {
		r.t.Fatalf("%s: did not come about: %v; there is %+v", what, last, found)
	}
	return found
}

func (h *held) is(kind string, status metav1.ConditionStatus) bool {
	if h == nil || h.status == nil {
		return false
	}
	for _, c := range h.status.Conditions {
		if c.Type == kind {
			return c.Status == status
		}
	}
	return false
}

// On a real API server: without the CRD a writer says what to do, and works once it is
// there; the object shows what kubectl get shows; another process goes on with the times
// of the first, which has no say any more; and the object of a member that has left goes.
func TestOnARealHub(t *testing.T) {
	r := startHub(t)
	var mu sync.Mutex
	var logs strings.Builder
	log := funcr.New(func(_, line string) {
		mu.Lock()
		defer mu.Unlock()
		logs.WriteString(line + "\n")
	}, funcr.Options{})
	next := metav1.NewTime(time.Now().Add(time.Minute))
	full := reachable(true)
	full.Conditions[0].LastTransitionTime = metav1.NewTime(time.Unix(1_700_000_000, 0))
	full.State, full.UID, full.ServerVersion, full.NextRetry = "live", "u-1", "v1.37.0", &next
	full.Streams, full.Routes = Streams{2, 3}, []Route{{"stdout:", true}, {"file:x", false}}
	c := &crowd{members: map[string]*Status{"paris": full, "Rome / old": reachable(false)}}
	first, stop := r.writer(c, log)
	if err := wait.PollUntilContextTimeout(t.Context(), 20*time.Millisecond, patience, true, func(context.Context) (bool, error) {
		mu.Lock()
		defer mu.Unlock()
		return strings.Contains(logs.String(), "deploy/components/hub-memberclusters"), nil
	}); err != nil {
		t.Fatalf("it does not say that the CRD is missing: %s", logs.String())
	}
	r.applyCRD()
	found := r.await("both have objects", func(all map[string]*held) bool {
		return all["paris"].is("Reachable", metav1.ConditionTrue) && all["Rome / old"].is("Reachable", metav1.ConditionFalse)
	})
	if got, want := found["paris"].status.text(), full.bounded().text(); got != want {
		t.Errorf("the status is\n%s, want\n%s", got, want)
	}
	var shown struct {
		ColumnDefinitions []struct{ Name string }
		Rows              []struct{ Cells []any }
	}
	text := r.do(apiclient.Call{Method: http.MethodGet, Path: r.hub.path("paris"), Accept: "application/json;as=Table;g=meta.k8s.io;v=v1"})
	if err := json.Unmarshal(text, &shown); err != nil {
		t.Fatal(err)
	}
	columns := map[string]any{}
	for i, c := range shown.ColumnDefinitions {
		columns[c.Name] = shown.Rows[0].Cells[i]
	}
	for name, want := range map[string]any{"Name": "paris", "Reachable": "True", "Version": "v1.37.0", "Live": 2.0, "Streams": 3.0, "UID": "u-1", "Attempt": 0.0, "Next Retry": next.UTC().Format(time.RFC3339)} {
		if columns[name] != want {
			t.Errorf("kubectl get shows %s %v, want %v", name, columns[name], want)
		}
	}

	// Another process leads now.
	stop()
	late := *first.held["paris"]
	changed := *full
	changed.Attempt, changed.Conditions = 7, []metav1.Condition{full.Conditions[0]}
	changed.Conditions[0].LastTransitionTime = metav1.Now()
	c2 := &crowd{members: map[string]*Status{"paris": &changed}}
	_, _ = r.writer(c2, logr.Discard())
	found = r.await("the second has written", func(all map[string]*held) bool { return all["paris"].status.Attempt == 7 && len(all) == 1 })
	if at := found["paris"].status.Conditions[0].LastTransitionTime; at.Unix() != 1_700_000_000 {
		t.Errorf("reachable since %v: another leader is no news of the member", at)
	}
	if _, err := first.hub.apply(t.Context(), "paris", &late, full); !errors.Is(err, errChanged) {
		t.Errorf("what the first writes late: %v, want it to be refused", err)
	}
	if _, err := first.hub.get(t.Context(), "Rome / old"); err != nil {
		t.Error(err)
	}
}
