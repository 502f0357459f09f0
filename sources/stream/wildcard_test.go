package stream

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/fairlead-dev/fairlead/internal/ledger"
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
