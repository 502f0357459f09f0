package selection_test

import (
	"encoding/json"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/fairlead-dev/fairlead/pipeline/selection"
)

func TestSelectors(t *testing.T) {
	nodes := selection.Resource{GroupVersionResource: schema.GroupVersionResource{Version: "v1", Resource: "nodes"}, Kind: "Node"}
	for _, c := range []struct {
		where          string
		labels, fields string
	}{
		{`object.metadata.namespace == 'web'`, "", "metadata.namespace=web"},
		{`object.metadata.namespace != 'web' && object.metadata.name == 'a'`, "", "metadata.name=a,metadata.namespace!=web"},
		{`object.metadata.name == 'a,b=c'`, "", `metadata.name=a\,b\=c`},
		{`object.metadata.?labels['team'].orValue('') == 'a'`, "team in (a)", ""},
		{`object.metadata.?labels[?'a.b/c'].orValue('') in ['a', 'b']`, "a.b/c in (a,b)", ""},
		{`object.?metadata.?labels.team.orValue('x') != 'a'`, "team notin (a)", ""},
		{`has(object.metadata.labels) && 'team' in object.metadata.labels && object.metadata.labels['team'] == 'a'`, "team in (a)", ""},
		{`has(object.metadata.labels) && has(object.metadata.labels.team) && object.metadata.labels.team == 'a'`, "team in (a)", ""},
		{`object.status.?phase.orValue('') == 'Failed'`, "", "status.phase=Failed"},
		{`has(object.status.phase) && object.status.phase == 'Failed'`, "", "status.phase=Failed"},
		{`object.spec.?nodeName.orValue('') == ''`, "", "spec.nodeName="},
		{`object.spec.?nodeName.orValue('') != 'n1' && object.spec.a.b.c == 'd'`, "", "spec.nodeName!=n1"},
		{`object.metadata.?labels['b'].orValue('') == 'x' && object.metadata.?labels['a'].orValue('') == 'y'`, "a in (y),b in (x)", ""},
		// What is not exactly so.
		{`object.status.phase == 'Failed'`, "", ""},       // fails if it is not there, and passes
		{`object.metadata.labels['team'] == 'a'`, "", ""}, // so does this
		{`object.metadata.labels[?'team'].orValue('') == 'a'`, "", ""},
		{`has(object.metadata.labels.team) && object.metadata.labels.team == 'a'`, "", ""},
		{`object.metadata.?labels['team'].orValue('a') == 'a'`, "", ""},
		{`object.metadata.?labels['team'].orValue('') == ''`, "", ""},
		{`object.metadata.?labels['no label'].orValue('') == 'a'`, "", ""},
		{`object.metadata.?labels['team'].orValue('') == 'no label!'`, "", ""},
		{`object.metadata.name == 'a' || object.metadata.name == 'b'`, "", ""},
		{`!(object.metadata.name == 'a')`, "", ""},
		{`object.metadata.name in ['a', 'b']`, "", ""},
		{`object.status.?phase.orValue('Failed') == 'Failed'`, "", ""},
		{`object.status.podIP == '1.2.3.4'`, "", ""},
		{`cluster.name == 'a'`, "", ""},
	} {
		p := program(t, "pods: "+c.where)
		if l, f := p.Selectors(); l != c.labels || f != c.fields {
			t.Errorf("%s: got %q and %q, want %q and %q", c.where, l, f, c.labels, c.fields)
		}
		for _, pod := range podsOf() {
			asServersSelect(t, p, c.where, pod)
		}
	}
	r, err := selection.Parse(selection.Texts{Where: []string{"*: object.metadata.namespace == 'a' && object.status.?phase.orValue('') == 'x'"}}, selection.ParseOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if l, f := r.For(nodes, prod).Selectors(); l != "" || f != "" {
		t.Errorf("nodes: got %q and %q", l, f)
	}
}

// podsOf returns pods that have and have not what expressions ask for.
func podsOf() (all []corev1.Pod) {
	for _, labels := range []map[string]string{nil, {}, {"team": ""}, {"team": "a"}, {"team": "b", "a.b/c": "b"}, {"a": "y", "b": "x"}} {
		for _, phase := range []corev1.PodPhase{"", "Failed", "Running"} {
			for _, node := range []string{"", "n1"} {
				for _, name := range []string{"a", "b"} {
					all = append(all, corev1.Pod{
						ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: map[string]string{"a": "web", "b": "shop"}[name], Labels: labels},
						Spec:       corev1.PodSpec{NodeName: node}, Status: corev1.PodStatus{Phase: phase},
					})
				}
			}
		}
	}
	return all
}

// asServersSelect checks that what the selectors leave out is not selected.
func asServersSelect(t *testing.T, p *selection.Program, where string, pod corev1.Pod) {
	t.Helper()
	labelSelector, fieldSelector := p.Selectors()
	byLabels, err := labels.Parse(labelSelector)
	if err != nil {
		t.Fatal(err)
	}
	byFields, err := fields.ParseSelector(fieldSelector)
	if err != nil {
		t.Fatal(err)
	}
	served := byLabels.Matches(labels.Set(pod.Labels)) && byFields.Matches(fields.Set{ // as in pkg/registry/core/pod
		"metadata.name": pod.Name, "metadata.namespace": pod.Namespace, "spec.nodeName": pod.Spec.NodeName, "status.phase": string(pod.Status.Phase),
	})
	text, err := json.Marshal(pod)
	if err != nil {
		t.Fatal(err)
	}
	selected, err := p.Match(selection.Object{JSON: text, Op: selection.Updated})
	if selected && !served {
		t.Errorf("%s: selects, %v, what the API server does not with %q and %q: %s", where, err, labelSelector, fieldSelector, text)
	}
}
