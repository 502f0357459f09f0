package selection_test

import (
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
