package stream

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/fairlead-dev/fairlead/internal/ledger"
	"github.com/fairlead-dev/fairlead/internal/testenv"
	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/pipeline/selection"
)

func rulesOf(t *testing.T, texts selection.Texts) *selection.Rules {
	t.Helper()
	rules, err := selection.Parse(texts, selection.ParseOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return rules
}

// slowly is a slow queue with room for everything, of one route of several.
type slowly struct{ *slow }

func (s slowly) TryOffer(c *pipeline.Change, priority int) error {
	return s.Offer(context.Background(), c, priority)
}

// testSelects: routes with rules of their own on one watch. Each sink ends up with what
// its rules select, an audit finds nothing in that, and what somebody breaks is found.
func testSelects(t *testing.T, cluster *testenv.Cluster) {
	namespace := cluster.NewNamespace(t)
	r := follow(t, cluster.Config(), "cm?namespace="+namespace)
	r.stop()
	mirrors := map[string]*mirror{}
	route := func(name string, texts selection.Texts) {
		m := &mirror{objects: map[string]*pipeline.Change{}, ops: map[string]int{}}
		slow := newSlow(m)
		t.Cleanup(slow.stop)
		mirrors[name] = m
		r.opts.Routes = append(r.opts.Routes, Route{Name: name, Queue: slowly{slow}, Rules: rulesOf(t, texts)})
	}
	r.opts.Routes = nil
	route("even", selection.Texts{Where: []string{"configmaps: object.data['parity'] == 'even'"}})
	route("tens", selection.Texts{Changed: []string{"configmaps: data.tens"}, Drop: []string{"configmaps: data.n"}})
	route("even tens", selection.Texts{Where: []string{"configmaps: object.data['parity'] == 'even'"}, Changed: []string{"configmaps: data.tens,data.parity"}})
	r.opts.Rules = rulesOf(t, selection.Texts{Where: []string{"configmaps: !has(object.metadata.labels) || !('skip' in object.metadata.labels)"}})
	r.opts.Config.AuditInterval = 50 * time.Millisecond
	r.run()
	r.wantLive()

	const names = 200
	write := func(ctx context.Context, i int) {
		objects := r.client.Resource(configMaps).Namespace(namespace)
		o := &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": "v1", "kind": "ConfigMap",
			"metadata": map[string]any{"name": fmt.Sprint("cm-", i%names)},
			"data":     map[string]any{"n": strconv.Itoa(i), "tens": strconv.Itoa(i / 2000), "parity": []string{"even", "odd"}[i/names%7%2]},
		}}
		if i%11 == 0 {
			o.SetLabels(map[string]string{"skip": ""})
		}
		if i%13 == 0 {
			_ = objects.Delete(ctx, o.GetName(), metav1.DeleteOptions{})
		} else if _, err := objects.Update(ctx, o, metav1.UpdateOptions{}); err != nil {
			_, _ = objects.Create(ctx, o, metav1.CreateOptions{}) // others write, too
		}
	}
	churn := func(until func(Status) string) {
		t.Helper()
		ctx, cancel := context.WithCancel(t.Context())
		var writers sync.WaitGroup
		defer writers.Wait()
		defer cancel()
		for w := range 2 {
			writers.Go(func() {
				for i := w; ctx.Err() == nil; i += 2 {
					write(t.Context(), i) // what becomes of a write that is given up, nobody knows
				}
			})
		}
		r.eventually("audits while many changes come by", func() string { return until(r.stream.Status()) })
	}
	churn(func(s Status) string {
		if s.Audits["clean"] < 3 || s.Observed < 1500 {
			return fmt.Sprintf("%v, %d observed", s.Audits, s.Observed)
		}
		return ""
	})
	healthy := func() {
		t.Helper()
		if s := r.stream.Status(); s.AuditDifferences != 0 || s.Snapshots["audit"] != 0 {
			t.Errorf("a healthy stream differs: %+v", s)
		}
	}
	healthy()
	r.wantSelected(namespace, mirrors)

	before := r.stream.Status()
	r.stop() // what a process before left as unchanged is so to the next one
	r.run()
	r.wantLive()
	r.eventually("audits after a restart", func() string {
		if s := r.stream.Status(); s.Audits["clean"] < 2 {
			return fmt.Sprintf("%v", s.Audits)
		}
		return ""
	})
	healthy()
	if before.Unchanged+before.Routes[1].Filtered == 0 || before.Routes[0].Filtered == 0 {
		t.Errorf("the rules had nothing to do: %+v", before)
	}
	t.Logf("%v; %d observed, %d unchanged for all, %+v", before.Audits, before.Observed, before.Unchanged, before.Routes)

	_, even, err := r.stream.cursorOf("even")
	if err != nil {
		t.Fatal(err)
	}
	write(t.Context(), 201) // odd
	list, err := r.client.Resource(configMaps).Namespace(namespace).Get(t.Context(), "cm-1", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	r.wantSelected(namespace, mirrors)
	pretend(even, ledger.Name{Namespace: namespace, Name: "cm-1"}, ledger.Version{UID: string(list.GetUID()), ResourceVersion: list.GetResourceVersion()}, false)
	r.eventually("an audit to find what a sink has beyond its selection", func() string {
		if s := r.stream.Status(); s.AuditDifferences == 0 {
			return fmt.Sprintf("%v", s.Audits)
		}
		return ""
	})
	r.wantSelected(namespace, mirrors)
}

// wantSelected waits until each sink has what its rules select.
func (r *realStream) wantSelected(namespace string, mirrors map[string]*mirror) {
	r.t.Helper()
	list, err := r.client.Resource(configMaps).Namespace(namespace).List(r.t.Context(), metav1.ListOptions{})
	if err != nil {
		r.t.Fatal(err)
	}
	r.eventually("the sinks to have what they select", func() string {
		for name, m := range mirrors {
			right := 0
			for _, o := range list.Items {
				data, _, _ := unstructured.NestedStringMap(o.Object, "data")
				_, skip := o.GetLabels()["skip"]
				if skip || name != "tens" && data["parity"] != "even" {
					continue
				}
				right++
				c := m.get(namespace + "/" + o.GetName())
				if c == nil {
					return fmt.Sprintf("%s lacks %s", name, o.GetName())
				}
				got, err := c.Unstructured()
				if err != nil {
					return err.Error()
				}
				has, _, _ := unstructured.NestedStringMap(got.Object, "data")
				if _, shaped := has["n"]; has["tens"] != data["tens"] || shaped == (name == "tens") || name == "even" && c.ResourceVersion != o.GetResourceVersion() {
					return fmt.Sprintf("%s has %v of %s, which is %v", name, has, o.GetName(), data)
				}
			}
			if has := len(m.versions()); has != right {
				return fmt.Sprintf("%s has %d objects, want %d", name, has, right)
			}
		}
		return ""
	})
}
