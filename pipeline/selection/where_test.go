package selection_test

import (
	"errors"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/fairlead-dev/fairlead/pipeline/selection"
)

var (
	pods = selection.Resource{GroupVersionResource: schema.GroupVersionResource{Version: "v1", Resource: "pods"}, Kind: "Pod", Namespaced: true}
	prod = selection.Cluster{Name: "prod-1", UID: "c1", Labels: map[string]string{"tier": "prod"}}
)

const pod = `{"metadata":{"name":"a","namespace":"web","uid":"u1","resourceVersion":"7","generation":3,
	"labels":{"app":"shop","a.b/c":"d"},"managedFields":[{"manager":"kubectl"}]},
	"spec":{"nodeName":"n1","replicas":2,"ratio":0.5,"containers":[{"name":"c1","image":"x:1"},{"name":"c2","image":"y:2"}]},
	"status":{"phase":"Failed"}}`

func program(t *testing.T, where ...string) *selection.Program {
	t.Helper()
	r, err := selection.Parse(selection.Texts{Where: where}, selection.ParseOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return r.For(pods, prod)
}

func TestMatch(t *testing.T) {
	for _, c := range []struct {
		where string
		want  bool
	}{
		{`object.metadata.name == 'a'`, true},
		{`object.metadata.name != 'a'`, false},
		{`object.kind == 'Pod' && object.apiVersion == 'v1'`, true},
		{`object.status.phase == 'Failed' && object.metadata.namespace == 'web'`, true},
		{`object.metadata.?labels['team'].orValue('') == 'a'`, false},
		{`object.metadata.?labels['app'].orValue('') == 'shop'`, true},
		{`has(object.metadata.labels) && 'a.b/c' in object.metadata.labels && object.metadata.labels['a.b/c'] == 'd'`, true},
		{`object['spec']['nodeName'] == 'n1'`, true},
		{`'spec' in object && !('data' in object)`, true},
		{`has(object.spec) && !has(object.data)`, true},
		{`object.spec.replicas == 2 && object.spec.replicas + 1 == 3`, true},
		{`type(object.spec.replicas) == int && type(object.spec.ratio) == double`, true},
		{`object.spec.containers.exists(c, c.image.startsWith('y:'))`, true},
		{`object.spec.containers.all(c, c.image.startsWith('y:'))`, false},
		{`object.spec.containers.map(c, c.name).join(',') == 'c1,c2'`, true},
		{`object.spec.containers[1].image == 'y:2'`, true},
		{`size(object.spec.containers) == 2 && size(object.metadata.labels) == 2`, true},
		{`object.metadata.labels == {'app': 'shop', 'a.b/c': 'd'}`, true},
		{`cluster.name == 'prod-1' && cluster.labels.tier == 'prod'`, true},
		{`cluster.labels[?'zone'].orValue('none') == 'none'`, true},
		{`change.op == 'updated' && !change.snapshot`, true},
		{`quantity('1Gi').isGreaterThan(quantity('1Mi'))`, true},
		{`semver('1.2.3').isLessThan(semver('1.10.0'))`, true},
		{`ip('10.0.0.1').family() == 4 && cidr('10.0.0.0/8').containsIP('10.1.1.1')`, true},
		{`url('https://x/y').getHost() == 'x' && 'a1'.find('[0-9]') == '1'`, true},
		{`format.dns1123Label().validate('x').hasValue() == false`, true},
		{`object['metadata'].exists(k, k == 'managedFields')`, false},
	} {
		t.Run(c.where, func(t *testing.T) {
			got, err := program(t, "pods: "+c.where).Match(selection.Object{JSON: []byte(pod), Op: selection.Updated})
			if got != c.want || err != nil {
				t.Errorf("got %v, %v, want %v", got, err, c.want)
			}
		})
	}
}

func TestWhereMistakes(t *testing.T) {
	for where, want := range map[string]string{
		`object.metadata.name == 'a'`:              "RESOURCE",
		`pods: `:                                   "no expression",
		`pods: object.metdata.name == 'a'`:         "did you mean metadata?",
		`pods: object.metadata.namspace == 'a'`:    "did you mean namespace?",
		`pods: object.metadata.managedFields == 1`: "removed before",
		`pods: object.metadata.name == 5`:          "no matching overload",
		`pods: object.metadata.name`:               "true or false",
		`pods: object.metadata.name ==`:            "column",
		`pods: cluster.nam == 'x'`:                 "undefined field",
		`pods: objekt.spec == 1`:                   "undeclared",
		`pod: object.spec.x == 1`:                  "did you mean pods",
		`deployments: object.spec.x == 1`:          "write deployments.apps",
		`*.: object.spec.x == 1`:                   "API group",
	} {
		_, err := selection.Parse(selection.Texts{Where: []string{where}}, selection.ParseOptions{})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", where, err, want)
		} else {
			t.Log(err)
		}
	}
}

func TestFailedExpressionSelects(t *testing.T) {
	for _, c := range []struct {
		where string
		want  string // of the error
	}{
		{`object.metadata.labels['team'] == 'a'`, `no "team"`},
		{`object.spec.strategy.type == 'a'`, `no "strategy"`},
		{`object.metadata.labels[object.spec.nodeName] == 'a'`, "no such key"},
		{`int(object.spec.nodeName) > 0`, "cannot take"},
		{`object.spec.nodeName > 3`, "such a type"},
		{`object.spec.replicas / 0 == 1`, "division by zero"},
		{`object.spec.containers[7].name == 'a'`, "bounds"},
		{`object.spec.nodeName`, "neither true nor false"},
		{`object.spec.containers[0].name in object.spec`, ""},
		{`quantity(object.spec.nodeName).isGreaterThan(quantity('1'))`, "cannot take"},
		{`object.spec.?strategy.value() == 'a'`, "not there"},
	} {
		t.Run(c.where, func(t *testing.T) {
			p := program(t, "pods: "+c.where)
			selected, err := p.Match(selection.Object{JSON: []byte(pod), Op: selection.Updated})
			if c.want == "" {
				if selected || err != nil {
					t.Errorf("got %v, %v", selected, err)
				}
				return
			}
			if !selected || err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("got %v, %v, want an error with %q", selected, err, c.want)
			}
			if strings.Contains(err.Error(), "n1") || strings.Contains(err.Error(), "c1") {
				t.Errorf("the error tells what the object holds: %v", err)
			}
			// Another expression that is false decides.
			p = program(t, "pods: "+c.where, "pods: object.metadata.name == 'b'")
			if selected, err := p.Match(selection.Object{JSON: []byte(pod), Op: selection.Updated}); selected || err != nil {
				t.Errorf("with one that is false: got %v, %v", selected, err)
			}
		})
	}
}

func TestCostIsLimited(t *testing.T) {
	object := `{"spec":{"l":[` + strings.Repeat("1,", 20_000) + `1]}}`
	p := program(t, `pods: object.spec.l.all(a, object.spec.l.all(b, a == b))`)
	selected, err := p.Match(selection.Object{JSON: []byte(object), Op: selection.Updated})
	if !selected || err == nil || !strings.Contains(err.Error(), "costs more") {
		t.Errorf("got %v, %v", selected, err)
	}
	deep := strings.Repeat(`[`, 9000) + strings.Repeat(`]`, 9000)
	p = program(t, `pods: object.spec.a == object.spec.b`)
	selected, err = p.Match(selection.Object{JSON: []byte(`{"spec":{"a":` + deep + `,"b":` + deep + `}}`), Op: selection.Updated})
	if !selected || err == nil || !strings.Contains(err.Error(), "nests deeper") {
		t.Errorf("deep: got %v, %v", selected, err)
	}
	p = program(t, `pods: object.spec.l.all(a, a == 1)`)
	if selected, err := p.Match(selection.Object{JSON: []byte(object), Op: selection.Updated}); !selected || err != nil {
		t.Errorf("one walk: got %v, %v", selected, err)
	}
}

func TestMetadataOnly(t *testing.T) {
	o := selection.Object{JSON: []byte(pod), Metadata: true, Op: selection.Updated}
	p := program(t, "pods: object.status.phase == 'Running'")
	if selected, err := p.Match(o); !selected || !errors.Is(err, selection.ErrMetadataOnly) || !p.Whole() {
		t.Errorf("got %v, %v, whole %v", selected, err, p.Whole())
	}
	p = program(t, "pods: object.kind == 'Pod' && object.metadata.name == 'a'")
	if selected, err := p.Match(o); !selected || err != nil || p.Whole() {
		t.Errorf("got %v, %v, whole %v", selected, err, p.Whole())
	}
	p = program(t, "pods: object.status.phase == 'Running'", "pods: object.metadata.name == 'b'")
	if selected, err := p.Match(o); selected || err != nil {
		t.Errorf("got %v, %v", selected, err)
	}
}

func TestReadsChange(t *testing.T) {
	for where, want := range map[string]bool{
		"pods: object.metadata.name == 'change'":                     false,
		"pods: has(object.metadata.labels) && cluster.name == 'a'":   false,
		"pods: change.op == 'added'":                                 true,
		"pods: object.metadata.name == 'a' || !change.snapshot":      true,
		"pods: [1].exists(n, n == 1 && change.op.startsWith('del'))": true,
	} {
		if got := program(t, where).ReadsChange(); got != want {
			t.Errorf("%s: %t", where, got)
		}
	}
	if (*selection.Program)(nil).ReadsChange() {
		t.Error("no rules read nothing")
	}
}

func TestWhereIsTheTextOfWhatIsSelected(t *testing.T) {
	text := func(where string, c selection.Cluster) string {
		t.Helper()
		r, err := selection.Parse(selection.Texts{Where: []string{where}}, selection.ParseOptions{})
		if err != nil {
			t.Fatal(err)
		}
		return r.For(pods, c).Where()
	}
	same := func(where string, a, b selection.Cluster, want bool) {
		t.Helper()
		if x, y := text(where, a), text(where, b); (x == y) != want {
			t.Errorf("%s: %q and %q", where, x, y)
		}
	}
	tier := func(labels ...string) selection.Cluster {
		c := selection.Cluster{Name: "a", UID: "1", Labels: map[string]string{}}
		for i := 0; i < len(labels); i += 2 {
			c.Labels[labels[i]] = labels[i+1]
		}
		return c
	}
	renamed := tier("tier", "prod")
	renamed.Name = "b"
	same("*: object.metadata.name == 'a'", tier("tier", "prod"), renamed, true)
	same("*: cluster.name == 'a'", tier("tier", "prod"), renamed, false)
	same("*: cluster.labels.tier == 'prod'", tier("tier", "prod"), renamed, true)
	same("*: cluster.labels.tier == 'prod'", tier("tier", "prod"), tier("tier", "prod", "zone", "x"), true)
	same("*: cluster.labels.tier == 'prod'", tier("tier", "prod"), tier("tier", "test"), false)
	same("*: cluster.?labels[?'tier'].orValue('') == 'prod'", tier("tier", ""), tier(), false)
	same("*: cluster.labels.exists(k, k == 'tier')", tier("tier", "prod"), tier("tier", "test"), false)
	same("*: cluster.labels[object.metadata.name] == 'x'", tier("a", "x"), tier("a", "y"), false)
	if got := text("nodes: object.metadata.name == 'a'", tier()); got != "" {
		t.Errorf("of another resource: %q", got)
	}
	a, _ := selection.Parse(selection.Texts{Where: []string{"*: true", "pods: false"}}, selection.ParseOptions{})
	b, _ := selection.Parse(selection.Texts{Where: []string{"pods: false", "pods,nodes: true"}}, selection.ParseOptions{})
	if x, y := a.For(pods, prod).Where(), selection.Merge(b, nil, a).For(pods, prod).Where(); x != y {
		t.Errorf("in another order: %q and %q", x, y)
	}
}
