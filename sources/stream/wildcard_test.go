package stream

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/go-logr/logr/funcr"
	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/fairlead-dev/fairlead/internal/ledger"
	"github.com/fairlead-dev/fairlead/internal/synctest"
	"github.com/fairlead-dev/fairlead/sources/member"
)

func TestParseWildcards(t *testing.T) {
	for text, want := range map[string]string{
		"*":                               "",
		"*.apps":                          "",
		"*?namespace=a&mode=metadata":     "",
		"*?labelSelector=a=b":             "",
		"*?fieldSelector=metadata.name=a": "",
		"*/v1":                            "has no version",
		"*.apps/v1":                       "has no version",
		"*.":                              "core group alone",
		"*.core":                          "core group alone",
		"*.*":                             "not an API group",
		"p*":                              "not a resource name",
		"*?fieldSelector=spec.nodeName=a": "only some resources have the field spec.nodeName",
	} {
		spec, err := ParseSpec(text)
		switch {
		case want == "" && (err != nil || !spec.Wildcard() || spec.String() != text):
			t.Errorf("%s is %v, %v", text, spec, err)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
	if _, err := ParseSpecs([]string{"*,pods", "*.apps", "*?namespace=a"}); err == nil || !strings.Contains(err.Error(), `watch "*" and watch "*?namespace=a"`) || strings.Count(err.Error(), "\n") > 0 {
		t.Error(err)
	}
}

func TestParseExclusions(t *testing.T) {
	got, err := ParseExclusions([]string{"events,leases.coordination.k8s.io", "*.metrics.k8s.io"})
	want := []Spec{{Resource: "events"}, {Resource: "leases", Group: "coordination.k8s.io"}, {Resource: "*", Group: "metrics.k8s.io"}}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	for text, want := range map[string]string{
		"*": "leave nothing", "": "names no resource", "pods/v1": `write "pods"`, "pods?namespace=a": `write "pods"`,
	} {
		if _, err := ParseExclusions([]string{text}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

// planned returns what a planner follows and leaves out, in words.
func planned(p planner, served ...string) (follow, left []string) {
	inv := &inventory{named: map[schema.GroupResource]bool{}}
	for _, name := range served {
		gr := schema.ParseGroupResource(name)
		inv.served = append(inv.served, resource{gvr: gr.WithVersion("v1"), namespaced: gr.Resource != "nodes", names: []string{gr.Resource}})
	}
	slices.SortFunc(inv.served, func(a, b resource) int { return compareNames(a.name(), b.name()) })
	p.inventory = inv
	if p.ended == nil {
		p.ended = func(Spec) bool { return false }
	}
	all, out := p.plan()
	for _, f := range all {
		follow = append(follow, f.Spec.String())
	}
	for _, l := range out {
		left = append(left, l.Resource+": "+l.Reason)
	}
	return follow, left
}

func remember(name string, known int) ledger.Remembered {
	return ledger.Remembered{ID: ledger.StreamID{Resource: name}, Own: true, Known: known, Meaning: ledger.Meaning{Name: name, Version: "v1", Kind: "X", Namespaced: true}}
}

// Of the two groups of one kind of objects the one of before goes on, and else the one
// that is stored.
func TestPlanOfTwins(t *testing.T) {
	const stored, other = "deployments.apps", "deployments.extensions"
	for name, test := range map[string]struct {
		known remembered
		want  string
	}{
		"nothing is known":      {nil, stored},
		"the other has objects": {remembered{remember(other, 3)}, other},
		"both had cursors":      {remembered{remember(stored, 0), remember(other, 0)}, stored},
		"both have objects":     {remembered{remember(stored, 1), remember(other, 3)}, stored},
	} {
		t.Run(name, func(t *testing.T) {
			got, left := planned(planner{wildcards: []Spec{{Resource: "*"}}, known: test.known}, stored, other)
			if !slices.Equal(got, []string{test.want}) || len(left) != 1 || !strings.HasSuffix(left[0], "its objects are those of "+test.want) {
				t.Errorf("follows %v, leaves out %v", got, left)
			}
		})
	}
}

// The order in which resources get the places that there are.
func TestPlanOfPlaces(t *testing.T) {
	p := planner{
		wildcards: []Spec{{Resource: "*"}}, named: []Spec{{Resource: "x"}}, max: 5,
		known:  remembered{remember("z.example.com", 1), remember("y.example.com", 0), remember("gone.example.com", 1)},
		before: map[Spec]bool{{Resource: "w", Group: "example.com"}: true},
	}
	got, left := planned(p, "pods", "a.example.com", "w.example.com", "y.example.com", "z.example.com")
	if diff := cmp.Diff([]string{"gone.example.com", "w.example.com", "y.example.com", "z.example.com"}, got); diff != "" || len(left) != 2 {
		t.Errorf("left out %v (-want +got):\n%s", left, diff)
	}
	p.max = 0
	if got, left := planned(p, "pods", "a.example.com"); len(got) != 5 || left != nil {
		t.Errorf("without a bound: %v and %v", got, left)
	}
}

// Among what is new, Kubernetes itself goes before what was installed.
func TestPlacesOfWhatIsNew(t *testing.T) {
	p := planner{wildcards: []Spec{{Resource: "*"}}, max: 4, known: remembered{remember("z.example.com", 0)}}
	got, left := planned(p, "pods", "a.example.com", "deployments.apps", "routes.gateway.networking.k8s.io", "z.example.com")
	if diff := cmp.Diff([]string{"deployments.apps", "pods", "routes.gateway.networking.k8s.io", "z.example.com"}, got); diff != "" || len(left) != 1 {
		t.Errorf("left out %v (-want +got):\n%s", left, diff)
	}
}

// What is gone and not forgotten yet is another reason than the streams that there are.
func TestReasonOfWhatHasNoPlace(t *testing.T) {
	wildcards, gone := []Spec{{Resource: "*"}}, remembered{remember("a.example.com", 0), remember("b.example.com", 0)}
	_, forgotten := planned(planner{wildcards: wildcards, max: 1, known: gone}, "pods")
	_, full := planned(planner{wildcards: wildcards, max: 1}, "pods", "services")
	want := []string{"pods: the ledger still remembers too many resources that are gone, " + noPlace, "services: there are 1 streams already, " + noPlace}
	if diff := cmp.Diff(want, append(forgotten, full...)); diff != "" {
		t.Errorf("left out (-want +got):\n%s", diff)
	}
}

// What there is no place for is named by all names of its objects.
func TestUnplaced(t *testing.T) {
	p := &planner{wildcards: []Spec{{Resource: "*"}}, max: 1, inventory: &inventory{named: map[schema.GroupResource]bool{}, served: []resource{
		{gvr: schema.GroupVersionResource{Version: "v1", Resource: "pods"}},
		{gvr: schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "deployments"}},
	}}}
	p.plan()
	want := map[schema.GroupResource]bool{{Group: "apps", Resource: "deployments"}: true, {Group: "extensions", Resource: "deployments"}: true}
	if diff := cmp.Diff(want, p.unplaced); diff != "" {
		t.Errorf("unplaced (-want +got):\n%s", diff)
	}
}

// What hundreds of streams may say at once is debug.
func TestLogOfAWildcardsStream(t *testing.T) {
	for _, wildcard := range []string{"", "*"} {
		synctest.Test(t, func(t *testing.T) {
			var mu sync.Mutex
			var lines []string
			h := start(t, func(o *Options) {
				o.Wildcard = wildcard
				o.Log = funcr.New(func(_, args string) {
					mu.Lock()
					defer mu.Unlock()
					lines = append(lines, args)
				}, funcr.Options{})
			})
			h.call("streaming list").reply(422, status(422, "Invalid", "sendInitialEvents is forbidden"))
			h.call("list by 500").reply(200, listOf(10, ""))
			h.watch(10)
			h.wantState(member.Live)
			mu.Lock()
			defer mu.Unlock()
			for _, line := range []string{"no streaming lists", "changed its state"} {
				said := slices.ContainsFunc(lines, func(l string) bool { return strings.Contains(l, line) })
				if said != (wildcard == "") {
					t.Errorf("stream of wildcard %q: %q is in the log: %t", wildcard, line, said)
				}
			}
		})
	}
}

// What is in no namespace does not have the field.
func TestWildcardOfAFieldOfNamespaces(t *testing.T) {
	for fields, want := range map[string][]string{
		"metadata.namespace=a":                  {"pods?fieldSelector=metadata.namespace=a"},
		"metadata.name=b,metadata.namespace!=a": {"pods?fieldSelector=metadata.name=b,metadata.namespace!=a"},
		"metadata.name=b":                       {"nodes?fieldSelector=metadata.name=b", "pods?fieldSelector=metadata.name=b"},
	} {
		if got, _ := planned(planner{wildcards: []Spec{{Resource: "*", Fields: fields}}}, "nodes", "pods"); !slices.Equal(got, want) {
			t.Errorf("%s follows %v", fields, got)
		}
	}
}

// What the page says that "*" leaves out is what it does.
func TestNoiseIsDocumented(t *testing.T) {
	page, err := os.ReadFile("../../docs/resources.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(page), "| Resource | Why `*` leaves it out |\n|---|---|\n")
	table, _, _ = strings.Cut(table, "\n\n")
	var want []string
	for _, n := range Noise {
		want = append(want, fmt.Sprintf("| `%s` | %s |", n.Resource, n.Reason))
	}
	if diff := cmp.Diff(want, strings.Split(table, "\n")); diff != "" {
		t.Errorf("docs/resources.md (-want +got):\n%s", diff)
	}
}

// A member may call its resources as it likes: what is shown of that is short and plain.
func TestNamesThatAMemberMakesUp(t *testing.T) {
	name := strings.Repeat("é\x00\n<script>", 100)
	if got := printable(name); len(got) != 63 || strings.ContainsAny(got, "\x00\n é") {
		t.Errorf("%q", got)
	}
}
