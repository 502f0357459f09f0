package stream

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/fairlead-dev/fairlead/internal/ledger"
	"github.com/fairlead-dev/fairlead/internal/synctest"
	"github.com/fairlead-dev/fairlead/pipeline/selection"
)

// look looks at an object while the server answers each list with the next of bodies.
func (h *harness) look(name string, bodies ...string) Sight {
	h.t.Helper()
	seen := make(chan Sight)
	go func() { seen <- h.stream.Look(h.t.Context(), ledger.Name{Namespace: "ns", Name: name}) }()
	for _, body := range bodies {
		c := h.call("list by ")
		if got, want := c.query().Get("fieldSelector"), "metadata.name="+name; !strings.HasSuffix(got, want) || !strings.Contains(c.URL.Path, "/namespaces/ns/") {
			h.t.Errorf("%s asks for %s, want %s of the namespace", c.URL.Path, got, want)
		}
		if strings.HasPrefix(body, "{") {
			c.reply(200, body)
		} else {
			c.reply(403, status(403, "Forbidden", body))
		}
	}
	return <-seen
}

// looked is a list of objects, each with a version.
func looked(objects ...string) string {
	return `{"kind":"ConfigMapList","apiVersion":"v1","metadata":{"resourceVersion":"99"},"items":[` + strings.Join(objects, ",") + `]}`
}

func TestLook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t)
		h.live()
		want := func(got Sight, member Sight, route RouteSight) {
			t.Helper()
			route.Route, route.Position = "a", "10"
			member.Routes = []RouteSight{route}
			if diff := cmp.Diff(member, got, cmpopts.IgnoreFields(Sight{}, "Stream")); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		}
		a := Sight{Asked: true, Exists: true, UID: "uid-a", ResourceVersion: "1"}
		acked := RouteSight{AckedUID: "uid-a", AckedVersion: "1", Known: true}
		reached := acked
		reached.Reached, reached.Has = true, true
		want(h.look("a", looked(configMap("b", 2), configMap("a", 1))), a, reached)
		want(h.look("c", looked()), Sight{Asked: true}, RouteSight{})
		a.ResourceVersion = "12"
		want(h.look("a", looked(configMap("a", 12))), a, acked) // which the watch has not told of
		want(h.look("a", "no"), Sight{Error: "no"}, acked)
		large := strings.Replace(configMap("a", 1), `"v"`, `"`+strings.Repeat("x", mostLooked)+`"`, 1)
		want(h.look("a", looked(large)), Sight{Error: errTooLargeToLook.Error()}, acked)
	})
}

// What a stream does not select is told apart: by the server, or by rules.
func TestLookAtWhatIsNotSelected(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t, func(o *Options) {
			o.Spec.Labels = "app=x"
			o.Rules = rulesOf(t, selection.Texts{Where: []string{"configmaps: object.data.k == 'other'"}, Changed: []string{"configmaps: data"}})
		})
		h.call("streaming list").open().send(endMark("10"))
		synctest.Wait()
		got := h.look("a", looked(configMap("a", 1)), looked())
		if want := "labelSelector=app=x"; got.Selector != want || !got.Exists {
			t.Errorf("selector %q, want %q", got.Selector, want)
		}
		if want := []string{"object.data.k == 'other'"}; !slices.Equal(got.Routes[0].Unmet, want) {
			t.Errorf("unmet %q, want %q", got.Routes[0].Unmet, want)
		}
	})
}

func TestLookAtWhatIsUnchanged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t, func(o *Options) { o.Rules = rulesOf(t, selection.Texts{Changed: []string{"configmaps: data"}}) })
		h.live()
		if got := h.look("a", looked(configMap("a", 12))); !got.Routes[0].Unchanged {
			t.Errorf("%+v, want unchanged", got.Routes[0])
		}
		if got := h.look("a", looked(strings.Replace(configMap("a", 12), `"v"`, `"w"`, 1))); got.Routes[0].Unchanged {
			t.Errorf("%+v, want a change", got.Routes[0])
		}
		if got := h.look("a", looked(configMap("a@another", 12))); got.Routes[0].Unchanged {
			t.Errorf("%+v, want another object", got.Routes[0])
		}
	})
}

// A stream that is not connected asks nothing.
func TestLookWithoutAMember(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t)
		h.call("streaming list").reply(403, status(403, "Forbidden", "no"))
		synctest.Wait()
		if got := h.stream.Look(t.Context(), ledger.Name{Namespace: "ns", Name: "a"}); got.Asked || got.Error == "" || got.Stream.Reason != "forbidden" {
			t.Errorf("%+v", got)
		}
	})
}

func TestResolveNames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t)
		h.live()
		for name, want := range map[string]string{"secret": "secrets", "cm": "configmaps", "configmaps": "configmaps", "widgets": ""} {
			if got, err := h.stream.Resolve(t.Context(), name); got != want || (err == nil) != (want != "") {
				t.Errorf("%s means %q, %v; want %q", name, got, err, want)
			}
		}
		if is, known := h.stream.Namespaced(); !is || !known {
			t.Error("not namespaced")
		}
	})
}

// A namespace from outside leads to no other path of the member.
func TestLookRefusesWhatIsNoNamespace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t)
		h.live()
		for _, namespace := range []string{"..", ".", "../../../api/v1/nodes/n/proxy/run", "a/b", "a%2fb"} {
			got := h.stream.Look(t.Context(), ledger.Name{Namespace: namespace, Name: "x"})
			if got.Asked || !strings.Contains(got.Error, "invalid namespace") {
				t.Errorf("%s: asked %v, %q", namespace, got.Asked, got.Error)
			}
		}
	})
}
